"""Files are read late and hashed first; only what is new is decoded."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.ingest import decode as decode_module
from engine.ingest import image as image_module
from engine.ingest import upload
from engine.ingest.decode import Decoded, Duplicate, Skipped, decode_batch
from engine.ingest.image import ImageRejected, open_picture
from engine.ingest.kept_picture import kept_pixels
from engine.ingest.upload import Upload, read_file
from tests.pictures import MakePng, MakeUpload, encoded, noise


def preprocess(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.resize((2, 2))).transpose(2, 0, 1)


def outcomes(uploads: list[Upload], is_known: Callable[[str], bool] = lambda _: False) -> list[decode_module.Outcome]:
    return decode_batch(uploads, is_known, set(), preprocess)[0]


def test_a_new_photo_is_decoded_with_its_facts(upload: MakeUpload, png: MakePng) -> None:
    (photo,), (pixels,) = decode_batch([upload("a.png", png("red", (1536, 768)))], lambda _: False, set(), preprocess)
    assert isinstance(photo, Decoded)
    assert (photo.name, photo.width, photo.height) == ("a.png", 1536, 768)
    assert photo.file_bytes == len(png("red", (1536, 768)))
    assert np.abs(pixels - np.array([255, 0, 0]).reshape(3, 1, 1)).max() <= 1
    assert photo.jpeg[:3] == b"\xff\xd8\xff"


def test_the_encoder_sees_what_is_kept(tmp_path: Path, upload: MakeUpload) -> None:
    (photo,), (pixels,) = decode_batch([upload("n.png", encoded(noise(), "PNG"))], lambda _: False, set(), preprocess)
    assert isinstance(photo, Decoded)
    (tmp_path / "kept.jpg").write_bytes(photo.jpeg)
    later = kept_pixels(tmp_path / "kept.jpg", preprocess)
    assert later is not None
    np.testing.assert_array_equal(pixels, later)


def test_what_is_known_is_not_decoded(upload: MakeUpload, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode_module, "decode", pytest.fail)
    (known,) = outcomes([upload("a", "red")], is_known=lambda _: True)
    assert isinstance(known, Duplicate)


def test_a_file_that_cannot_be_read_is_a_reason(tmp_path: Path) -> None:
    assert outcomes([Upload("gone.jpg", lambda: read_file(tmp_path / "gone.jpg"))]) == [
        Skipped("gone.jpg", "cannot be read (No such file or directory)")
    ]


def test_a_huge_file_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "MAX_BYTES", 10)
    monkeypatch.setattr(image_module, "MAX_BYTES", 10)
    (tmp_path / "a.jpg").write_bytes(b"\xff" * 1000)
    read = read_file(tmp_path / "a.jpg")
    assert len(read) == 11
    with pytest.raises(ImageRejected, match="too large"):
        open_picture(read, "a.jpg")
