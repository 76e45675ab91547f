"""Early-exit encoder: a batch runs pass by pass and stage by stage, and rows that leave are taken out of it.

The package says which modules it is made of. Leaving at the first exit that is sure enough follows BranchyNet
(Teerapittayanon et al. 2016, arXiv 1709.01686).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from engine.clip.device import bring, send_ahead, settle, taken
from engine.exits.batch import BatchRun, Encoding
from engine.exits.budget import BUDGET_GRID, DEFAULT_BUDGET, let_go, nearest_budget
from engine.exits.checkpoint import FittedExits, looking_hash
from engine.exits.feature_map import unpack
from engine.exits.gate import first_exit, leaving
from engine.exits.ladder import Ladder
from engine.exits.phrase_gate import PhraseGate
from engine.exits.runner import PassRunner
from engine.exits.scorer import CandidateScorer
from engine.exits.text_bank import TextBank, statistics
from engine.utils.compute_lock import ANSWER, COMPUTE, ENCODE, LOOK_AGAIN
from engine.utils.errors import ModelUnreadable
from engine.utils.memory import explaining_lack

Self = TypeVar("Self", bound="Encoder")


@dataclass(frozen=True)
class Identity:
    """What an embedding depends on; vectors of two identities never meet."""

    model: str
    weights: str  # sha256 of the model's weights and configuration
    exits_hash: str  # sha256 of the exit weights and the text bank, "" where there are none
    precision: str = "float32"  # or "bfloat16": what the image towers compute in


@dataclass(frozen=True)
class Trace:
    """All exits of a batch: what training and evaluation look at."""

    seen: list[Tensor]  # K - 1 of (B, F_k)
    vectors: list[Tensor]  # K of (B, D), unit length


@dataclass(frozen=True)
class Standing:
    """Where photos stand that go on: all at one exit."""

    exit: int  # 1-based
    vectors: np.ndarray  # (B, D) their embeddings
    maps: Sequence[Tensor] | None  # that they left with


class Encoder:
    """A backbone with its exits and text bank; immutable but for the device, which all that share a backbone share.

    Without exit weights every photo runs one pass, of the model's own size, to full depth. Where memory runs out on the
    way, HostProblem is raised.
    """

    def __init__(self, runner: PassRunner, bank: TextBank, identity: Identity, folder: Path) -> None:
        """Args: folder: where the exit weights are kept."""
        self._runner, self.bank, self.identity, self.folder = runner, bank, identity, folder
        self.backbone, self.modules, self.fitted = runner.backbone, runner.modules, runner.fitted
        self.exits, self.precision, self.dim = runner.exits, runner.backbone.precision, runner.backbone.dim
        fitted = self.fitted
        by_phrases = bank.named is not None and fitted.reference is not None
        decided = bank.outcome_macs(self.dim) if by_phrases else None
        self.ladder = Ladder(self.backbone, runner.here.small_backbones, self.modules, bank.macs(self.dim), decided)
        self.passes, self.stages = self.ladder.passes, self.ladder.stages
        self.exit_macs, self.full_macs = self.ladder.exit_macs, self.ladder.full_macs
        self.scorer = CandidateScorer(
            fitted.calibrations, fitted.affinity_weight, self.logit_scale, fitted.usual_affinity
        )
        self._by_phrases: PhraseGate | None = None
        if by_phrases and fitted.reference is not None:
            shares = torch.tensor(self.exit_macs) / self.full_macs
            deviations = torch.from_numpy(self.scorer.deviations)
            self._by_phrases = PhraseGate(bank, fitted.reference, deviations, shares, self.logit_scale)
        self.log_prices = fitted.log_prices if self._by_phrases is None else self._by_phrases.log_prices
        self._placed: tuple[torch.device, TextBank] | None = None  # the bank, where the encoder computes

    @property
    def device(self) -> torch.device:
        """Where the encoder computes."""
        return self.backbone.device

    def to(self, device: torch.device) -> None:
        """Move, with all encoders that share the backbone, to another device; raises ModelUnreadable if it is full."""
        self.backbone.to(device)
        _ = self._runner.here

    @property
    def phrases(self) -> tuple[str, ...]:
        """What people will look for, as a gallery's owner has said; gates then go by how clearly one of them fits."""
        return self.bank.phrases

    @cached_property
    def logit_scale(self) -> float:
        """What the model multiplies cosines by before a softmax; read once, for a GPU has to be waited for."""
        return self.backbone.logit_scale

    @property
    def preprocess(self) -> Callable[[Image.Image], np.ndarray]:
        """An RGB picture of any shape to (3, S, S) uint8; apart from the encoder, so that it can be done elsewhere."""
        return self.backbone.square.pixels

    def with_exits(self: Self, fitted: FittedExits, exits_hash: str = "") -> Self:
        """The same backbone with other exits; its weights are shared.

        Args: exits_hash: as in `Identity`; "" for exits that are only being tried.
        """
        runner = PassRunner(self.backbone, fitted)
        return type(self)(runner, self.bank, replace(self.identity, exits_hash=exits_hash), self.folder)

    def reading(self: Self, bank: TextBank) -> Self:
        """The same encoder with another text bank, as a trial; its identity stays."""
        return type(self)(self._runner, bank, self.identity, self.folder)

    def looking_for(self: Self, phrases: Sequence[str]) -> Self:
        """The same encoder, whose gates go by what people will look for; this one has no phrases yet, and stays without
        where none are named.
        """
        if not phrases:
            return self
        bank = self.bank.looking_for(phrases, self.backbone.encode_text)
        identity = replace(self.identity, exits_hash=looking_hash(self.identity.exits_hash, phrases))
        return type(self)(self._runner, bank, identity, self.folder)

    @explaining_lack()
    @COMPUTE.held(ANSWER)
    def encode_text(self, texts: Sequence[str]) -> np.ndarray:
        """(N, D) float32, unit length."""
        if isinstance(texts, str):
            raise TypeError("encode_text takes several texts: [text] for one")
        return self.backbone.encode_text(texts).numpy()

    @COMPUTE.held(ANSWER)
    def reads_whole(self, word: str) -> bool:
        """Whether the text tower has a token for a word, or reads it in pieces."""
        # Beside "a", which every vocabulary holds: how tokenizers pad and end a text differs.
        return int((self.backbone.tokenize([word]) != self.backbone.tokenize(["a"])).sum()) <= 1

    @COMPUTE.held(ANSWER)
    def reads_to_end(self, text: str) -> bool:
        """Whether the text tower reads all of a text: of a long one it reads the beginning."""
        but_the_last = " ".join(text.split()[:-1])
        return not but_the_last or bool(
            (self.backbone.tokenize([text]) != self.backbone.tokenize([but_the_last])).any()
        )

    def send(self, photos: Sequence[np.ndarray]) -> np.ndarray | Tensor:
        """Photos as `encode` takes them, sent to a GPU already; meant for the thread that decodes the next batch.

        Args: photos: (3, S, S) uint8 each.
        """
        pixels = np.stack(photos)
        return send_ahead(pixels, self.device) if self.device.type == "cuda" else pixels

    @explaining_lack()
    @COMPUTE.held(ENCODE)
    def encode(
        self, pixels: np.ndarray | Tensor, budget: float = DEFAULT_BUDGET, standing: Standing | None = None
    ) -> list[Encoding]:
        """Encode photos, each as far as its gates ask for.

        Args:
            pixels: (B, 3, S, S) uint8, or what `send` made of them.
            budget: mean MACs share to aim at; the nearest of BUDGET_GRID is used.
            standing: where they are, past the gates up to there; what they ran already is not run again.
        Raises: ValueError where they are no such pixels, at the end already, or within a pass without their maps.
        """
        return self._climb(len(pixels), pixels, standing, self.exits, nearest_budget(budget))

    @explaining_lack()
    @COMPUTE.held(LOOK_AGAIN)
    def deepen(self, pixels: np.ndarray | None, exit: int, standing: Standing | None = None) -> list[Encoding]:
        """Send photos to an exit (1-based), whatever their gates say; what they ran already is not run again.

        Args:
            pixels: (B, 3, S, S) uint8; None where the ladder needs no picture.
            standing: where they are; None: they have not run yet.
        Raises: ValueError where they are no such pixels, there or past it already, or within a pass without their maps.
        """
        many = len(pixels) if pixels is not None else len(standing.vectors) if standing else 0
        return self._climb(many, pixels, standing, exit, None)

    def _reject(self, standing: Standing, to: int) -> None:
        """Raise ValueError where photos cannot go on from where they stand to an exit (1-based)."""
        if not standing.exit < to <= self.exits:
            raise ValueError(f"photos that stand at exit {standing.exit} do not go on to exit {to}")
        if not self.ladder.goes_on(standing.exit, standing.maps is not None):
            raise ValueError(f"photos that stand at exit {standing.exit} go on from their feature maps alone")

    @torch.inference_mode()
    def _climb(
        self, many: int, pixels: np.ndarray | Tensor | None, standing: Standing | None, to: int, column: int | None
    ) -> list[Encoding]:
        """Run photos up the ladder, from where they stand to an exit (1-based), or until their gates let them go.

        Args: column: of the budget on the grid; None: no gate lets them go.
        """
        batch, start = BatchRun(many), standing.exit - 1 if standing else -1
        if standing is not None:
            self._reject(standing, to)
        if not batch.rows:
            return []
        before = None if standing is None else torch.from_numpy(standing.vectors).to(self.device)
        state = None if standing is None or standing.maps is None else self._runner.stacked(standing.maps)
        _ = self._here.vectors  # made before the clock starts: they are no photo's cost
        for p in self.passes:
            inside = state is not None and start in p.exit_after.values()
            if not batch.rows or (max(p.exit_after.values()) <= start and not inside):
                continue
            if not inside:
                assert pixels is not None
                state = batch.timed(self._runner.input, taken(pixels, batch.rows), p.size)
            assert state is not None
            for name, work in self._runner.stages(p):
                k = p.exit_after.get(name)
                if inside:  # up to here it has run before
                    inside = k != start
                    continue
                state = batch.timed(work, state)
                if k is None:
                    continue
                vectors, gates, fits = self._look(batch, k, state, before)
                leaves = torch.full((len(batch.rows),), k == to - 1) if column is None else let_go(gates[:, column])
                batch.leave(leaves, k, vectors, fits, None if self.ladder.shapes[k] is None else state)
                if not batch.rows:
                    break
                before = vectors
                if len(batch.rows) < len(leaves):
                    kept = (~leaves).nonzero()[:, 0].to(self.device, non_blocking=True)
                    state, before = state.index_select(0, kept), vectors.index_select(0, kept)
            state = None
        settle(self.device)
        spent = self.exit_macs[start] if standing else 0
        budget = None if column is None else BUDGET_GRID[column]
        return batch.encodings([macs - spent for macs in self.exit_macs], len(BUDGET_GRID), budget)

    def _look(self, batch: BatchRun, k: int, state: Tensor, before: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Embeddings (B, D) at exit k where they are, and on the CPU gate probabilities (B, budgets), all 1 at the last
        exit, and affinities (B,).
        """
        gated = k < self.exits - 1

        def look() -> tuple[Tensor, ...]:
            vectors, seen = self._runner.read(k, state, before)
            similarities = self._here.similarities(vectors)  # (B, N)
            stats = statistics(vectors, before, similarities, self.logit_scale)
            leanings = self._leanings(k, vectors, seen, stats) if gated else stats.new_zeros(len(stats))
            return vectors, leanings[:, None], stats[:, :1], *self._here.best(vectors, similarities)

        vectors, *found = batch.timed(look)
        leanings, fits, cosines, places = batch.timed(bring, found)
        self._require_numbers(fits)
        gates = leaving(leanings, torch.tensor(self.log_prices)) if gated else None
        batch.note(gates, self.bank.worded(cosines, places))
        return vectors, torch.ones(len(fits), len(BUDGET_GRID)) if gates is None else gates, fits[:, 0]

    def _require_numbers(self, found: Tensor) -> None:
        if not found.isfinite().all():
            raise ModelUnreadable(
                f"{self.identity.model} makes no numbers of photos (NaN); restore its files or install it again."
            )

    def _leanings(self, k: int, vectors: Tensor, seen: Tensor, stats: Tensor) -> Tensor:
        """(B,) Of the gate at exit k (0-based), or of what people will look for."""
        if self._by_phrases is not None:
            return self._by_phrases.leanings(k, self._here.outcomes(vectors, self.logit_scale))
        return self._runner.here.modules.gates[k](vectors, seen, stats)

    @property
    def _here(self) -> TextBank:
        """The bank where the encoder computes."""
        if self._placed is None or self._placed[0] != self.device:
            self._placed = (self.device, self.bank.on(self.device))
        return self._placed[1]

    def unpack_map(self, data: bytes, exit: int) -> Tensor | None:
        """A packed feature map of an exit (1-based); None where it is damaged or not of this encoder."""
        return unpack(data, self.ladder.shapes[exit - 1])

    @explaining_lack()
    @COMPUTE.held(LOOK_AGAIN)
    @torch.inference_mode()
    def trace(self, pixels: np.ndarray) -> Trace:
        """Everything that every exit would see: every pass is run, nobody leaves, no gate is asked.

        Args: pixels: (B, 3, S, S) uint8.
        Raises: ValueError where they are not; ModelUnreadable where the model makes no numbers.
        """
        seen: list[Tensor] = []
        vectors: list[Tensor] = []
        for p in self.passes:
            state = self._runner.input(pixels, p.size)
            for name, work in self._runner.stages(p):
                COMPUTE.give_way()
                state = work(state)
                k = p.exit_after.get(name)
                if k is not None:
                    v, x = self._runner.read(k, state, vectors[-1] if vectors else None)
                    vectors.append(v)
                    seen.append(x)
        found = [v.cpu() for v in vectors]
        self._require_numbers(found[-1])
        return Trace([x.cpu() for x in seen[:-1]], found)

    @torch.inference_mode()
    def decide(self, trace: Trace) -> Tensor:
        """What `encode` would do with traced photos: the exit of each at each budget, (B, G), 0-based."""
        if self.exits == 1:
            return torch.zeros(len(trace.vectors[0]), len(BUDGET_GRID), dtype=torch.long)
        gates = leaving(self.leanings(trace)[..., None], torch.tensor(self.log_prices))  # (B, K - 1, G)
        return first_exit(gates.transpose(1, 2))

    @torch.inference_mode()
    def leanings(self, trace: Trace) -> Tensor:
        """What the gates lean to of traced photos, (B, K - 1)."""
        found: list[Tensor] = []
        for k, seen in enumerate(trace.seen):
            v, before = trace.vectors[k], trace.vectors[k - 1] if k else None
            stats = statistics(v, before, self.bank.similarities(v), self.logit_scale)
            on_device = (t.to(self.device) for t in (v, seen, stats))
            found.append(self._leanings(k, *on_device).cpu())
        return torch.stack(found, 1) if found else torch.zeros(len(trace.vectors[0]), 0)
