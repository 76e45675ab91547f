"""Five photos at three exits, few enough for what every policy gives on them to be worked out by hand.

An embedding says how red, green and blue a photo is. The bank's texts are the three colours, so a photo's cosines to
them are its own numbers, and its affinity is their mean.
"""

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from engine.exits.budget import BUDGET_GRID
from engine.exits.calibration import EXACT, Calibration
from engine.exits.scorer import CandidateScorer
from engine.exits.text_bank import Embeddings, TextBank
from engine.training.features import Features

COLOURS = ("red", "green", "blue")
RED, GREEN, BLUE = (1, 0, 0), (0, 1, 0), (0, 0, 1)
GREY = (0.48, 0.64, 0.6)
PHOTOS = (  # at each exit
    (RED, RED, RED),  # is clear from the start
    ((0.6, 0, 0.8), (0.96, 0, 0.28), (0.96, 0, 0.28)),  # is clear from the second exit on
    (GREEN, GREEN, BLUE),  # is surely another thing until the end
    ((0.8, 0.6, 0), (0.8, 0.6, 0), (0.6, 0.8, 0)),  # changes at the end, which makes nothing clearer
    (GREY, GREY, GREY),  # never changes, and all texts fit it
)
CAPTIONS = (RED, (0.96, 0, 0.28), (0.8, 0, 0.6), BLUE, (0, 0.28, 0.96), (0, 0.6, 0.8), (0.8, 0.6, 0))
OWNERS = (0, 1, 1, 2, 2, 2, 3)  # nobody has described the grey one
# What a photo scores, where a = 0.3 * (red + green + blue) is what its affinity takes: at the first exit
# 0.5 * cosine + 0.4 - a, at the second 0.8 * cosine + 0.1 - a, at full depth cosine - a.
# The constants hold 0.04 and 0.01 that are for the doubt.
CALIBRATIONS = (Calibration(0.5, 0.36, 0.1), Calibration(0.8, 0.09, 0.05), EXACT)
AFFINITY_WEIGHT, LOGIT_SCALE = 0.9, 8.0
EXIT_MACS = (200_000_000, 500_000_000, 1_000_000_000)
GATES = (0, 2, 1, 0, 0)  # where photos leave at every budget but the whole one; 0.42 of full depth's MACs


def features() -> Features:
    """The photos and their captions."""
    return Features([], torch.tensor(PHOTOS), torch.tensor(CAPTIONS), torch.tensor(OWNERS))


def decided(exits: tuple[int, ...]) -> torch.Tensor:
    """These exits at every budget but the whole one."""
    return torch.tensor([[exit] * (len(BUDGET_GRID) - 1) + [2] for exit in exits])


def encoder(**others: object) -> Any:
    """What is asked of an encoder where photos are measured; others: what a test has otherwise."""
    onward = np.array([[np.inf, 0.3, 0.8], [np.inf, np.inf, 0.5], [np.inf] * 3])
    asked = {
        "exits": 3,
        "exit_macs": EXIT_MACS,
        "full_macs": EXIT_MACS[-1],
        "ladder": SimpleNamespace(shares=np.array([0.2, 0.5, 1]), onward=np.stack([onward, onward])),
        "bank": TextBank(COLOURS, Embeddings(lambda: torch.eye(3))),
        "scorer": CandidateScorer(CALIBRATIONS, AFFINITY_WEIGHT, LOGIT_SCALE),
        "logit_scale": LOGIT_SCALE,
        "decide": lambda trace: decided(GATES),
    }
    return SimpleNamespace(**asked | others)
