"""Batched early-exit encoding: a batch runs stage by stage, and rows that leave are taken out."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy, deepcopy
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from engine.clip.backbone import Backbone
from engine.clip.device import CPU, best_device, bring, send, send_ahead, settle, smaller, taken
from engine.clip.factory import Loaded, load_model
from engine.clip.fuse import fuse_for_inference
from engine.clip.hub import HubUnreachable, fetch_exits
from engine.clip.stages import Tower
from engine.exits.batch import BatchRun, DeeperRun, Encoding
from engine.exits.budget import BUDGET_GRID, DEFAULT_BUDGET
from engine.exits.calibration import Reading
from engine.exits.checkpoint import FittedExits, exits_hash, guided_hash, install_exits, load_exits, unfitted
from engine.exits.feature_map import FeatureMap
from engine.exits.ladder import Ladder, Pass
from engine.exits.modules import HEAD, ExitModules, first_exit
from engine.exits.phrases import Phrases
from engine.exits.query_gate import GATE_MACS, Described, Descriptions, described_macs, relations
from engine.exits.text_bank import Interest, content_distribution, embedded, read_guide_texts, statistics
from engine.utils.compute_lock import ANSWER, COMPUTE, ENCODE, LOOK_AGAIN
from engine.utils.memory import keep_freed_memory

PHRASES_KEPT = 3
LOWEST_LOG_PRICE = -30.0  # the logarithm of a price of nothing
TRIES = 3  # of each precision, before one is chosen
SAME = 0.99  # cosine of an embedding in bfloat16 to that in float32, below which the ranking might suffer


@dataclass(frozen=True)
class Identity:
    """What an embedding depends on; vectors of two identities never meet."""

    model: str
    weights: str  # sha256 of the model's weights and configuration
    exits: str  # sha256 of the exit weights and the guide texts, "" where there are none


@dataclass
class Trace:
    """All exits of a batch: what training and evaluation look at."""

    pooled: list[Tensor] = field(default_factory=list)  # K - 1 of (B, F_k)
    vectors: list[Tensor] = field(default_factory=list)  # K of (B, D), unit length


class Encoder:
    """A backbone with its exits: a ladder of passes, of a scout or over smaller inputs, then its own along the depth.

    Without exit weights every photo runs one pass, of the model's own size, to full depth.
    """

    def __init__(
        self,
        backbone: Backbone,
        fitted: FittedExits | None,
        identity: Identity,
        guide_texts: Sequence[str],
        folder: Path,
        quick: Tower | None = None,
        embed_guides: Callable[[Sequence[str]], Tensor] | None = None,
    ) -> None:
        """Args:
        quick: the image tower in bfloat16, to run on that.
        embed_guides: how the guide texts get their embeddings; by default the text tower makes them.
        """
        self.backbone, self.identity, self.folder = backbone, identity, folder
        self.guide_texts, self._embed_guides = tuple(guide_texts), embed_guides or backbone.encode_text
        self.device = backbone.device
        self._stand_on(quick)
        self._sent: tuple[Tensor, Tensor] | None = None  # guide texts, and the same on the device
        self.owner_texts: tuple[str, ...] = ()  # what people will look for, where that is known
        self._interest: Interest | None = None
        self.dim = backbone.dim
        self._take(fitted or unfitted(ExitModules([], backbone.dim)))

    def _stand_on(self, quick: Tower | None) -> None:
        """Run on a bfloat16 tower or, without one, on the model's own.

        What ends before the model's own embedding then runs on a fused copy of it; that embedding is to be the very
        same.
        """
        self.precision = "bfloat16" if quick else "float32"
        self._tower = quick or self.backbone.tower
        self._early_tower = quick or self._early(self.backbone)

    def _early(self, backbone: Backbone) -> Tower:
        """What runs up to an exit before the last one."""
        quick = backbone.quick_tower() if self.precision == "bfloat16" else backbone.fused_tower(torch.float32)
        return quick or backbone.tower

    def _take(self, fitted: FittedExits) -> None:
        """Stand exits along the tower."""
        self.modules = fitted.modules.eval().requires_grad_(False)
        self.plans, self.calibrations = fitted.plans, fitted.calibrations
        self.exits = len(self.modules.exits) + 1
        self._ran = self.modules if self.device == CPU else deepcopy(self.modules).to(self.device)
        self._branches = self._ran.branches
        if self.precision == "bfloat16":
            self._branches = deepcopy(self._branches)
            if self.device == CPU:
                fuse_for_inference(self._branches, torch.bfloat16)
            else:
                self._branches.bfloat16()
        scout = self._seen_by_scout()
        self._scout_tower = None if scout is None else self._early(scout)
        self._log_prices = torch.tensor([plan.price for plan in self.plans]).log().clamp_min(LOWEST_LOG_PRICE)  # (G,)
        self._is_open = torch.tensor(
            [[k in plan.open for plan in self.plans] for k in range(self.exits - 1)]
        )  # (K - 1, G)
        self._log_prices, self._is_open = self._log_prices.to(self.device), self._is_open.to(self.device)
        self.ladder = Ladder(self.backbone, scout, self.modules, *self._describing)
        self.passes, self.stages, self.full_macs = self.ladder.passes, self.ladder.stages, self.ladder.full_macs

    @property
    def _describing(self) -> tuple[int, int]:
        """MACs of describing a photo at an exit, and of asking whether it shows what people will look for."""
        return len(self.guide_texts) * self.dim, self._interest.macs if self._interest else 0

    def _seen_by_scout(self) -> Backbone | None:
        """The backbone with the scout's tower, where the exits bring one."""
        visual = self._ran.scout
        return None if visual is None else self.backbone.seeing_through(visual, f"the scout of {self.backbone.name}")

    def to(self, device: torch.device) -> None:
        """Move to another device, as where a GPU is lent for a while; raises ModelUnreadable where it has no room."""
        if device == self.device:
            return
        self.backbone.to(device)
        self.device, self._sent = device, None
        self._interest = self._interest and self._interest.to(device)
        self._stand_on(self.backbone.quick_tower() if self.precision == "bfloat16" else None)
        self._take(FittedExits(self.modules, self.plans, self.calibrations))

    @cached_property
    def guides(self) -> Tensor:
        """(G, D) The guide texts' embeddings, unit length; made when a photo is first described."""
        if not self.guide_texts:
            return torch.empty(0, self.dim)
        with torch.inference_mode(False):  # first asked for in the middle of encoding, and later trained with
            return self._embed_guides(self.guide_texts)

    def with_exits(self, fitted: FittedExits, exits: str = "") -> "Encoder":
        """The same backbone with other exits; its weights are shared.

        Args: exits: what the identity says of them; "" for exits that are only being tried.
        """
        found = copy(self)
        found.identity = replace(self.identity, exits=exits)
        found._take(fitted)
        return found

    def guided_by(self, texts: Sequence[str], owner_texts: Sequence[str] = ()) -> "Encoder":
        """The same encoder with other guide texts; texts that it knows already are not encoded again.

        Args:
            texts: what photos are described by.
            owner_texts: those of them that say what people will look for. A photo that shows it does not leave early.
        """
        found = copy(self)
        vars(found).pop("_descriptions", None)
        found.guide_texts = tuple(texts)
        known: dict[str, Tensor] = {}
        if "guides" in vars(self) or set(self.guide_texts) <= set(texts):  # else none are made for a few of them
            known = dict(zip(self.guide_texts, self.guides, strict=True))
        fresh = [text for text in dict.fromkeys(texts) if text not in known]
        if fresh:
            known |= dict(zip(fresh, self.backbone.encode_text(fresh), strict=True))
        found.guides = torch.stack([known[text] for text in texts])
        found.identity = replace(self.identity, exits=guided_hash(self.identity.exits, texts, owner_texts))
        found.owner_texts, found._interest = tuple(owner_texts), None
        if owner_texts:
            phrases = torch.stack([known[text] for text in owner_texts])
            found._interest = Interest(phrases, self.guides).to(self.device)
        found.ladder = self.ladder.describing(*found._describing)
        return found

    def exit_macs(self, open: tuple[int, ...]) -> tuple[int, ...]:
        """MACs of a photo that leaves at each exit while these (0-based) are asked; see `Ladder`."""
        return self.ladder.exit_macs(open)

    @property
    def forced_macs(self) -> tuple[int, ...]:
        """MACs of a photo that `encode_to` sends to each exit: one pass, no gate asked."""
        return self.ladder.forced_macs

    def cost_to(self, from_exit: int, to_exit: int, from_map: bool) -> int:
        """MACs of `resume` (from a map) or `run_to` from one exit to a later one, both 1-based; see `Ladder`."""
        return self.ladder.cost_to(from_exit, to_exit, from_map)

    @property
    def preprocess(self) -> Callable[[Image.Image], np.ndarray]:
        """An RGB picture of any shape to (3, S, S) uint8; apart from the encoder, so that it can be done elsewhere."""
        return self.backbone.square.pixels

    @property
    def logit_scale(self) -> float:
        """What scores are multiplied by before their softmax: the model's own logit scale."""
        return self.backbone.logit_scale

    @COMPUTE.held(ANSWER)
    def encode_text(self, texts: Sequence[str]) -> np.ndarray:
        """(N, D) float32, unit length."""
        return self.backbone.encode_text(texts).numpy()

    @COMPUTE.held(ANSWER)
    @torch.inference_mode()
    def foresee(
        self, query: np.ndarray, vectors: np.ndarray, exits: np.ndarray, scores: np.ndarray
    ) -> tuple[Reading, int]:
        """What a query's candidates will score at full depth, as the T-GEMs of their exits read them.

        Args:
            query: (D,).  vectors: (M, D).  exits: (M,) 1-based, where each stands.
            scores: (M,) calibrated ones, which say how the candidates stand to each other.
        Returns: what is expected of each, (M,); and the MACs of it, of what has been described before only the gates'.
        """
        deviations = np.array([self.calibrations[k - 1].deviation for k in exits], np.float32)
        open = np.flatnonzero(exits < self.exits)
        if not len(open) or not self.guide_texts:
            return Reading(scores, deviations), 0
        expected = torch.from_numpy(np.ascontiguousarray(scores, np.float32))[None]
        query, vectors = np.ascontiguousarray(query, np.float32)[None], np.ascontiguousarray(vectors, np.float32)
        (asked, new), (shown, fresh) = self._descriptions.of(query), self._descriptions.of(vectors[open])
        shapes, meanings = torch.zeros(1, len(exits), shown.shape.shape[-1]), torch.zeros(1, *vectors.shape)
        shapes[0, open], meanings[0, open] = shown.shape, shown.meaning
        seen = relations(expected, torch.from_numpy(query), asked, Described(shapes, meanings))[0]  # (M, R)
        found = expected[0].numpy().copy()
        for k in np.unique(exits[open]).tolist():
            places = np.flatnonzero(exits == k)
            shift, factor = self.modules.query_gates[k - 1](seen[places])
            found[places] += shift.numpy()
            deviations[places] *= factor.numpy()
        macs = (new + fresh) * described_macs(self.guides) + len(open) * self.reading_macs
        return Reading(found, deviations), macs

    @cached_property
    def _descriptions(self) -> Descriptions:
        return Descriptions(self.guides, self.logit_scale)

    @property
    def reading_macs(self) -> int:
        """MACs of reading a candidate that has been described."""
        return GATE_MACS + self.dim

    def foresee_macs(self, candidates: int) -> int:
        """MACs of `foresee` where none of so many candidates, nor the query, has been described before."""
        return (candidates + 1) * described_macs(self.guides) + candidates * self.reading_macs if candidates else 0

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
        column = int(np.abs(np.array(BUDGET_GRID) - budget).argmin())
        open = self.plans[column].open
        run = self._run(len(pixels), len(BUDGET_GRID))
        before: Tensor | None = None
        for p in self.passes:
            asked = self.ladder.asked(p, open)
            if not asked or not run.rows:
                continue
            state = run.timed(self._input, taken(pixels, run.rows), p.size)
            pooled: dict[int, Tensor] = {}
            for name, work in self._steps(p, p is self.passes[-1]):
                state = run.timed(work, state)
                k = p.exits.get(name)
                if k is None or not (k in asked or self.ladder.is_seen(k, asked)):
                    continue
                if k == self.exits - 1:
                    self._leave_at_the_end(run, state)
                    break
                pooled[k] = run.timed(self._pooled, k, state)
                if k not in asked:
                    continue
                vectors, before, gates = run.timed(self._look, k, pooled, before)
                shares, places = self._best(before)
                vectors, gates, shares, places = run.timed(bring, (vectors, gates, shares, places))
                run.note(k, gates, self._phrases(shares, places))
                leaving = gates[:, column] >= 0.5
                run.leave(leaving, k, vectors, self._kept(k, state), pooled)
                if not run.rows:
                    break
                if len(run.rows) < len(leaving):
                    kept = (~leaving).nonzero()[:, 0].to(self.device, non_blocking=True)
                    state, before = state.index_select(0, kept), before.index_select(0, kept)
                    pooled = {j: f.index_select(0, kept) for j, f in pooled.items()}
        settle(self.device)
        macs = self.exit_macs(open)
        return [run.encoding(row, self.exits - 1, macs, BUDGET_GRID[column]) for row in range(len(pixels))]

    def _run(self, many: int, budgets: int) -> BatchRun:
        """A batch that is going to be described."""
        _ = self._guides  # made before the clock starts: they are no photo's cost
        return BatchRun(many, budgets)

    def _leave_at_the_end(self, run: BatchRun, vectors: Tensor) -> None:
        self._leave_all(run, self.exits - 1, vectors, None, {})

    def _leave_all(
        self, run: BatchRun, k: int, vectors: Tensor, state: Tensor | None, pooled: dict[int, Tensor]
    ) -> None:
        """All rows leave at exit k (0-based), described and not asked."""
        if self.guide_texts:
            seen = run.timed(content_distribution, vectors, self._guides, self.backbone.logit_scale)
            vectors, shares, places = run.timed(bring, (vectors, *self._best(seen)))
            run.note(k, None, self._phrases(shares, places))
        run.leave(torch.ones(len(run.rows), dtype=torch.bool), k, vectors, state, pooled)

    def _input(self, pixels: np.ndarray | Tensor, size: int) -> Tensor:
        """(B, 3, S, S) uint8 to what the tower takes, made smaller for a pass over a smaller input.

        The photos' order in memory is kept: colours side by side, as pictures are decoded, suits convolutions best.
        """
        photos = torch.from_numpy(pixels) if isinstance(pixels, np.ndarray) else pixels
        return self.backbone.normalise(send(smaller(photos, size), self.device))

    def _steps(self, p: Pass, to_the_end: bool) -> Iterator[tuple[str, Callable[[Tensor], Tensor]]]:
        """The stages of a pass; the last gives embeddings as the tower's own projection reads them.

        Args: to_the_end: whether the pass may end with the model's own embedding.
        Returns: names, and functions of what the one before gives. The last gives float32: unit-length embeddings,
            (B, D); or else, with the pooled features of the last map behind them for the readout, (B, D + F).
        """
        tower = self._tower if to_the_end else self._early_tower
        if p.scout:
            assert self._scout_tower is not None  # exits that are its come with it
            tower = self._scout_tower

        def finish(state: Tensor) -> Tensor:
            embedding = F.normalize(tower.finish(state).float(), dim=-1)
            return embedding if to_the_end else torch.cat([embedding, tower.pooled(state)], -1)

        for step in tower.steps:
            yield step.name, step.run
        yield HEAD, finish

    def _look(self, k: int, pooled: dict[int, Tensor], before: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Embedding (B, D), p_k (B, G) and gate probabilities (B, budgets) at exit k."""
        vectors = self._ran.read(k, pooled)
        seen = content_distribution(vectors, self._guides, self.backbone.logit_scale)
        return vectors, seen, self._gate(k, vectors, pooled[k], statistics(seen, before))

    def _gate(self, k: int, vectors: Tensor, pooled: Tensor, stats: Tensor) -> Tensor:
        """Probability of leaving at exit k at every budget, (B, budgets).

        It is 0 where the budget's plan does not ask, and for photos that show what people will look for.
        """
        gates: Tensor = self._ran.gates[k](pooled, stats, self._log_prices[None]).sigmoid() * self._is_open[k]
        return gates if self._interest is None else gates * ~self._interest.shown_by(vectors)[:, None]

    def _kept(self, k: int, state: Tensor) -> Tensor | None:
        """What is kept of a photo that leaves at exit k, for a look that goes on from there."""
        return None if self.ladder.shapes[k] is None else state

    def _pooled(self, k: int, state: Tensor) -> Tensor:
        exit = self.modules.exits[k]
        if exit.stage == HEAD:
            return state
        return self._branches[k](state) if exit.channels else self._tower.pooled(state)

    @property
    def _guides(self) -> Tensor:
        """The guide texts where the encoder computes, (G, D)."""
        if self._sent is None or self._sent[0] is not self.guides:
            self._sent = (self.guides, self.guides.to(self.device))
        return self._sent[1]

    def _best(self, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Shares and places of the guide texts that fit best, (B, 3) twice."""
        shares, places = seen.topk(min(PHRASES_KEPT, seen.shape[-1]), dim=-1)
        return shares, places

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
        run = BatchRun(len(pixels), 0)
        return self._course(run, self._input(pixels, self.ladder.pass_of(exit - 1).size), exit - 1)[0].cpu().numpy()

    @torch.inference_mode()
    def read_at(self, pixels: np.ndarray, size: int) -> np.ndarray:
        """The model's own embeddings of an input of any size, for towers that read any.

        Returns: (B, D) float32, unit length.
        """
        state = self._input(pixels, size)
        for _, work in self._steps(self.passes[-1], size == self.backbone.size):
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
        run = self._run(len(pixels), 0)
        state = run.timed(self._input, pixels, self.ladder.pass_of(exit - 1).size)
        return self._deeper_runs(run, self._course(run, state, exit - 1), exit - 1, self.ladder.cost_to(1, exit, False))

    @COMPUTE.held(LOOK_AGAIN)
    @torch.inference_mode()
    def resume(self, maps: Sequence[FeatureMap], from_exit: int, to_exit: int) -> list[DeeperRun]:
        """Send photos on from the feature maps that they left one exit with to a later one, as `run_to` does.

        Args: from_exit, to_exit: 1-based; `ladder.resumes` says whether the first leads to the second.
        """
        if not maps:
            return []
        run = self._run(len(maps), 0)
        state = self._stacked(maps).to(self.device)
        pooled = {j: torch.stack([m.pooled[j] for m in maps]).to(self.device) for j in maps[0].pooled}
        course = self._course(run, state, to_exit - 1, from_exit - 1, pooled)
        return self._deeper_runs(run, course, to_exit - 1, self.ladder.cost_to(from_exit, to_exit, True))

    def unpack_map(self, data: bytes, exit: int) -> FeatureMap | None:
        """A packed feature map of an exit (1-based); None where it is damaged or not of this encoder."""
        k = exit - 1
        widths = {j: self.modules.exits[j].pooled for j in self.modules.seen(k)} if k < self.exits - 1 else {}
        return FeatureMap.unpack(data, self.ladder.shapes[k], widths)

    def _stacked(self, maps: Sequence[FeatureMap]) -> Tensor:
        """The batch that maps were taken from, as the tower would have passed it on."""
        state = torch.stack([m.state for m in maps])
        if self.precision != "bfloat16":
            return state.float()
        quick = state.bfloat16()
        return quick.contiguous(memory_format=torch.channels_last) if quick.dim() == 4 else quick

    def _course(
        self, run: BatchRun, state: Tensor, wanted: int, start: int = -1, seen: Mapping[int, Tensor] | None = None
    ) -> tuple[Tensor, Tensor | None, dict[int, Tensor]]:
        """From the input of a pass, or from the map of one of its exits, to another one; exits are 0-based.

        Args: start: the exit that the state is of; -1: it is the input.  seen: pooled features of the exits up to it.
        Returns: embeddings (B, D), the state there (None where none is kept), and the pooled features seen.
        """
        p, pooled, on = self.ladder.pass_of(wanted), dict(seen or {}), start < 0
        for name, work in self._steps(p, wanted == self.exits - 1):
            k = p.exits.get(name)
            if on:
                state = run.timed(work, state)
                if k == self.exits - 1:
                    break
                if k is not None and self.ladder.is_seen(k, [wanted]):
                    pooled[k] = run.timed(self._pooled, k, state)
                if k == wanted:
                    vectors = run.timed(self._ran.read, k, pooled)
                    return vectors, self._kept(k, state), pooled
            on = on or k == start
        return state, None, {}

    def _deeper_runs(
        self, run: BatchRun, course: tuple[Tensor, Tensor | None, dict[int, Tensor]], k: int, macs: int
    ) -> list[DeeperRun]:
        many = len(run.rows)
        self._leave_all(run, k, *course)
        settle(self.device)
        return [run.deeper_run(row, macs) for row in range(many)]

    @COMPUTE.held(LOOK_AGAIN)
    @torch.inference_mode()
    def trace(self, pixels: np.ndarray) -> Trace:
        """Everything that every exit would see: every pass is run, nobody leaves, no gate is asked."""
        found, pooled = Trace(), {}
        for p in self.passes:
            state = self._input(pixels, p.size)
            for name, work in self._steps(p, p is self.passes[-1]):
                COMPUTE.give_way()
                state = work(state)
                k = p.exits.get(name)
                if k is not None and k < self.exits - 1:
                    pooled[k] = self._pooled(k, state)
                    found.pooled.append(pooled[k])
                    found.vectors.append(self._ran.read(k, pooled))
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
        seen = [content_distribution(v, self.guides, self.backbone.logit_scale) for v in trace.vectors[:-1]]
        for open in {plan.open for plan in self.plans}:
            columns = [column for column, plan in enumerate(self.plans) if plan.open == open]
            before: Tensor | None = None
            for k in open:
                asked = (trace.vectors[k], trace.pooled[k], statistics(seen[k], before))
                gates[:, k, columns] = self._gate(k, *(t.to(self.device) for t in asked)).cpu()[:, columns]
                before = seen[k]
        return gates, first_exit(gates.transpose(1, 2))


@torch.inference_mode()
def _paying_tower(backbone: Backbone) -> Tower | None:
    """The bfloat16 tower where it is clearly faster here than in float32, and its embeddings are the same."""
    quick = backbone.quick_tower()
    if quick is None:
        return None
    towers = (quick, backbone.fused_tower(torch.float32) or backbone.tower)
    pixels = torch.randn(4, 3, backbone.size, backbone.size, generator=torch.Generator().manual_seed(0))
    pixels, states = pixels.to(backbone.device), [torch.empty(0)] * len(towers)
    seconds = [math.inf] * len(towers)
    for _ in range(TRIES):  # in lock: what else the machine has to do then slows both
        for place, tower in enumerate(towers):
            began = time.perf_counter()
            state = pixels
            for step in tower.steps:
                state = step.run(state)
            states[place] = tower.finish(state).float().cpu()
            seconds[place] = min(seconds[place], time.perf_counter() - began)
    agrees = bool((F.cosine_similarity(states[0], states[1]) > SAME).all())
    return quick if agrees and seconds[0] < 0.9 * seconds[1] else None


def _exits(loaded: Loaded) -> FittedExits | None:
    """The exits of a model: those kept here, or else those in the Hub repository that the model came from."""
    found = load_exits(loaded.folder, loaded.backbone, loaded.weights)
    if found is not None or loaded.repo is None:
        return found
    try:
        snapshot = fetch_exits(loaded.repo)
    except HubUnreachable:  # the model is here already, and runs without
        return None
    return install_exits(snapshot, loaded.folder, loaded.backbone, loaded.weights) if snapshot else None


def load_encoder(model: str | None = None, precision: str | None = None, exits: bool = True) -> Encoder:
    """The encoder of a model, with its exits where there are some.

    Args:
        model: its name, as `load_model` takes it; None is the embedded one.
        precision: "float32" or "bfloat16"; None measures which is faster here.
        exits: whether to look for exit weights; without them every photo runs to full depth.
    Raises: ModelUnreadable, HubUnreachable, HubMissing.
    """
    keep_freed_memory()
    loaded = load_model(model)
    backbone, guide_texts = loaded.backbone, read_guide_texts()
    backbone.to(best_device())
    found = _exits(loaded) if exits else None
    identity = Identity(loaded.name, loaded.weights, exits_hash(loaded.folder, guide_texts) if found else "")
    if precision is None:
        quick = _paying_tower(backbone)
    else:
        quick = backbone.quick_tower() if precision == "bfloat16" else None
    embed_guides = partial(embedded, backbone, loaded.weights)
    return Encoder(backbone, found, identity, guide_texts, loaded.folder, quick, embed_guides)
