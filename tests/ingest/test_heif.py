"""HEIC is read like any other kind, motion photos too; where it cannot be, a sentence says why and the rest goes on."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.ingest import sandbox
from engine.ingest.archives import archive_uploads
from engine.ingest.decode import Decoded, Skipped, decode_batch
from engine.ingest.heif import is_heif
from engine.ingest.image import ImageRejected
from engine.ingest.sandbox import decode
from engine.ingest.upload import Upload
from tests import zip_files
from tests.pictures import FILM, dated, encoded, heic, left_red_right_blue, noise


@pytest.fixture(autouse=True)
def fresh() -> None:
    while sandbox._idle:
        sandbox._idle.pop().close()


def box(name: bytes, body: bytes) -> bytes:
    return (8 + len(body)).to_bytes(4, "big") + name + body


def test_a_heic_is_read_upright_in_its_colours_with_its_date() -> None:
    big = left_red_right_blue().resize((160, 80), Image.Resampling.NEAREST)
    data = heic(big, exif=dated("2019:07:14 18:30:05", "+02:00", orientation=6).tobytes(), quality=90)
    picture = decode(data, "a", 80)
    assert (picture.width, picture.height, picture.rgb.size) == (80, 160, (40, 80))
    top, bottom = (np.asarray(picture.rgb.getpixel((20, y)), int) for y in (10, 70))
    assert np.abs(top - (255, 0, 0)).max() < 40
    assert np.abs(bottom - (0, 0, 255)).max() < 40
    assert str(picture.taken_at) == "2019-07-14 18:30:05+02:00"
    assert not picture.rgb.info


MOTION: dict[str, Callable[[], bytes]] = {
    "JPEG and film": lambda: encoded(noise(), "JPEG") + FILM,
    "JPEG, film and trailer": lambda: encoded(noise(), "JPEG") + FILM + b"SEFH" + bytes(40) + b"SEFT",
    "HEIC and film": lambda: heic(noise()) + FILM,
    "HEIC and film in a box": lambda: heic(noise()) + box(b"mpvd", FILM),
}


@pytest.mark.parametrize("name", MOTION)
def test_a_photo_with_a_film_behind_it_is_the_photo(name: str) -> None:
    assert decode(MOTION[name](), "a").width == 64


def test_a_heic_in_an_archive_counts_too(tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(zip_files.zipped({"IMG_1.HEIC": heic(noise()), "b.hif": heic(noise((32, 32)))}))
    uploads = archive_uploads(tmp_path / "a.zip", "a.zip")
    assert [decode(upload.read(), upload.name).width for upload in uploads] == [64, 32]


@pytest.mark.parametrize(
    "spoiled",
    [
        pytest.param(lambda data: data[:30], id="header only"),
        pytest.param(lambda data: data[: len(data) // 2], id="cut short"),
        pytest.param(lambda data: data[:40] + bytes(len(data) - 40), id="noughts"),
    ],
)
def test_a_spoiled_heic_is_a_reason_and_the_rest_goes_on(spoiled: Callable[[bytes], bytes]) -> None:
    files = {"a.heic": spoiled(heic(noise())), "b.png": encoded(noise(), "PNG")}
    uploads = [Upload(name, lambda data=data: data) for name, data in files.items()]  # type: ignore[misc]
    bad, good = decode_batch(uploads, lambda _: False, set(), np.asarray)[0]
    assert isinstance(bad, Skipped)
    assert bad.reason in ("damaged, or of an unusual kind", "cut short or damaged: its header cannot be read")
    assert isinstance(good, Decoded)


def test_without_pillow_heif_the_sentence_names_it_and_other_kinds_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import sys, engine.ingest.sandbox as d\nsys.modules['pillow_heif'] = None\nd.main()"
    data = heic(noise())
    monkeypatch.setattr(sandbox, "_COMMAND", [sys.executable, "-c", code])
    with pytest.raises(ImageRejected, match="a HEIC picture, which this machine cannot read: install pillow-heif"):
        decode(data, "a.heic")
    assert decode(encoded(noise(), "PNG"), "a").width == 64
    sandbox._idle.pop().close()


def test_its_libraries_are_never_loaded_by_the_process_that_asks() -> None:
    code = (
        "import sys\nfrom engine.ingest.sandbox import decode\n"
        "decode(sys.stdin.buffer.read(), 'a')\nsys.exit('pillow_heif' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], input=heic(noise()), timeout=60, check=False)
    assert done.returncode == 0


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("side", [8000, 2820])  # a large one, and one that is not
def test_the_hungriest_heic_of_a_size_fits_into_its_memory(side: int) -> None:
    picture = heic(Image.new("RGBA", (side, side), (1, 2, 3, 4)), quality=30)
    assert decode(picture, "a", 768).width == side


@pytest.mark.parametrize(
    ("first", "wanted"),
    [
        (box(b"ftyp", b"heic\0\0\0\0mif1heic"), True),
        (box(b"ftyp", b"mif1\0\0\0\0mif1heic"), True),
        (box(b"ftyp", b"mif1\0\0\0\0mif1avif"), False),
        (box(b"ftyp", b"avif\0\0\0\0mif1heic"), False),
        (box(b"ftyp", b"mp42\0\0\0\0isom"), False),
        (b"\xff\xff\xff\xffftypmif1", True),
        (b"", False),
    ],
)
def test_a_heif_is_told_from_an_avif_and_from_a_film(first: bytes, wanted: bool) -> None:
    assert is_heif(first) == wanted
