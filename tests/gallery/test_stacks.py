"""Copies and bursts lie in one stack whatever their exits; other photos never do."""

import pytest
from PIL import Image

from engine.gallery import Library, run_to_full_depth, stacks
from engine.gallery.galleries import list_photos
from engine.gallery.ingest import ingest_files
from engine.gallery.stacks import stacks_among
from engine.utils.paths import DEMO_GALLERY
from tests.pictures import MakePng, MakeUpload, encoded, with_a_false_size


def photo(name: str) -> Image.Image:
    return Image.open(DEMO_GALLERY / f"{name}.jpg").convert("RGB")


def moved(picture: Image.Image) -> Image.Image:
    """The same scene a moment later: the camera has moved by a few per cent."""
    width, height = picture.size
    return picture.crop((width // 25, 0, width, height - height // 33))


def ids(library: Library, gallery: int, pictures: dict[str, bytes], upload: MakeUpload) -> list[int]:
    ingest_files(library, gallery, [upload(name, data) for name, data in pictures.items()])
    return [found.id for found in list_photos(library, gallery)]


def test_copies_and_bursts_lie_under_the_first_of_them(library: Library, gallery: int, upload: MakeUpload) -> None:
    panda, goldfish = photo("giant-panda"), photo("goldfish")
    made = {
        "panda": encoded(panda, "PNG"),
        "goldfish": encoded(goldfish, "JPEG", quality=90),
        "small panda": encoded(panda.resize((panda.width // 3, panda.height // 3)), "JPEG", quality=50),
        "koala": encoded(photo("koala-in-eucalyptus"), "JPEG"),
        "next panda": encoded(moved(panda), "JPEG", quality=90),
        "poor goldfish": encoded(goldfish, "JPEG", quality=30),
    }
    panda_1, goldfish_1, panda_2, _, panda_3, goldfish_2 = all_ids = ids(library, gallery, made, upload)
    assert stacks_among(library, all_ids) == [[panda_1, panda_2, panda_3], [goldfish_1, goldfish_2]]
    assert stacks_among(library, [panda_3, panda_1]) == [[panda_3, panda_1]]
    run_to_full_depth(library, panda_2)
    assert len(stacks_among(library, all_ids)) == 2


def test_flat_pictures_and_single_photos_are_in_no_stack(
    library: Library, gallery: int, upload: MakeUpload, png: MakePng
) -> None:
    made = {"a": png("red", (40, 40)), "b": png("red", (50, 50)), "c": encoded(photo("goldfish"), "JPEG")}
    assert stacks_among(library, ids(library, gallery, made, upload)) == []
    assert stacks_among(library, []) == []


def test_a_photo_whose_picture_is_damaged_or_gone_stands_alone(
    library: Library, gallery: int, upload: MakeUpload
) -> None:
    panda = photo("giant-panda")
    made = {str(quality): encoded(panda, "JPEG", quality=quality) for quality in (90, 60, 40)}
    first, second, third = ids(library, gallery, made, upload)
    picture = library.picture_path(list_photos(library, gallery)[1].content_hash)
    picture.write_bytes(with_a_false_size(picture.read_bytes()))
    assert stacks_among(library, [first, second, third]) == [[first, third]]
    picture.unlink()
    assert stacks_among(library, [first, second, third]) == [[first, third]]


def test_so_many_photos_on_show_are_stacked_and_no_more(
    library: Library, gallery: int, upload: MakeUpload, monkeypatch: pytest.MonkeyPatch
) -> None:
    panda = photo("giant-panda")
    made = {str(quality): encoded(panda, "JPEG", quality=quality) for quality in (90, 60, 40)}
    first, second, third = ids(library, gallery, made, upload)
    assert stacks_among(library, [first, second, third]) == [[first, second, third]]
    monkeypatch.setattr(stacks, "MOST", 2)
    assert stacks_among(library, [first, second, third]) == [[first, second]]


def test_no_two_of_the_demo_gallery_are_the_same(library: Library, gallery: int, upload: MakeUpload) -> None:
    made = {path.name: path.read_bytes() for path in sorted(DEMO_GALLERY.glob("*.jpg"))}
    assert stacks_among(library, ids(library, gallery, made, upload)) == []
