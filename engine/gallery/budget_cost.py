"""What another budget would run on a gallery's photos, from the gates that are stored: nothing is run to tell."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from engine.exits.budget import BUDGET_GRID, let_go, nearest_budget
from engine.gallery.library import Library
from engine.gallery.types import Photo
from engine.storage.encodings import images_at_other_budgets
from engine.storage.schema import stamp_of

if TYPE_CHECKING:
    from engine.exits.encoder import Encoder


@dataclass(frozen=True)
class BudgetCost:
    """Photos that go deeper, and the compute of that: how far beyond the next exit their gates tell only there."""

    deeper: int
    macs_least: int
    macs_most: int
    full_macs: int  # of one full encoding


def budget_cost(library: Library, gallery_id: int, budget: float) -> BudgetCost:
    """What `reencode_gallery` would run for another budget; raises GalleryMissing, ModelChanged."""
    encoder = library.encoder_of(gallery_id)
    ends = accumulate(stage.macs for stage in encoder.stages)
    at = [0, *(end for stage, end in zip(encoder.stages, ends, strict=True) if stage.exit is not None)]
    standing = [exit for _, exit, goes_on in settled(library, gallery_id, budget, encoder) if goes_on]
    least = sum(at[exit + 1] - at[exit] for exit in standing)
    most = sum(encoder.full_macs - at[exit] for exit in standing)
    return BudgetCost(len(standing), least, most, encoder.full_macs)


def settled(library: Library, gallery_id: int, budget: float, encoder: "Encoder") -> Iterator[tuple[int, int, bool]]:
    """Photos that stand for another budget: their ids, the exit that each stands at, and whether it would go on.

    Args: encoder: the gallery's; photos that left by other phrases than its own are not among them.
    """
    for image_id, exit, gates in images_at_other_budgets(library.database, gallery_id, stamp_of(encoder), budget):
        asked = np.frombuffer(gates, np.float32).reshape(-1, len(BUDGET_GRID))[:, nearest_budget(budget)]
        yield image_id, exit, not (exit == encoder.exits or let_go(asked).any())


def deeper_than(photos: Iterable[Photo], budget: float) -> int:
    """How many photos stand deeper than their gates would have let them go for a budget."""
    at = nearest_budget(budget)
    return sum(bool(let_go(photo.gates[: photo.exit - 1, at]).any()) for photo in photos if photo.gates.size)
