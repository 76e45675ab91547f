"""The feature cache: what every exit sees of every photo of a captioned set, computed once."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from engine.encoder import Encoder, Trace
from engine.exits import readouts_hash
from engine.training.captions import Example

BATCH = 32


@dataclass(frozen=True)
class Features:
    """Photos at every exit, and the texts that are true of them."""

    pooled: list[Tensor]  # K - 1 of (N, F_k)
    vectors: Tensor  # (N, K, D), unit length; the last exit is the model's own embedding
    texts: Tensor  # (T, D), unit length
    owner: Tensor  # (T,) number of the photo each text describes

    @property
    def trace(self) -> Trace:
        """The photos as an encoder's trace."""
        return Trace(self.pooled, list(self.vectors.unbind(1)))


def collect(encoder: Encoder, examples: Sequence[Example], say: Callable[[str], None] = lambda line: None) -> Features:
    """Run every photo past every exit, and encode its texts."""
    pooled: list[list[Tensor]] = []
    vectors = []
    for start in range(0, len(examples), BATCH):
        part = examples[start : start + BATCH]
        trace = encoder.trace(np.stack([_pixels(encoder, e.path) for e in part]))
        pooled.append(trace.pooled)
        vectors.append(torch.stack(trace.vectors, 1))
        if (start // BATCH) % 16 == 15:
            say(f"{start + len(part)} of {len(examples)} photos")
    texts = [text for e in examples for text in e.texts]
    encoded = [encoder.backbone.encode_text(texts[i : i + 256]) for i in range(0, len(texts), 256)]
    counts = torch.tensor([len(e.texts) for e in examples])
    return Features(
        [torch.cat(part) for part in zip(*pooled, strict=True)],
        torch.cat(vectors),
        torch.cat(encoded) if encoded else torch.empty(0, encoder.dim),
        torch.repeat_interleave(torch.arange(len(examples)), counts),
    )


def _pixels(encoder: Encoder, path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return encoder.preprocess(picture.convert("RGB"))


def cached(
    path: Path, encoder: Encoder, examples: Sequence[Example], say: Callable[[str], None] = lambda line: None
) -> Features:
    """`collect`, kept in a safetensors file for the next time; a file of other weights or photos is replaced."""
    contents = "\n".join("\t".join([e.path.name, *e.texts]) for e in examples)
    stamp = {
        "weights": encoder.identity.weights,
        "readouts": readouts_hash(encoder.modules),
        "precision": encoder.precision,
        "examples": hashlib.sha256(contents.encode()).hexdigest(),
    }
    if path.is_file():
        with safe_open(path, framework="pt") as stored:
            if stored.metadata() == stamp:
                pooled = [stored.get_tensor(f"pooled.{k}") for k in range(encoder.exits - 1)]
                rest = [stored.get_tensor(name) for name in ("vectors", "texts", "owner")]
                return Features(pooled, *rest)
    found = collect(encoder, examples, say)
    tensors = {f"pooled.{k}": t for k, t in enumerate(found.pooled)}
    tensors |= {"vectors": found.vectors, "texts": found.texts, "owner": found.owner}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    save_file({name: t.contiguous() for name, t in tensors.items()}, partial, stamp)
    partial.replace(path)
    return found
