"""A gallery is brought to another budget, model or list of phrases, batch by batch, from what is kept of its photos."""

from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from sqlalchemy import event

from engine.albums.album import AlbumSet, album_of
from engine.exits.batch import Encoding
from engine.exits.encoder import Standing
from engine.gallery import Library, ModelChanged, Progress, reencode
from engine.gallery.albums import sort_gallery
from engine.gallery.budget_cost import budget_cost
from engine.gallery.comparison import Comparison
from engine.gallery.galleries import delete_photos, get_photo, list_photos, stored_hashes, summarize_gallery
from engine.gallery.ingest import ingest_files
from engine.gallery.reencode import reencode_gallery
from engine.gallery.search import refine_search, run_to_full_depth, search_photos
from engine.storage.collections import TotalsCache, get_collection
from engine.storage.database import Database
from engine.storage.schema import ImageRow
from engine.utils.errors import EngineError
from tests.fake_encoder import IDENTITY, TEXTS, FakeEncoder
from tests.pictures import Fill, MakeUpload, Meanwhile

pytestmark = pytest.mark.both_databases

ROSES = ("a rose", "a tulip")
STOP = Mock(side_effect=KeyboardInterrupt)


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reencode, "BATCH", 2)


@pytest.fixture
def gallery(fill: Fill) -> int:
    return fill("holiday", {f"{green}.png": (255, green, 0) for green in range(5)})


@pytest.fixture
def newer(database: Database) -> Library:
    """The program after its model has changed."""
    return Library(database, lambda: FakeEncoder(identity=replace(IDENTITY, weights="c" * 64)))


def test_another_budget_costs_in_all_what_it_would_have_at_first(library: Library, gallery: int) -> None:
    told: list[Progress] = []
    before = [(photo.id, photo.file, photo.content_hash) for photo in list_photos(library, gallery)]
    report = reencode_gallery(library, gallery, budget=1.0, on_progress=told.append)
    assert [(photo.id, photo.file, photo.content_hash) for photo in list_photos(library, gallery)] == before
    assert (report.added, report.duplicates, report.skipped, report.mean_macs_share) == (5, 0, (), 0.6)
    assert [(p.done, p.total, len(p.latest)) for p in told] == [(2, 5, 2), (4, 5, 2), (5, 5, 1)]
    summary = summarize_gallery(library, gallery)
    assert (summary.macs, summary.budget, summary.exits) == (500, 1.0, (0, 0, 5))
    assert {photo.budget for photo in list_photos(library, gallery)} == {1.0}
    assert search_photos(library, gallery, "red")[0].photo.exit == 3


def test_a_stopped_run_keeps_its_batches_and_goes_on(library: Library, gallery: int, fake_encoder: FakeEncoder) -> None:
    with pytest.raises(KeyboardInterrupt):
        reencode_gallery(library, gallery, budget=1.0, on_progress=STOP)
    assert summarize_gallery(library, gallery).exits == (3, 0, 2)
    assert len(search_photos(library, gallery, "red")) == 5
    fake_encoder.batches.clear()
    report = reencode_gallery(library, gallery, budget=1.0)
    assert (report.added, report.duplicates) == (3, 2)
    assert fake_encoder.batches == [2, 1]
    assert reencode_gallery(library, gallery, budget=1.0).added == 0


def test_what_queries_ran_is_not_run_again(library: Library, gallery: int) -> None:
    run_to_full_depth(library, list_photos(library, gallery)[0].id)
    assert summarize_gallery(library, gallery).macs_queries == 60
    reencode_gallery(library, gallery, budget=0.95)
    summary = summarize_gallery(library, gallery)
    assert (summary.macs_index, summary.macs_queries, summary.exits) == (200 + 4 * 30, 60, (0, 4, 1))


@pytest.mark.parametrize("one_pass", [True, False])
def test_photos_that_searches_run_to_full_depth_meanwhile_are_not_run_again(
    library: Library, fake_encoder: FakeEncoder, gallery: int, one_pass: bool
) -> None:
    fake_encoder.one_pass = one_pass
    last = list_photos(library, gallery)[-1]
    told: list[Progress] = []

    def search_meanwhile(progress: Progress) -> None:
        told.append(progress)
        run_to_full_depth(library, last.id)

    report = reencode_gallery(library, gallery, 1.0, search_meanwhile)
    assert (report.added, report.duplicates, report.skipped) == (4, 1, ())
    assert [(progress.done, len(progress.latest)) for progress in told] == [(2, 2), (4, 2), (5, 0)]
    summary = summarize_gallery(library, gallery)
    assert (summary.exits, summary.macs_index, summary.macs_queries) == ((0, 0, 5), 40 + 4 * 100, 60)
    assert {photo.budget for photo in list_photos(library, gallery)} == {1.0}


