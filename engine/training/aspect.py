"""Squash, cut or pad: which way of making a photo square finds photos of every shape best."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from engine.exits.encoder import Encoder, load_encoder
from engine.ingest.decode import folder_uploads
from engine.ingest.image import open_picture
from engine.training.captions import DataMissing
from engine.utils.paths import DEMO_GALLERY

MODES = ("squash", "shortest", "longest")


def resize_modes(data: Path, model: str | None = None) -> list[dict[str, Any]]:
    """Search photos with their true aspect, made square in each way.

    The demo gallery is asked its own queries; of `data/gallery_open`, each animal and crop is asked by its file's name.

    Raises: DataMissing.
    Returns: a row per mode: {"mode", "queries", "r1", "r5", "mrr"}, recall in per cent.
    """
    gallery = data / "gallery_open" / "images"
    if not gallery.is_dir():
        raise DataMissing(f"{gallery} is not there; it holds the photos to search.")
    encoder = load_encoder(model)
    named = [p.name for p in sorted(gallery.iterdir()) if p.name.startswith(("animal", "crop"))]
    names = [(f"a photo of a {Path(n).stem.split('_', 1)[1].replace('_', ' ')}", n) for n in named]
    own = own_queries()
    rows = []
    for mode in MODES:
        encoder.backbone.square = replace(encoder.backbone.square, mode=mode)
        places = np.concatenate([_ranks(encoder, gallery, names), _ranks(encoder, DEMO_GALLERY, own)])
        recall = {f"r{k}": round(float((places <= k).mean() * 100), 1) for k in (1, 5)}
        rows.append({"mode": mode, "queries": len(places), **recall, "mrr": round(float((1 / places).mean()), 4)})
    return rows


def demo_gallery(model: str | None = None) -> dict[str, int]:
    """How many of the demo gallery's queries find their photo first, and among the first three, at full depth."""
    places = _ranks(load_encoder(model), DEMO_GALLERY, own_queries())
    return {"queries": len(places), "first": int((places == 1).sum()), "near": int((places <= 3).sum())}


def _ranks(encoder: Encoder, folder: Path, queries: list[tuple[str, str]]) -> np.ndarray:
    uploads = folder_uploads(folder)
    pictures = [open_picture(u.read(), u.name).rgb for u in uploads]
    vectors = encoder.encode_to(np.stack([encoder.preprocess(p) for p in pictures]), encoder.exits)
    return ranks(encoder, vectors, [u.name for u in uploads], queries)


def ranks(encoder: Encoder, vectors: np.ndarray, files: list[str], queries: list[tuple[str, str]]) -> np.ndarray:
    """Rank, from 1, of each query's own file among all.

    Args: vectors: (N, D), one per file.  queries: (text, file) pairs.
    """
    scores = encoder.encode_text([query for query, _ in queries]) @ vectors.T
    own = scores[np.arange(len(queries)), [files.index(file) for _, file in queries]]
    return (scores > own[:, None]).sum(1) + 1


def own_queries() -> list[tuple[str, str]]:
    """The demo gallery's queries and the file that each should find."""
    rows = json.loads((DEMO_GALLERY / "queries.json").read_text(encoding="utf-8"))
    return [(row["query"], row["file"]) for row in rows]
