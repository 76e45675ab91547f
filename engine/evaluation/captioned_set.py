"""A captioned set as one encoder sees it: the arrays that every policy is measured on, computed once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from torch import Tensor

from engine.evaluation import Row
from engine.evaluation.query_simulation import IndexSimulation
from engine.exits.encoder import Encoder
from engine.exits.modules import HEAD
from engine.exits.query_gate import PAGE
from engine.search.metrics import own_ranks, recall
from engine.training.dataset import Example
from engine.training.features import Features, pixels_of
from engine.training.rivals import Rivals

SIZES = (112, 128, 144, 160, 176, 192, 208, 224, 240, 256)  # px, of the smaller inputs that are rivals
SMALL_SIZES = (128, 160, 192, 224, 256, 288)  # px, at which the smaller model reads


@dataclass(frozen=True, eq=False)
class CaptionedSet:
    """Photos with captions that nothing was trained on, and what a model is compared with on them."""

    encoder: Encoder
    features: Features
    val: Features  # of the photos that thresholds are tuned on
    rivals: Rivals = field(default_factory=Rivals)
    examples: Sequence[Example] = ()  # the photos themselves, for other encoders and other sizes
    say: Callable[[str], None] = lambda line: None

    @property
    def texts(self) -> np.ndarray:
        """(T, D) captions."""
        return self.features.texts.numpy()

    @property
    def owner(self) -> np.ndarray:
        """(T,) number of the photo that each caption describes."""
        return self.features.owner.numpy()

    @property
    def full(self) -> np.ndarray:
        """(N, D) embeddings at full depth."""
        return self.features.vectors[:, -1].numpy()

    @property
    def shares(self) -> np.ndarray:
        """(K,) MACs share of a photo that leaves at each exit with no gate asked."""
        return np.array(self.encoder.forced_macs) / self.encoder.full_macs

    def everyone_at(self, exit: int) -> np.ndarray:
        """(N,) exits of photos that all leave at one (0-based)."""
        return np.full(len(self.full), exit)

    def recall_at(self, exits: np.ndarray) -> Row:
        """Recall of an index whose photos left at these exits, (N,) 0-based, by calibrated scores alone."""
        return recall(IndexSimulation(self.encoder, self.features, exits, plain=True).scores, self.owner)

    def recall_of(self, vectors: np.ndarray) -> Row:
        """Recall of an index of other embeddings, (N, D)."""
        return recall(self.texts @ vectors.T, self.owner)

    def hits(self, scores: np.ndarray) -> np.ndarray:
        """(T,) whether each caption finds its photo among the first ten of a ranking, (T, N)."""
        return own_ranks(scores, self.owner) < PAGE

    @cached_property
    def smaller_inputs(self) -> list["OtherInput"]:
        """Every photo read by the model's own tower from smaller inputs, smallest first; raises ImageRejected."""
        encoder = self.encoder
        if not encoder.backbone.reads_any_size:
            return []
        passes = {e.size: k for k, e in enumerate(encoder.modules.exits) if e.stage == HEAD and not e.scout}
        return [
            # The features at the end of a pass begin with what the model's own projection reads.
            self._read(encoder, size, self.features.pooled[passes[size]] if size in passes else None)
            for size in SIZES
            if size < encoder.backbone.size
        ]

    @cached_property
    def smaller_models(self) -> list["OtherInput"]:
        """Every photo read by the smaller model, if there is one, at several input sizes; raises ImageRejected."""
        small = self.rivals.small_model
        return [] if small is None else [self._read(small, size) for size in SMALL_SIZES]

    def _read(self, encoder: Encoder, size: int, known: Tensor | None = None) -> "OtherInput":
        self.say(f"{encoder.identity.model}, an input of {size} px")
        share = sum(encoder.backbone.measure(size)[0]) / self.encoder.full_macs
        if known is not None:
            return OtherInput(size, share, known[:, : encoder.dim].numpy())
        batches = pixels_of(self.encoder, self.examples)
        return OtherInput(size, share, np.concatenate([encoder.read_at(batch, size) for batch in batches]))


@dataclass(frozen=True)
class OtherInput:
    """Every photo read to the end at another input size."""

    size: int  # px
    macs_share: float
    vectors: np.ndarray  # (N, D)
