"""A kept picture is written without metadata and read again, or said to be gone."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.ingest.kept_picture import kept_pixels, open_kept, to_jpeg
from tests.pictures import encoded, left_red_right_blue, noise, with_a_false_size


def test_a_kept_picture_is_read_as_it_was_written(tmp_path: Path) -> None:
    rgb = left_red_right_blue()
    (tmp_path / "kept.jpg").write_bytes(to_jpeg(rgb))
    assert np.abs(np.asarray(open_kept(tmp_path / "kept.jpg"), int) - np.asarray(rgb)).mean() < 10
    pixels = kept_pixels(tmp_path / "kept.jpg", np.asarray)
    assert pixels is not None
    assert pixels.shape == (20, 40, 3)


def test_a_kept_picture_is_reduced_and_never_enlarged(tmp_path: Path) -> None:
    (tmp_path / "kept.jpg").write_bytes(to_jpeg(Image.new("RGB", (400, 200))))
    assert open_kept(tmp_path / "kept.jpg", 100).size == (100, 50)
    assert open_kept(tmp_path / "kept.jpg", 1000).size == (400, 200)


@pytest.mark.parametrize(
    "data",
    [
        None,
        b"",
        b"not a picture",
        encoded(noise(), "JPEG")[:-2000],
        encoded(noise(), "PNG"),
        with_a_false_size(encoded(noise(), "JPEG")),
    ],
)
def test_a_picture_that_is_gone_or_damaged_is_said_to_be(tmp_path: Path, data: bytes | None) -> None:
    if data is not None:
        (tmp_path / "kept.jpg").write_bytes(data)
    assert kept_pixels(tmp_path / "kept.jpg", np.asarray) is None
    with pytest.raises(OSError, match=r"."):
        open_kept(tmp_path / "kept.jpg")
