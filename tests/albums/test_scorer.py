"""What albums of one wide word hold of the demo gallery."""

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.albums.album import album_of
from engine.albums.scorer import AlbumScorer
from engine.exits.encoder import Encoder
from engine.ingest.image import open_picture
from engine.ingest.listing import folder_uploads
from engine.utils.paths import DEMO_GALLERY

ANIMALS = {
    "dogs-in-a-window", "giant-panda", "goldfish", "koala-in-eucalyptus", "komodo-dragon", "lizard-on-leaves",
    "marsh-crocodile", "moose-with-antlers", "osprey-on-branch", "otters-by-the-water", "polar-bear-on-snow",
    "tabby-cat-face", "wren-on-rock",
}  # fmt: skip


@pytest.fixture(scope="module")
def gallery(embedded: Encoder) -> dict[str, Tensor]:
    """What full depth says of each photo of the demo gallery."""
    uploads = folder_uploads(DEMO_GALLERY)
    pixels = np.stack([embedded.preprocess(open_picture(u.read(), u.name).rgb) for u in uploads])
    return {u.name.removesuffix(".jpg"): v for u, v in zip(uploads, embedded.trace(pixels).vectors[-1], strict=True)}


def held(embedded: Encoder, gallery: dict[str, Tensor], *albums: str) -> dict[str, str | None]:
    """The album of each photo."""
    scorer = AlbumScorer.of([album_of(album) for album in albums], embedded)
    outcomes = scorer.scores(torch.stack(list(gallery.values()))).argmax(1).tolist()
    return {name: (*albums, None)[outcome] for name, outcome in zip(gallery, outcomes, strict=True)}


def test_a_wide_word_holds_what_it_is_a_word_for(embedded: Encoder, gallery: dict[str, Tensor]) -> None:
    found = {name for name, album in held(embedded, gallery, "animals").items() if album}
    assert found >= ANIMALS
    assert len(found - ANIMALS) <= 2


def test_a_narrower_album_takes_its_own_from_a_wider_one(embedded: Encoder, gallery: dict[str, Tensor]) -> None:
    found = held(embedded, gallery, "animals", "birds")
    assert (found["osprey-on-branch"], found["giant-panda"], found["white-chair"]) == ("birds", "animals", None)


def test_what_an_album_is_not_may_be_a_wide_word(embedded: Encoder, gallery: dict[str, Tensor]) -> None:
    found = held(embedded, gallery, "nature: a forest, a river, a rock, not animals")
    assert found["koala-in-eucalyptus"] is None
    assert found["waterfall-in-forest"] is not None
