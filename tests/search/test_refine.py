"""A query sends the photos in doubt deeper; what it finds stays, in every process, and all that it cost is counted."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.exits.calibration import Estimate
from engine.gallery import Library, PictureGone, Query
from engine.gallery import search as search_module
from engine.gallery.galleries import delete_photos, get_photo, list_photos, open_gallery, summarize_gallery
from engine.gallery.ingest import ingest_files
from engine.gallery.search import (
    embed_picture,
    explain_photo,
    list_hits,
    rank_gallery,
    refine_search,
    run_to_full_depth,
    search_photos,
)
from engine.search import refine as refine_module
from engine.search.allocation import deepen
from engine.search.refine import Deepening, spending_limit
from engine.search.second_looks import SecondLooks
from engine.storage.collections import get_collection
from engine.storage.database import Database
from engine.storage.encodings import list_candidates
from engine.storage.images import get_image
from engine.storage.schema import PhotoMissing
from tests.fake_encoder import IDENTITY, FakeEncoder
from tests.pictures import Fill, MakePng, MakeUpload, Meanwhile

pytestmark = pytest.mark.both_databases

REDS = {f"{shade}.png": (255, shade, shade) for shade in (90, 60, 30, 0)}


class Gate:
    """Holds an encoder up wherever it runs a photo deeper, until it is opened."""

    def __init__(self, encoder: FakeEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()
        deepen = FakeEncoder.deepen

        def held(this: FakeEncoder, *args: object) -> object:
            self.reached.set()
            assert self.opened.wait(30)
            return deepen(this, *args)  # type: ignore[arg-type]

        monkeypatch.setattr(FakeEncoder, "deepen", held)


@pytest.fixture
def hazy() -> FakeEncoder:
    return FakeEncoder(haze=1.0)


@pytest.fixture
def library(database: Database, hazy: FakeEncoder) -> Library:
    return Library(database, lambda: hazy)


@pytest.fixture
def other(home: Path, hazy: FakeEncoder) -> Iterator[Library]:
    """Another process over the same data folder."""
    database = Database.open()
    yield Library(database, lambda: replace(hazy))
    database.close()


@pytest.fixture
def gallery(fill: Fill) -> int:
    """Four reds that a look through the haze hardly tells apart, the reddest last; a query may look at all of them."""
    return fill("reds", REDS)


def maps(home: Path) -> list[Path]:
    return sorted(path for path in home.glob("maps/*/*"))


def rows(library: Library, gallery: int, k: int = 20) -> list[dict[str, str | int | float | None]]:
    return [hit.row() for hit in search_photos(library, gallery, "red", k)]


def test_photos_in_doubt_are_run_deeper_and_stay_so(library: Library, gallery: int) -> None:
    first = search_photos(library, gallery, "red", k=2)
    refined = refine_search(library, gallery, "red", k=2)
    assert refined.hits[0].photo.file == "0.png"
    assert refined.hits[0].score == pytest.approx(1.0)
    assert (first[0].photo.exit, refined.hits[0].photo.exit) == (1, 3)
    assert [hit.row() for hit in refined.hits] == rows(library, gallery, 2)
    again = refine_search(library, gallery, "red", k=2)
    assert again.deepened == ()
    assert again.macs == 0  # all are at full depth
    assert [hit.row() for hit in again.hits] == [hit.row() for hit in refined.hits]


def test_looks_for_a_picture_go_by_the_order_on_the_page(
    library: Library, gallery: int, hazy: FakeEncoder, png: MakePng, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Doubt adds nothing to a photo's score there, as it does where words are asked for."""
    run_to_full_depth(library, list_photos(library, gallery)[0].id)
    vector, _ = embed_picture(library, gallery, png((255, 45, 45)), "red.png")
    query = Query(vector, picture=True)
    believed: list[np.ndarray] = []

    def watched(estimate: Estimate, *rest: Any) -> Any:
        believed.append(hazy.scorer.rank_scores(estimate)[0])
        return deepen(estimate, *rest)

    monkeypatch.setattr(refine_module, "deepen", watched)
    ranking = rank_gallery(library, gallery, query, k=2)
    refine_search(library, gallery, query, k=2)
    np.testing.assert_allclose(believed[0], ranking.estimate.expected)


def test_each_photo_that_went_deeper_is_told_of(library: Library, gallery: int) -> None:
    before = {hit.photo.id: hit.rank for hit in search_photos(library, gallery, "red", k=2)}
    refined = refine_search(library, gallery, "red", k=2)
    after = {hit.photo.id: hit.rank for hit in refined.hits}
    assert refined.deepened
    for photo in refined.deepened:
        assert (photo.from_exit, photo.to_exit) == (1, 3)
        assert (photo.rank_before, photo.rank_after) == (before.get(photo.photo_id), after.get(photo.photo_id))
    assert refined.macs == 60 * len(refined.deepened)
    assert (refined.full_macs, refined.seconds > 0) == (100, True)


