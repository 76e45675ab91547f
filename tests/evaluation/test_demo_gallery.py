"""The shipped model on the shipped photos: most queries find their photo near the top, also at less than full depth.

Every photo has its query. The bounds are what the model does today, less a little: the gallery holds what it knows.
"""

import numpy as np
import pytest

from engine.evaluation.probe import demo_queries, ranks_of
from engine.exits.budget import DEFAULT_BUDGET
from engine.exits.encoder import Encoder
from engine.ingest.image import open_picture
from engine.ingest.listing import folder_uploads
from engine.utils.paths import DEMO_GALLERY


@pytest.fixture(scope="module")
def photos(embedded: Encoder) -> dict[str, np.ndarray]:
    return {u.name: embedded.preprocess(open_picture(u.read(), u.name).rgb) for u in folder_uploads(DEMO_GALLERY)}


def test_queries_find_their_photo_at_full_depth(embedded: Encoder, photos: dict[str, np.ndarray]) -> None:
    found = ranks_of(
        embedded, embedded.encode_to(np.stack(list(photos.values())), embedded.exits), list(photos), demo_queries()
    )
    assert (found == 1).mean() >= 0.8
    assert (found <= 3).mean() >= 0.94


def test_queries_find_their_photo_with_the_gates(embedded: Encoder, photos: dict[str, np.ndarray]) -> None:
    encodings = embedded.encode(np.stack(list(photos.values())))
    assert np.mean([e.macs for e in encodings]) < embedded.full_macs / 2
    found = ranks_of(embedded, np.stack([e.vector for e in encodings]), list(photos), demo_queries())
    assert (found == 1).mean() >= 0.7
    assert (found <= 3).mean() >= 0.89


def test_every_photo_has_its_query_and_its_line_of_attribution(photos: dict[str, np.ndarray]) -> None:
    assert sorted(file for _, file in demo_queries()) == sorted(photos)
    lines = (DEMO_GALLERY / "ATTRIBUTION.md").read_text(encoding="utf-8").splitlines()
    assert sorted(line.split(" | ")[0].removeprefix("| ") for line in lines if ".jpg |" in line) == sorted(photos)


def test_a_budget_with_something_to_spare_sends_some_photos_on(
    embedded: Encoder, photos: dict[str, np.ndarray]
) -> None:
    encodings = embedded.encode(np.stack(list(photos.values())), DEFAULT_BUDGET + 0.1)
    assert len({e.exit for e in encodings}) > 1


def test_what_people_will_look_for_goes_deeper(embedded: Encoder, photos: dict[str, np.ndarray]) -> None:
    guided = embedded.guided_by((*embedded.guide_texts, "flowers"), ("flowers",))
    wanted = {"blue-forget-me-nots.jpg", "dahlia-flower.jpg"}
    pixels = np.stack(list(photos.values()))
    before, after = embedded.encode(pixels), guided.encode(pixels)
    deeper = {name for name, then, now in zip(photos, before, after, strict=True) if now.exit > then.exit}
    assert wanted <= deeper
    assert len(deeper) < len(photos) / 5


@pytest.mark.parametrize("scouted", [False, True])
def test_bfloat16_ranks_as_float32_does(
    embedded: Encoder, embedded_bfloat16: Encoder, photos: dict[str, np.ndarray], scouted: bool
) -> None:
    plain, quick = embedded, embedded_bfloat16
    pixels, files = np.stack(list(photos.values())), list(photos)
    exit = max(stage.exit for stage in plain.stages if stage.exit and stage.scout == scouted)
    exact, rough = (ranks_of(e, e.encode_to(pixels, exit), files, demo_queries()) for e in (plain, quick))
    assert (np.abs(exact - rough) <= 1).mean() >= 0.9
