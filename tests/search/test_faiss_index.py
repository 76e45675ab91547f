"""The index agrees with the rows it is fed from, and its order is exact and stable."""

from concurrent.futures import ThreadPoolExecutor

import faiss
import numpy as np
import pytest

from engine.search import faiss_index as index_module
from engine.search.faiss_index import FaissIndex


class Rows:
    """Rows as the database gives them, counted."""

    def __init__(self, count: int) -> None:
        self.ids = np.arange(1, count + 1, dtype=np.int64) * 3
        vectors = np.random.default_rng(0).standard_normal((count, 8)).astype(np.float32)
        self.vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        self.revisions = np.arange(1, count + 1, dtype=np.int64)
        self.visible = count
        self.given = 0

    def __call__(self, after: int, limit: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        wanted = np.flatnonzero(self.revisions[: self.visible] > after)
        wanted = wanted[np.argsort(self.revisions[wanted])][:limit]
        self.given += len(wanted)
        return self.revisions[wanted], self.ids[wanted], self.vectors[wanted]

    def change(self, place: int, vector: np.ndarray) -> None:
        """Give one row another vector."""
        self.vectors[place] = vector
        self.revisions[place] = self.revisions.max() + 1


def indexed(rows: Rows) -> FaissIndex:
    index = FaissIndex(rows.vectors.shape[1])
    index.catch_up(rows)
    return index


def test_the_best_come_first_with_their_cosines() -> None:
    rows = Rows(200)
    query = rows.vectors[17]
    ids, scores = indexed(rows).search(query, 10)
    cosines = rows.vectors @ query
    best = np.argsort(-cosines)[:10]
    assert ids.tolist() == rows.ids[best].tolist()
    np.testing.assert_allclose(scores, cosines[best], atol=1e-6)


def test_a_search_runs_in_one_thread_and_leaves_the_number_of_threads_as_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    index = indexed(Rows(40))
    search, threads = index._index.search, []
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(3)
    try:
        monkeypatch.setattr(
            index._index,
            "search",
            lambda *asked, **how: threads.append(faiss.omp_get_max_threads()) or search(*asked, **how),
        )
        index.search(Rows(40).vectors[5], 3)
        assert (threads, faiss.omp_get_max_threads()) == ([1], 3)
    finally:
        faiss.omp_set_num_threads(before)


def test_equals_come_in_order_of_id_wherever_the_list_is_cut() -> None:
    rows = Rows(40)
    rows.vectors[5:35] = rows.vectors[5]
    index = indexed(rows)
    for k in range(1, 35):
        ids, _ = index.search(rows.vectors[5], k)
        assert ids.tolist()[:30] == rows.ids[5:35].tolist()[:k]
        assert len(ids) == k


@pytest.mark.parametrize(("held", "k", "found"), [(5, 0, 0), (5, -1, 0), (5, 3, 3), (5, 5, 5), (5, 100, 5), (0, 5, 0)])
def test_no_more_than_asked_for_or_held(held: int, k: int, found: int) -> None:
    ids, scores = indexed(Rows(held)).search(np.ones(8, np.float32), k)
    assert len(ids) == len(scores) == found


def test_catching_up_takes_each_row_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "CHUNK", 7)
    rows = Rows(30)
    rows.visible = 20
    index = indexed(rows)
    assert len(index) == 20
    rows.visible = 30
    index.catch_up(rows)
    index.catch_up(rows)
    assert len(index) == rows.given == 30
    assert index.search(rows.vectors[29], 1)[0].tolist() == [rows.ids[29]]


def test_a_changed_row_is_found_by_its_new_vector_and_no_longer_by_the_old() -> None:
    rows = Rows(60)
    index = indexed(rows)
    before, after = rows.vectors[7].copy(), -rows.vectors[7]
    rows.change(7, after)
    rows.change(3, rows.vectors[3])
    index.catch_up(rows)
    assert len(index) == 60
    assert index.search(after, 1)[0].tolist() == [rows.ids[7]]
    ids, scores = index.search(before, 60)
    assert ids.tolist()[-1] == rows.ids[7]
    assert sorted(ids.tolist()) == rows.ids.tolist()
    np.testing.assert_allclose(scores, np.sort(rows.vectors @ before)[::-1], atol=1e-6)


