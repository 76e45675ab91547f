"""A collection searched in PostgreSQL itself: exact, or by a graph; always what the rows say now."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import Engine, text

from engine.search import pg_vector_index
from engine.search.faiss_index import FaissIndex
from engine.search.pg_vector_index import PgIndex
from engine.search.query_parser import Query
from engine.search.ranking import lifted_query
from engine.storage.collections import look_for, open_collection
from engine.storage.database import Database
from engine.storage.encodings import list_changes, replace_encodings
from engine.storage.images import delete_images
from engine.storage.postgres import WAIT
from engine.storage.schema import ModelStamp
from tests.statements import statements
from tests.storage.rows import add, image, reached

DIM, EXITS = 16, 3
SLOPES, OFFSETS = np.array([0.8, 0.9, 1.0]), np.array([0.05, 0.02, 0.0])  # of the scores at each exit
WEIGHT = 0.4  # of affinity
STAMP = ModelStamp("synthetic", "a" * 64, "b" * 64, exits=EXITS, full_macs=100)


def unit(count: int, seed: int) -> np.ndarray:
    found = np.random.default_rng(seed).standard_normal((count, DIM)).astype(np.float32)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def asked(vector: np.ndarray) -> np.ndarray:
    return lifted_query(Query(vector))


class Filled:
    """A collection of random vectors, and what is true of it."""

    def __init__(self, database: Database, name: str, count: int, stamp: ModelStamp = STAMP) -> None:
        self.id = open_collection(database, name, "gallery", None)
        self.vectors, self.exits = unit(count, seed=len(name)), np.arange(count) % EXITS + 1
        self.affinity = np.random.default_rng(count).uniform(0.1, 0.5, count)
        photos = zip(self.vectors, self.exits.tolist(), self.affinity.tolist(), strict=True)
        rows = [image(f"{name}-{n}", exit, vector, fits) for n, (vector, exit, fits) in enumerate(photos)]
        self.ids = np.array([row.id for row in add(database, self.id, *rows, stamp=stamp)])

    def best(self, query: np.ndarray, k: int) -> list[int]:
        return self.ids[np.argsort(-self.scores(query), kind="stable")[:k]].tolist()

    def scores(self, query: np.ndarray) -> np.ndarray:
        lift = OFFSETS[self.exits - 1] - WEIGHT * self.affinity
        return self.vectors @ query * SLOPES[self.exits - 1] + lift


@pytest.fixture
def database(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setenv("TGEM_DATABASE_URL", postgres_url)
    database = Database.open()
    yield database
    database.close()


@pytest.fixture
def engine(database: Database) -> Engine:
    assert database.vector_search is not None
    return database.vector_search


def index_of(engine: Engine, collection_id: int, stamp: ModelStamp = STAMP) -> PgIndex:
    index = PgIndex(engine, collection_id, stamp.key, DIM, (SLOPES, OFFSETS), WEIGHT)
    index.catch_up(None)
    return index


def found(index: PgIndex | FaissIndex, query: np.ndarray, k: int) -> list[int]:
    return index.search(asked(query), k)[0].tolist()


def test_a_small_collection_is_searched_exactly_and_alone(database: Database, engine: Engine) -> None:
    filled, other = Filled(database, "mine", 300), Filled(database, "another", 300)
    index = index_of(engine, filled.id)
    assert len(index) == 300
    for query in unit(10, seed=99):
        assert found(index, query, 20) == filled.best(query, 20)
        assert not set(found(index, query, 300)) & set(other.ids.tolist())


@pytest.mark.parametrize(("k", "many"), [(0, 0), (-1, 0), (3, 3), (100, 5)])
def test_no_more_than_asked_for_or_held(database: Database, engine: Engine, k: int, many: int) -> None:
    filled = Filled(database, "few", 5)
    ids, scores = index_of(engine, filled.id).search(asked(filled.vectors[0]), k)
    assert len(ids) == len(scores) == many


def test_equals_come_in_order_of_id(database: Database, engine: Engine) -> None:
    gallery = open_collection(database, "equal", "gallery", None)
    vector = unit(1, seed=0)[0]
    add(database, gallery, *(image(f"{number}", 3, vector, 0.2) for number in range(9)), stamp=STAMP)
    ids = found(index_of(engine, gallery), vector, 5)
    assert ids == sorted(ids)


def test_both_kinds_of_index_give_the_same_photos_and_scores(database: Database, engine: Engine) -> None:
    filled = Filled(database, "same", 500)
    faiss = FaissIndex(DIM + 1)

    def changes(after: int, limit: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        new = list_changes(database, filled.id, after, limit)
        lift = OFFSETS[new.exits - 1] - WEIGHT * new.affinity
        scaled = np.hstack([new.vectors * SLOPES[new.exits - 1][:, None], lift[:, None]])
        return new.revisions, new.ids, scaled.astype(np.float32)

    faiss.catch_up(changes)
    index = index_of(engine, filled.id)
    for query in (lifted_query(Query(v, picture)) for v in unit(10, seed=5) for picture in (False, True)):
        (ids, scores), (others, theirs) = index.search(query, 30), faiss.search(query, 30)
        assert ids.tolist() == others.tolist()
        np.testing.assert_allclose(scores, theirs, atol=1e-6)


class TestGraph:
    """What holds for collections of more than EXACT vectors."""

    @pytest.fixture(autouse=True)
    def small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pg_vector_index, "EXACT", 250)
        monkeypatch.setattr(PgIndex, "_start", PgIndex.build)  # not in a thread: the test looks at what it made
        monkeypatch.setattr(pg_vector_index, "RECOUNT_SECONDS", 0.0)

    @pytest.fixture
    def large(self, database: Database, small: None) -> Filled:
        return Filled(database, "large", 800)

    def test_nearly_all_of_the_best_are_found_with_their_true_scores(self, engine: Engine, large: Filled) -> None:
        index, hits = index_of(engine, large.id), 0
        assert index.ready
        for query in unit(30, seed=9):
            ids, scores = index.search(asked(query), 10)
            np.testing.assert_allclose(scores, large.scores(query)[np.searchsorted(large.ids, ids)], atol=1e-6)
            assert (np.diff(scores) <= 0).all()
            hits += len(set(ids.tolist()) & set(large.best(query, 10)))
        assert hits / 300 >= 0.99

    def test_the_graph_is_what_the_planner_takes(self, engine: Engine, large: Filled) -> None:
        index = index_of(engine, large.id)
        with statements() as said:
            found(index, large.vectors[0], 10)
        with engine.connect() as connection:
            for statement, parameters in said[:-1]:
                connection.exec_driver_sql(statement, parameters)
            statement, parameters = said[-1]
            plan = "\n".join(connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).scalars())
        assert f"Index Scan using {index.graph}" in plan, plan

    def test_a_collection_beside_larger_ones_gets_all_it_asks_for(self, database: Database, engine: Engine) -> None:
        for name in ("another", "a third one"):
            Filled(database, name, 600)
        mine = Filled(database, "mine", 251)
        index = index_of(engine, mine.id)
        assert index.ready
        hits = 0
        for query in unit(10, seed=3):
            ids = found(index, query, 50)
            assert len(ids) == 50
            assert set(ids) <= set(mine.ids.tolist())
            hits += len(set(ids[:10]) & set(mine.best(query, 10)))
        assert hits / 100 >= 0.97

    def test_what_comes_goes_or_changes_is_known_at_once(
        self, database: Database, engine: Engine, large: Filled
    ) -> None:
        index = index_of(engine, large.id)
        query = unit(1, seed=77)[0]
        (kept,) = add(database, large.id, image("new", 3, query, 0.2), stamp=STAMP)
        assert found(index, query, 1) == [kept.id]
        delete_images(database, large.id, [kept.id])
        assert kept.id not in found(index, query, 50)

    def test_another_model_has_a_graph_of_its_own(self, database: Database, engine: Engine, large: Filled) -> None:
        stamp = ModelStamp("other", "c" * 64, "it's" * 16, exits=EXITS, full_macs=100)
        other = Filled(database, "other", 300, stamp)
        first, second = index_of(engine, large.id), index_of(engine, other.id, stamp)
        assert first.graph != second.graph
        assert found(second, other.vectors[4], 5) == other.best(other.vectors[4], 5)

    def test_photos_that_left_by_other_phrases_are_found_until_they_are_encoded_anew(
        self, database: Database, engine: Engine, large: Filled
    ) -> None:
        assert index_of(engine, large.id).ready
        stamp, query = replace(STAMP, exits_hash="c" * 64), unit(1, seed=7)[0]
        look_for(database, large.id, stamp, ["a rose"])
        rows = zip(large.ids.tolist(), large.exits.tolist(), large.affinity.tolist(), large.vectors, strict=True)
        anew = {id: replace(reached(exit), affinity=fits, vector=vector) for id, exit, fits, vector in rows}
        for part in (slice(0, 300), slice(300, None)):
            index = index_of(engine, large.id, stamp)
            assert not index.ready, "its graph lacks those that left by other phrases"
            assert found(index, query, 10) == large.best(query, 10)
            replace_encodings(database, large.id, stamp, dict(list(anew.items())[part]))
        assert index_of(engine, large.id, stamp).ready

    def test_a_graph_that_was_left_half_built_is_built_anew(self, engine: Engine, large: Filled) -> None:
        index = index_of(engine, large.id)
        with engine.begin() as connection:
            broken = text("UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass(:name)")
            connection.execute(broken, {"name": index.graph})
        again = PgIndex(engine, large.id, STAMP.key, DIM, (SLOPES, OFFSETS), WEIGHT)
        assert [again.ready, again.catch_up(None), again.ready] == [False, None, True]
        assert found(again, large.vectors[3], 3)[0] == large.ids[3]

    def test_a_graph_that_cannot_be_built_is_said_so_and_all_are_compared(
        self, engine: Engine, large: Filled, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(pg_vector_index, "M", 1)  # pgvector takes 2 to 100
        index = index_of(engine, large.id)
        assert not index.ready
        assert "was not built (value 1 out of bounds" in caplog.text
        assert found(index, large.vectors[3], 10) == large.best(large.vectors[3], 10)
        with engine.connect() as connection:
            assert connection.scalar(text("SHOW lock_timeout")) == WAIT

    def test_processes_that_build_at_once_build_one(self, engine: Engine, large: Filled) -> None:
        indexes = [PgIndex(engine, large.id, STAMP.key, DIM, (SLOPES, OFFSETS), WEIGHT) for _ in range(3)]
        with ThreadPoolExecutor(3) as threads:
            list(threads.map(lambda index: index.catch_up(None), indexes))
        with engine.connect() as connection:
            assert connection.scalar(text("SELECT count(*) FROM pg_indexes WHERE indexdef LIKE '%hnsw%'")) == 1
        for index in indexes:
            assert found(index, large.vectors[8], 1) == [large.ids[8]]
