"""What indexing, searching and the page need of an encoder; `engine.exits.encoder.Encoder` is one."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

import numpy as np
from PIL import Image

from engine.exits.budget import DEFAULT_BUDGET, Plan

if TYPE_CHECKING:  # torch comes with them
    from torch import Tensor

    from engine.exits.batch import DeeperRun, Encoding
    from engine.exits.encoder import Identity, Trace
    from engine.exits.feature_map import FeatureMap
    from engine.exits.ladder import Stage
    from engine.exits.scorer import CandidateScorer


class Onward(Protocol):
    """Which exits lead to which, and what the way costs; see `engine.exits.ladder.Ladder`."""

    def resumes(self, from_exit: int, to_exit: int) -> bool:
        """Whether the feature map at one exit (1-based) leads to another."""

    def onward(self, from_map: bool) -> np.ndarray:
        """(E, E) full encodings from every exit to every other; inf where no way leads."""


class PhotoEncoder(Protocol):
    """Encodes photos as far as a budget asks, runs them deeper later, and embeds texts beside them."""

    @property
    def identity(self) -> "Identity":
        """What its embeddings depend on."""

    @property
    def precision(self) -> str:
        """What it computes in: "float32" or "bfloat16"."""

    @property
    def dim(self) -> int:
        """Width of an embedding."""

    @property
    def exits(self) -> int:
        """How many exits there are, full depth included."""

    @property
    def full_macs(self) -> int:
        """MACs of a photo at full depth."""

    @property
    def stages(self) -> "tuple[Stage, ...]":
        """Its steps, as they are drawn."""

    @property
    def plans(self) -> Sequence[Plan]:
        """One for each budget of the grid."""

    @property
    def ladder(self) -> Onward:
        """The ways between its exits."""

    @property
    def scorer(self) -> "CandidateScorer":
        """Scores what left at different exits alike."""

    @property
    def logit_scale(self) -> float:
        """What the model multiplies cosines by before a softmax."""

    @property
    def guide_texts(self) -> tuple[str, ...]:
        """What photos are described by."""

    @property
    def owner_texts(self) -> tuple[str, ...]:
        """Those guide texts that say what people will look for."""

    @property
    def preprocess(self) -> Callable[[Image.Image], np.ndarray]:
        """An RGB picture of any shape to (3, S, S) uint8."""

    def guided_by(self, texts: Sequence[str], owner_texts: Sequence[str] = ()) -> "PhotoEncoder":
        """The same encoder with other guide texts."""

    def encode_text(self, texts: Sequence[str]) -> np.ndarray:
        """(N, D) float32, unit length."""

    def send(self, photos: Sequence[np.ndarray]) -> "np.ndarray | Tensor":
        """Photos as `encode` takes them."""

    def encode(self, pixels: "np.ndarray | Tensor", budget: float = DEFAULT_BUDGET) -> "list[Encoding]":
        """Encode photos, each as far as its gates ask for."""

    def encode_to(self, pixels: np.ndarray, exit: int) -> np.ndarray:
        """(B, D) embeddings of photos that all leave at one exit (1-based)."""

    def run_to(self, pixels: np.ndarray, exit: int) -> "list[DeeperRun]":
        """Send photos to one exit (1-based)."""

    def resume(self, maps: "Sequence[FeatureMap]", from_exit: int, to_exit: int) -> "list[DeeperRun]":
        """Send photos on from their feature maps."""

    def unpack_map(self, data: bytes, exit: int) -> "FeatureMap | None":
        """A packed feature map of an exit (1-based); None where it is damaged."""

    def trace(self, pixels: np.ndarray) -> "Trace":
        """Everything that every exit would see."""
