"""The shipped model on the shipped photos: most queries find their photo near the top, also at less than full depth.

Every photo has its query. The bounds are what the model does today, less a little: the gallery holds what it knows.
"""

import json
from collections.abc import Sequence

import numpy as np
import pytest
import torch

from engine.exits.batch import Encoding
from engine.exits.budget import BUDGET_GRID, DEFAULT_BUDGET
from engine.exits.encoder import Encoder
from engine.ingest.image import open_picture
from engine.ingest.listing import folder_uploads
from engine.search.query_expansion import embed_words
from engine.search.relevance import fits
from engine.utils.paths import DEMO_GALLERY


@pytest.fixture(scope="module")
def photos(embedded: Encoder) -> dict[str, np.ndarray]:
    return {u.name: embedded.preprocess(open_picture(u.read(), u.name).rgb) for u in folder_uploads(DEMO_GALLERY)}


@pytest.fixture(scope="module")
def encodings(embedded: Encoder, photos: dict[str, np.ndarray]) -> list[Encoding]:
    """The photos as the gates let them leave."""
    return embedded.encode(np.stack(list(photos.values())))


@pytest.fixture(scope="module")
def deepest(embedded: Encoder, photos: dict[str, np.ndarray]) -> np.ndarray:
    """(N, D) the photos at full depth."""
    return at(embedded, photos, embedded.exits)


def at(encoder: Encoder, photos: dict[str, np.ndarray], exit: int) -> np.ndarray:
    """(N, D) the photos at an exit (1-based)."""
    return np.stack([e.vector for e in encoder.deepen(np.stack(list(photos.values())), exit)])


def demo_queries() -> list[tuple[str, str]]:
    """The demo gallery's queries, and the file that each should find."""
    rows = json.loads((DEMO_GALLERY / "queries.json").read_text(encoding="utf-8"))
    return [(row["query"], row["file"]) for row in rows]


def ranks_of(
    encoder: Encoder, vectors: np.ndarray, files: Sequence[str], queries: Sequence[tuple[str, str]]
) -> np.ndarray:
    """Rank, from 1, of each query's own (text, file) among all; vectors (N, D), one a file."""
    scores = encoder.encode_text([text for text, _ in queries]) @ vectors.T
    own = scores[np.arange(len(queries)), [files.index(file) for _, file in queries]]
    return (scores > own[:, None]).sum(1) + 1


def test_queries_find_their_photo_at_full_depth(
    embedded: Encoder, photos: dict[str, np.ndarray], deepest: np.ndarray
) -> None:
    found = ranks_of(embedded, deepest, list(photos), demo_queries())
    assert (found == 1).mean() >= 0.8
    assert (found <= 3).mean() >= 0.94


def test_queries_find_their_photo_with_the_gates(
    embedded: Encoder, photos: dict[str, np.ndarray], encodings: list[Encoding]
) -> None:
    cost = np.mean([e.macs for e in encodings]) / embedded.full_macs
    assert cost == pytest.approx(DEFAULT_BUDGET, rel=0.1)  # of 38 photos: each that goes all the way or not is 3 %
    found = ranks_of(embedded, np.stack([e.vector for e in encodings]), list(photos), demo_queries())
    assert (found == 1).mean() >= 0.7
    assert (found <= 3).mean() >= 0.89


def test_the_gallery_keeps_to_its_budgets(embedded: Encoder, photos: dict[str, np.ndarray]) -> None:
    exits = embedded.decide(embedded.trace(np.stack(list(photos.values()))))
    costs = np.divide(embedded.exit_macs, embedded.full_macs)[exits].mean(0)
    assert np.mean(np.divide(costs, BUDGET_GRID)) == pytest.approx(1, rel=0.05)  # at one budget 38 photos are few


def test_what_the_gallery_shows_fits_and_what_it_does_not_show_does_not(embedded: Encoder, deepest: np.ndarray) -> None:
    scorer, affinity = embedded.scorer, embedded.bank.affinity(torch.from_numpy(deepest)).numpy()

    def best(texts: Sequence[str]) -> np.ndarray:
        exits = np.full(len(deepest), embedded.exits - 1)
        return scorer.estimate(embed_words(embedded, texts) @ deepest.T, exits, affinity).expected.max(1)

    assert all(fits(score, "words", scorer.usual_affinity) for score in best([text for text, _ in demo_queries()]))
    absent = ["a group of people dancing", "a bride and groom", "a man on a motorcycle", "a smiling woman", "sushi"]
    assert not any(fits(score, "words", scorer.usual_affinity) for score in best(absent))


def test_every_photo_has_its_query_and_its_line_of_attribution(photos: dict[str, np.ndarray]) -> None:
    assert sorted(file for _, file in demo_queries()) == sorted(photos)
    lines = (DEMO_GALLERY / "ATTRIBUTION.md").read_text(encoding="utf-8").splitlines()
    assert sorted(line.split(" | ")[0].removeprefix("| ") for line in lines if ".jpg |" in line) == sorted(photos)


def test_most_photos_leave_early_and_some_go_all_the_way(embedded: Encoder, encodings: list[Encoding]) -> None:
    exits = [e.exit for e in encodings]
    assert len(exits) / 5 < exits.count(embedded.exits) < len(exits) / 2


def test_what_people_will_look_for_decides_who_goes_deeper(
    embedded: Encoder, photos: dict[str, np.ndarray], encodings: list[Encoding]
) -> None:
    flowers = embedded.looking_for(("flowers",)).encode(np.stack(list(photos.values())))
    assert [e.exit for e in flowers] != [e.exit for e in encodings]


@pytest.mark.parametrize("exit", [1, -1])
def test_bfloat16_ranks_as_float32_does(
    embedded: Encoder, embedded_bfloat16: Encoder, photos: dict[str, np.ndarray], exit: int
) -> None:
    files, number = list(photos), exit % (embedded.exits + 1)
    exact, rough = (ranks_of(e, at(e, photos, number), files, demo_queries()) for e in (embedded, embedded_bfloat16))
    assert (np.abs(exact - rough) <= 1).mean() >= 0.9