def test_a_row_that_changed_while_others_came_is_taken_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "CHUNK", 7)
    rows = Rows(30)
    for place in (4, 11, 4):
        rows.change(place, rows.vectors[place])
    index = indexed(rows)
    assert len(index) == rows.given == 30
    assert index.search(rows.vectors[4], 1)[0].tolist() == [rows.ids[4]]


def test_many_threads_catch_up_and_search_at_once() -> None:
    rows = Rows(500)
    index = FaissIndex(8)

    def once(number: int) -> int:
        index.catch_up(rows)
        return int(index.search(rows.vectors[number], 1)[0][0])

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(once, range(100))) == rows.ids[:100].tolist()
    assert len(index) == rows.given == 500


class TestCells:
    """What holds above EXACT vectors; how much is missed is measured by tests/stress/size.py."""

    @pytest.fixture
    def rows(self, monkeypatch: pytest.MonkeyPatch) -> Rows:
        monkeypatch.setattr(index_module, "EXACT", 2000)
        monkeypatch.setattr(index_module, "CELLS", 16)
        monkeypatch.setattr(index_module, "LOOKED_INTO", 8)
        monkeypatch.setattr(index_module, "TRAINED_ON", 1600)
        return Rows(4000)

    def test_it_is_exact_up_to_the_threshold(self, rows: Rows) -> None:
        rows.visible = 2000
        index = indexed(rows)
        exact = [index.exact]
        rows.visible = 2001
        index.catch_up(rows)
        assert [*exact, index.exact] == [True, False]
        assert len(index) == 2001

    def test_most_of_the_best_are_found_and_scores_are_true(self, rows: Rows) -> None:
        index, hits = indexed(rows), 0
        for query in rows.vectors[::100]:
            ids, scores = index.search(query, 10)
            cosines = rows.vectors @ query
            np.testing.assert_allclose(scores, cosines[ids // 3 - 1], atol=1e-6)
            assert ids[0] == rows.ids[np.argmax(cosines)]
            hits += len(set(ids) & set(rows.ids[np.argsort(-cosines)[:10]]))
        assert hits / 400 > 0.8

    def test_all_are_found_where_all_are_asked_for(self, rows: Rows) -> None:
        """As where photos of one year are looked for."""
        ids, scores = indexed(rows).search(rows.vectors[7], 4000)
        assert sorted(ids) == rows.ids.tolist()
        assert list(scores) == sorted(scores, reverse=True)

    def test_what_comes_later_changes_or_goes_is_known(self, rows: Rows) -> None:
        rows.visible = 3999
        index = indexed(rows)
        rows.visible = 4000
        index.catch_up(rows)
        assert index.search(rows.vectors[3999], 1)[0].tolist() == [rows.ids[3999]]
        rows.change(0, rows.vectors[3999])
        index.catch_up(rows)
        assert index.search(rows.vectors[3999], 2)[0].tolist() == [rows.ids[0], rows.ids[3999]]
        index.remove(rows.ids[[0, 7]])
        assert len(index) == 3998
        assert index.search(rows.vectors[3999], 1)[0].tolist() == [rows.ids[3999]]

    def test_what_is_left_after_most_has_gone_is_all_found(self, rows: Rows) -> None:
        rows.vectors[:5] = rows.vectors[0]
        index = indexed(rows)
        index.remove(rows.ids[40:])
        for query in rows.vectors[:40]:
            assert len(index.search(query, 20)[0]) == 20
        assert index.search(rows.vectors[0], 3)[0].tolist() == rows.ids[:3].tolist()


def test_what_was_removed_is_not_found() -> None:
    rows = Rows(50)
    index = indexed(rows)
    index.remove(np.array([rows.ids[17], 10**9]))
    assert len(index) == 49
    assert rows.ids[17] not in index.search(rows.vectors[17], 50)[0]
