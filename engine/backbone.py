"""An open_clip model as a text tower and an image tower cut into stages."""

import hashlib
import json
import tempfile
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.timm_model import TimmModel
from open_clip.transformer import VisionTransformer
from PIL import Image
from timm.models import EfficientNet
from torch import Tensor, nn

from engine.cost import count_macs
from engine.errors import EngineError
from engine.fusion import fuse_for_inference
from engine.tgem import pool

EMBEDDED = Path(__file__).parent.parent / "assets" / "models" / "tgem-mini"


class ModelUnreadable(EngineError):
    """A model that is not there, is damaged, or cannot be cut into stages."""


@dataclass(frozen=True)
class Step:
    """One stage of the image tower."""

    name: str
    run: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Tower:
    """An image tower as steps; running them all and then `finish` is the model's own `encode_image`.

    `steps` take and give what the tower passes along, the first one normalised pixels;
    `pooled` gives the features that a readout without a branch sees, (B, F); `finish` the raw embedding, (B, D).
    """

    steps: tuple[Step, ...]
    pooled: Callable[[Tensor], Tensor]
    finish: Callable[[Tensor], Tensor]


def _efficientnet(visual: TimmModel) -> Tower:
    trunk = visual.trunk

    def stem(pixels: Tensor) -> Tensor:
        return trunk.bn1(trunk.conv_stem(pixels))

    def finish(features: Tensor) -> Tensor:
        return visual.head(trunk.forward_head(trunk.bn2(trunk.conv_head(features)).float()))

    blocks = [Step(f"blocks.{i}.{j}", block) for i, stage in enumerate(trunk.blocks) for j, block in enumerate(stage)]
    return Tower((Step("stem", stem), *blocks), pool, finish)


def _native_vit(visual: VisionTransformer) -> Tower:
    def pooled(tokens: Tensor) -> Tensor:
        tokens = tokens.float()
        return torch.cat([tokens[:, 0], tokens[:, 1:].mean(1)], 1)

    def finish(tokens: Tensor) -> Tensor:
        found = visual._pool(tokens)[0]
        return found if visual.proj is None else found @ visual.proj

    blocks = [Step(f"blocks.{i}", block) for i, block in enumerate(visual.transformer.resblocks)]
    return Tower((Step("embed", visual._embeds), *blocks), pooled, finish)


def cut(visual: nn.Module, name: str) -> Tower:
    """The image tower of an open_clip model as steps; ModelUnreadable where its kind cannot be cut."""
    if isinstance(visual, VisionTransformer):
        return _native_vit(visual)
    if isinstance(visual, TimmModel) and isinstance(visual.trunk, EfficientNet):
        return _efficientnet(visual)
    kind = type(visual.trunk if isinstance(visual, TimmModel) else visual).__name__
    raise ModelUnreadable(
        f"The image tower of {name} is a {kind}, which cannot be run stage by stage; what works: OpenCLIP's own ViTs, "
        "and timm's EfficientNets."
    )


