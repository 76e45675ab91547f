"""A small exact encoder: it sees the mean colour of a photo, and knows the names of a few colours.

Tests get it by the fixture `fake_encoder`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from engine.exits.batch import Encoding
from engine.exits.budget import BUDGET_GRID, nearest_budget
from engine.exits.calibration import EXACT, Calibration
from engine.exits.encoder import Encoder, Identity, Standing, Trace
from engine.exits.ladder import Ladder, Stage
from engine.exits.scorer import CandidateScorer
from engine.exits.text_bank import Embeddings, TextBank

COLOURS = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "yellow": (1, 1, 0), "grey": (1, 1, 1)}
TEXTS = ("a colour", "a thing")  # of the bank
IDENTITY = Identity("fake", "a" * 64, "b" * 64)


class FakeLadder(Ladder):
    """One pass with all exits along it, or a pass for each exit."""

    def __init__(self, exit_macs: tuple[int, ...], one_pass: bool) -> None:
        self.exits, self.exit_macs, self.full_macs = len(exit_macs), exit_macs, exit_macs[-1]
        self.shapes = [(3,) if one_pass and exit < self.exits else None for exit in range(1, self.exits + 1)]


@dataclass
class FakeEncoder(Encoder):
    """Sees the mean colour, before full depth as through a haze; a text is the sum of the colours it names.

    A picture of one colour leaves at exit 1 of 3, at budget 0.95 at exit 2; any other goes to full depth, as all do at
    budget 1. MACs: 40, 70, 100 of 100. What a photo leaves a pass with is its mean colour. How well the bank fits an
    embedding is how grey it is.
    """

    identity: Identity = IDENTITY
    folder: Path = Path("no exit weights")
    batches: list[int] = field(default_factory=list)  # photos in each batch encoded so far
    visits: list[tuple[int, int, int]] = field(default_factory=list)  # photos, from exit (0: anew) and to exit of each
    precision: str = "float32"
    haze: float = 0.0  # grey that is mixed into every colour
    logit_scale: float = 20.0
    affinity_weight: float = 0.0
    usual_affinity: ClassVar[float] = 0.0
    phrases: tuple[str, ...] = ()
    one_pass: bool = True  # and photos that leave it early have maps; else each exit ends a pass
    dim: int = 3
    exits: int = 3
    full_macs: int = 100
    exit_macs: tuple[int, ...] = (40, 70, 100)
    stages: tuple[Stage, ...] = (
        Stage("stem", 0, 20, None),
        Stage("blocks.0", 0, 20, 1),
        Stage("blocks.1", 0, 30, 2),
        Stage("blocks.2", 0, 30, 3),
    )

    @property
    def scorer(self) -> CandidateScorer:  # type: ignore[override]  # made anew: tests change what it follows from
        # What the haze does to reds is known but for a little.
        early = Calibration(slope=1 + 0.2 * self.haze, offset=0.02 * self.haze, deviation=0.06)
        table = (*(early for _ in range(self.exits - 1)), EXACT)
        return CandidateScorer(table, self.affinity_weight, self.logit_scale, self.usual_affinity)

    @property
    def bank(self) -> TextBank:  # type: ignore[override]
        return TextBank(TEXTS, Embeddings(lambda: torch.full((len(TEXTS), 3), 3**-0.5)))

    @property
    def ladder(self) -> FakeLadder:  # type: ignore[override]
        return FakeLadder(self.exit_macs, self.one_pass)

    def preprocess(self, picture: Image.Image) -> np.ndarray:
        return np.asarray(picture.resize((8, 8), Image.Resampling.NEAREST)).transpose(2, 0, 1)

    def send(self, photos: Sequence[np.ndarray]) -> np.ndarray:
        return np.stack(photos)

    def looking_for(self, phrases: Sequence[str]) -> "FakeEncoder":
        identity = replace(self.identity, exits_hash="".join(phrases))
        return replace(self, identity=identity, phrases=tuple(phrases))

    def encode(
        self, pixels: np.ndarray | Tensor, budget: float = 0.75, standing: Standing | None = None
    ) -> list[Encoding]:
        if standing is not None:
            self._reject(standing, self.exits)
        self.batches.append(len(pixels))
        column = nearest_budget(budget)
        found = []
        for row, picture in enumerate(np.asarray(pixels)):
            gates = self._gates(picture)
            exit = 1 + int(np.append(gates[:, column] >= 0.5, True).argmax())
            found.append(self._sent(self._colour(picture, standing, row), gates, exit, standing, budget))
        return found

    def deepen(self, pixels: np.ndarray | None, exit: int, standing: Standing | None = None) -> list[Encoding]:
        if standing is not None:
            self._reject(standing, exit)
        many = len(pixels) if pixels is not None else len(standing.vectors) if standing else 0
        self.visits.append((many, standing.exit if standing else 0, exit))
        found = []
        for row in range(many):
            picture = None if pixels is None else pixels[row]
            gates = np.zeros((self.exits - 1, len(BUDGET_GRID)), np.float32)
            found.append(self._sent(self._colour(picture, standing, row), gates, exit, standing, None))
        return found

    def trace(self, pixels: np.ndarray) -> Trace:
        colours = [_mean(picture) for picture in pixels]
        at_exit = [[self._vector(colour, exit) for colour in colours] for exit in range(1, self.exits + 1)]
        return Trace([], [torch.from_numpy(np.stack(vectors)) for vectors in at_exit])

    def reads_whole(self, word: str) -> bool:
        return word in COLOURS

    def reads_to_end(self, text: str) -> bool:
        return len(text.split()) <= 30

    def encode_text(self, texts: Sequence[str]) -> np.ndarray:
        sums = [
            sum((np.array(COLOURS[word]) for word in text.split() if word in COLOURS), np.zeros(3)) for text in texts
        ]
        return np.stack([_unit(vector) for vector in sums])

    def _colour(self, picture: np.ndarray | None, standing: Standing | None, row: int) -> np.ndarray:
        """The mean colour, from the map where there is one: what a pass has seen it does not look at again."""
        if standing is not None and standing.maps is not None:
            return standing.maps[row].numpy()
        assert picture is not None
        return _mean(picture)

    def _gates(self, picture: np.ndarray) -> np.ndarray:
        colours = picture.reshape(3, -1)
        gates = np.full((self.exits - 1, len(BUDGET_GRID)), float((colours == colours[:, :1]).all()), np.float32)
        for k in range(len(gates)):
            gates[k, k - len(gates) :] = 0
        return gates

    def _sent(
        self, colour: np.ndarray, gates: np.ndarray, exit: int, standing: Standing | None, budget: float | None
    ) -> Encoding:
        """One photo from where it stands to an exit."""
        start = standing.exit if standing else 0
        vector = self._vector(colour, exit)
        return Encoding(
            vector=vector,
            exit=exit,
            affinity=float(self.bank.affinity(torch.from_numpy(vector[None]))),
            gates=gates[start:exit],
            nearest_texts=(tuple(zip((*self.phrases, *TEXTS)[:2], (0.9, 0.1), strict=True)),) * (exit - start),
            macs=self.exit_macs[exit - 1] - (self.exit_macs[start - 1] if start else 0),
            milliseconds=2.0,
            budget=budget,
            map=torch.from_numpy(colour) if self.ladder.shapes[exit - 1] else None,
        )

    def _vector(self, colour: np.ndarray, exit: int) -> np.ndarray:
        return _unit(colour + (255 * self.haze if exit < self.exits else 0))


def _mean(picture: np.ndarray) -> np.ndarray:
    return picture.reshape(3, -1).astype(np.float32).mean(axis=1)


def _unit(vector: np.ndarray) -> np.ndarray:
    # Black, and a text without a colour, are as near to every colour.
    vector = vector if vector.any() else np.ones(3)
    return (vector / np.linalg.norm(vector)).astype(np.float32)
