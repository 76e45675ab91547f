"""A small exact encoder: it sees the mean colour of a photo, and knows the names of a few colours."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from engine.exits.batch import DeeperRun, Encoding
from engine.exits.budget import BUDGET_GRID, Plan
from engine.exits.calibration import EXACT, Calibration, Estimate
from engine.exits.encoder import Identity, Trace
from engine.exits.feature_map import FeatureMap
from engine.exits.ladder import Stage
from engine.exits.scorer import CandidateScorer
from engine.exits.text_bank import TextBank

COLOURS = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "yellow": (1, 1, 0), "grey": (1, 1, 1)}
IDENTITY = Identity("fake", "a" * 64, "b" * 64)


@dataclass(frozen=True)
class FakeLadder:
    """Every exit leads to every later one."""

    costs: tuple[int, ...]

    def resumes(self, from_exit: int, to_exit: int) -> bool:
        return from_exit < to_exit

    def onward(self, from_map: bool) -> np.ndarray:
        costs = np.array(self.costs)
        found = (costs - costs[:, None] if from_map else np.tile(costs, (len(costs), 1))) / costs[-1]
        return np.where(np.tri(len(costs), dtype=bool), np.inf, found)


class FakeScorer(CandidateScorer):
    """Goes by calibrations alone, and counts one MAC for each candidate that left early."""

    def scored(self, query: np.ndarray, vectors: np.ndarray, exits: np.ndarray) -> tuple[Estimate, int]:
        return super().scored(query, vectors, exits)[0], int((exits < len(self.deviations) - 1).sum())


@dataclass
class FakeEncoder:
    """Sees the mean colour, before full depth as through a haze; a text is the sum of the colours it names.

    A picture of one colour leaves at exit 1 of 3, any other goes to full depth, as all do at budget 1. MACs: 40, 70,
    100 of 100. What a photo leaves with is its mean colour.
    """

    identity: Identity = IDENTITY
    batches: list[int] = field(default_factory=list)  # photos in each batch encoded so far
    visits: list[tuple[int, int, int]] = field(default_factory=list)  # photos, from exit (0: anew) and to exit of each
    precision: str = "float32"
    haze: float = 0.0  # grey that is mixed into every colour
    logit_scale: float = 20.0
    guide_texts: tuple[str, ...] = ("a colour", "a thing")
    owner_texts: tuple[str, ...] = ()
    dim: int = 3
    exits: int = 3
    full_macs: int = 100
    costs: tuple[int, ...] = (40, 70, 100)
    stages: tuple[Stage, ...] = (
        Stage("stem", 8, 20, None, False),
        Stage("blocks.0", 8, 20, 1, False),
        Stage("blocks.1", 8, 30, 2, False),
        Stage("blocks.2", 8, 30, 3, False),
    )

    @property
    def plans(self) -> tuple[Plan, ...]:
        return tuple(Plan(tuple(range(self.exits - 1)), 1.0) for _ in BUDGET_GRID)

    @property
    def scorer(self) -> FakeScorer:
        # What the haze does to reds is known but for a little.
        early = Calibration(slope=1 + 0.2 * self.haze, offset=0.02 * self.haze, deviation=0.06)
        table = (*(early for _ in range(self.exits - 1)), EXACT)
        return FakeScorer(table, nn.ModuleList(), TextBank((), lambda _: torch.empty(0)), self.logit_scale)

    @property
    def ladder(self) -> FakeLadder:
        return FakeLadder(self.costs)

    def preprocess(self, picture: Image.Image) -> np.ndarray:
        return np.asarray(picture.resize((8, 8), Image.Resampling.NEAREST)).transpose(2, 0, 1)

    def send(self, photos: Sequence[np.ndarray]) -> np.ndarray:
        return np.stack(photos)

    def guided_by(self, texts: Sequence[str], owner_texts: Sequence[str] = ()) -> "FakeEncoder":
        identity = replace(self.identity, exits="".join(texts))
        return replace(self, identity=identity, guide_texts=tuple(texts), owner_texts=tuple(owner_texts))

    def encode(self, pixels: np.ndarray | Tensor, budget: float = 0.75) -> list[Encoding]:
        self.batches.append(len(pixels))
        return [self._encode_one(picture, budget) for picture in np.asarray(pixels)]

    def encode_to(self, pixels: np.ndarray, exit: int) -> np.ndarray:
        return np.stack([self._vector(_mean(picture), exit) for picture in pixels])

    def run_to(self, pixels: np.ndarray, exit: int) -> list[DeeperRun]:
        self.visits.append((len(pixels), 0, exit))
        return [self._visit(_mean(picture), exit, self.costs[exit - 1]) for picture in pixels]

    def resume(self, maps: Sequence[FeatureMap], from_exit: int, to_exit: int) -> list[DeeperRun]:
        self.visits.append((len(maps), from_exit, to_exit))
        macs = self.costs[to_exit - 1] - self.costs[from_exit - 1]
        return [self._visit(kept.state.numpy(), to_exit, macs) for kept in maps]

    def unpack_map(self, data: bytes, exit: int) -> FeatureMap | None:
        return FeatureMap.unpack(data, (3,), {})

    def trace(self, pixels: np.ndarray) -> Trace:
        return Trace([], [torch.from_numpy(self.encode_to(pixels, exit)) for exit in range(1, self.exits + 1)])

    def encode_text(self, texts: Sequence[str]) -> np.ndarray:
        sums = [
            sum((np.array(COLOURS[word]) for word in text.split() if word in COLOURS), np.zeros(3)) for text in texts
        ]
        return np.stack([_unit(vector) for vector in sums])

    def _encode_one(self, picture: np.ndarray, budget: float) -> Encoding:
        colours = picture.reshape(3, -1).astype(np.float32)
        plain = bool((colours == colours[:, :1]).all()) and budget < 1
        exit = 1 if plain else self.exits
        gates = np.full((min(exit, self.exits - 1), len(BUDGET_GRID)), float(plain), np.float32)
        gates[:, -1] = 0
        seen = self._visit(_mean(picture), exit, self.costs[exit - 1])
        return Encoding(seen.vector, exit, gates, (seen.phrases,) * exit, seen.macs, 2.0, budget, seen.map)

    def _visit(self, colour: np.ndarray, exit: int, macs: int) -> DeeperRun:
        phrases = tuple(zip(self.guide_texts[:2], (0.9, 0.1), strict=True))
        kept = FeatureMap(torch.from_numpy(colour), {}) if exit < self.exits else None
        return DeeperRun(self._vector(colour, exit), exit, phrases, macs, 2.0, kept)

    def _vector(self, colour: np.ndarray, exit: int) -> np.ndarray:
        return _unit(colour + (255 * self.haze if exit < self.exits else 0))


def _mean(picture: np.ndarray) -> np.ndarray:
    return picture.reshape(3, -1).astype(np.float32).mean(axis=1)


def _unit(vector: np.ndarray) -> np.ndarray:
    # Black, and a text without a colour, are as near to every colour.
    vector = vector if vector.any() else np.ones(3)
    return (vector / np.linalg.norm(vector)).astype(np.float32)
