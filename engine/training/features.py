"""The feature cache: what every exit sees of every photo of a set, computed once, memory-mapped, resumable."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice
from pathlib import Path

import numpy as np
import open_clip
import torch
from torch import Tensor

from engine.exits.checkpoint import sight_hash
from engine.exits.encoder import Encoder, Trace
from engine.exits.modules import ExitModules
from engine.ingest.image import ImageRejected, open_picture
from engine.training.dataset import Example
from engine.utils.atomic_files import write_whole
from engine.utils.errors import HostProblem
from engine.utils.kept_tensor import kept_tensor
from engine.utils.prefetch import prefetched

BATCH = 32
KEPT = 8  # batches after which what has been computed is written down: a stop loses no more


@dataclass(frozen=True)
class Features:
    """Photos at every exit, and the texts that are true of them."""

    seen: list[Tensor]  # K - 1 of (N, F_k)
    vectors: Tensor  # (N, K, D), unit length
    texts: Tensor  # (T, D), unit length
    owner: Tensor  # (T,) number of the photo each text describes

    @property
    def trace(self) -> Trace:
        """The photos as an encoder's trace."""
        return Trace(self.seen, list(self.vectors.unbind(1)))

    def read_by(self, modules: ExitModules) -> "Features":
        """The same photos as other readouts before full depth read them."""
        return replace(self, vectors=_read(modules, self.seen, self.vectors[:, -1]))

    def described_by(self, texts: Tensor, owner: Tensor) -> "Features":
        """The same photos with other texts."""
        return replace(self, texts=texts, owner=owner)


Say = Callable[[str], None]


def collect(
    encoder: Encoder, examples: Sequence[Example], say: Say = lambda line: None, skipping: bool = False
) -> Features:
    """Run every photo past every exit, and encode its texts.

    Args: skipping: photos that cannot be read are said and left out; only for photos without texts.
    Raises: ImageRejected where one cannot be read, or none where they are skipped.
    """
    seen: list[list[Tensor]] = []
    vectors = []
    for number, pixels in enumerate(pixels_of(encoder, examples, say if skipping else None), start=1):
        trace = encoder.trace(pixels)
        seen.append(trace.seen)
        vectors.append(torch.stack(trace.vectors, 1))
        if number % 16 == 0:
            say(f"{number * BATCH} of {len(examples)} photos")
    return Features(
        [torch.cat(part) for part in zip(*seen, strict=True)],
        torch.cat(vectors),
        _encode_texts(encoder, examples),
        _owners(examples),
    )


def cached(
    path: Path, encoder: Encoder, examples: Sequence[Example], say: Say = lambda line: None, skipping: bool = True
) -> Features:
    """`collect`, kept in a folder for the next time; one that is damaged or of other weights or photos is replaced.

    What is computed stays on disk, one .npy file for each exit, and is mapped into memory rather than read. After a
    stop the photos that are done are not run again.

    Args: skipping: photos that cannot be read are said, left out, and tried again the next time: a disk or a network
        may have failed.
    Raises: HostProblem where the folder takes no file; ModelUnreadable where the model makes no numbers; ImageRejected
        where a photo cannot be read and none is skipped.
    """
    stamp = stamp_of(encoder, examples)
    state = path / "state.json"
    widths = [e.seen for e in encoder.modules.exits]
    names = [*(f"exit-{k + 1}" for k in range(len(widths))), "full"]
    shapes = {path / f"{name}.npy": (len(examples), w) for name, w in zip(names, [*widths, encoder.dim], strict=True)}
    done, bad = _done(state, stamp, shapes)
    if not done and state.exists():  # or a stop would leave it beside what it does not describe
        state.unlink()
    arrays = [_array(file, shape, done > 0) for file, shape in shapes.items()]
    left = [*_in_batches(sorted(bad)), *_in_batches(range(done, len(examples)))]
    for number, (rows, pixels) in enumerate(_batches(encoder, examples, left), start=1):
        read = {row: p for row, p in zip(rows, pixels, strict=True) if isinstance(p, np.ndarray)}
        if read:
            trace = encoder.trace(np.stack([*read.values()]))
            for array, found in zip(arrays, [*trace.seen, trace.vectors[-1]], strict=True):
                array[[*read]] = found.float().numpy()
        for row, picture in zip(rows, pixels, strict=True):
            if isinstance(picture, ImageRejected):
                if not skipping:
                    raise picture
                say(f"skipping {examples[row].path}: {picture.reason}")
        bad = (bad | {*rows}) - {*read}
        done = max(done, rows[-1] + 1)
        if number % KEPT == 0 or number == len(left):
            for array in arrays:
                array.flush()
            write_whole(state, json.dumps({"stamp": stamp, "done": done, "bad": sorted(bad)}).encode())
            say(f"{done} of {len(examples)} photos")
    good = [row for row in range(len(examples)) if row not in bad]
    tensors = [torch.from_numpy(array[good] if bad else array) for array in arrays]
    used = [examples[row] for row in good]
    texts = kept_tensor(path / "texts.safetensors", f"{stamp} {sorted(bad)}", partial(_encode_texts, encoder, used))
    return Features(tensors[:-1], _read(encoder.modules, tensors[:-1], tensors[-1]), texts, _owners(used))


