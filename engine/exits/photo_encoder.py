"""What indexing, searching and the page need of an encoder; `engine.exits.encoder.Encoder` is one."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from PIL import Image

from engine.exits.budget import DEFAULT_BUDGET

if TYPE_CHECKING:  # torch comes with them
    from torch import Tensor

    from engine.exits.batch import Encoding
    from engine.exits.encoder import Identity, Standing, Trace
    from engine.exits.feature_map import FeatureMap
    from engine.exits.ladder import Ladder, Stage
    from engine.exits.scorer import CandidateScorer
    from engine.exits.text_bank import TextBank


class PhotoEncoder(Protocol):
    """Encodes photos as far as a budget asks, runs them deeper later, and embeds texts beside them."""

    @property
    def identity(self) -> "Identity":
        """What its embeddings depend on."""

    @property
    def folder(self) -> Path:
        """Where its exit weights are kept, and what they gave."""

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
        """Its stages, as they are drawn."""

    @property
    def ladder(self) -> "Ladder":
        """Its passes, and what the ways between its exits cost."""

    @property
    def scorer(self) -> "CandidateScorer":
        """Scores what left at different exits alike."""

    @property
    def logit_scale(self) -> float:
        """What the model multiplies cosines by before a softmax."""

    @property
    def bank(self) -> "TextBank":
        """The texts that photos' affinities are to."""

    @property
    def phrases(self) -> tuple[str, ...]:
        """What people will look for."""

    @property
    def preprocess(self) -> Callable[[Image.Image], np.ndarray]:
        """An RGB picture of any shape to (3, S, S) uint8."""

    def looking_for(self, phrases: Sequence[str]) -> "PhotoEncoder":
        """The same encoder, whose gates go by what people will look for."""

    def encode_text(self, texts: Sequence[str]) -> np.ndarray:
        """(N, D) float32, unit length."""

    def send(self, photos: Sequence[np.ndarray]) -> "np.ndarray | Tensor":
        """Photos as `encode` takes them."""

    def encode(
        self, pixels: "np.ndarray | Tensor", budget: float = DEFAULT_BUDGET, standing: "Standing | None" = None
    ) -> "list[Encoding]":
        """Encode photos, each as far as its gates ask for, from where they stand."""

    def deepen(self, pixels: np.ndarray | None, exit: int, standing: "Standing | None" = None) -> "list[Encoding]":
        """Send photos to an exit (1-based), from where they stand."""

    def unpack_map(self, data: bytes, exit: int) -> "FeatureMap | None":
        """A packed feature map of an exit (1-based); None where it is damaged."""

    def trace(self, pixels: np.ndarray) -> "Trace":
        """Everything that every exit would see."""