@pytest.mark.parametrize("one_pass", [True, False])
def test_another_budget_runs_missing_passes_only(
    library: Library, fake_encoder: FakeEncoder, fill: Fill, one_pass: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_encoder.one_pass = one_pass
    encode = FakeEncoder.encode

    def noted(self: FakeEncoder, pixels: np.ndarray, budget: float, standing: Standing | None) -> list[Encoding]:
        starts.append(standing.exit if standing else 0)
        return encode(self, pixels, budget, standing)

    mixed = fill("mixed", {"plain.png": "red", "b.png": "blue"})
    run_to_full_depth(library, list_photos(library, mixed)[1].id)
    starts: list[int] = []
    monkeypatch.setattr(FakeEncoder, "encode", noted)
    for budget, exit in ((0.95, 2), (1.0, 3)):
        report = reencode_gallery(library, mixed, budget=budget)
        assert (report.added, report.duplicates, round(report.mean_macs_share, 3)) == (1, 1, 0.3)
        photos = list_photos(library, mixed)
        assert [(photo.exit, photo.budget) for photo in photos] == [(exit, budget), (3, budget)]
        assert photos[0].macs == (40, 70, 100)[exit - 1]
        assert (len(photos[0].nearest_texts), len(photos[0].gates)) == (exit, min(exit, 2))
    assert starts == [1, 2]
    assert photos[0].gates[:, -3:].tolist() == [[1, 0, 0], [1, 1, 0]]
    assert photos[0].milliseconds == 6.0


def test_photos_that_a_budget_lets_go_where_they_stand_or_before_stay(
    library: Library, fake_encoder: FakeEncoder, gallery: int
) -> None:
    reencode_gallery(library, gallery, budget=1.0)
    fake_encoder.batches.clear()
    read: list[ImageRow] = []

    @event.listens_for(ImageRow, "load")
    def note(row: ImageRow, _: object) -> None:
        read.append(row)

    report = reencode_gallery(library, gallery, budget=0.3)
    event.remove(ImageRow, "load", note)
    assert read == [], "they are not even read into memory"
    assert (report.added, report.duplicates, fake_encoder.batches) == (0, 5, [])
    summary = summarize_gallery(library, gallery)
    assert (summary.budget, summary.exits, summary.macs) == (0.3, (0, 0, 5), 500)
    assert {photo.budget for photo in list_photos(library, gallery)} == {0.3}


def test_a_photo_whose_map_is_gone_is_run_again_and_costs_no_more_than_full_depth(
    library: Library, gallery: int, home: Path
) -> None:
    for path in home.glob("maps/*/*"):
        path.unlink()
    report = reencode_gallery(library, gallery, budget=1.0)
    assert (report.added, report.mean_macs_share) == (5, 1.0)
    assert {(photo.macs, len(photo.nearest_texts), len(photo.gates)) for photo in list_photos(library, gallery)} == {
        (100, 3, 2)
    }
    assert summarize_gallery(library, gallery).macs == 500


def test_second_looks_go_on_after_another_budget(library: Library, gallery: int) -> None:
    reencode_gallery(library, gallery, budget=0.95)
    first = list_photos(library, gallery)[0]
    deep, _ = run_to_full_depth(library, first.id)
    assert (first.exit, first.macs, deep.exit, deep.macs) == (2, 70, 3, 100)
    assert len(refine_search(library, gallery, "red").hits) == 5


def test_a_changed_model_is_cured(library: Library, database: Database, gallery: int, newer: Library) -> None:
    with pytest.raises(ModelChanged, match="encode its photos again"):
        search_photos(newer, gallery, "red")
    Comparison(library).race(gallery)
    report = reencode_gallery(newer, gallery)
    assert (report.added, report.duplicates) == (5, 0)
    assert Comparison(newer).last(gallery) is None, "a race of the other model"
    assert len(search_photos(newer, gallery, "red")) == 5
    assert TotalsCache(database).of(get_collection(database, gallery)).waiting == 0
    with pytest.raises(ModelChanged):
        search_photos(library, gallery, "red")


def test_vectors_of_two_models_never_meet_while_it_goes_on(
    library: Library, database: Database, gallery: int, newer: Library
) -> None:
    with pytest.raises(KeyboardInterrupt):
        reencode_gallery(newer, gallery, on_progress=STOP)
    totals = TotalsCache(database).of(get_collection(database, gallery))
    assert (totals.photos, totals.waiting) == (2, 3)
    assert len(search_photos(newer, gallery, "red")) == len(list_photos(newer, gallery)) == 2
    with pytest.raises(ModelChanged):
        search_photos(library, gallery, "red")
    assert reencode_gallery(newer, gallery).added == 3
    assert len(search_photos(newer, gallery, "red")) == 5


def test_a_gallery_whose_pictures_are_all_gone_stays_as_it_is(library: Library, gallery: int, newer: Library) -> None:
    pictures = [library.picture_path(photo.content_hash) for photo in list_photos(library, gallery)]
    for picture in pictures[1:]:
        picture.unlink()
    pictures[0].write_bytes(b"damaged")
    with pytest.raises(EngineError, match="stay as they are"):
        reencode_gallery(newer, gallery)
    assert len(search_photos(library, gallery, "red")) == 5
    assert len(reencode_gallery(library, gallery, budget=1.0).skipped) == 5  # they keep what they have
    assert len(search_photos(library, gallery, "red")) == 5


def test_a_photo_whose_picture_is_gone_is_named(
    library: Library, database: Database, gallery: int, newer: Library
) -> None:
    library.picture_path(list_photos(library, gallery)[2].content_hash).unlink()
    report = reencode_gallery(library, gallery, budget=1.0)
    assert [(skipped.file, skipped.reason) for skipped in report.skipped] == [
        ("2.png", "its kept picture is gone or damaged; delete the photo and add it again")
    ]
    assert (report.added, summarize_gallery(library, gallery).exits) == (4, (1, 0, 4))
    assert reencode_gallery(newer, gallery).added == 4
    totals = TotalsCache(database).of(get_collection(database, gallery))
    assert (totals.photos, totals.waiting) == (4, 1)


def test_a_photo_that_has_lost_its_picture_before_the_model_changed_is_added_again(
    library: Library, gallery: int, newer: Library, upload: MakeUpload
) -> None:
    lost = list_photos(library, gallery)[2]
    library.picture_path(lost.content_hash).write_bytes(b"damaged")
    report = reencode_gallery(newer, gallery)
    assert [(skipped.file, skipped.reason) for skipped in report.skipped] == [
        ("2.png", "its kept picture is gone or damaged; add the file again")
    ]
    files = [upload(f"{green}.png", (255, green, 0)) for green in range(5)]
    assert stored_hashes(newer, gallery, [lost.content_hash]) == set()
    again = ingest_files(newer, gallery, files)
    assert (again.added, again.duplicates) == (1, 4)
    assert len(search_photos(newer, gallery, "red")) == len(list_photos(newer, gallery)) == 5
    assert delete_photos(newer, gallery, [lost.id]) == 1


def test_feature_maps_are_those_of_the_present_encoding(
    library: Library, gallery: int, newer: Library, home: Path
) -> None:
    before = set(home.glob("maps/*/*"))
    assert len(before) == 5
    reencode_gallery(newer, gallery)
    after = set(home.glob("maps/*/*"))
    assert len(after) == 5
    assert not before & after
    reencode_gallery(newer, gallery, budget=1.0)
    assert set(home.glob("maps/*/*")) == set()


def test_a_gallery_remembers_its_owners_phrases(
    library: Library, database: Database, fake_encoder: FakeEncoder, fill: Fill, upload: MakeUpload
) -> None:
    gallery = fill("roses", {"r.png": "red"}, phrases=ROSES)
    assert list_photos(library, gallery)[0].nearest_texts[0][0][0] == "a rose"
    later = Library(database, lambda: fake_encoder)
    ingest_files(later, gallery, [upload("b.png", "blue")])
    assert [photo.nearest_texts[0][0][0] for photo in list_photos(later, gallery)] == ["a rose"] * 2
    assert run_to_full_depth(later, list_photos(later, gallery)[0].id)[0].nearest_texts[2][0][0] == "a rose"
    assert len(search_photos(later, gallery, "red")) == 2


def test_one_text_is_no_list_of_phrases(library: Library, gallery: int, upload: MakeUpload) -> None:
    with pytest.raises(TypeError, match=r"\[phrase\] for one"):
        ingest_files(library, gallery, [upload("b.png", "blue")], phrases="a bee")
    with pytest.raises(TypeError, match=r"\[phrase\] for one"):
        reencode_gallery(library, gallery, phrases="a bee")
    assert summarize_gallery(library, gallery).phrases == ()


def test_phrases_are_embedded_once(library: Library) -> None:
    assert library.encoders.by(ROSES).phrases == ROSES
    assert library.encoders.by(ROSES) is library.encoders.by(ROSES)
    assert library.encoders.by(()) is library.encoder


def test_other_phrases_are_another_encoder(library: Library, gallery: int, upload: MakeUpload) -> None:
    with pytest.raises(EngineError, match='"holiday" were encoded with other phrases'):
        ingest_files(library, gallery, [upload("b.png", "blue")], phrases=ROSES)
    assert reencode_gallery(library, gallery, phrases=ROSES).added == 5
    assert ingest_files(library, gallery, [upload("b.png", "blue")], phrases=ROSES).added == 1
    assert {photo.nearest_texts[0][0][0] for photo in list_photos(library, gallery)} == {"a rose"}


def test_a_gallery_whose_photos_wait_is_never_said_to_be_whole(
    library: Library, newer: Library, gallery: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert summarize_gallery(library, gallery).photos == 5
    monkeypatch.setattr(FakeEncoder, "encode", Mock(side_effect=KeyboardInterrupt))
    for program in (newer, library):  # the latter's model is that which it had
        with pytest.raises(KeyboardInterrupt):
            reencode_gallery(program, gallery)
        found = summarize_gallery(library, gallery)
        assert (found.photos, found.waiting) == (0, 5)


def test_photos_that_left_by_other_phrases_are_found_until_they_are_encoded_anew(
    library: Library, gallery: int, fake_encoder: FakeEncoder
) -> None:
    photos = list_photos(library, gallery)
    run_to_full_depth(library, photos[0].id)
    before = {hit.photo.id: hit.score for hit in search_photos(library, gallery, "red")}
    with pytest.raises(KeyboardInterrupt):
        reencode_gallery(library, gallery, phrases=ROSES, on_progress=STOP)
    assert {hit.photo.id for hit in search_photos(library, gallery, "red")} == set(before)
    found = summarize_gallery(library, gallery)
    assert (found.photos, found.waiting, found.by_other_phrases, found.phrases) == (5, 0, 3, ROSES)
    assert budget_cost(library, gallery, 1.0).deeper == 2, "of those that left by these phrases"
    refine_search(library, gallery, "red")  # runs all of them deeper
    fake_encoder.batches.clear()
    report = reencode_gallery(library, gallery)
    assert (report.added, report.duplicates, fake_encoder.batches) == (3, 2, [2, 1])
    assert {photo.nearest_texts[0][0][0] for photo in list_photos(library, gallery)} == {"a rose"}
    found = summarize_gallery(library, gallery)
    assert (found.by_other_phrases, found.exits, found.macs_index) == (0, (3, 0, 2), 5 * photos[0].macs)
    assert reencode_gallery(library, gallery).added == 0


def test_what_is_under_way_goes_on_where_other_phrases_are_asked_for_meanwhile(
    library: Library, gallery: int, upload: MakeUpload, meanwhile: Meanwhile
) -> None:
    def ask_for(*phrases: str) -> None:
        reencode_gallery(library, gallery, phrases=phrases)

    meanwhile(FakeEncoder, "encode", lambda: ask_for(*ROSES))
    ingest_files(library, gallery, [upload("blue.png", "blue")])
    found = summarize_gallery(library, gallery)
    assert (found.photos, found.by_other_phrases, found.phrases) == (6, 1, ROSES)
    meanwhile(FakeEncoder, "deepen", ask_for)
    refine_search(library, gallery, "red")
    assert summarize_gallery(library, gallery).macs_queries > 0
    reencode_gallery(library, gallery, phrases=ROSES)
    meanwhile(FakeEncoder, "deepen", ask_for)
    photo = list_photos(library, gallery)[0].id
    sort_gallery(library, gallery, AlbumSet((album_of("red"),)).moved([photo], "red"))
    found = summarize_gallery(library, gallery)
    assert (found.by_other_phrases, found.phrases, get_photo(library, photo).exit) == (0, (), 3)


def test_a_photo_costs_full_depth_at_most_where_fewer_phrases_have_made_that_cheaper(
    library: Library, gallery: int
) -> None:
    last = list_photos(library, gallery)[-1].id
    run_to_full_depth(library, last)
    encoder = library.encoders.by(ROSES)
    assert isinstance(encoder, FakeEncoder)
    encoder.full_macs -= 1
    with pytest.raises(KeyboardInterrupt):
        reencode_gallery(library, gallery, phrases=ROSES, on_progress=STOP)
    assert get_photo(library, last).macs_share == 1
    assert sort_gallery(library, gallery, AlbumSet(), 0).photos[-1].macs_share == 1


def test_phrases_that_were_asked_for_by_mistake_cost_those_alone_that_were_encoded_for_them(
    library: Library, gallery: int
) -> None:
    with pytest.raises(KeyboardInterrupt):
        reencode_gallery(library, gallery, phrases=ROSES, on_progress=STOP)
    assert reencode_gallery(library, gallery, phrases=()).added == 2
    found = summarize_gallery(library, gallery)
    assert (found.by_other_phrases, found.phrases) == (0, ())


def test_phrases_can_be_taken_back(library: Library, gallery: int) -> None:
    reencode_gallery(library, gallery, phrases=ROSES)
    assert summarize_gallery(library, gallery).phrases == ROSES
    assert reencode_gallery(library, gallery).added == 0, "they are remembered"
    assert reencode_gallery(library, gallery, phrases=()).added > 0
    assert summarize_gallery(library, gallery).phrases == ()
    assert list_photos(library, gallery)[0].nearest_texts[0][0][0] == TEXTS[0]
