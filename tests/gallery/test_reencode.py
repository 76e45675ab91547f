"""A gallery is encoded again from its kept pictures, batch by batch, for another budget, model or guide texts."""

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.gallery import Catalog, GuidesDiffer, GuideTexts, ModelChanged, Progress, Upload
from engine.gallery import reencode as reencode_module
from engine.storage.store import Store
from tests.conftest import FakeEncoder, FakeIdentity

pytestmark = pytest.mark.both_databases

MakeUpload = Callable[..., Upload]
ROSES = GuideTexts(("a rose", "a tulip"), only=True)


@pytest.fixture(autouse=True)
def _small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reencode_module, "BATCH", 2)


@pytest.fixture
def gallery(catalog: Catalog, upload: MakeUpload) -> int:
    collection = catalog.open_collection("holiday")
    catalog.ingest(collection, [upload(f"{green}.png", (255, green, 0)) for green in range(5)])
    return collection


@pytest.fixture
def newer(store: Store) -> Catalog:
    """The program after its model has changed."""
    return Catalog(store, lambda: FakeEncoder(identity=FakeIdentity(weights="c" * 64)))  # type: ignore[arg-type,return-value]


def stop(progress: Progress) -> None:
    raise KeyboardInterrupt


def test_another_budget_costs_what_it_would_have_at_first(catalog: Catalog, gallery: int) -> None:
    told: list[Progress] = []
    report = catalog.reencode(gallery, budget=1.0, on_progress=told.append)
    assert (report.added, report.duplicates, report.skipped, report.mean_macs_share) == (5, 0, (), 1.0)
    assert [(p.done, p.total, len(p.latest)) for p in told] == [(2, 5, 2), (4, 5, 2), (5, 5, 1)]
    summary = catalog.summary(gallery)
    assert (summary.macs, summary.budget, summary.exits) == (500, 1.0, (0, 0, 5))
    assert {photo.budget for photo in catalog.photos(gallery)} == {1.0}
    assert catalog.search(gallery, "red")[0].photo.exit == 3


def test_photos_are_the_same_ones_as_before(catalog: Catalog, gallery: int) -> None:
    before = [(photo.id, photo.file, photo.content_hash) for photo in catalog.photos(gallery)]
    catalog.reencode(gallery, budget=1.0)
    assert [(photo.id, photo.file, photo.content_hash) for photo in catalog.photos(gallery)] == before


def test_a_stopped_run_keeps_its_batches_and_goes_on(catalog: Catalog, gallery: int, fake_encoder: FakeEncoder) -> None:
    with pytest.raises(KeyboardInterrupt):
        catalog.reencode(gallery, budget=1.0, on_progress=stop)
    assert catalog.summary(gallery).exits == (3, 0, 2)
    assert len(catalog.search(gallery, "red")) == 5
    fake_encoder.batches.clear()
    report = catalog.reencode(gallery, budget=1.0)
    assert (report.added, report.duplicates) == (3, 2)
    assert fake_encoder.batches == [2, 1]
    assert catalog.reencode(gallery, budget=1.0).added == 0


def test_the_account_is_that_of_the_encodings_that_stand(catalog: Catalog, gallery: int) -> None:
    catalog.deepen(catalog.photos(gallery)[0].id)
    assert catalog.summary(gallery).macs_queries == 60
    catalog.reencode(gallery, budget=0.5)
    summary = catalog.summary(gallery)
    assert (summary.macs, summary.macs_queries) == (200, 0)


def test_a_changed_model_is_cured(catalog: Catalog, store: Store, gallery: int, newer: Catalog) -> None:
    with pytest.raises(ModelChanged, match="encode its photos again"):
        newer.search(gallery, "red")
    report = newer.reencode(gallery)
    assert (report.added, report.duplicates) == (5, 0)
    assert len(newer.search(gallery, "red")) == 5
    assert store.totals(gallery).waiting == 0
    with pytest.raises(ModelChanged):
        catalog.search(gallery, "red")