def test_a_ranking_that_is_handed_on_is_refined_without_searching_again(
    library: Library, gallery: int, hazy: FakeEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = Query(hazy.encode_text(["red"])[0])
    ranking = rank_gallery(library, gallery, query, k=20)
    monkeypatch.setattr(library.rankings, "ranking", pytest.fail)
    refined = refine_search(library, gallery, query, k=2, ranking=ranking)
    assert refined.deepened
    monkeypatch.undo()
    assert refined.ranking is not None
    shown = [hit.row() for hit in list_hits(library, refined.ranking, 20)]
    assert shown == rows(library, gallery)


def test_a_ranking_made_before_another_querys_second_look_repeats_none_of_its_work(
    library: Library, gallery: int, hazy: FakeEncoder
) -> None:
    query = Query(hazy.encode_text(["red"])[0])
    early = rank_gallery(library, gallery, query, k=20)
    first = refine_search(library, gallery, query, k=2)
    assert first.ranking is not None
    gone = next(photo.id for photo in list_photos(library, gallery) if photo.id not in first.ranking.ids[:2])
    delete_photos(library, gallery, [gone])
    second = refine_search(library, gallery, query, k=2, ranking=early)
    assert second.ranking is not None
    assert first.deepened
    assert second.deepened == ()
    assert [hit.row() for hit in second.hits] == [hit.row() for hit in first.hits]
    assert gone not in second.ranking.ids


@pytest.mark.parametrize(("photos", "limit"), [(4, 3.0), (46, 4.6), (100_000, 20.0)])
def test_a_query_spends_no_more_than_a_tenth_of_a_small_gallery(photos: int, limit: float) -> None:
    assert spending_limit(photos) == pytest.approx(limit)


def test_the_account_runs_on(library: Library, database: Database, gallery: int) -> None:
    indexed = summarize_gallery(library, gallery)
    assert (indexed.macs_index, indexed.macs_queries) == (160, 0)
    spent = refine_search(library, gallery, "red", k=2).macs + refine_search(library, gallery, "green", k=2).macs
    told = summarize_gallery(library, gallery)
    assert (told.macs_index, told.macs_queries, get_collection(database, gallery).queries) == (160, spent, 2)
    photos = sum(photo.macs for photo in list_photos(library, gallery))
    assert told.macs == 160 + spent
    assert told.macs == photos
    assert told.saved_share == pytest.approx(1 - 160 / 400), "what indexing saved stays true"
    assert sum(told.exits) == 4


def test_what_was_spent_on_photos_goes_with_them(library: Library, database: Database, gallery: int) -> None:
    refine_search(library, gallery, "red", k=2)
    dearest = max(list_photos(library, gallery), key=lambda photo: get_image(database, photo.id).encoding.macs_query)
    on_it, before = get_image(database, dearest.id).encoding.macs_query, summarize_gallery(library, gallery)
    assert on_it > 0
    delete_photos(library, gallery, [dearest.id])
    after = summarize_gallery(library, gallery)
    assert after.macs_queries == before.macs_queries - on_it
    assert after.macs == before.macs - dearest.macs


def test_pictures_that_were_searched_with_take_nothing_from_second_looks(
    library: Library, gallery: int, png: MakePng
) -> None:
    before = summarize_gallery(library, gallery).macs
    for _ in range(20):
        embed_picture(library, gallery, png("red"), "mine.png")
    assert summarize_gallery(library, gallery).macs == before + 2000
    assert refine_search(library, gallery, "red", k=2).deepened


def test_a_photo_that_went_deeper_is_described_at_every_exit_that_it_came_to(library: Library, gallery: int) -> None:
    (shallow, *_) = list_photos(library, gallery)
    deep, _ = run_to_full_depth(library, shallow.id)
    assert (deep.exit, deep.macs, deep.milliseconds) == (3, 100, 4.0)
    assert deep.nearest_texts == shallow.nearest_texts * 3
    assert np.array_equal(deep.gates[0], shallow.gates[0])
    assert deep.gates[1].tolist() == [0.0] * shallow.gates.shape[1], "what the gate said on the way"


def test_kept_maps_save_the_stages_before(library: Library, gallery: int, hazy: FakeEncoder, home: Path) -> None:
    assert len(maps(home)) == 4
    refined = refine_search(library, gallery, "red", k=2)
    assert {(start, end) for _, start, end in hazy.visits} == {(1, 3)}
    assert sum(photos for photos, *_ in hazy.visits) == len(refined.deepened)
    assert len(maps(home)) == 4 - len(refined.deepened), "the maps of photos at full depth lead nowhere"


@pytest.mark.parametrize("harm", [lambda path: path.unlink(), lambda path: path.write_bytes(b"cut short")])
def test_without_its_map_a_photo_is_run_again_and_that_is_counted(
    library: Library, gallery: int, hazy: FakeEncoder, home: Path, harm: Callable[[Path], object]
) -> None:
    for path in maps(home):
        harm(path)
    refined = refine_search(library, gallery, "red", k=2)
    assert {(start, end) for _, start, end in hazy.visits} == {(0, 3)}
    assert refined.macs == 100 * len(refined.deepened) > 0
    assert {get_photo(library, photo.photo_id).macs for photo in refined.deepened} == {100}, "no photo costs more"
    assert summarize_gallery(library, gallery).macs_queries == 100 * len(refined.deepened)


def test_at_the_end_of_a_pass_a_photo_goes_on_from_its_embedding(
    library: Library, fill: Fill, hazy: FakeEncoder, home: Path
) -> None:
    hazy.one_pass = False
    gallery = fill("in passes", REDS)
    assert maps(home) == []
    left = list_photos(library, gallery)[0]
    library.picture_path(left.content_hash).unlink()
    refined = refine_search(library, gallery, "red", k=2)
    assert {(start, end) for _, start, end in hazy.visits} == {(1, 3)}
    assert refined.macs == 60 * len(refined.deepened)
    assert {get_photo(library, photo.photo_id).macs for photo in refined.deepened} == {100}
    assert (get_photo(library, left.id).exit, len(refined.deepened)) == (1, 3), "its embedding alone is not enough"
    with pytest.raises(PictureGone):
        run_to_full_depth(library, left.id)


def test_pass_by_pass_costs_what_all_at_once_does(library: Library, gallery: int, hazy: FakeEncoder) -> None:
    candidates = list_candidates(library.database, [list_photos(library, gallery)[0].id])
    deepening = Deepening(hazy, candidates, library.picture_path, library.database.maps)
    assert deepening.run([0], 2).all()
    assert deepening.run([0], 3).all()
    (deeper,) = deepening.deeper().values()
    assert (deeper.exit, deeper.macs, len(deeper.nearest_texts), deeper.gates.shape[0]) == (3, 60, 2, 1)
    assert [visit[1:] for visit in hazy.visits] == [(1, 2), (2, 3)]


def test_a_photo_whose_files_are_gone_keeps_its_place(library: Library, gallery: int, home: Path) -> None:
    for path in maps(home):
        path.unlink()
    first = search_photos(library, gallery, "red")
    gone = first[1].photo
    library.picture_path(gone.content_hash).unlink()
    refined = refine_search(library, gallery, "red", k=4)
    assert gone.id not in {photo.photo_id for photo in refined.deepened}
    assert refined.deepened
    assert (get_photo(library, gone.id).exit, len(refined.hits)) == (1, 4)
    score = {hit.photo.id: hit.score for hit in refined.hits}[gone.id]
    assert score == pytest.approx(first[1].score)
    with pytest.raises(PictureGone, match=rf"kept picture of {gone.file} is gone"):
        run_to_full_depth(library, gone.id)
    with pytest.raises(PictureGone):
        explain_photo(library, gone.id, "red")


def test_pictures_that_cannot_be_looked_for_are_gone(
    library: Library, gallery: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a folder that may not be entered: an error of the system that is none of a missing file."""
    monkeypatch.setattr(library, "picture_path", lambda content_hash: Path(content_hash * 9))
    monkeypatch.setattr(library.database.maps, "has", lambda file: False)
    found = refine_search(library, gallery, "red")
    assert found.hits
    assert not found.deepened


def test_a_kept_map_is_enough_where_the_picture_is_gone(library: Library, gallery: int) -> None:
    for photo in list_photos(library, gallery):
        library.picture_path(photo.content_hash).unlink()
    assert refine_search(library, gallery, "red", k=2).hits[0].photo.file == "0.png"


@pytest.mark.parametrize("mapped", [True, False])
def test_a_query_spends_no_more_than_its_limit(
    library: Library, gallery: int, home: Path, mapped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for lost in maps(home) if not mapped else ():
        lost.unlink()
    monkeypatch.setattr(refine_module, "LIMIT", 2.0)
    assert 0 < refine_search(library, gallery, "red", k=4).macs <= 200


def test_nothing_in_words_or_photos_refines_nothing(library: Library, database: Database, gallery: int) -> None:
    assert refine_search(library, gallery, " ").hits == []
    assert refine_search(library, open_gallery(library, "empty"), "red").hits == []
    assert get_collection(database, gallery).queries == 0


def test_another_process_finds_what_was_refined_and_repeats_none_of_it(
    library: Library, gallery: int, other: Library
) -> None:
    before = rows(other, gallery)
    refined = refine_search(library, gallery, "red", k=4)
    assert before != rows(other, gallery) == [hit.row() for hit in refined.hits]
    assert refine_search(other, gallery, "red", k=4).deepened == ()
    assert summarize_gallery(other, gallery).macs == summarize_gallery(library, gallery).macs


def test_searches_go_on_while_a_refinement_runs(
    library: Library, gallery: int, hazy: FakeEncoder, upload: MakeUpload, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = rows(library, gallery)
    gate = Gate(hazy, monkeypatch)
    with ThreadPoolExecutor(6) as threads:
        refining = threads.submit(refine_search, library, gallery, "red", 2)
        assert gate.reached.wait(30)
        try:
            assert list(threads.map(lambda _: rows(library, gallery), range(8), timeout=30)) == [before] * 8
            assert threads.submit(ingest_files, library, gallery, [upload("b.png", "blue")]).result(30).added == 1
            assert threads.submit(rows, library, gallery).result(30)[-1]["file"] == "b.png"
            assert not refining.done()
        finally:
            gate.opened.set()
        assert refining.result(30).hits[0].photo.file == "0.png"
    assert rows(library, gallery)[0]["score"] == pytest.approx(1.0)


def test_refinements_at_once_do_no_work_twice_and_lose_none(
    library: Library, database: Database, gallery: int, hazy: FakeEncoder
) -> None:
    with ThreadPoolExecutor(6) as threads:
        found = list(threads.map(lambda query: refine_search(library, gallery, query, 4), ["red", "green", "blue"] * 4))
    assert sum(photos for photos, *_ in hazy.visits) == sum(photo.exit == 3 for photo in list_photos(library, gallery))
    told = summarize_gallery(library, gallery)
    assert (get_collection(database, gallery).queries, told.macs_queries) == (
        12,
        sum(refined.macs for refined in found),
    )
    assert told.macs == sum(photo.macs for photo in list_photos(library, gallery))


def test_two_processes_at_once_keep_the_deeper_and_count_both(
    library: Library, gallery: int, other: Library, hazy: FakeEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(hazy, monkeypatch)
    photo = list_photos(library, gallery)[0]
    with ThreadPoolExecutor(2) as threads:
        runs = [threads.submit(run_to_full_depth, each, photo.id) for each in (library, other)]
        assert gate.reached.wait(30)
        threading.Event().wait(0.2)  # both have begun
        gate.opened.set()
        assert [run.result(30)[0].exit for run in runs] == [3, 3]
    assert get_photo(library, photo.id).macs == 100
    assert summarize_gallery(library, gallery).macs_queries == 60 * len(hazy.visits)
    assert rows(library, gallery) == rows(other, gallery)


def test_a_photo_deleted_meanwhile_is_no_error(
    library: Library, gallery: int, hazy: FakeEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(hazy, monkeypatch)
    gone = search_photos(library, gallery, "red")[0].photo
    with ThreadPoolExecutor(1) as threads:
        refining = threads.submit(refine_search, library, gallery, "red", 2)
        assert gate.reached.wait(30)
        delete_photos(library, gallery, [gone.id])
        gate.opened.set()
        assert gone.id not in {hit.photo.id for hit in refining.result(30).hits}
    with pytest.raises(PhotoMissing):
        run_to_full_depth(library, gone.id)


def test_a_photo_that_is_deleted_as_it_is_to_be_run_is_said_to_be_gone(
    library: Library, gallery: int, hazy: FakeEncoder, meanwhile: Meanwhile
) -> None:
    photo = list_photos(library, gallery)[0]
    meanwhile(search_module, "list_candidates", lambda: delete_photos(library, gallery, [photo.id]))
    with pytest.raises(PhotoMissing):
        run_to_full_depth(library, photo.id)
    assert not hazy.visits


def test_one_photo_is_run_to_full_depth_on_demand(
    library: Library, database: Database, gallery: int, hazy: FakeEncoder
) -> None:
    photo = list_photos(library, gallery)[0]
    assert run_to_full_depth(library, photo.id)[0].exit == 3
    assert run_to_full_depth(library, photo.id)[0].macs == 100
    assert len(hazy.visits) == 1, "what is deep stays as it is"
    assert get_collection(database, gallery).queries == 0


def test_explaining_shows_the_score_at_every_exit_and_keeps_nothing(library: Library, gallery: int) -> None:
    hit = search_photos(library, gallery, "red")[0]
    first, *_, last = explain_photo(library, hit.photo.id, "red")
    assert first.score == pytest.approx(hit.score, abs=0.01), "as the ranking has it; the picture is kept as a JPEG"
    assert first.cosine < first.score
    assert last.score == pytest.approx(1.0, abs=0.01)
    assert last.cosine == pytest.approx(1.0, abs=0.01)
    assert get_photo(library, hit.photo.id).exit == 1
    assert explain_photo(library, hit.photo.id, " ") == []
    assert summarize_gallery(library, gallery).macs == 160


class TestFrozen:
    """The demo gallery: its index never changes, and everybody who comes finds the same."""

    @pytest.fixture
    def demo(self, fill: Fill) -> int:
        return fill("Demo gallery", REDS, kind="demo")

    def test_twenty_visitors_get_the_same_answer_at_the_same_cost(
        self, library: Library, demo: int, hazy: FakeEncoder
    ) -> None:
        before, indexed = summarize_gallery(library, demo), list_photos(library, demo)
        answers = [refine_search(library, demo, "red", k=2) for _ in range(20)]
        first = answers[0]
        assert first.deepened
        assert {tuple(a.deepened) for a in answers} == {first.deepened}
        assert {(a.macs, str([hit.row() for hit in a.hits])) for a in answers} == {
            (first.macs, str([hit.row() for hit in first.hits]))
        }
        after = summarize_gallery(library, demo)
        assert (after.macs_index, after.exits, after.saved_share) == (
            before.macs_index,
            before.exits,
            before.saved_share,
        )
        assert [(p.exit, p.macs) for p in list_photos(library, demo)] == [(p.exit, p.macs) for p in indexed]
        assert after.macs_queries == first.macs, "what truly ran is counted, once"
        assert sum(many for many, *_ in hazy.visits) == len(first.deepened), "and ran once"

    def test_hits_show_photos_as_deep_as_the_query_has_run_them(self, library: Library, demo: int) -> None:
        refined = refine_search(library, demo, "red", k=2)
        assert refined.ranking is not None
        deep = {id for id, look in refined.looks.items() if look.exit == 3}
        shown = {hit.photo.id: hit.photo for hit in list_hits(library, refined.ranking, 20, looks=refined.looks)}
        assert {id for id, photo in shown.items() if photo.macs_share == 1.0} == deep
        assert all(len(photo.nearest_texts) == photo.exit for photo in shown.values())

    def test_a_query_that_asks_for_no_second_look_never_meets_one(self, library: Library, demo: int) -> None:
        plain = [hit.row() for hit in search_photos(library, demo, "red")]
        refine_search(library, demo, "red", k=2)
        run_to_full_depth(library, list_photos(library, demo)[0].id)
        assert [hit.row() for hit in search_photos(library, demo, "red")] == plain

    def test_a_photo_at_full_depth_is_one_visitors_alone(self, library: Library, demo: int) -> None:
        photo = list_photos(library, demo)[-1]
        deep, looks = run_to_full_depth(library, photo.id)
        assert (deep.exit, deep.macs_share) == (3, 1.0)
        assert get_photo(library, photo.id).exit == photo.exit
        (hit,) = (h for h in search_photos(library, demo, "red", looks=looks) if h.photo.id == photo.id)
        assert hit.photo.exit == 3
        fits = explain_photo(library, photo.id, "red")
        assert hit.score == pytest.approx(fits[hit.photo.exit - 1].score, abs=0.01), "the view by exits agrees"

    def test_another_model_is_not_answered_from_memory(
        self, library: Library, database: Database, demo: int, hazy: FakeEncoder
    ) -> None:
        first = refine_search(library, demo, "red", k=2)
        again = Library(database, lambda: hazy)  # another process remembers nothing, and runs the same
        assert refine_search(again, demo, "red", k=2).macs == first.macs


def test_what_is_kept_of_second_looks_is_bounded(hazy: FakeEncoder) -> None:
    (found,) = hazy.deepen(np.zeros((1, 3, 8, 8), np.uint8), 3)
    memory = SecondLooks(most_bytes=6000)
    keys = [(IDENTITY, f"{number}", 1, 3) for number in range(50)]
    for key in keys:
        memory.put(key, found)
    held = [key for key in keys if memory.get(key) is not None]
    assert held
    assert held == keys[-len(held) :], "the last ones stay"
    assert len(held) < 10
    SecondLooks(most_bytes=10).put(keys[0], found)
