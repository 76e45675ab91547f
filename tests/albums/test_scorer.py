"""What albums of one wide word hold of the demo gallery."""

import torch
from torch import Tensor

from engine.albums.album import album_of
from engine.albums.scorer import AlbumScorer
from engine.exits.encoder import Encoder
from tests.demo_gallery import ANIMALS


def held(embedded: Encoder, shown: dict[str, Tensor], *albums: str) -> dict[str, str | None]:
    """The album of each photo."""
    scorer = AlbumScorer.of([album_of(album) for album in albums], embedded)
    outcomes = scorer.scores(torch.stack(list(shown.values()))).argmax(1).tolist()
    return {name: (*albums, None)[outcome] for name, outcome in zip(shown, outcomes, strict=True)}


def test_a_wide_word_holds_what_it_is_a_word_for(embedded: Encoder, shown: dict[str, Tensor]) -> None:
    found = {name for name, album in held(embedded, shown, "animals").items() if album}
    assert found >= ANIMALS
    assert len(found - ANIMALS) <= 2


def test_a_narrower_album_takes_its_own_from_a_wider_one(embedded: Encoder, shown: dict[str, Tensor]) -> None:
    found = held(embedded, shown, "animals", "birds")
    assert (found["osprey-on-branch"], found["giant-panda"], found["white-chair"]) == ("birds", "animals", None)


def test_what_an_album_is_not_may_be_a_wide_word(embedded: Encoder, shown: dict[str, Tensor]) -> None:
    found = held(embedded, shown, "nature: a forest, a river, a rock, not animals")
    assert found["koala-in-eucalyptus"] is None
    assert found["waterfall-in-forest"] is not None
