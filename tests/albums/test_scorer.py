"""What albums of one wide word hold of the demo gallery."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.albums import scorer as scorers
from engine.albums.album import AlbumSet, album_of
from engine.albums.scorer import AlbumScorer, Words
from engine.exits.encoder import Encoder
from engine.exits.text_bank import affinity
from tests.demo_gallery import ANIMALS


def no_embeddings(phrases: Sequence[str]) -> np.ndarray:
    return np.zeros((len(phrases), 1), np.float32)


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


def test_a_wider_album_leaves_what_a_narrower_one_names_to_it() -> None:
    texts = (
        "a cat on a sofa",
        "a koala",
        "a dog",
        "a car",
        "a snowy hill",
        "a cat in the snow",
        "a street in the snow",
    )
    for albums, owned in (
        (["animals"], [0, 1, 2, 5]),
        (["animals", "cats"], [1, 2]),
        (["animals", "snow"], [0, 1, 2, 5]),  # which is no narrower word
    ):
        wide = Words.of([album_of(line) for line in albums], no_embeddings, texts).wide[0]
        assert wide.nonzero()[:, 0].tolist() == owned


def test_what_was_in_either_album_is_in_the_one_that_they_are_merged_to(
    embedded: Encoder, shown: dict[str, Tensor]
) -> None:
    vectors = torch.stack(list(shown.values()))
    for lines in (("birds", "cats", "food"), ("a bird", "flowers: a flower, a rose, a leaf, a plant", "water")):
        albums = AlbumSet(tuple(map(album_of, lines)))
        first, second, *_ = (album.name for album in albums.albums)
        before = AlbumScorer.of(albums.albums, embedded).scores(vectors).argmax(1)
        for name, into in ((first, second), (second, first)):
            after = AlbumScorer.of(albums.merged(name, into).albums, embedded).scores(vectors).argmax(1)
            assert 0 < (before < 2).sum() == (after[before < 2] == 0).sum()


def test_what_an_album_is_not_may_be_a_wide_word(embedded: Encoder, shown: dict[str, Tensor]) -> None:
    found = held(embedded, shown, "nature: a forest, a river, a rock, not animals")
    assert found["koala-in-eucalyptus"] is None
    assert found["waterfall-in-forest"] is not None


def test_many_photos_are_scored_a_part_at_a_time(
    embedded: Encoder, shown: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer, vectors = AlbumScorer.of([album_of("animals")], embedded), torch.stack(list(shown.values()))
    whole, parts = scorer.scores(vectors), []
    monkeypatch.setattr(scorers, "PLACED_AT_ONCE", 16)
    monkeypatch.setattr(scorers, "COMPARED_AT_ONCE", 16)
    monkeypatch.setattr(scorers, "affinity", lambda part: parts.append(len(part)) or affinity(part))
    torch.testing.assert_close(scorer.scores(vectors), whole)
    assert max(parts) <= 16 < sum(parts) == len(vectors)
