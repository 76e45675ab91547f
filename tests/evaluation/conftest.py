"""The five photos, and what keeps the numbers on them exact."""

from types import SimpleNamespace

import numpy as np
import pytest

from engine.evaluation import photo_set, query_simulation
from engine.evaluation.photo_set import RANKS, PhotoSet
from tests import five_photos


@pytest.fixture
def five(monkeypatch: pytest.MonkeyPatch) -> PhotoSet:
    """The five photos; a page has two, or it would show them all."""
    monkeypatch.delitem(RANKS, "r5")
    monkeypatch.setitem(RANKS, "r10", 2)
    for module in (photo_set, query_simulation):
        monkeypatch.setattr(module, "PAGE", 2)
    return PhotoSet(five_photos.encoder(), five_photos.features())


@pytest.fixture
def dealt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chance gives each photo what the one before it had, every time."""
    chance = SimpleNamespace(permutation=lambda exits: np.roll(exits, 1))
    monkeypatch.setattr(np.random, "default_rng", lambda seed: chance)
