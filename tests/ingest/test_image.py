"""Whatever is uploaded comes out upright and in true colours, or with a reason."""

import contextlib
import io
import pickle
import struct
import time

import numpy as np
import pytest
from numpy.typing import ArrayLike
from PIL import Image, ImageCms

from engine.ingest import image as image_module
from engine.ingest.image import ImageRejected, clean_name, clean_path, open_picture
from engine.ingest.kept_picture import to_jpeg
from tests import hostile_pictures
from tests.pictures import MakePng, encoded, left_red_right_blue, noise, png_declaring, with_a_false_size

WHITE, RED, BLUE = (255, 255, 255), (255, 0, 0), (0, 0, 255)


def plain(
    mode: str = "RGB", colour: str | int | tuple[int, ...] = RED, size: tuple[int, int] = (40, 20)
) -> Image.Image:
    return Image.new(mode, size, colour)


def near(pixel: ArrayLike | None, colour: tuple[int, int, int], within: int = 12) -> bool:
    return bool(np.abs(np.asarray(pixel) - colour).max() <= within)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"", "empty file", id="empty"),
        pytest.param(b"dear diary, " * 30, "not a picture (it is text)", id="text"),
        pytest.param("Grüße aus Köln ".encode() * 200, "not a picture (it is text)", id="text cut inside a letter"),
        pytest.param(b"\0\1\2\3" * 50, "not a picture", id="bytes"),
        pytest.param(b"%PDF-1.7\n", "not a picture (it is a PDF document)", id="pdf"),
        pytest.param(b"PK\x03\x04rest", "not a picture (it is a ZIP archive)", id="zip"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "a drawing (SVG), not a photo", id="svg"),
        pytest.param(
            b"\0\0\0\x18ftypmp42",
            "a film, or a kind of picture that cannot be read here; save it as JPEG",
            id="film",
        ),
        pytest.param(encoded(noise(), "JPEG")[:-2000], "cut short", id="truncated jpeg"),
        pytest.param(encoded(noise(), "PNG")[:-4000], "cut short", id="truncated png"),
        pytest.param(
            encoded(noise(), "JPEG")[:20], "cut short or damaged: its JPEG header cannot be read", id="jpeg header only"
        ),
        pytest.param(png_declaring(0, 0), "no pixels: it is 0 x 0", id="0 x 0 png"),
        pytest.param(b"GIF89a\0\0\0\0\0\0\0;", "no pixels: it is 0 x 0", id="0 x 0 gif"),
        pytest.param(
            png_declaring(10_000, 8_000), "too large: 10000 x 8000 pixels (limit 64 megapixels)", id="declared large"
        ),
        pytest.param(
            png_declaring(30_000, 30_000), "too large: 30000 x 30000 pixels (limit 64 megapixels)", id="declared huge"
        ),
        pytest.param(
            b"BM" + struct.pack("<16xii8x", 9_000, -9_000),
            "too large: 9000 x 9000 pixels (limit 64 megapixels)",
            id="bmp",
        ),
        pytest.param(
            with_a_false_size(encoded(noise(), "JPEG")), "too large: far over 64 megapixels", id="declared huge jpeg"
        ),
        pytest.param(encoded(plain(), "PPM"), "not a picture", id="a format outside the list"),
    ],
)
def test_what_cannot_be_used_is_named_with_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(ImageRejected) as caught:
        open_picture(data, "holiday.jpg")
    assert caught.value.reason == reason
    assert str(caught.value) == f"holiday.jpg was left out: {reason}."


def test_a_photo_with_a_preview_in_its_metadata_is_read() -> None:
    preview = b"\xff\xd8" + b"\xff\xda\0\x08" * 1000 + b"\xff\xd9"
    assert open_picture(encoded(plain(), "JPEG", exif=b"Exif\0\0" + preview), "a").rgb.size == (40, 20)


HIDES = {  # what stands before the scans of a JPEG, as if they were no longer a part of it
    "nothing": b"",
    "end in a preview": b"\xff\xe1\0\x04\xff\xd9",
    "empty segment": b"\xff\xe5\0\0",
    "fill bytes": b"\xff" * 100 + b"\xfe\0\x03\xd9",
    "marker that does not exist": b"\xff\x02\xf0\xf0",
    "stuffed byte": b"\xff\0\xd9",
    "restart": b"\xff\xd0\xf0\xf0",
}


@pytest.mark.parametrize("name", HIDES)
def test_scans_cannot_be_hidden_from_the_count(name: str) -> None:
    whole = hostile_pictures.scans_jpeg(16, 200)
    at = whole.index(b"\xff\xda")
    with pytest.raises(ImageRejected, match="over 100 scans"):
        open_picture(whole[:at] + HIDES[name] + whole[at:], "a")


