import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from unittest.mock import Mock

import numpy as np
import pytest
from torch import Tensor

from engine.exits.batch import Encoding
from engine.exits.encoder import Standing
from engine.gallery import Library, Query, speed_race
from engine.gallery.comparison import Comparison, FullRun, agreement, ranking
from engine.gallery.galleries import delete_gallery, delete_photos, list_photos, open_gallery, summarize_gallery
from engine.gallery.ingest import ingest_files
from engine.gallery.search import rank_photos
from engine.gallery.speed_race import BATCH, ROUNDS, Lap, race
from engine.storage.database import Database
from engine.storage.images import delete_images
from engine.utils.compute_lock import ANSWER, COMPUTE, ENCODE, LOOK_AGAIN
from engine.utils.errors import EngineError
from tests.fake_encoder import IDENTITY, FakeEncoder
from tests.pictures import Fill, MakeUpload

pytestmark = pytest.mark.usefixtures("colours")


@pytest.fixture
def comparison(library: Library) -> Comparison:
    return Comparison(library)


def test_every_batch_runs_both_ways_as_often_and_once_to_warm_up(fake_encoder: FakeEncoder) -> None:
    fake_encoder.batches.clear()
    batches: Iterator[np.ndarray] = iter([np.full((2, 3, 8, 8), 200, np.uint8), np.zeros((1, 3, 8, 8), np.uint8)])
    laps: list[Lap] = []
    measured, deep = race(fake_encoder, batches, 3, 0.6, laps.append)
    assert fake_encoder.batches == [2] * (ROUNDS + 1) + [1] * ROUNDS
    assert [(lap.done, lap.total) for lap in laps] == [(2, 3), (3, 3)]
    assert (measured.photos, measured.budget, measured.macs_share) == (3, 0.6, 0.4)
    assert measured.full_per_second > 0
    assert measured.speedup == measured.early_per_second / measured.full_per_second
    assert [(encoding.exit, encoding.vector.shape) for encoding in deep] == [(3, (3,))] * 3


class TurnTaker(FakeEncoder):
    """Waits its turn and lets others pass as the real one does."""

    def encode(
        self, pixels: np.ndarray | Tensor, budget: float = 0.75, standing: Standing | None = None
    ) -> list[Encoding]:
        with COMPUTE.held(ENCODE):
            COMPUTE.give_way()
            return super().encode(pixels, budget, standing)

    def deepen(self, pixels: np.ndarray | None, exit: int, standing: Standing | None = None) -> list[Encoding]:
        with COMPUTE.held(LOOK_AGAIN):
            COMPUTE.give_way()
            return super().deepen(pixels, exit, standing)


@pytest.mark.parametrize("patience", [ANSWER, ENCODE])
def test_what_others_compute_meanwhile_is_on_neither_clock(monkeypatch: pytest.MonkeyPatch, patience: float) -> None:
    monkeypatch.setattr(speed_race, "RACE", patience + 0.1)  # it goes last all the same, and is through sooner
    over = threading.Event()

    def compute() -> None:
        while not over.is_set():
            with COMPUTE.held(patience):
                time.sleep(0.2)

    other = threading.Thread(target=compute, daemon=True)
    other.start()
    measured, _ = race(TurnTaker(), iter([np.zeros((1, 3, 8, 8), np.uint8)]), 1, 0.6)
    over.set()
    other.join(5)
    assert measured.full_per_second > 10
    assert measured.early_per_second > 10


def test_a_race_is_kept_with_its_date(comparison: Comparison, gallery: int, library: Library) -> None:
    assert comparison.last(gallery) is None
    first, second = comparison.race(gallery), comparison.race(gallery)
    assert second.at > first.at > 1_600_000_000
    assert Comparison(library).last(gallery) == second
    delete_gallery(library, gallery)
    assert comparison.last(gallery) is None