def test_vectors_of_two_models_never_meet_while_it_goes_on(
    catalog: Catalog, store: Store, gallery: int, newer: Catalog
) -> None:
    with pytest.raises(KeyboardInterrupt):
        newer.reencode(gallery, on_progress=stop)
    totals = store.totals(gallery)
    assert (totals.photos, totals.waiting) == (2, 3)
    assert len(newer.search(gallery, "red")) == len(newer.photos(gallery)) == 2
    with pytest.raises(ModelChanged):
        catalog.search(gallery, "red")
    assert newer.reencode(gallery).added == 3
    assert len(newer.search(gallery, "red")) == 5


def test_a_photo_whose_picture_is_gone_is_named(catalog: Catalog, store: Store, gallery: int, newer: Catalog) -> None:
    catalog.picture_path(catalog.photos(gallery)[2].content_hash).unlink()
    report = catalog.reencode(gallery, budget=1.0)
    assert [(skipped.file, skipped.reason) for skipped in report.skipped] == [("2.png", "its kept picture is gone")]
    assert (report.added, catalog.summary(gallery).exits) == (4, (1, 0, 4))
    assert newer.reencode(gallery).added == 4
    assert (store.totals(gallery).photos, store.totals(gallery).waiting) == (4, 1)


def test_feature_maps_are_those_of_the_present_encoding(
    catalog: Catalog, gallery: int, newer: Catalog, home: Path
) -> None:
    before = set(home.glob("maps/*/*"))
    assert len(before) == 5
    newer.reencode(gallery)
    after = set(home.glob("maps/*/*"))
    assert len(after) == 5
    assert not before & after
    newer.reencode(gallery, budget=1.0)
    assert set(home.glob("maps/*/*")) == set()


def test_a_gallery_remembers_its_owners_guide_texts(
    catalog: Catalog, store: Store, fake_encoder: FakeEncoder, upload: MakeUpload
) -> None:
    gallery = catalog.open_collection("roses")
    catalog.ingest(gallery, [upload("r.png", "red")], guides=ROSES)
    assert catalog.photos(gallery)[0].phrases[0][0][0] == "a rose"
    later = Catalog(store, lambda: fake_encoder)  # type: ignore[arg-type,return-value]
    later.ingest(gallery, [upload("b.png", "blue")])
    assert [photo.phrases[0][0][0] for photo in later.photos(gallery)] == ["a rose"] * 2
    assert later.deepen(later.photos(gallery)[0].id).phrases[2][0][0] == "a rose"
    assert len(later.search(gallery, "red")) == 2


def test_own_guide_texts_come_beside_the_general_ones_or_in_their_place(catalog: Catalog) -> None:
    general = catalog.encoder.guide_texts
    beside = catalog._encoders.by(GuideTexts((general[0], "a rose")))
    assert beside.guide_texts == (*general, "a rose")
    assert beside.owner_texts == (general[0], "a rose")
    assert catalog._encoders.by(ROSES).guide_texts == ROSES.phrases
    assert catalog._encoders.by(ROSES) is catalog._encoders.by(ROSES)


def test_other_guide_texts_are_another_encoder(catalog: Catalog, gallery: int, upload: MakeUpload) -> None:
    with pytest.raises(GuidesDiffer, match='"holiday" were encoded with other guide texts'):
        catalog.ingest(gallery, [upload("b.png", "blue")], guides=ROSES)
    assert catalog.reencode(gallery, guides=ROSES).added == 5
    assert catalog.ingest(gallery, [upload("b.png", "blue")], guides=ROSES).added == 1
    assert {photo.phrases[0][0][0] for photo in catalog.photos(gallery)} == {"a rose"}


def test_guide_texts_that_are_taken_back_leave_the_general_ones(catalog: Catalog, gallery: int) -> None:
    catalog.reencode(gallery, guides=ROSES)
    assert catalog.summary(gallery).guides == ROSES
    assert catalog.reencode(gallery).added == 0, "they are remembered"
    assert catalog.reencode(gallery, guides=GuideTexts(())).added > 0
    assert catalog.summary(gallery).guides is None
    assert catalog.photos(gallery)[0].phrases[0][0][0] == catalog.encoder.guide_texts[0]
