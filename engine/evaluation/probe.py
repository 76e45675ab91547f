"""Two checks on photos that training never saw: words that no caption holds, and the demo gallery's own queries."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from engine.exits.encoder import Encoder
from engine.exits.loading import load_encoder
from engine.ingest.image import open_picture
from engine.ingest.listing import folder_uploads
from engine.training.dataset import DataMissing, read_captions, read_labels
from engine.training.features import collect
from engine.utils.paths import DEMO_GALLERY, UNSEEN_WORDS

NEAR_WORDS, NEAR_QUERIES = 5, 3  # ranks that count as near


def unseen_words(data: Path, model: str | None = None) -> dict[str, Any]:
    """Search photos that were never trained on for words that no caption and no label of the training sets holds.

    Args: data: folder with `flickr8k`, `imagenet_samples` (to check the words) and `gallery_open` (to search).
    Raises: DataMissing.
    Returns: {"photos", "words", "first", "near", "rows": [{"word", "file", "rank"}]}; near counts ranks up to 5.
    """
    texts = [t for e in read_captions(data / "flickr8k") + read_labels(data / "imagenet_samples") for t in e.texts]
    known = set(re.findall(r"[a-z]+", " ".join(texts).lower()))
    words = [row for row in json.loads(UNSEEN_WORDS.read_text(encoding="utf-8")) if row["word"] not in known]
    gallery = data / "gallery_open"
    examples = read_captions(gallery)
    present = {example.path.name for example in examples if example.path.is_file()}
    if lacking := sorted({row["file"] for row in words} - present):
        raise DataMissing(f"{gallery} lacks images/{lacking[0]}, or its line in captions.jsonl; add both.")
    encoder = load_encoder(model)
    vectors = collect(encoder, examples).vectors[:, -1].numpy()
    files = [example.path.name for example in examples]
    queries = [(f"a photo of {row['word']}", row["file"]) for row in words]
    ranks = ranks_of(encoder, vectors, files, queries)
    rows = [row | {"rank": int(rank)} for row, rank in zip(words, ranks, strict=True)]
    return {"photos": len(files), "words": len(words), **_counts(ranks, NEAR_WORDS), "rows": rows}


def demo_gallery(model: str | None = None) -> dict[str, int]:
    """How many of the demo gallery's queries find their photo first, and among the first three, at full depth."""
    encoder, uploads = load_encoder(model), folder_uploads(DEMO_GALLERY)
    pixels = np.stack([encoder.preprocess(open_picture(u.read(), u.name).rgb) for u in uploads])
    vectors, queries = np.stack([e.vector for e in encoder.deepen(pixels, encoder.exits)]), demo_queries()
    ranks = ranks_of(encoder, vectors, [u.name for u in uploads], queries)
    return {"queries": len(queries), **_counts(ranks, NEAR_QUERIES)}


def ranks_of(
    encoder: Encoder, vectors: np.ndarray, files: Sequence[str], queries: Sequence[tuple[str, str]]
) -> np.ndarray:
    """Rank, from 1, of each query's own file among all.

    Args: vectors: (N, D), one a file.  queries: (text, file) pairs.
    """
    scores = encoder.encode_text([text for text, _ in queries]) @ vectors.T
    own = scores[np.arange(len(queries)), [files.index(file) for _, file in queries]]
    return (scores > own[:, None]).sum(1) + 1


def demo_queries() -> list[tuple[str, str]]:
    """The demo gallery's queries, and the file that each should find."""
    rows = json.loads((DEMO_GALLERY / "queries.json").read_text(encoding="utf-8"))
    return [(row["query"], row["file"]) for row in rows]


def _counts(ranks: np.ndarray, near: int) -> dict[str, int]:
    return {"first": int((ranks == 1).sum()), "near": int((ranks <= near).sum())}
