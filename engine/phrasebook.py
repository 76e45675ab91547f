"""The general guide texts' embeddings, kept from one start to the next: a thousand phrases take seconds to encode."""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import open_clip
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from engine.backbone import Backbone
from engine.errors import EngineError
from engine.files import write_whole
from engine.home import home

FOLDER = "guide-texts"  # in the data folder: one file for each model


def embedded(backbone: Backbone, weights: str, texts: Sequence[str]) -> Tensor:
    """(G, D) float32, unit length: what `Backbone.encode_text` gives, read from the data folder where it is kept.

    Args: weights: the model's hash.
    """
    key = _key(backbone, weights, texts)
    path: Path | None = None
    with suppress(EngineError):  # a data folder that cannot be used is said where photos are to be kept
        path = home() / FOLDER / f"{weights[:32]}.safetensors"
    kept = _read(path, key) if path is not None else None
    if kept is not None and kept.shape == (len(texts), backbone.dim):
        return kept
    vectors = backbone.encode_text(texts)
    if path is not None:
        with suppress(OSError):  # a full disk, say: the next start is as slow as this one
            write_whole(path, save({"vectors": vectors.contiguous()}, {"key": key}))
    return vectors


def _key(backbone: Backbone, weights: str, texts: Sequence[str]) -> str:
    """SHA-256, in hex, of all that the embeddings depend on.

    Texts count as their tokens, for a tokenizer may be replaced beside the same weights; and libraries by their
    versions, for the same weights may be run otherwise by the next one.
    """
    digest = hashlib.sha256(f"{weights} {torch.__version__} {open_clip.__version__}".encode())
    digest.update("\n".join(texts).encode())
    digest.update(backbone.tokenize(list(texts)).numpy().tobytes())
    return digest.hexdigest()


def _read(path: Path, key: str) -> Tensor | None:
    try:
        with safe_open(path, framework="pt") as file:
            if (file.metadata() or {}).get("key") != key:
                return None
            found: Tensor = file.get_tensor("vectors")
    except (OSError, SafetensorError):
        return None
    return found