def test_fill_bytes_without_end_are_counted_through_in_no_time() -> None:
    data = b"\xff\xd8" + b"\xff\xda\0\2" * 60 + b"\xff\0" * 10**6 + b"\xff" * 10**7
    began = time.monotonic()
    with pytest.raises(ImageRejected):
        open_picture(data + b"\xff\xda" * 60, "a")
    assert time.monotonic() - began < 10


def test_a_reason_can_be_sent_to_another_process() -> None:
    error = pickle.loads(pickle.dumps(ImageRejected("a.jpg", "empty file")))
    assert (error.name, error.reason, str(error)) == ("a.jpg", "empty file", "a.jpg was left out: empty file.")


def test_a_bitmap_with_the_short_header_of_os2_is_read() -> None:
    head = struct.pack("<2sIHHIIHHHH", b"BM", 26 + 4 * 12, 0, 0, 26, 12, 4, 4, 1, 24)
    picture = open_picture(head + bytes(RED[::-1]) * 16, "old.bmp")
    assert (picture.width, picture.height, picture.rgb.getpixel((3, 3))) == (4, 4, RED)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_every_usual_format_is_read(format: str) -> None:
    picture = open_picture(encoded(plain(), format), "a").rgb
    assert (picture.mode, picture.size) == ("RGB", (40, 20))
    assert near(picture.getpixel((5, 5)), RED)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("longest", [None, 20])