def _done(state: Path, stamp: str, shapes: dict[Path, tuple[int, int]]) -> tuple[int, set[int]]:
    """How many photos a cache of this stamp holds, and the numbers of those that could not be read; 0 if damaged."""
    with suppress(OSError, EOFError, ValueError, KeyError, TypeError):
        made = json.loads(state.read_text("utf-8"))
        if made["stamp"] == stamp and all(np.load(file, mmap_mode="r").shape == s for file, s in shapes.items()):
            return int(made["done"]), set(made["bad"])
    return 0, set()


def _array(file: Path, shape: tuple[int, int], there: bool) -> np.memmap:
    """An array of a file, which is made anew where it is not there yet; raises HostProblem where it takes none."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        array = np.lib.format.open_memmap(file, "r+" if there else "w+", np.float32, shape)
        if not there and hasattr(os, "posix_fallocate"):  # a page that the disk cannot take would end the process
            with file.open("r+b") as opened:
                os.posix_fallocate(opened.fileno(), 0, file.stat().st_size)
    except OSError as error:
        raise HostProblem(
            f"{file} cannot be written ({error.strerror}); make room there, or name another folder."
        ) from error
    return array


def _read(modules: ExitModules, seen: Sequence[Tensor], final: Tensor) -> Tensor:
    """(N, K, D) what readouts make of what is seen at their exits, full depth last; batch by batch."""
    vectors = torch.empty(len(final), len(seen) + 1, final.shape[1])
    vectors[:, -1] = final
    with torch.no_grad():
        for rows in torch.arange(len(final)).split(1024):
            for k, x in enumerate(seen):
                vectors[rows, k] = modules.read(k, x[rows], vectors[rows, k - 1] if k else None)
    return vectors


def _in_batches(rows: Sequence[int]) -> list[Sequence[int]]:
    return [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)]


def _batches(
    encoder: Encoder, examples: Sequence[Example], batches: Sequence[Sequence[int]]
) -> Iterator[tuple[Sequence[int], list[np.ndarray | ImageRejected]]]:
    """Pixels of examples by their numbers, batch by batch; the next is decoded while the caller works on the last."""

    def decode(rows: Sequence[int]) -> tuple[Sequence[int], list[np.ndarray | ImageRejected]]:
        return rows, [_pixels(encoder, examples[row].path) for row in rows]

    return prefetched(decode, batches)


def _pixels(encoder: Encoder, path: Path) -> np.ndarray | ImageRejected:
    try:
        return encoder.preprocess(open_picture(path.read_bytes(), path.name).rgb)
    except ImageRejected as error:
        return error
    except OSError as error:
        return ImageRejected(path.name, error.strerror or "it cannot be read")


def _encode_texts(encoder: Encoder, examples: Sequence[Example]) -> Tensor:
    return encoder.backbone.encode_text([text for e in examples for text in e.texts])


def _owners(examples: Sequence[Example]) -> Tensor:
    """(T,) Number of the photo of each text."""
    return torch.tensor([number for number, e in enumerate(examples) for _ in e.texts], dtype=torch.long)


def pixels_of(encoder: Encoder, examples: Sequence[Example], say: Say | None = None) -> Iterator[np.ndarray]:
    """Photos as the encoder takes them, in batches of (B, 3, S, S) uint8.

    Args: say: told of photos that cannot be read, which are then left out.
    Raises: ImageRejected where one cannot be read; with `say`, where none can.
    """
    refused: ImageRejected | None = None
    some = False
    for rows, pixels in _batches(encoder, examples, _in_batches(range(len(examples)))):
        for row, picture in zip(rows, pixels, strict=True):
            if isinstance(picture, ImageRejected):
                refused = picture
                if say is None:
                    raise picture
                say(f"skipping {examples[row].path}: {picture.reason}")
        if good := [p for p in pixels if isinstance(p, np.ndarray)]:
            some = True
            yield np.stack(good)
    if refused is not None and not some:
        raise refused


def first_pixels(encoder: Encoder, examples: Sequence[Example], many: int) -> np.ndarray:
    """The first photos that can be read, at most so many, as the encoder takes them: (B, 3, S, S) uint8.

    Raises: ImageRejected where none of them can be read.
    """
    batches = pixels_of(encoder, examples, say=lambda line: None)
    return np.stack(list(islice(chain.from_iterable(batches), many)))


def stamp_of(encoder: Encoder, examples: Sequence[Example]) -> str:
    """SHA-256, in hex, of all that the features depend on; libraries count by their versions."""
    photos = [(e.path.name, *_file_mark(e.path), e.texts) for e in examples]
    parts = [
        torch.__version__,
        open_clip.__version__,
        encoder.identity.weights,
        encoder.precision,
        sight_hash(encoder.modules),
        photos,
    ]
    if encoder.modules.last is not None:  # full depth is kept as the readouts say it
        readouts = [*encoder.modules.readouts.parameters(), *encoder.modules.last.parameters()]
        weights = [t.detach().float().cpu().numpy().tobytes() for t in readouts]
        parts.append(hashlib.sha256(b"".join(weights)).hexdigest())
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _file_mark(path: Path) -> tuple[int, int]:
    """Size and time of change of a file, which tell it from another of its name; zeros where it is not there."""
    try:
        about = path.stat()
    except OSError:
        return 0, 0
    return about.st_size, about.st_mtime_ns
