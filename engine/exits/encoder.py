"""Early-exit encoder: a batch runs pass by pass and stage by stage, and rows that leave are taken out of it.

An independent implementation of the idea in the abstract of T-GEMs: Text-Guided Exit Modules for Decreasing CLIP Image
Encoder (Presta, Stefanski, Byra, Arendt; arXiv 2605.17499). At each exit a readout turns the features so far into an
embedding, a softmax over guide texts says what has been recognised (`text_bank`), and a gate decides from both whether
the photo leaves there (`modules`). The gates answer to a price of compute, and a budget is a price and a choice of
exits (`budget`, `ladder`). Leaving at the first exit that is sure enough follows BranchyNet (Teerapittayanon et al.
2016, arXiv 1709.01686).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from engine.clip.device import bring, send_ahead, settle, taken
from engine.exits.batch import BatchRun, DeeperRun, Encoding
from engine.exits.budget import BUDGET_GRID, DEFAULT_BUDGET, nearest_budget
from engine.exits.checkpoint import FittedExits, guided_hash
from engine.exits.feature_map import FeatureMap
from engine.exits.ladder import Pass
from engine.exits.modules import first_exit
from engine.exits.phrases import Phrases
from engine.exits.runner import PassRunner
from engine.exits.scorer import CandidateScorer
from engine.exits.text_bank import TextBank, content_distribution, statistics
from engine.utils.compute_lock import ANSWER, COMPUTE, ENCODE, LOOK_AGAIN

PHRASES_KEPT = 3

Self = TypeVar("Self", bound="Encoder")


@dataclass(frozen=True)
class Identity:
    """What an embedding depends on; vectors of two identities never meet."""

    model: str
    weights: str  # sha256 of the model's weights and configuration
    exits: str  # sha256 of the exit weights and the guide texts, "" where there are none
    precision: str = "float32"  # or "bfloat16": what the image towers compute in


@dataclass
class Trace:
    """All exits of a batch: what training and evaluation look at."""

    pooled: list[Tensor] = field(default_factory=list)  # K - 1 of (B, F_k)
    vectors: list[Tensor] = field(default_factory=list)  # K of (B, D), unit length


class Encoder:
    """A backbone with its exits and guide texts; immutable but for the device, which all that share a backbone share.

    Without exit weights every photo runs one pass, of the model's own size, to full depth.
    """

    def __init__(self, runner: PassRunner, bank: TextBank, identity: Identity, folder: Path) -> None:
        """Args: folder: where the exit weights are kept."""
        self._runner, self.bank, self.identity, self.folder = runner, bank, identity, folder
        self.backbone, self.modules = runner.backbone, runner.modules
        self.plans, self.calibrations, self.exits = runner.plans, runner.calibrations, runner.exits
        self.precision, self.dim = runner.towers.precision, runner.backbone.dim
        self.ladder = runner.ladder(len(bank.texts) * self.dim, bank.interest.macs if bank.interest else 0)
        self.passes, self.stages, self.full_macs = self.ladder.passes, self.ladder.stages, self.ladder.full_macs
        self.exit_macs, self.cost_to, self.forced_macs = (
            self.ladder.exit_macs,
            self.ladder.cost_to,
            self.ladder.forced_macs,
        )
        self.scorer = CandidateScorer(self.calibrations, self.modules.query_gates, bank, self.logit_scale)
        self._placed: tuple[torch.device, TextBank] | None = None  # the bank, where the encoder computes

    @property
    def device(self) -> torch.device:
        """Where the encoder computes."""
        return self.backbone.device

    def to(self, device: torch.device) -> None:
        """Move, with all encoders that share the backbone, to another device; raises ModelUnreadable if it is full."""
        self._runner.towers.to(device)
        _ = self._runner.here

    @property
    def guide_texts(self) -> tuple[str, ...]:
        """What photos are described by."""
        return self.bank.texts

    @property
    def owner_texts(self) -> tuple[str, ...]:
        """Those guide texts that say what people will look for; a photo that shows it does not leave early."""
        return self.bank.owner_texts

    @property
    def guides(self) -> Tensor:
        """(G, D) The guide texts' embeddings, unit length."""
        return self.bank.vectors

    @property
    def logit_scale(self) -> float:
        """What the model multiplies cosines by before a softmax."""
        return self.backbone.logit_scale

    @property
    def preprocess(self) -> Callable[[Image.Image], np.ndarray]:
        """An RGB picture of any shape to (3, S, S) uint8; apart from the encoder, so that it can be done elsewhere."""
        return self.backbone.square.pixels

    def with_exits(self: Self, fitted: FittedExits, exits: str = "") -> Self:
        """The same backbone with other exits; its weights are shared.

        Args: exits: what the identity says of them; "" for exits that are only being tried.
        """
        runner = PassRunner(self._runner.towers, fitted)
        return type(self)(runner, self.bank, replace(self.identity, exits=exits), self.folder)

    def guided_by(self: Self, texts: Sequence[str], owner_texts: Sequence[str] = ()) -> Self:
        """The same encoder with other guide texts; texts that it knows already are not encoded again.

        Args:
            texts: what photos are described by.
            owner_texts: those of them that say what people will look for. A photo that shows it does not leave early.
        """
        bank = self.bank.replaced(texts, owner_texts, self.backbone.encode_text)
        identity = replace(self.identity, exits=guided_hash(self.identity.exits, texts, owner_texts))
        return type(self)(self._runner, bank, identity, self.folder)

    @COMPUTE.held(ANSWER)
    def encode_text(self, texts: Sequence[str]) -> np.ndarray:
        """(N, D) float32, unit length."""
        return self.backbone.encode_text(texts).numpy()

    def send(self, photos: Sequence[np.ndarray]) -> np.ndarray | Tensor:
        """Photos as `encode` takes them, sent to a GPU already; meant for the thread that decodes the next batch.

        Args: photos: (3, S, S) uint8 each.
        """
        pixels = np.stack(photos)
        return send_ahead(pixels, self.device) if self.device.type == "cuda" else pixels

    @COMPUTE.held(ENCODE)
    @torch.inference_mode()
    def encode(self, pixels: np.ndarray | Tensor, budget: float = DEFAULT_BUDGET) -> list[Encoding]:
        """Encode photos, each as far as its gates ask for.

        Args:
            pixels: (B, 3, S, S) uint8, or what `send` made of them.
            budget: mean MACs share to aim at; the nearest of BUDGET_GRID is used.
        """
        if not len(pixels):
            return []
        column = nearest_budget(budget)
        batch = self._batch(len(pixels), len(BUDGET_GRID))
        before: Tensor | None = None
        for p in self.passes:
            asked = self.ladder.asked(p, self.plans[column].open)
            if asked and batch.rows:
                before = self._encode_pass(batch, p, asked, column, pixels, before)
        settle(self.device)
        macs = self.exit_macs(self.plans[column].open)
        return [batch.encoding(row, self.exits - 1, macs, BUDGET_GRID[column]) for row in range(len(pixels))]

    def _encode_pass(
        self,
        batch: BatchRun,
        p: Pass,
        asked: Sequence[int],
        column: int,
        pixels: np.ndarray | Tensor,
        before: Tensor | None,
    ) -> Tensor | None:
        """Run the rows that are still in through a pass; those whose gates say so leave on the way.

        Args: asked: the pass's exits (0-based) where photos may leave.  before: p of the exit asked before, (B, G).
        Returns: p of the exit asked last, of the rows that are still in.
        """
        state = batch.timed(self._runner.input, taken(pixels, batch.rows), p.size)
        pooled: dict[int, Tensor] = {}
        for name, work in self._runner.steps(p, p is self.passes[-1]):
            state = batch.timed(work, state)
            k = p.exits.get(name)
            if k is None or not (k in asked or self.ladder.is_seen(k, asked)):
                continue
            if k == self.exits - 1:
                self._leave_all(batch, k, state, None, {})
                break
            pooled[k] = batch.timed(self._runner.pooled, k, state)
            if k not in asked:
                continue
            vectors, before, gates = batch.timed(self._look, k, pooled, before)
            vectors, gates, shares, places = batch.timed(bring, (vectors, gates, *_best(before)))
            batch.note(k, gates, self._phrases(shares, places))
            leaving = gates[:, column] >= 0.5
            batch.leave(leaving, k, vectors, self._resumable(k, state), pooled)
            if not batch.rows:
                break
            if len(batch.rows) < len(leaving):
                kept = (~leaving).nonzero()[:, 0].to(self.device, non_blocking=True)
                state, before = state.index_select(0, kept), before.index_select(0, kept)
                pooled = {j: f.index_select(0, kept) for j, f in pooled.items()}
        return before

    def _look(self, k: int, pooled: dict[int, Tensor], before: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Embedding (B, D), p_k (B, G) and gate probabilities (B, budgets) at exit k."""
        vectors = self._runner.read(k, pooled)
        seen = content_distribution(vectors, self._here.vectors, self.logit_scale)
        return vectors, seen, self._gate(k, vectors, pooled[k], statistics(seen, before))

    def _gate(self, k: int, vectors: Tensor, pooled: Tensor, stats: Tensor) -> Tensor:
        """Probability of leaving at exit k at every budget, (B, budgets); 0 for photos that show what owners named."""
        gates, interest = self._runner.gate(k, pooled, stats), self._here.interest
        return gates if interest is None else gates * ~interest.shown_by(vectors)[:, None]

    @property
    def _here(self) -> TextBank:
        """The guide texts where the encoder computes."""
        if self._placed is None or self._placed[0] != self.device:
            self._placed = (self.device, self.bank.on(self.device))
        return self._placed[1]

    def _batch(self, many: int, budgets: int) -> BatchRun:
        """A batch that is going to be described."""
        _ = self._here.vectors  # made before the clock starts: they are no photo's cost
        return BatchRun(many, budgets)

    def _leave_all(
        self, batch: BatchRun, k: int, vectors: Tensor, state: Tensor | None, pooled: dict[int, Tensor]
    ) -> None:
        """All rows leave at exit k (0-based), described and not asked."""
        if self.guide_texts:
            seen = batch.timed(content_distribution, vectors, self._here.vectors, self.logit_scale)
            vectors, shares, places = batch.timed(bring, (vectors, *_best(seen)))
            batch.note(k, None, self._phrases(shares, places))
        batch.leave(torch.ones(len(batch.rows), dtype=torch.bool), k, vectors, state, pooled)

    def _resumable(self, k: int, state: Tensor) -> Tensor | None:
        """The state at exit k, where a later run can go on from it."""
        return None if self.ladder.shapes[k] is None else state

    def _phrases(self, shares: Tensor, places: Tensor) -> list[Phrases]:
        return [
            tuple((self.guide_texts[int(i)], round(s, 4)) for s, i in zip(row, where, strict=True))
            for row, where in zip(shares.tolist(), places.tolist(), strict=True)
        ]

    @COMPUTE.held(LOOK_AGAIN)
    @torch.inference_mode()
    def encode_to(self, pixels: np.ndarray, exit: int) -> np.ndarray:
        """Embeddings of photos that all leave at one exit (1-based), by its pass alone, no gate asked.

        Returns: (B, D) float32, unit length.
        """
        p = self.ladder.pass_of(exit - 1)
        state = self._runner.input(pixels, p.size)
        return self._runner.run(BatchRun(len(pixels), 0), p, state, exit - 1)[0].cpu().numpy()

    @torch.inference_mode()
    def read_at(self, pixels: np.ndarray, size: int) -> np.ndarray:
        """The model's own embeddings of an input of any size, for towers that read any.

        Returns: (B, D) float32, unit length.
        """
        state = self._runner.input(pixels, size)
        for _, work in self._runner.steps(self.passes[-1], size == self.backbone.size):
            state = work(state)
        return state[:, : self.dim].cpu().numpy()

    @COMPUTE.held(LOOK_AGAIN)
    @torch.inference_mode()
    def run_to(self, pixels: np.ndarray, exit: int) -> list[DeeperRun]:
        """Send photos to one exit (1-based) by its pass alone, no gate asked; they are described there.

        Args: pixels: (B, 3, S, S) uint8.
        """
        if not len(pixels):
            return []
        batch, p = self._batch(len(pixels), 0), self.ladder.pass_of(exit - 1)
        state = batch.timed(self._runner.input, pixels, p.size)
        self._end(batch, exit - 1, *self._runner.run(batch, p, state, exit - 1))
        return batch.deeper_runs(self.cost_to(1, exit, False))

    @COMPUTE.held(LOOK_AGAIN)
    @torch.inference_mode()
    def resume(self, maps: Sequence[FeatureMap], from_exit: int, to_exit: int) -> list[DeeperRun]:
        """Send photos on from the feature maps that they left one exit with to a later one, as `run_to` does.

        Args: from_exit, to_exit: 1-based; `ladder.resumes` says whether the first leads to the second.
        """
        if not maps:
            return []
        batch, p = self._batch(len(maps), 0), self.ladder.pass_of(to_exit - 1)
        pooled = {j: torch.stack([m.pooled[j] for m in maps]).to(self.device) for j in maps[0].pooled}
        state = self._runner.stacked(maps)
        self._end(batch, to_exit - 1, *self._runner.run(batch, p, state, to_exit - 1, from_exit - 1, pooled))
        return batch.deeper_runs(self.cost_to(from_exit, to_exit, True))

    def _end(self, batch: BatchRun, k: int, vectors: Tensor, state: Tensor, pooled: dict[int, Tensor]) -> None:
        self._leave_all(batch, k, vectors, self._resumable(k, state), pooled)
        settle(self.device)

    def unpack_map(self, data: bytes, exit: int) -> FeatureMap | None:
        """A packed feature map of an exit (1-based); None where it is damaged or not of this encoder."""
        k = exit - 1
        widths = {j: self.modules.exits[j].pooled for j in self._runner.seen.get(k, ())}
        return FeatureMap.unpack(data, self.ladder.shapes[k], widths)

    @COMPUTE.held(LOOK_AGAIN)
    @torch.inference_mode()
    def trace(self, pixels: np.ndarray) -> Trace:
        """Everything that every exit would see: every pass is run, nobody leaves, no gate is asked."""
        found, pooled = Trace(), {}
        for p in self.passes:
            state = self._runner.input(pixels, p.size)
            for name, work in self._runner.steps(p, p is self.passes[-1]):
                COMPUTE.give_way()
                state = work(state)
                k = p.exits.get(name)
                if k is not None and k < self.exits - 1:
                    pooled[k] = self._runner.pooled(k, state)
                    found.pooled.append(pooled[k])
                    found.vectors.append(self._runner.read(k, pooled))
        found.vectors.append(state)
        return Trace([f.cpu() for f in found.pooled], [v.cpu() for v in found.vectors])

    @torch.inference_mode()
    def decide(self, trace: Trace) -> tuple[Tensor, Tensor]:
        """What `encode` would do with traced photos, at every budget of the grid.

        Returns: gate probabilities (B, K - 1, G), 0 at exits that are not asked, and the exit of each photo at each
        budget, (B, G), 0-based.
        """
        many = len(trace.vectors[-1])
        gates = torch.zeros(many, self.exits - 1, len(self.plans))
        seen = [content_distribution(v, self.guides, self.logit_scale) for v in trace.vectors[:-1]]
        for open in {plan.open for plan in self.plans}:
            columns = [column for column, plan in enumerate(self.plans) if plan.open == open]
            before: Tensor | None = None
            for k in open:
                asked = (trace.vectors[k], trace.pooled[k], statistics(seen[k], before))
                gates[:, k, columns] = self._gate(k, *(t.to(self.device) for t in asked)).cpu()[:, columns]
                before = seen[k]
        return gates, first_exit(gates.transpose(1, 2))


def _best(seen: Tensor) -> tuple[Tensor, Tensor]:
    """Shares and places of the guide texts that fit best, (B, 3) twice."""
    shares, places = seen.topk(min(PHRASES_KEPT, seen.shape[-1]), dim=-1)
    return shares, places