def test_a_gallery_with_phrases_of_its_own_races_by_them(
    database: Database, upload: MakeUpload, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = Library(database, FakeEncoder)
    gallery = open_gallery(library, "roses")
    ingest_files(library, gallery, [upload("r.png", "red")], phrases=("a rose",))
    raced: list[tuple[str, ...]] = []

    encode = FakeEncoder.encode

    def noted(self: FakeEncoder, pixels: np.ndarray, budget: float) -> list[Encoding]:
        raced.append(self.phrases)
        return encode(self, pixels, budget)

    monkeypatch.setattr(FakeEncoder, "encode", noted)
    comparison = Comparison(library)
    comparison.race(gallery)
    assert raced == [("a rose",)] * (ROUNDS + 1)
    assert comparison.full_run(gallery) is not None  # to rank by


def test_full_depth_embeddings_stay_beside_the_gallerys_account(
    comparison: Comparison, gallery: int, library: Library
) -> None:
    before = summarize_gallery(library, gallery)
    assert comparison.full_run(gallery) is None
    comparison.race(gallery)
    run = comparison.full_run(gallery)
    assert run is not None
    assert run.macs == 300
    assert summarize_gallery(library, gallery).macs == before.macs
    green = list_photos(library, gallery)[1]
    assert ranking(run, Query(np.array([0, 1, 0], np.float32)), 2)[0] == green.id


def test_photos_deleted_since_a_race_are_in_no_ranking(
    comparison: Comparison, gallery: int, library: Library, database: Database
) -> None:
    comparison.race(gallery)
    red, *others = [photo.id for photo in list_photos(library, gallery)]
    delete_photos(library, gallery, [red])
    run = comparison.full_run(gallery)
    assert run is not None
    assert ranking(run, Query(np.array([1, 1, 1], np.float32)), 3) == others
    assert (len(run.vectors), run.macs) == (2, 200)
    delete_images(database, gallery, others)  # as another process does it
    assert comparison.full_run(gallery) is None


def test_full_depth_of_other_exits_is_measured_anew(
    comparison: Comparison, gallery: int, fake_encoder: FakeEncoder
) -> None:
    comparison.run_in_full(gallery)
    fake_encoder.identity = replace(IDENTITY, exits_hash="fitted since")  # by which lifts are others
    assert comparison.full_run(gallery) is None


def test_both_encoders_rank_the_raced_photos_alone(comparison: Comparison, gallery: int, library: Library) -> None:
    red, green, blue = [photo.id for photo in list_photos(library, gallery)]
    assert rank_photos(library, gallery, "green", [red, green, blue])[0] == green
    assert set(rank_photos(library, gallery, "green", [blue, red])) == {red, blue}
    assert rank_photos(library, gallery, "blue", [red, blue]) == [blue, red]
    assert rank_photos(library, gallery, "red", []) == []


def test_equal_photos_rank_in_the_order_they_came() -> None:
    run = FullRun(np.array([4, 7, 9]), np.array([[1, 0], [1, 0], [0, 1]], np.float32), np.zeros(3), 300, IDENTITY)
    assert ranking(run, Query(np.array([1, 0], np.float32)), 2) == [4, 7]


def test_full_depth_holds_hubs_back_as_a_search_does() -> None:
    run = FullRun(np.array([4, 7]), np.array([[1, 0], [0.6, 0.8]], np.float32), np.array([-0.5, 0.0]), 200, IDENTITY)
    vector = np.array([1, 0], np.float32)
    assert ranking(run, Query(vector), 2) == [7, 4]
    assert ranking(run, Query(vector, picture=True), 2) == [4, 7]


def test_a_race_can_be_stopped_and_leaves_nothing(comparison: Comparison, gallery: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        comparison.race(gallery, Mock(side_effect=KeyboardInterrupt))
    assert comparison.last(gallery) is None
    assert comparison.full_run(gallery) is None


def test_an_empty_gallery_has_nothing_to_race(comparison: Comparison, library: Library) -> None:
    with pytest.raises(EngineError, match="add some first"):
        comparison.race(open_gallery(library, "empty"))


def test_where_a_gpu_is_lent_to_one_side_alone_there_is_no_race(
    comparison: Comparison, gallery: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    with pytest.raises(EngineError, match="a machine of your own"):
        comparison.race(gallery)
    assert comparison.last(gallery) is None


def test_photos_race_in_batches(comparison: Comparison, fill: Fill) -> None:
    laps: list[Lap] = []
    comparison.race(fill("many", {f"{i}.png": (i, i, 0) for i in range(1, BATCH + 3)}), laps.append)
    assert [lap.done for lap in laps] == [BATCH, BATCH + 2]


def test_photos_are_run_to_full_depth_once_for_all_who_ask_meanwhile(
    comparison: Comparison, gallery: int, fake_encoder: FakeEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    deepen, slow = fake_encoder.deepen, Mock(side_effect=lambda *given: time.sleep(0.2) or deepen(*given))
    monkeypatch.setattr(fake_encoder, "deepen", slow)
    with ThreadPoolExecutor(4) as visitors:
        found = list(visitors.map(comparison.run_in_full, [gallery] * 4))
    slow.assert_called_once()
    assert all(run.ids.tolist() == found[0].ids.tolist() for run in found)


def test_the_same_ranking_agrees_throughout() -> None:
    found = agreement([3, 1, 2], [3, 1, 2])
    assert (found.shared, found.same_first, found.moves) == (3, True, (0, 0, 0))


def test_moves_count_the_places_that_the_full_encoder_moves_a_photo_up() -> None:
    found = agreement([1, 2, 3, 4], [2, 4, 1, 9], k=4)
    assert found.moves == (-2, 1, None, 2)
    assert found.shared == 3
    assert not found.same_first


def test_only_the_first_k_count() -> None:
    assert agreement([1, 2, 3], [3, 2, 1], k=1).shared == 0
    assert agreement([1, 2, 3], [3, 2, 1], k=2).full == (3, 2)


def test_nothing_agrees_with_nothing() -> None:
    assert agreement([], []).shared == 0
