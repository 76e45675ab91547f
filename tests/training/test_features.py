import errno
import os
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from engine.exits.encoder import Encoder
from engine.ingest.image import ImageRejected
from engine.training import features
from engine.training.dataset import Example
from engine.training.features import cached, collect, first_pixels
from engine.utils.errors import HostProblem
from tests import tiny_models
from tests.exits.ladders import made


@pytest.fixture
def examples(tmp_path: Path) -> list[Example]:
    files = tiny_models.save_pictures(tmp_path / "images", 9, 40)
    return [Example(file, (f"photo {i}", "a dog")[: 1 + i % 2], "train") for i, file in enumerate(files)]


@pytest.fixture
def encoder(monkeypatch: pytest.MonkeyPatch) -> Encoder:
    monkeypatch.setattr(features, "BATCH", 2)
    monkeypatch.setattr(features, "KEPT", 1)
    return made("a transformer")


def count(encoder: Encoder, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Photos in each batch that goes through the encoder."""
    seen: list[int] = []
    trace = encoder.trace
    monkeypatch.setattr(encoder, "trace", lambda pixels: seen.append(len(pixels)) or trace(pixels))
    return seen


def test_the_cache_holds_what_every_exit_sees(
    encoder: Encoder, examples: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, kept = collect(encoder, examples), cached(tmp_path / "cache", encoder, examples)
    batches = count(encoder, monkeypatch)
    again = cached(tmp_path / "cache", encoder, examples)
    assert batches == []
    for found in (kept, again):
        assert found.owner.tolist() == plain.owner.tolist()
        torch.testing.assert_close(found.texts, plain.texts)
        torch.testing.assert_close(found.vectors, plain.vectors)
        for a, b in zip(found.seen, plain.seen, strict=True):
            torch.testing.assert_close(a, b)


def test_a_stopped_run_goes_on_where_it_was(
    encoder: Encoder, examples: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(line: str) -> None:
        if line.startswith("4 of"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached(tmp_path / "cache", encoder, examples, stop)
    batches = count(encoder, monkeypatch)
    found = cached(tmp_path / "cache", encoder, examples)
    assert batches == [2, 2, 1]
    torch.testing.assert_close(found.vectors, collect(encoder, examples).vectors)


def test_other_photos_and_other_weights_are_run_anew(
    encoder: Encoder, examples: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached(tmp_path / "cache", encoder, examples)
    batches = count(encoder, monkeypatch)
    cached(tmp_path / "cache", encoder, examples[:-1])
    assert sum(batches) == 8
    other = tiny_models.encoder(seed=1)
    other.identity = type(other.identity)("tiny", "other weights", "e")
    found = cached(tmp_path / "cache", other, examples[:-1])
    torch.testing.assert_close(found.vectors, collect(other, examples[:-1]).vectors)


def test_what_a_stopped_run_of_another_model_has_begun_is_not_taken_for_whole(
    encoder: Encoder, examples: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached(tmp_path / "cache", encoder, examples)
    other = tiny_models.encoder(seed=1)
    other.identity = type(other.identity)("tiny", "other weights", "e")
    monkeypatch.setattr(other, "trace", lambda pixels: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        cached(tmp_path / "cache", other, examples)
    found = cached(tmp_path / "cache", encoder, examples)
    torch.testing.assert_close(found.vectors, collect(encoder, examples).vectors)


def test_a_full_disk_or_no_folder_is_said_before_anything_is_computed(
    encoder: Encoder, examples: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    monkeypatch.setattr(os, "posix_fallocate", Mock(side_effect=full), raising=False)
    batches = count(encoder, monkeypatch)
    with pytest.raises(HostProblem, match=r"exit-1\.npy cannot be written \(No space left on device\)"):
        cached(tmp_path / "cache", encoder, examples)
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(HostProblem, match="Not a directory"):
        cached(tmp_path / "file" / "cache", encoder, examples)
    assert batches == []


def test_a_photo_that_cannot_be_read_is_said_and_left_out(
    encoder: Encoder, examples: list[Example], tmp_path: Path
) -> None:
    examples[3].path.write_bytes(b"no picture")
    said: list[str] = []
    found = cached(tmp_path / "cache", encoder, examples, said.append)
    assert any("3.png" in line for line in said)
    good = [e for i, e in enumerate(examples) if i != 3]
    torch.testing.assert_close(found.vectors, collect(encoder, good).vectors)
    assert found.owner.tolist() == collect(encoder, good).owner.tolist()
    with pytest.raises(ImageRejected, match=r"3\.png"):
        collect(encoder, examples)


def test_a_photo_that_could_not_be_read_is_said_and_tried_again_each_time(
    encoder: Encoder, examples: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_bytes = Path.read_bytes

    def failing(path: Path) -> bytes:
        if path == examples[3].path:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return read_bytes(path)

    for _ in range(2):
        said: list[str] = []
        with monkeypatch.context() as broken:
            broken.setattr(Path, "read_bytes", failing)
            found = cached(tmp_path / "cache", encoder, examples, said.append)
        assert f"skipping {examples[3].path}: Input/output error" in said
        assert len(found.vectors) == 8
    batches = count(encoder, monkeypatch)
    found, whole = cached(tmp_path / "cache", encoder, examples), collect(encoder, examples)
    assert batches[0] == 1, "no other photo is run again"
    assert sum(batches) == 1 + len(examples)
    torch.testing.assert_close(found.vectors, whole.vectors)
    torch.testing.assert_close(found.texts, whole.texts)
    assert found.owner.tolist() == whole.owner.tolist()


def test_a_photo_that_was_changed_is_run_anew_though_its_size_is_the_same(
    encoder: Encoder, examples: list[Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached(tmp_path / "cache", encoder, examples)
    batches = count(encoder, monkeypatch)
    os.utime(examples[3].path, ns=(0, 0))
    cached(tmp_path / "cache", encoder, examples)
    assert sum(batches) == len(examples)
    monkeypatch.setattr(torch, "__version__", "another")
    cached(tmp_path / "cache", encoder, examples)
    assert sum(batches) == 2 * len(examples), "another library may run the same weights otherwise"


@pytest.mark.parametrize("name", ["state.json", "exit-1.npy", "full.npy", "texts.safetensors"])
@pytest.mark.parametrize("left", [None, 0])
def test_a_damaged_cache_is_made_anew(
    encoder: Encoder, examples: list[Example], tmp_path: Path, name: str, left: int | None
) -> None:
    wanted = cached(tmp_path / "cache", encoder, examples)
    vectors, texts = wanted.vectors.clone(), wanted.texts.clone()
    del wanted  # its files are mapped
    file = tmp_path / "cache" / name
    if left is None:
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:left])
    found = cached(tmp_path / "cache", encoder, examples)
    torch.testing.assert_close(found.vectors, vectors)
    torch.testing.assert_close(found.texts, texts)


def test_a_photo_that_cannot_be_read_is_refused_where_none_is_skipped(
    encoder: Encoder, examples: list[Example], tmp_path: Path
) -> None:
    good = examples[3].path.read_bytes()
    examples[3].path.write_bytes(bytes(len(good)))
    kept = cached(tmp_path / "cache", encoder, examples)
    with pytest.raises(ImageRejected, match=r"3\.png"):
        cached(tmp_path / "cache", encoder, examples, skipping=False)
    examples[3].path.write_bytes(good)  # as long as it was: only its reading tells
    whole = cached(tmp_path / "cache", encoder, examples, skipping=False)
    assert (len(kept.vectors), len(whole.vectors)) == (8, 9)


def test_features_are_mapped_and_not_read(encoder: Encoder, examples: list[Example], tmp_path: Path) -> None:
    found = cached(tmp_path / "cache", encoder, examples)
    base: object = found.seen[0].numpy()
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base
    assert (tmp_path / "cache" / "exit-1.npy").stat().st_size > found.seen[0].numel() * 4
    stored = np.load(tmp_path / "cache" / "exit-1.npy", mmap_mode="r+")
    stored[0, 0] = 123.0
    stored.flush()
    assert found.seen[0][0, 0] == 123.0


def test_the_first_photos_are_those_that_can_be_read(encoder: Encoder, examples: list[Example]) -> None:
    examples[0].path.write_text("no picture")
    examples[2].path.unlink()
    found = first_pixels(encoder, examples, 3)
    kept = [examples[i] for i in (1, 3, 4)]
    assert np.array_equal(found, first_pixels(encoder, kept, 3))
    with pytest.raises(ImageRejected):
        first_pixels(encoder, examples[:1], 3)