def test_a_turned_photo_stands_upright(format: str, longest: int | None) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held so that the stored left edge is the top
    options = {"quality": 100} if format in ("JPEG", "WEBP") else {}
    data = encoded(left_red_right_blue(), format, exif=exif, **options)
    picture = open_picture(data, "a", longest)
    assert (picture.width, picture.height) == (20, 40)
    width, height = picture.rgb.size
    assert (width, height) == ((20, 40) if longest is None else (10, 20))
    assert near(picture.rgb.getpixel((width // 2, 2)), RED)
    assert near(picture.rgb.getpixel((width // 2, height - 3)), BLUE)


@pytest.mark.parametrize(
    ("size", "reduced"),
    [
        ((900, 300), (90, 30)),
        ((900, 150), (180, 30)),
        ((60, 900), (24, 360)),
        ((9000, 90), (360, 4)),
        ((90, 9), (90, 9)),
    ],
)
def test_a_panorama_stays_high_enough_to_be_seen(size: tuple[int, int], reduced: tuple[int, int]) -> None:
    assert open_picture(encoded(plain(size=size), "JPEG"), "a", 90).rgb.size == reduced


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_undone(orientation: int) -> None:
    upright = noise((8, 12))
    undone = {2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}  # what a camera's turn is the inverse of
    stored = upright if orientation == 1 else upright.transpose(image_module._UNDO[undone[orientation]])
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(stored, "PNG", exif=exif)
    picture = open_picture(data, "a")
    assert np.array_equal(np.asarray(picture.rgb), np.asarray(upright))
    assert (picture.width, picture.height) == upright.size


SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.mark.parametrize("profile", [None, b"no profile", SRGB])  # SRGB: of other colours than the picture's
def test_cmyk_is_read_as_colours_whatever_its_profile(profile: bytes | None) -> None:
    data = encoded(plain("CMYK", (0, 255, 255, 0)), "JPEG", quality=95, icc_profile=profile)
    assert near(open_picture(data, "a").rgb.getpixel((5, 5)), RED)


def test_colours_are_those_of_the_pictures_profile() -> None:
    tags = {SRGB[at : at + 4]: at for at in range(132, 132 + 12 * SRGB[131], 12)}
    red, green = (slice(tags[name] + 4, tags[name] + 8) for name in (b"rXYZ", b"gXYZ"))  # where each one's light stands
    turned = bytearray(SRGB)
    turned[red], turned[green] = turned[green], turned[red]
    for format in ("JPEG", "PNG", "WEBP"):
        data = encoded(plain("RGB", (0, 255, 0)), format, icc_profile=bytes(turned))
        found = open_picture(data, "a").rgb
        assert near(found.getpixel((5, 5)), RED)
        assert not found.info, "the profile is the file's"


def test_a_profile_of_screens_colours_changes_no_pixel() -> None:
    picture = noise((8, 12))
    for profile in (SRGB, b"no profile"):
        found = open_picture(encoded(picture, "PNG", icc_profile=profile), "a").rgb
        assert np.array_equal(np.asarray(found), np.asarray(picture))


def test_sixteen_bits_keep_their_shades() -> None:
    ramp = np.tile(np.linspace(0, 65535, 256), (4, 1)).astype(np.uint16)
    for format in ("PNG", "TIFF"):
        shades = np.asarray(open_picture(encoded(Image.fromarray(ramp), format), "a").rgb)[0, :, 0]
        assert np.array_equal(shades, np.arange(256))


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ((-1.0, 0.0, 1.0, np.nan), [0, 128, 255, 128]),
        ((-3.4e38, 0.0, 3.4e38), [0, 128, 255]),
        ((0.0, 0.0, 1e-45), [0, 0, 0]),
        ((3.4e38, 0.0, 3.4e38), [255, 0, 255]),
        ((-np.inf, 0.0, np.inf), [0, 0, 0]),
    ],
)
@pytest.mark.filterwarnings("error")
def test_floats_are_shown_from_their_darkest_to_their_lightest(values: tuple[float, ...], shown: list[int]) -> None:
    picture = Image.fromarray(np.array([values], dtype=np.float32))
    shades = np.asarray(open_picture(encoded(picture, "TIFF"), "a").rgb)[0, :, 0]
    assert shades.tolist() == shown


def test_an_animation_shows_its_first_frame() -> None:
    for format in ("GIF", "WEBP"):
        data = encoded(plain(), format, save_all=True, append_images=[plain("RGB", BLUE)])
        assert near(open_picture(data, "a").rgb.getpixel((5, 5)), RED)


def test_what_is_transparent_is_white() -> None:
    clear = plain("RGBA", (255, 0, 0, 0))
    palette = plain("P", 0)
    palette.putpalette([255, 0, 0])
    for data in (
        encoded(clear, "PNG"),
        encoded(clear, "WEBP"),
        encoded(plain("LA", (0, 0)), "PNG"),
        encoded(palette, "PNG", transparency=0),
        encoded(palette, "GIF", transparency=0),
    ):
        assert near(open_picture(data, "a").rgb.getpixel((5, 5)), WHITE)


def test_half_transparent_is_half_white() -> None:
    assert near(
        open_picture(encoded(plain("RGBA", (255, 0, 0, 128)), "PNG"), "a").rgb.getpixel((5, 5)), (255, 127, 127), 1
    )


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_few_colours_are_read(mode: str) -> None:
    picture = open_picture(encoded(plain("RGB", WHITE).convert(mode), "PNG"), "a").rgb
    assert (picture.mode, picture.getpixel((5, 5))) == ("RGB", WHITE)


def test_reduced_to_fit_and_never_enlarged() -> None:
    data = encoded(left_red_right_blue().resize((4000, 2000)), "JPEG")
    picture = open_picture(data, "a", 768)
    assert picture.rgb.size == (768, 384)
    assert (picture.width, picture.height) == (4000, 2000)
    assert open_picture(encoded(plain(), "PNG"), "a", 768).rgb.size == (40, 20)


def test_a_line_of_pixels_stays_a_picture() -> None:
    assert open_picture(encoded(plain(size=(5000, 1)), "PNG"), "a", 768).rgb.size == (4 * 768, 1)


def test_the_kept_picture_tells_nothing_of_where_it_was_taken() -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8825)[1] = "N"
    exif[0x010F] = "a camera"
    data = encoded(plain(), "JPEG", exif=exif, comment=b"at home", dpi=(72, 72))
    kept = Image.open(io.BytesIO(to_jpeg(open_picture(data, "a", 20).rgb)))
    assert not kept.getexif()
    assert "comment" not in kept.info


@pytest.mark.parametrize("cut", range(1, 200, 7))
def test_any_cut_or_flip_ends_in_a_picture_or_a_reason(cut: int, png: MakePng) -> None:
    for data in (encoded(noise((16, 16)), "JPEG"), png("red", (16, 16)), encoded(noise((16, 16)), "WEBP")):
        for broken in (data[:cut], data[:cut] + bytes([data[cut % len(data)] ^ 0xFF]) + data[cut + 1 :]):
            with contextlib.suppress(ImageRejected):
                assert open_picture(broken, "a").rgb.mode == "RGB"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("holiday.jpg", "holiday.jpg"),
        ("C:\\photos\\holiday.jpg", "holiday.jpg"),
        ("../../etc/passwd", "passwd"),
        ("a\nb\0c\x1b[31m.jpg", "abc[31m.jpg"),
        ("photo\u202egpj.exe", "photogpj.exe"),
        ("Grüße 日本.jpg", "Grüße 日本.jpg"),
        ("\ud800.jpg", ".jpg"),
        ("x" * 500 + ".jpg", "x" * 179 + "…" + "x" * 16 + ".jpg"),
        ("", "unnamed"),
        ("folder/", "folder"),
        ("///", "unnamed"),
    ],
)
def test_clean_name(name: str, shown: str) -> None:
    assert clean_name(name) == shown


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("a/b.jpg", "a/b.jpg"),
        ("/../../a/./b.jpg", "a/b.jpg"),
        ("a\\..\\\x00b.jpg", "a/b.jpg"),
        (" .. /b.jpg", "b.jpg"),
        ("", "unnamed"),
        ("../..", "unnamed"),
    ],
)
def test_clean_path(path: str, shown: str) -> None:
    assert clean_path(path) == shown
