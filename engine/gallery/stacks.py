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
MOST = 2000  # photos on show that are looked at; the time for them grows with their square
_SIDE, _KEPT, _FLAT = 32, 8, 3.0  # px; frequencies each way; grey levels below which a picture shows nothing
_BITS = _KEPT * _KEPT - 1  # of a hash
_NONE = np.zeros(_BITS, np.int8)  # agrees with no hash
_K = np.arange(_SIDE)
_COSINES = np.cos(np.pi * (2 * _K[None] + 1) * _K[:_KEPT, None] / (2 * _SIDE))  # (8, 32) the slowest of a DCT


def stacks_among(library: Library, photo_ids: Sequence[int]) -> list[list[int]]:
    """Stacks of two and more among photos, in their order, the first of a stack on top.

    A photo joins the first top that it is nearly the same as: no chain of small steps leads to another picture.

    Args: photo_ids: those on show; each of the first MOST is compared with every top, the others stand alone.
    """
    found = list_candidates(library.database, photo_ids[:MOST])
    if len(found) < 2:
        return []
    vectors = np.stack([np.frombuffer(candidate.vector, np.float32) for candidate in found])
    hashes = np.stack([_hash_of(library, candidate) for candidate in found]).astype(np.float32)
    taken, stacks = np.zeros(len(found), bool), list[list[int]]()
    for top in range(len(found)):
        if not taken[top]:
            agreement = hashes[top + 1 :] @ hashes[top]  # bits that agree, less those that differ
            near = np.flatnonzero((agreement >= _BITS - 2 * BURST[0]) & ~taken[top + 1 :])
            same = near[_same(agreement[near], vectors[top + 1 + near] @ vectors[top])] + top + 1
            taken[same] = True
            stacks.append([found[place].image_id for place in (top, *same)])
    return [stack for stack in stacks if len(stack) > 1]


def _same(agreement: np.ndarray, cosines: np.ndarray) -> np.ndarray:
    """Which photos are nearly the same as another: (N,) bool."""
    limits = [(agreement >= _BITS - 2 * most) & (cosines >= least) for most, least in (COPY, BURST)]
    return np.logical_or(*limits)


def _hash_of(library: Library, candidate: Candidate) -> np.ndarray:
    try:
        return picture_hash(library.picture_path(candidate.content_hash))
    except (OSError, Image.DecompressionBombError):  # it is gone or damaged, its size included; it is shown on its own
        return _NONE


@lru_cache(maxsize=50_000)  # some 45 MB; a kept picture never changes
def picture_hash(path: Path) -> np.ndarray:
    """(63,) int8: 1 where a slow frequency of a kept picture is above their median, else -1; 0 for a flat picture.

    Raises: OSError, Image.DecompressionBombError.
    """
    with Image.open(path, formats=["JPEG"]) as picture:
        picture.draft("L", (2 * _SIDE, 2 * _SIDE))  # decoded at an eighth: 3 ms
        grey = np.asarray(picture.convert("L").resize((_SIDE, _SIDE), Image.Resampling.LANCZOS), np.float64)
    if grey.std() < _FLAT:
        return _NONE
    slow = (_COSINES @ grey @ _COSINES.T).ravel()[1:]  # without the mean
    return np.where(slow > np.median(slow), np.int8(1), np.int8(-1))
