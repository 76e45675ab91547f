"""Batched early-exit encoding: a batch runs stage by stage, and rows that leave are taken out."""

import time
from collections.abc import Sequence
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
from engine.exits import exits_hash, load_exits
from engine.fusion import fuse_for_inference
from engine.guidance import STATISTICS, content_distribution, read_guide_texts, statistics
from engine.tgem import ExitModules, first_exit

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
    """A backbone with its exits; without exit weights every photo runs to full depth."""

    def __init__(
        self,
        backbone: Backbone,
        modules: ExitModules | None,
        prices: Sequence[float],
        identity: Identity,
        guide_texts: Sequence[str],
        folder: Path,
        quick: bool = False,
    ) -> None:
        """Args: prices: lambda for each budget of BUDGET_GRID; quick: run the image tower in bfloat16 where it can."""
        self.backbone, self.identity, self.folder = backbone, identity, folder
        self.guide_texts = tuple(guide_texts)
        self.modules = (modules or ExitModules([], backbone.dim)).eval().requires_grad_(False)
        self.log_prices = torch.tensor(prices).log().clamp_min(LOWEST_LOG_PRICE)  # (G,)
        quick_tower = backbone.quick_tower() if quick else None
        self.precision = "bfloat16" if quick_tower else "float32"
        self._tower = quick_tower or backbone.tower
        self._branches = self.modules.branches
        if quick_tower:
            self._branches = deepcopy(self._branches)
            fuse_for_inference(self._branches)
        self._after = {e.stage: k for k, e in enumerate(self.modules.exits)}
        self.guides = backbone.encode_text(self.guide_texts) if self.guide_texts else torch.empty(0, backbone.dim)
        self.dim, self.exits = backbone.dim, len(self.modules.exits) + 1
        # MACs of a photo that leaves at each exit, readouts, gates and the likeness to each guide text included; and of
        # one that `encode_to` sends there: no gates, the branches up to it and one projection; at full depth neither.
        self.exit_macs: tuple[int, ...]
        self.forced_macs: tuple[int, ...]
        self._measure_costs()

    def _measure_costs(self) -> None:
        macs = self.backbone.step_macs
        self.full_macs = sum(macs)
        names = [*(step.name for step in self._tower.steps), "head"]
        numbers = {name: k + 1 for name, k in self._after.items()} | {"head": self.exits}
        self.stages = tuple(
            Stage(name, self.backbone.size, m, numbers.get(name)) for name, m in zip(names, macs, strict=True)
        )
        shapes = dict(zip(names, self.backbone.shapes, strict=False))
        branches, projections, gates = [], [], []
        for k, exit in enumerate(self.modules.exits):
            features = torch.zeros(shapes[exit.stage])
            pooled = [torch.zeros(1, e.pooled) for e in self.modules.exits[: k + 1]]
            branch = self.modules.branches[k]
            branches.append(count_macs(branch, partial(branch, features)) if exit.channels else 0)
            projections.append(count_macs(self.modules.projections, partial(self.modules.read, k, pooled)))
            seen = torch.zeros(1, STATISTICS)
            gate = self.modules.gates[k]
            gates.append(
                count_macs(gate, partial(gate, pooled[-1], seen, self.log_prices[None]))
                + self.guides.numel()  # the similarity to each guide text
            )
        depth = dict(zip(names, np.cumsum(macs).tolist(), strict=True))
        bare = [depth[exit.stage] for exit in self.modules.exits]
        looks = np.cumsum([sum(parts) for parts in zip(branches, projections, gates, strict=True)]).tolist()
        full = self.full_macs + (looks[-1] if looks else 0) + self.guides.numel()
        self.exit_macs = (*(b + look for b, look in zip(bare, looks, strict=True)), full)
        seen_before = np.cumsum(branches).tolist()
        forced = [b + s + p for b, s, p in zip(bare, seen_before, projections, strict=True)]
        self.forced_macs = (*forced, self.full_macs)

    def preprocess(self, picture: Image.Image) -> np.ndarray:
        """An RGB picture of any shape to (3, S, S) uint8."""
        return np.asarray(self.backbone.preprocess(picture)).transpose(2, 0, 1)

    def encode_text(self, texts: Sequence[str]) -> np.ndarray:
        """(N, D) float32, unit length."""
        return self.backbone.encode_text(texts).numpy()

    @torch.inference_mode()
    def encode(self, pixels: np.ndarray, budget: float = DEFAULT_BUDGET) -> list[Encoding]:
        """Encode photos, each as deep as its gates ask for.

        Args:
            pixels: (B, 3, S, S) uint8.
            budget: mean MACs share to aim at; the nearest of BUDGET_GRID is used.
        """
        if not len(pixels):
            return []
        price = int(np.abs(np.array(BUDGET_GRID) - budget).argmin())
        run = BatchRun(len(pixels), len(BUDGET_GRID))
        state = self.backbone.normalise(torch.from_numpy(pixels))
        pooled: list[Tensor] = []
        before: Tensor | None = None
        for step in self._tower.steps:
            state = run.timed(step.run, state)
            k = self._after.get(step.name)
            if k is None:
                continue
            vectors, p, gates = run.timed(self._look, k, state, pooled, before)
            run.note(gates, self._phrases(p))
            leaving = gates[:, price] >= 0.5
            run.leave(leaving, k, vectors)
            if not run.rows:
                break
            kept = ~leaving
            state, before, pooled = state[kept], p[kept], [f[kept] for f in pooled]
        if run.rows:
            vectors = run.timed(self._finish, state)
            if self.guide_texts:
                run.note(None, self._phrases(content_distribution(vectors, self.guides, self.backbone.sharpness)))
            run.leave(torch.ones(len(run.rows), dtype=torch.bool), self.exits - 1, vectors)
        return [run.encoding(row, self.exit_macs, BUDGET_GRID[price]) for row in range(len(pixels))]

    def _finish(self, state: Tensor) -> Tensor:
        return F.normalize(self._tower.finish(state).float(), dim=-1)

    def _look(
        self, k: int, state: Tensor, pooled: list[Tensor], before: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Embedding (B, D), p_k (B, G) and gate probabilities (B, budgets) at exit k; adds its pooled features."""
        pooled.append(self._pooled(k, state))
        vectors = self.modules.read(k, pooled)
        p = content_distribution(vectors, self.guides, self.backbone.sharpness)
        gates = self.modules.gates[k](pooled[k], statistics(p, before), self.log_prices[None]).sigmoid()
        return vectors, p, gates

    def _pooled(self, k: int, state: Tensor) -> Tensor:
        if not self.modules.exits[k].channels:
            return self._tower.pooled(state)
        return self._branches[k](state)

    def _phrases(self, p: Tensor) -> list[Phrases]:
        shares, places = p.topk(min(PHRASES_KEPT, p.shape[-1]), dim=-1)
        return [
            tuple((self.guide_texts[i], round(s, 4)) for s, i in zip(row, where, strict=True))
            for row, where in zip(shares.tolist(), places.tolist(), strict=True)
        ]

    @torch.inference_mode()
    def encode_to(self, pixels: np.ndarray, exit: int) -> np.ndarray:
        """Embeddings of photos that all leave at one exit (1-based), no gate asked; (B, D) float32, unit length."""
        if exit == self.exits:
            state = self.backbone.normalise(torch.from_numpy(pixels))
            for step in self._tower.steps:
                state = step.run(state)
            return self._finish(state).numpy()
        state = self.backbone.normalise(torch.from_numpy(pixels))
        pooled: list[Tensor] = []
        for step in self._tower.steps:
            state = step.run(state)
            k = self._after.get(step.name)
            if k is not None:
                pooled.append(self._pooled(k, state))
                if k == exit - 1:
                    return self.modules.read(k, pooled).numpy()
        raise ValueError(f"exit {exit} is not one of 1 to {self.exits}")

    @torch.inference_mode()
    def trace(self, pixels: np.ndarray) -> Trace:
        """Everything that every exit would see: nobody leaves, no gate is asked."""
        found = Trace()
        state = self.backbone.normalise(torch.from_numpy(pixels))
        for step in self._tower.steps:
            state = step.run(state)
            k = self._after.get(step.name)
            if k is not None:
                found.pooled.append(self._pooled(k, state))
                found.vectors.append(self.modules.read(k, found.pooled))
        found.vectors.append(self._finish(state))
        return found

    @torch.inference_mode()
    def decide(self, trace: Trace) -> tuple[Tensor, Tensor]:
        """What `encode` would do with traced photos, at every budget of the grid.

        Returns: gate probabilities (B, K - 1, G), and the exit of each photo at each budget, (B, G), 0-based.
        """
        before: Tensor | None = None
        gates = []
        for k in range(self.exits - 1):
            p = content_distribution(trace.vectors[k], self.guides, self.backbone.sharpness)
            stats = statistics(p, before)
            gates.append(self.modules.gates[k](trace.pooled[k], stats, self.log_prices[None]).sigmoid())
            before = p
        if not gates:
            many = len(trace.vectors[-1])
            return torch.empty(many, 0, len(BUDGET_GRID)), torch.zeros(many, len(BUDGET_GRID), dtype=torch.long)
        stacked = torch.stack(gates, 1)
        return stacked, first_exit(stacked.transpose(1, 2))


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
    modules, prices = found if found else (None, [0.0] * len(BUDGET_GRID))
    identity = Identity(folder.name, weights, exits_hash(folder, guide_texts) if found else "")
    quick = precision == "bfloat16" or (precision is None and _bfloat16_pays(backbone))
    return Encoder(backbone, modules, prices, identity, guide_texts, folder, quick)