class Backbone:
    """A loaded model: text in, pixels in, embeddings out, and the costs of every stage."""

    def __init__(
        self, model: nn.Module, tokenize: Callable[[list[str]], Tensor], preprocess: dict[str, Any], name: str
    ) -> None:
        """Args: an open_clip model; its tokenizer; its preprocess config (mean, std, size, resize mode); its name."""
        self.model: Any = model.eval().requires_grad_(False)
        self.tokenize = tokenize
        self.name = name
        self.size = int(preprocess["size"][0] if isinstance(preprocess["size"], Sequence) else preprocess["size"])
        self.mean = torch.tensor(preprocess["mean"]).view(3, 1, 1)
        self.std = torch.tensor(preprocess["std"]).view(3, 1, 1)
        self.resize_mode = str(preprocess.get("resize_mode", "shortest"))
        visual: Any = model.visual
        self.tower = cut(visual, name)
        self._measured: dict[int, tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]] = {}

    @cached_property
    def dim(self) -> int:
        """Width of the shared space."""
        return self.encode_text(["a photo"]).shape[1]

    @property
    def sharpness(self) -> float:
        """What the model multiplies cosines by before a softmax."""
        return float(self.model.logit_scale.exp())

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shape of what each step passes on, for a batch of one."""
        return self.measure(self.size)[1]

    @property
    def step_macs(self) -> tuple[int, ...]:
        """MACs of each step for one image; the last entry is `finish`."""
        return self.measure(self.size)[0]

    def measure(self, size: int) -> tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]:
        """MACs of each step and of `finish` for one image, and the shape of what each step passes on.

        Args: size: side of the input in px; other sizes than the model's own are for towers that read any.
        """
        if size in self._measured:
            return self._measured[size]
        counts, shapes = [], []
        state: Tensor = torch.zeros(1, 3, size, size)

        def go(run: Callable[[Tensor], Tensor]) -> None:
            nonlocal state
            state = run(state)

        for step in self.tower.steps:
            counts.append(count_macs(self.model.visual, partial(go, step.run)))
            shapes.append(tuple(state.shape))
        counts.append(count_macs(self.model.visual, partial(go, self.tower.finish)))
        projection = getattr(self.model.visual, "proj", None)
        if isinstance(projection, Tensor):  # a bare matrix, which no module's hook sees
            counts[-1] += projection.numel()
        self._measured[size] = (tuple(counts), tuple(shapes))
        return self._measured[size]

    def normalise(self, pixels: Tensor) -> Tensor:
        """(B, 3, S, S) uint8 to float32 as the tower takes it."""
        return (pixels.float() / 255 - self.mean) / self.std

    def preprocess(self, picture: Image.Image) -> Image.Image:
        """An RGB picture of any shape to the model's square: squashed, padded, or cut at the centre."""
        side, bicubic = self.size, Image.Resampling.BICUBIC
        if self.resize_mode == "squash":
            return picture.resize((side, side), bicubic)
        if self.resize_mode == "longest":
            scale = side / max(picture.size)
            fitted = picture.resize([max(1, round(n * scale)) for n in picture.size], bicubic)
            square = Image.new("RGB", (side, side), tuple(round(255 * m) for m in self.mean.flatten().tolist()))
            square.paste(fitted, ((side - fitted.width) // 2, (side - fitted.height) // 2))
            return square
        scale = side / min(picture.size)
        fitted = picture.resize([max(side, round(n * scale)) for n in picture.size], bicubic)
        left, top = ((n - side) // 2 for n in fitted.size)
        return fitted.crop((left, top, left + side, top + side))

    @torch.no_grad()
    def encode_text(self, texts: Sequence[str]) -> Tensor:
        """(N, D) float32, unit length. Texts longer than the tower reads are cut by its tokenizer.

        An HF tower gets no more padding than the batch's longest text needs: padding is masked, so it only costs time.
        """
        ids = self.tokenize(list(texts))
        padding = getattr(getattr(getattr(self.model, "text", None), "config", None), "pad_token_id", None)
        if padding is not None:
            used = (ids != padding).any(0).nonzero()
            ids = ids[:, : int(used.max()) + 1]
        vectors: Tensor = self.model.encode_text(ids, normalize=True)
        return vectors.float()

    def quick_tower(self) -> Tower | None:
        """A bfloat16 copy of the tower with fused stages, or None where this tower has none."""
        visual = self.model.visual
        if not isinstance(visual, TimmModel) or not hasattr(torch.ops.mkldnn, "_convolution_pointwise"):
            return None
        copy = deepcopy(visual)
        fuse_for_inference(copy)
        tower = cut(copy, self.name)
        first, *rest = tower.steps

        def stem(pixels: Tensor) -> Tensor:
            return first.run(pixels.bfloat16().contiguous(memory_format=torch.channels_last))

        return Tower((Step(first.name, stem), *rest), tower.pooled, tower.finish)


def model_hash(folder: Path) -> str:
    """SHA-256, in hex, of all that a model's embeddings depend on: its weights, its shape and its preprocessing."""
    digest = hashlib.sha256()
    with (folder / "open_clip_model.safetensors").open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    config = json.loads((folder / "open_clip_config.json").read_text(encoding="utf-8"))
    digest.update(json.dumps(config, sort_keys=True).encode())
    return digest.hexdigest()


def load_folder(folder: Path) -> Backbone:
    """A model from an OpenCLIP folder, with no network; ModelUnreadable says what is missing or damaged.

    The text tower's `hf_model_name` in the folder's config is resolved by open_clip against the working directory, so
    the model is loaded through a folder of links in which it is an absolute path.
    """
    config_path = folder / "open_clip_config.json"
    try:
        config = json.loads(config_path.read_text(encoding="utf-8"))
        text = config["model_cfg"]["text_cfg"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelUnreadable(
            f"{folder} is not an OpenCLIP folder: its open_clip_config.json cannot be read."
        ) from error
    if not (folder / "open_clip_model.safetensors").is_file():  # open_clip would go on with random weights
        raise ModelUnreadable(f"{folder} has no open_clip_model.safetensors; restore it or install the model again.")
    if "hf_model_name" in text:
        text["hf_model_name"] = folder.resolve().as_posix()
    with tempfile.TemporaryDirectory() as links:
        for file in folder.iterdir():
            if file.is_file() and file.name != config_path.name:
                (Path(links) / file.name).symlink_to(file.resolve())
        (Path(links) / config_path.name).write_text(json.dumps(config), encoding="utf-8")
        try:
            model = open_clip.create_model(f"local-dir:{links}", pretrained_text=False, pretrained_image=False)
            tokenize = open_clip.get_tokenizer(f"local-dir:{links}")
        except Exception as error:  # open_clip, safetensors and transformers raise many kinds
            raise ModelUnreadable(
                f"The model in {folder} cannot be loaded ({_short(error)}); restore its files or install it again."
            ) from error
    return Backbone(model, tokenize, open_clip.get_model_preprocess_cfg(model), folder.name)


def _short(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:160]
