"""Second looks at the five photos."""

import numpy as np
import pytest

from engine.evaluation.photo_set import PhotoSet
from engine.evaluation.query_simulation import IndexSimulation, Looked
from tests.five_photos import GATES


def results(looked: Looked) -> tuple[float, list[float], int]:
    """What a query spent, what photos cost at most, and how many of seven captions find theirs first."""
    return looked.about["macs_per_query"], looked.costs.tolist(), int(looked.outcome.found[:, 0].sum())


@pytest.mark.parametrize(
    ("most", "spent", "costs", "found"),
    [
        (1, 0.57, [1, 1, 0.5, 0.2, 1], 3),  # five of seven captions rank first one that left at the first exit
        (2, 1.21, [1] * 5, 4),
        (5, 2.9, [1] * 5, 6),  # 0.8 for each of three photos and 0.5 for one
    ],
)
def test_a_query_runs_its_best_photos_to_the_end(
    five: PhotoSet, most: int, spent: float, costs: list[float], found: int
) -> None:
    assert results(IndexSimulation(five, np.array(GATES)).by_rank(most)) == (spent, costs, found)


def test_a_query_runs_on_where_that_may_change_its_page(five: PhotoSet) -> None:
    index = IndexSimulation(five, np.array([2, 2, 1, 2, 2]))  # only the third can go on, for half of a full encoding
    assert results(index.by_gain(1.0)) == (0, [1, 1, 0.5, 1, 1], 3)
    # Four of seven captions run it: its own three, and one that is partly green, as it still looks.
    assert results(index.by_gain(1e-9)) == (0.29, [1] * 5, 6)
