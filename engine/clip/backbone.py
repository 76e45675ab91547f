"""An open_clip model as a text tower and an image tower cut into stages."""

from collections.abc import Callable, Sequence
from copy import copy, deepcopy
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from timm.models.efficientnet import EfficientNet
from torch import Tensor, nn

from engine.clip.fuse import can_fuse, fuse_for_inference
from engine.clip.macs import count_macs
from engine.clip.stages import WORKS, Tower, TowerStage, cut, kind_of
from engine.clip.transform import Square
from engine.utils.errors import ModelUnreadable

TEXTS = 64  # run at once: a tower that pads to 77 tokens needs half a gigabyte for a few hundred
USUAL = {"resize_mode": "shortest", "interpolation": "bicubic"}  # where a model says nothing


class Backbone:
    """A loaded model: text in, pixels in, embeddings out, and the costs of every stage."""

    def __init__(
        self, model: nn.Module, tokenize: Callable[[list[str]], Tensor], preprocess: dict[str, Any], name: str
    ) -> None:
        """Args: an open_clip model; its tokenizer; its preprocess config (mean, std, size, resize mode); its name.

        Raises: ModelUnreadable where its image tower cannot be cut.
        """
        self.model: Any = model.eval().requires_grad_(False)
        self.tokenize = tokenize
        self.name = name
        self.size = _side(preprocess["size"], name)
        self.device = torch.device("cpu")
        self.mean = torch.tensor(preprocess["mean"]).view(3, 1, 1)
        self.std = torch.tensor(preprocess["std"]).view(3, 1, 1)
        if not (torch.isfinite(self.mean).all() and torch.isfinite(1 / self.std).all()):
            raise ModelUnreadable(f"{name} has a mean or a deviation of pixels (preprocess_cfg) that is no number.")
        mode, interpolation = (preprocess.get(key) or usual for key, usual in USUAL.items())
        if mode not in ("shortest", "longest", "squash") or interpolation not in ("bicubic", "bilinear"):
            raise ModelUnreadable(
                f"{name} resizes pictures (preprocess_cfg) by {mode}, {interpolation}: not known here."
            )
        self.square = Square(
            self.size,
            mode,
            int(preprocess.get("fill_color") or 0),
            Image.Resampling.BILINEAR if interpolation == "bilinear" else Image.Resampling.BICUBIC,
        )
        self.tower = _cut(self.model.visual, name)
        self.precision = "float32"  # that `fastest` computes in
        self._fastest: Tower | None = None
        self._measured: dict[int, tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]] = {}

    def to(self, device: torch.device) -> None:
        """Move the model; raises ModelUnreadable where the device has no room for it."""
        if device == self.device:
            return
        try:
            self.model.to(device)
            self.mean, self.std = self.mean.to(device), self.std.to(device)
        except torch.cuda.OutOfMemoryError as error:
            raise ModelUnreadable(f"{self.name} does not fit on the GPU; choose a smaller model.") from error
        self.device, self._fastest = device, None

    def compute_in(self, precision: str) -> None:
        """Have `fastest` compute in "float32" or, where `has_quick_tower`, in "bfloat16"."""
        self.precision, self._fastest = precision, None

    @property
    def fastest(self) -> Tower:
        """The fastest tower at the precision, fused where there is a way to; float32 is exact to rounding."""
        if self._fastest is None:
            quick = self.quick_tower() if self.precision == "bfloat16" else self.fused_tower(torch.float32)
            self._fastest = quick or self.tower
        return self._fastest

    def seeing_through(self, visual: nn.Module, name: str) -> "Backbone":
        """The same space seen through another image tower, which takes the same photos; no text can be encoded.

        Raises: ModelUnreadable where the tower cannot be cut.
        """
        found = copy(self)
        vars(found).pop("dim", None)
        images_only: Any = nn.Module()
        images_only.visual, images_only.logit_scale = visual.to(self.device), self.model.logit_scale
        found.model = images_only.eval().requires_grad_(False)
        found.name, found.tower, found._measured, found._fastest = name, _cut(visual, name), {}, None
        return found

    @cached_property
    def dim(self) -> int:
        """Width of the shared space."""
        with torch.no_grad():
            return self.tower.finish(torch.zeros(self.shapes[-1], device=self.device)).shape[1]

    @property
    def logit_scale(self) -> float:
        """What the model multiplies cosines by before a softmax."""
        return float(self.model.logit_scale.exp())

    @property
    def reads_any_size(self) -> bool:
        """Whether the tower takes inputs of other sizes than the model's own: it passes on maps, not tokens."""
        return len(self.shapes[-1]) == 4

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shape of what each stage passes on, for a batch of one."""
        return self.measure(self.size)[1]

    @property
    def stage_macs(self) -> tuple[int, ...]:
        """MACs of each stage for one image; the last entry is `finish`."""
        return self.measure(self.size)[0]

    @torch.no_grad()
    def measure(self, size: int) -> tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]:
        """MACs of each stage and of `finish` for one image, and the shape of what each stage passes on.

        Args: size: side of the input in px; other sizes than the model's own are for towers that read any.
        """
        if size in self._measured:
            return self._measured[size]
        counts, shapes = [], []
        state: Tensor = torch.zeros(1, 3, size, size, device=self.device)

        def go(run: Callable[[Tensor], Tensor]) -> None:
            nonlocal state
            state = run(state)

        for stage in self.tower.stages:
            counts.append(count_macs(partial(go, stage.run)))
            shapes.append(tuple(state.shape))
        counts.append(count_macs(partial(go, self.tower.finish)))
        self._measured[size] = (tuple(counts), tuple(shapes))
        return self._measured[size]

    def normalise(self, pixels: Tensor) -> Tensor:
        """(B, 3, S, S) uint8 to float32 as the tower takes it, in the same order in memory."""
        found = pixels / 255
        mean, std, where = self.mean, self.std, found
        if found.is_contiguous(memory_format=torch.channels_last):  # whole rows at once, not three numbers at a time
            mean, std = (t.flatten().repeat(found.shape[3]) for t in (mean, std))
            where = found.permute(0, 2, 3, 1).flatten(2)  # (B, S, 3 S), the same memory
        where.sub_(mean).div_(std)
        return found

    @torch.inference_mode()
    def encode_image(self, pixels: np.ndarray) -> Tensor:
        """OpenCLIP's own `encode_image` of (B, 3, S, S) uint8; (B, D) float32 on the CPU, unit length."""
        ready = self.normalise(torch.from_numpy(pixels).to(self.device))
        vectors: Tensor = self.model.encode_image(ready, normalize=False)
        return F.normalize(vectors.float(), dim=-1).cpu()

    @torch.no_grad()
    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """(N, D) float32 on the CPU, unit length. Texts longer than the tower reads are cut by its tokenizer.

        An HF tower gets no more padding than the longest text beside it needs: it is masked, and only costs time.
        """
        parts = [self._encode_texts(texts[i : i + TEXTS]) for i in range(0, len(texts), TEXTS)]
        return torch.cat(parts) if parts else torch.empty(0, self.dim)

    def _encode_texts(self, texts: Sequence[str]) -> Tensor:
        ids = self.tokenize(list(texts))
        padding = getattr(getattr(getattr(self.model, "text", None), "config", None), "pad_token_id", None)
        if padding is not None:
            used = (ids != padding).any(0).nonzero()
            ids = ids[:, : int(used.max()) + 1]
        vectors: Tensor = self.model.encode_text(ids.to(self.device), normalize=True)
        return vectors.float().cpu()

    @property
    def has_quick_tower(self) -> bool:
        """Whether the image tower can run in bfloat16 on this device."""
        return self.device.type == "cuda" or (self.device.type == "cpu" and can_fuse(torch.bfloat16))

    def quick_tower(self) -> Tower | None:
        """A bfloat16 copy of the tower, its stages fused where there is a way to, or None where the device has none."""
        if not self.has_quick_tower:
            return None
        return self.fused_tower(torch.bfloat16) or self._converted()

    def fused_tower(self, dtype: torch.dtype) -> Tower | None:
        """A copy of the tower whose stages are fused for this CPU, or None where there is no way to.

        In float32 it agrees with the model's own to rounding.
        """
        trunk = getattr(self.model.visual, "trunk", None)
        if self.device.type != "cpu" or not isinstance(trunk, EfficientNet) or not can_fuse(dtype):
            return None
        copy: Any = deepcopy(self.model.visual)
        fuse_for_inference(copy, dtype)
        return _begun_as(copy, dtype, torch.channels_last)

    def _converted(self) -> Tower:
        """A copy of the tower in bfloat16, for what has no operations to fuse with, as a GPU."""
        copy: Any = deepcopy(self.model.visual).bfloat16()
        if isinstance(getattr(copy, "trunk", None), EfficientNet):  # its head stays exact, as where stages are fused
            copy.trunk.classifier.float()
            copy.head.float()
        return _begun_as(copy, torch.bfloat16, torch.contiguous_format)


def _cut(visual: Any, name: str) -> Tower:
    tower = cut(visual)
    if tower is None:
        kind = kind_of(visual)
        raise ModelUnreadable(
            f"The image tower of {name} is a {kind}, which cannot be run stage by stage; what works: {WORKS}."
        )
    return tower


def _begun_as(visual: nn.Module, dtype: torch.dtype, layout: torch.memory_format) -> Tower:
    """The tower of an image model that takes normalised pixels in another type and order."""
    tower = cut(visual)
    assert tower is not None  # its original was cut
    first, *rest = tower.stages

    def begin(pixels: Tensor) -> Tensor:
        return first.run(pixels.to(dtype).contiguous(memory_format=layout))

    return Tower((TowerStage(first.name, begin), *rest), tower.pooled, tower.finish)


def _side(size: int | Sequence[int], name: str) -> int:
    sides = {int(n) for n in size} if isinstance(size, Sequence) else {int(size)}
    if len(sides) > 1:
        raise ModelUnreadable(f"{name} reads pictures of {size} px; only models that read squares can be used.")
    return sides.pop()
