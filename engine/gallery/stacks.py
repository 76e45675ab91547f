"""Photos that are nearly the same: copies of other sizes and qualities, and bursts.

Decided by a perceptual hash of the kept picture, which tells where it is light and dark, and by what the encoder makes
of it. Either alone merges what a person would not.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from engine.gallery.library import Library
from engine.storage.encodings import Candidate, list_candidates

# Chosen on 772 photos, of which one pair is nearly the same, and on seven changed copies of 129 of them: copies differ
# in 6 bits and less, photos of a moved camera in up to 14. At these limits one pair of 297,606 is merged that is not.
COPY = 6, 0.5  # bits at most, and cosine at least
BURST = 14, 0.75
_SIDE, _KEPT, _FLAT = 32, 8, 3.0  # px; frequencies each way; grey levels below which a picture shows nothing
_K = np.arange(_SIDE)
_COSINES = np.cos(np.pi * (2 * _K[None] + 1) * _K[:_KEPT, None] / (2 * _SIDE))  # (8, 32) the slowest of a DCT


def stacks_among(library: Library, photo_ids: Sequence[int]) -> list[list[int]]:
    """Stacks of two and more among photos, in their order, the first of a stack on top.

    A photo joins the first top that it is nearly the same as: no chain of small steps leads to another picture.

    Args: photo_ids: those on show, some hundreds at most: each is compared with every top.
    """
    found = list_candidates(library.database, photo_ids)
    if len(found) < 2:
        return []
    vectors = np.stack([np.frombuffer(candidate.vector, np.float32) for candidate in found])
    hashes = [_hash_of(library, candidate) for candidate in found]
    cosines = (vectors @ vectors.T).tolist()
    stacks: dict[int, list[int]] = {}
    for place, candidate in enumerate(found):
        top = next((t for t in stacks if _same(hashes[t], hashes[place], cosines[t][place])), place)
        stacks.setdefault(top, []).append(candidate.image_id)
    return [stack for stack in stacks.values() if len(stack) > 1]


def _same(one: int | None, other: int | None, cosine: float) -> bool:
    if one is None or other is None:
        return False
    differ = (one ^ other).bit_count()
    return any(differ <= most and cosine >= least for most, least in (COPY, BURST))


def _hash_of(library: Library, candidate: Candidate) -> int | None:
    try:
        return picture_hash(library.picture_path(candidate.content_hash))
    except OSError:  # its picture is gone or damaged; it is shown on its own
        return None


@lru_cache(maxsize=50_000)  # some 15 MB; a kept picture never changes
def picture_hash(path: Path) -> int | None:
    """63 bits: whether each slow frequency of a kept picture is above their median; None for a flat picture.

    Raises: OSError.
    """
    with Image.open(path, formats=["JPEG"]) as picture:
        picture.draft("L", (2 * _SIDE, 2 * _SIDE))  # decoded at an eighth: 3 ms
        grey = np.asarray(picture.convert("L").resize((_SIDE, _SIDE), Image.Resampling.LANCZOS), np.float64)
    if grey.std() < _FLAT:
        return None
    slow = (_COSINES @ grey @ _COSINES.T).ravel()[1:]  # without the mean
    return int.from_bytes(np.packbits(slow > np.median(slow)).tobytes(), "big")
