"""Whether words that training never saw still find their photo: what the text tower brings from before."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from engine.exits.encoder import load_encoder
from engine.training.captions import DataMissing, read_captions, read_labels
from engine.training.features import collect
from engine.utils.paths import UNSEEN_WORDS

NEAR = 5


def unseen_words(data: Path, model: str | None = None) -> dict[str, Any]:
    """Search a folder of photos that were never trained on for words that no caption and no label holds.

    Args: data: folder with `flickr8k`, `imagenet_samples` (to check the words) and `gallery_open` (to search).
    Raises: DataMissing.
    Returns: {"photos", "words", "first", "near", "rows": [{"word", "file", "rank"}]}; near counts ranks up to 5.
    """
    texts = [t for e in read_captions(data / "flickr8k") + read_labels(data / "imagenet_samples") for t in e.texts]
    seen = set(re.findall(r"[a-z]+", " ".join(texts).lower()))
    wanted = [row for row in json.loads(UNSEEN_WORDS.read_text(encoding="utf-8")) if row["word"] not in seen]
    gallery = data / "gallery_open"
    examples = read_captions(gallery)
    files = [example.path.name for example in examples]
    there = {example.path.name for example in examples if example.path.is_file()}
    if lacking := sorted({row["file"] for row in wanted} - there):
        raise DataMissing(f"{gallery} lacks images/{lacking[0]}, or its line in captions.jsonl; it is searched for.")
    encoder = load_encoder(model)
    photos = collect(encoder, examples)
    scores = encoder.encode_text([f"a photo of {row['word']}" for row in wanted]) @ photos.vectors[:, -1].numpy().T
    own = np.array([files.index(row["file"]) for row in wanted])
    ranks = (scores > scores[np.arange(len(wanted)), own][:, None]).sum(1) + 1
    return {
        "photos": len(files),
        "words": len(wanted),
        "first": int((ranks == 1).sum()),
        "near": int((ranks <= NEAR).sum()),
        "rows": [row | {"rank": int(rank)} for row, rank in zip(wanted, ranks, strict=True)],
    }
