"""Batched early-exit encoding: a batch runs stage by stage, and rows that leave are taken out."""

import time
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from engine.backbone import EMBEDDED, Backbone, Tower, load_folder, model_hash
from engine.batch import BatchRun, Encoding, Phrases
from engine.budget import BUDGET_GRID, DEFAULT_BUDGET
from engine.cost import count_macs
from engine.exits import FittedExits, exits_hash, load_exits, unfitted
from engine.fusion import fuse_for_inference
from engine.guidance import STATISTICS, content_distribution, read_guide_texts, statistics
from engine.tgem import HEAD, ExitModules, first_exit

PHRASES_KEPT = 3
LOWEST_LOG_PRICE = -30.0  # the logarithm of a price of nothing


@dataclass(frozen=True)
class Stage:
    """One step of the encoder, as it is drawn: as wide as its share of the MACs."""

    name: str
    size: int  # input size in px of the pass that it belongs to
    macs: int  # of this stage alone
    exit: int | None  # 1-based number of the exit after it


@dataclass(frozen=True)
class Pass:
    """One run of the tower over an input of one size."""

    size: int  # side in px
    exits: dict[str, int]  # name of a stage -> 0-based number of the exit after it; HEAD is the last stage's


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
    """A backbone with its exits: a ladder of passes over inputs of growing size, each with exits along its depth.

    Without exit weights every photo runs one pass, of the model's own size, to full depth.
    """

    def __init__(
        self,
        backbone: Backbone,
        fitted: FittedExits | None,
        identity: Identity,
        guide_texts: Sequence[str],
        folder: Path,
        quick: bool = False,
    ) -> None:
        """Args: quick: run the image tower in bfloat16 where it can."""
        self.backbone, self.identity, self.folder = backbone, identity, folder
        self.guide_texts = tuple(guide_texts)
        fitted = fitted or unfitted(ExitModules([], backbone.dim))
        self.modules = fitted.modules.eval().requires_grad_(False)
        self.plans, self.calibrations = fitted.plans, fitted.calibrations
        quick_tower = backbone.quick_tower() if quick else None
        self.precision = "bfloat16" if quick_tower else "float32"
        self._tower = quick_tower or backbone.tower
        self._branches = self.modules.branches
        if quick_tower:
            self._branches = deepcopy(self._branches)
            fuse_for_inference(self._branches)
        self.guides = backbone.encode_text(self.guide_texts) if self.guide_texts else torch.empty(0, backbone.dim)
        self.dim, self.exits = backbone.dim, len(self.modules.exits) + 1
        self._log_prices = torch.tensor([plan.price for plan in self.plans]).log().clamp_min(LOWEST_LOG_PRICE)  # (G,)
        self._is_open = torch.tensor(
            [[k in plan.open for plan in self.plans] for k in range(self.exits - 1)]
        )  # (K - 1, G)
        self._lay_out()

    def _lay_out(self) -> None:
        """Passes, stages and their costs."""
        own = self.backbone.size
        sizes = list(dict.fromkeys([*(e.size or own for e in self.modules.exits), own]))
        self.passes = tuple(
            Pass(size, {e.stage: k for k, e in enumerate(self.modules.exits) if (e.size or own) == size})
            for size in sizes
        )
        self.passes[-1].exits[HEAD] = self.exits - 1
        names = [*(step.name for step in self._tower.steps), HEAD]
        self.stages = tuple(
            Stage(name, p.size, macs, k + 1 if (k := p.exits.get(name)) is not None else None)
            for p in self.passes
            for name, macs in zip(names, self.backbone.measure(p.size)[0], strict=True)
        )
        self.full_macs = sum(self.backbone.step_macs)
        described = self.guides.numel()  # the likeness to each guide text
        self._depth: list[int] = []  # MACs of the exit's pass up to its stage
        self._looks: list[tuple[int, int, int]] = []  # MACs of each exit's branch, projection and gate
        for p in self.passes:
            macs, shapes = self.backbone.measure(p.size)
            depth, shape = (
                dict(zip(names, np.cumsum(macs).tolist(), strict=True)),
                dict(zip(names, shapes, strict=False)),
            )
            for stage, k in p.exits.items():
                self._depth.append(depth[stage])
                if k < self.exits - 1:
                    branch, projection, gate = self._look_macs(k, shape.get(stage))
                    self._looks.append((branch, projection, gate + described))

    def _look_macs(self, k: int, shape: tuple[int, ...] | None) -> tuple[int, int, int]:
        modules, exit = self.modules, self.modules.exits[k]
        branch = projection = 0
        if exit.channels and shape is not None:
            branch = count_macs(modules.branches[k], partial(modules.branches[k], torch.zeros(shape)))
        pooled = {j: torch.zeros(1, modules.exits[j].pooled) for j in modules.seen(k)}
        projection = count_macs(modules.projections, partial(modules.read, k, pooled))
        seen = torch.zeros(1, STATISTICS)
        gate = partial(modules.gates[k], pooled[k], seen, self._log_prices[None])
        return branch, projection, count_macs(modules.gates[k], gate)

    def exit_macs(self, open: tuple[int, ...]) -> tuple[int, ...]:
        """MACs of a photo that leaves at each exit while these (0-based) are asked; every pass that it ran counts.

        An exit that is not asked costs 0: nobody leaves there.
        """
        found, spent = [0] * self.exits, 0
        for p in self.passes:
            asked = self._asked(p, open)
            if not asked:
                continue
            for k in p.exits.values():
                if k < self.exits - 1:
                    branch, projection, gate = self._looks[k]
                    spent += branch if self._is_seen(k, asked) else 0
                    spent += projection + gate if k in asked else 0
                if k in asked:
                    found[k] = spent + self._depth[k]
            spent += sum(self.backbone.measure(p.size)[0])
        found[-1] += self.guides.numel()
        return tuple(found)

    @property
    def forced_macs(self) -> tuple[int, ...]:
        """MACs of a photo that `encode_to` sends to each exit: one pass, no gate asked."""
        found = []
        for k in range(self.exits - 1):
            branches = sum(self._looks[j][0] for j in self.modules.seen(k))
            found.append(self._depth[k] + branches + self._looks[k][1])
        return (*found, self.full_macs)

    def _asked(self, p: Pass, open: tuple[int, ...]) -> list[int]:
        """The exits of a pass at which a photo may leave; none: the pass is left out."""
        return [k for k in p.exits.values() if k in open or k == self.exits - 1]

    def _is_seen(self, k: int, asked: Sequence[int]) -> bool:
        """Whether a readout that is asked sees the pooled features of exit k."""
        return any(k in self.modules.seen(j) for j in asked if j < self.exits - 1)

    def preprocess(self, picture: Image.Image) -> np.ndarray:
        """An RGB picture of any shape to (3, S, S) uint8."""
        return np.asarray(self.backbone.preprocess(picture)).transpose(2, 0, 1)

    def encode_text(self, texts: Sequence[str]) -> np.ndarray:
        """(N, D) float32, unit length."""
        return self.backbone.encode_text(texts).numpy()

    @torch.inference_mode()
    def encode(self, pixels: np.ndarray, budget: float = DEFAULT_BUDGET) -> list[Encoding]:
        """Encode photos, each as far as its gates ask for.

        Args:
            pixels: (B, 3, S, S) uint8.
            budget: mean MACs share to aim at; the nearest of BUDGET_GRID is used.
        """
        if not len(pixels):
            return []
        column = int(np.abs(np.array(BUDGET_GRID) - budget).argmin())
        open = self.plans[column].open
        run = BatchRun(len(pixels), len(BUDGET_GRID))
        before: Tensor | None = None
        for p in self.passes:
            asked = self._asked(p, open)
            if not asked or not run.rows:
                continue
            state = run.timed(self._input, pixels[run.rows], p.size)
            pooled: dict[int, Tensor] = {}
            for name, work in self._steps():
                state = run.timed(work, state)
                k = p.exits.get(name)
                if k is None or not (k in asked or self._is_seen(k, asked)):
                    continue
                if k == self.exits - 1:
                    self._leave_at_the_end(run, state)
                    break
                pooled[k] = run.timed(self._pooled, k, state)
                if k not in asked:
                    continue
                vectors, seen, gates = run.timed(self._look, k, pooled, before)
                run.note(k, gates, self._phrases(seen))
                leaving = gates[:, column] >= 0.5
                run.leave(leaving, k, vectors)
                kept = ~leaving
                state, before, pooled = state[kept], seen[kept], {j: f[kept] for j, f in pooled.items()}
                if not run.rows:
                    break
        macs = self.exit_macs(open)
        return [run.encoding(row, self.exits - 1, macs, BUDGET_GRID[column]) for row in range(len(pixels))]

    def _leave_at_the_end(self, run: BatchRun, vectors: Tensor) -> None:
        if self.guide_texts:
            seen = content_distribution(vectors, self.guides, self.backbone.sharpness)
            run.note(self.exits - 1, None, self._phrases(seen))
        run.leave(torch.ones(len(run.rows), dtype=torch.bool), self.exits - 1, vectors)

    def _input(self, pixels: np.ndarray, size: int) -> Tensor:
        """(B, 3, S, S) uint8 to what the tower takes, made smaller for a pass over a smaller input."""
        photos = torch.from_numpy(pixels)
        if size != photos.shape[-1]:
            photos = F.interpolate(photos, (size, size), mode="bicubic", antialias=True)
        return self.backbone.normalise(photos)

    def _steps(self) -> Iterator[tuple[str, Callable[[Tensor], Tensor]]]:
        """The stages of a pass; the last gives unit-length embeddings, (B, D) float32."""
        for step in self._tower.steps:
            yield step.name, step.run
        yield HEAD, lambda state: F.normalize(self._tower.finish(state).float(), dim=-1)

    def _look(self, k: int, pooled: dict[int, Tensor], before: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """Embedding (B, D), p_k (B, G) and gate probabilities (B, budgets) at exit k."""
        vectors = self.modules.read(k, pooled)
        seen = content_distribution(vectors, self.guides, self.backbone.sharpness)
        return vectors, seen, self._gate(k, pooled[k], statistics(seen, before))

    def _gate(self, k: int, pooled: Tensor, stats: Tensor) -> Tensor:
        """Probability of leaving at exit k at every budget, (B, budgets); 0 where the budget's plan does not ask."""
        return self.modules.gates[k](pooled, stats, self._log_prices[None]).sigmoid() * self._is_open[k]

    def _pooled(self, k: int, state: Tensor) -> Tensor:
        exit = self.modules.exits[k]
        if exit.stage == HEAD:
            return state
        return self._branches[k](state) if exit.channels else self._tower.pooled(state)

    def _phrases(self, seen: Tensor) -> list[Phrases]:
        shares, places = seen.topk(min(PHRASES_KEPT, seen.shape[-1]), dim=-1)
        return [
            tuple((self.guide_texts[i], round(s, 4)) for s, i in zip(row, where, strict=True))
            for row, where in zip(shares.tolist(), places.tolist(), strict=True)
        ]

    @torch.inference_mode()
    def encode_to(self, pixels: np.ndarray, exit: int) -> np.ndarray:
        """Embeddings of photos that all leave at one exit (1-based), by its pass alone, no gate asked.

        Returns: (B, D) float32, unit length.
        """
        wanted = exit - 1
        p = next(p for p in self.passes if wanted in p.exits.values())
        state = self._input(pixels, p.size)
        pooled: dict[int, Tensor] = {}
        for name, work in self._steps():
            state = work(state)
            k = p.exits.get(name)
            if k == self.exits - 1:
                break
            if k is not None and self._is_seen(k, [wanted]):
                pooled[k] = self._pooled(k, state)
                if k == wanted:
                    return self.modules.read(k, pooled).numpy()
        return state.numpy()

    @torch.inference_mode()
    def trace(self, pixels: np.ndarray) -> Trace:
        """Everything that every exit would see: every pass is run, nobody leaves, no gate is asked."""
        found, pooled = Trace(), {}
        for p in self.passes:
            state = self._input(pixels, p.size)
            for name, work in self._steps():
                state = work(state)
                k = p.exits.get(name)
                if k is not None and k < self.exits - 1:
                    pooled[k] = self._pooled(k, state)
                    found.pooled.append(pooled[k])
                    found.vectors.append(self.modules.read(k, pooled))
        found.vectors.append(state)
        return found

    @torch.inference_mode()
    def decide(self, trace: Trace) -> tuple[Tensor, Tensor]:
        """What `encode` would do with traced photos, at every budget of the grid.

        Returns: gate probabilities (B, K - 1, G), 0 at exits that are not asked, and the exit of each photo at each
        budget, (B, G), 0-based.
        """
        many = len(trace.vectors[-1])
        gates = torch.zeros(many, self.exits - 1, len(self.plans))
        seen = [content_distribution(v, self.guides, self.backbone.sharpness) for v in trace.vectors[:-1]]
        for open in {plan.open for plan in self.plans}:
            columns = [column for column, plan in enumerate(self.plans) if plan.open == open]
            before: Tensor | None = None
            for k in open:
                gates[:, k, columns] = self._gate(k, trace.pooled[k], statistics(seen[k], before))[:, columns]
                before = seen[k]
        return gates, first_exit(gates.transpose(1, 2))


def _bfloat16_pays(backbone: Backbone) -> bool:
    """Whether the fused bfloat16 tower is clearly faster here than the float32 one."""
    quick = backbone.quick_tower()
    if quick is None:
        return False
    pixels = torch.zeros(4, 3, backbone.size, backbone.size)

    def seconds(tower: Tower) -> float:
        times = []
        for _ in range(3):
            began = time.perf_counter()
            state = pixels
            for step in tower.steps:
                state = step.run(state)
            tower.finish(state)
            times.append(time.perf_counter() - began)
        return min(times)

    with torch.inference_mode():
        return seconds(quick) < 0.8 * seconds(backbone.tower)


def load_encoder(model: str | None = None, precision: str | None = None) -> Encoder:
    """The encoder of a model.

    Args:
        model: an OpenCLIP folder, as `local-dir:PATH`; None is the embedded one.
        precision: "float32" or "bfloat16"; None measures which is faster here.
    Raises: ModelUnreadable.
    """
    folder = EMBEDDED if model is None else Path(model.removeprefix("local-dir:"))
    backbone = load_folder(folder)
    weights = model_hash(folder)
    guide_texts = read_guide_texts()
    found = load_exits(folder, backbone, weights)
    identity = Identity(folder.name, weights, exits_hash(folder, guide_texts) if found else "")
    quick = precision == "bfloat16" or (precision is None and _bfloat16_pays(backbone))
    return Encoder(backbone, found, identity, guide_texts, folder, quick)
