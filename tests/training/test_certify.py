import numpy as np

from engine.exits.certificate import Fidelity
from engine.training.certify import fidelities
from tests import five_photos


def test_fidelity_is_to_full_depths_texts_and_to_its_ranking_as_a_search_ranks() -> None:
    # Each colour of the bank is a query, whose first photo counts. At the first of these exits the third photo leads
    # for blue, as it does at full depth: calibration lifts it above the grey one, which is nearer.
    columns = [np.array(exits) for exits in ([2, 1, 0, 2, 2], five_photos.GATES, [2] * 5)]
    found = fidelities(five_photos.encoder(), five_photos.features(), columns)
    assert found == [Fidelity(80, 66.7), Fidelity(60, 33.3), Fidelity(100, 100)]
