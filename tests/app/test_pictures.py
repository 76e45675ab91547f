"""Photos by address: only who was shown a photo can name it, alone or in a ZIP; originals only for their owner."""

import io
import zipfile
from pathlib import Path

import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from app import picture_zip
from app.picture_zip import member_names
from app.pictures import Pictures, Size, secret_of
from engine.gallery import Library, folder_uploads, ingest_files, list_photos, open_gallery
from engine.utils.data_dir import home
from tests.pictures import MakePng, dated, encoded


@pytest.fixture
def photos(library: Library, tmp_path: Path, png: MakePng) -> Path:
    """A folder of three photos, indexed; two have the same name."""
    folder = tmp_path / "photos"
    for place in ("red.png", "a/same.png", "b/Same.png"):
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / place).write_bytes(png((len(place), 40, 90)))
    (folder / "red.png").write_bytes(png("red"))
    (folder / "b" / "Same.png").write_bytes(png("blue"))
    ingest_files(library, open_gallery(library, "Holidays"), folder_uploads(folder))
    return folder


@pytest.fixture
def own(library: Library) -> Pictures:
    """The pictures where nobody but their owner comes."""
    return Pictures(library, secret_of(home()), originals=True)


def client(pictures: Pictures) -> TestClient:
    return TestClient(Starlette(routes=pictures.routes()))


def shown(pictures: Pictures, library: Library) -> list[str]:
    """How the page's script names the photos that it was shown."""
    photos = list_photos(library, open_gallery(library, "Holidays"))
    addresses = [pictures.address(photo, "large").removesuffix(".jpg").split("/") for photo in photos]
    return [f"{id}/{token}" for _, id, _, token in addresses]


def test_picked_photos_come_in_one_zip_under_names_of_their_own(own: Pictures, library: Library, photos: Path) -> None:
    answer = client(own).post("/photos.zip", content="\n".join(shown(own, library)))
    assert answer.status_code == 200
    assert "attachment" in answer.headers["content-disposition"]
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert archive.testzip() is None
    assert archive.namelist() == ["same.jpg", "Same (2).jpg", "red.jpg"]
    assert all(archive.read(name).startswith(b"\xff\xd8\xff") for name in archive.namelist())


def test_photos_in_a_zip_have_the_date_at_which_they_were_taken(
    own: Pictures, library: Library, tmp_path: Path
) -> None:
    for name, year in [("scan", 1951), ("summer", 2019)]:
        data = encoded(Image.new("RGB", (9, 9), (year % 256, 0, 0)), "JPEG", exif=dated(f"{year}:07:14 18:30:06"))
        (tmp_path / f"{name}.jpg").write_bytes(data)
    ingest_files(library, open_gallery(library, "Holidays"), folder_uploads(tmp_path))
    answer = client(own).post("/photos.zip", content="\n".join(shown(own, library)))
    entries = {entry.filename: entry for entry in zipfile.ZipFile(io.BytesIO(answer.content)).infolist()}
    assert entries["summer.jpg"].date_time == (2019, 7, 14, 18, 30, 6)
    assert entries["scan.jpg"].date_time[0] > 1980, "a ZIP can write no earlier year"
    assert {entry.external_attr >> 16 for entry in entries.values()} == {0o644}


def test_who_was_not_shown_a_photo_gets_no_zip_of_it(own: Pictures, library: Library, photos: Path) -> None:
    (first, second, _) = shown(own, library)
    foreign = f"{second.split('/')[0]}/{first.split('/')[1]}"
    stranger = client(own)
    for named in (foreign, f"{first}\n{foreign}", "1/", "1", "", "../../etc/passwd", "9" * 30 + "/a", f"{first}\n"):
        answer = stranger.post("/photos.zip", content=named)
        assert (answer.status_code, b"PK" in answer.content) == (404, False)
    assert stranger.get("/photos.zip").status_code == 405


def test_a_zip_of_too_much_is_refused_in_a_sentence(
    own: Pictures, library: Library, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = "\n".join(shown(own, library))
    monkeypatch.setattr(picture_zip, "MOST_BYTES", 100)
    answer = client(own).post("/photos.zip", content=named)
    assert (answer.status_code, "pick fewer" in answer.text) == (413, True)
    assert client(own).post("/photos.zip", content="\n".join(["1/a"] * 1001)).status_code == 413


def test_a_picture_that_is_gone_is_named_in_the_zip(own: Pictures, library: Library, photos: Path) -> None:
    gone = list_photos(library, open_gallery(library, "Holidays"))[2]
    library.picture_path(gone.content_hash).unlink()
    answer = client(own).post("/photos.zip", content="\n".join(shown(own, library)))
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    assert "red.png" in archive.read("missing.txt").decode()
    assert "red.jpg" not in archive.namelist()
    closed = picture_zip.Kept("blue.png", None, Path("z" * 300))  # an error of the system, as in a closed folder
    assert b"blue.png" in b"".join(picture_zip.zipped([closed]))


def test_the_original_is_saved_as_it_was_indexed_and_not_once_it_has_changed(
    own: Pictures, library: Library, photos: Path, png: MakePng
) -> None:
    red = list_photos(library, open_gallery(library, "Holidays"))[2]
    address = f"/{own.address(red, 'original')}"
    answer = client(own).get(address)
    assert answer.content == (photos / "red.png").read_bytes()
    assert (answer.headers["content-disposition"], answer.headers["content-type"]) == (
        "attachment",
        "application/octet-stream",
    )
    (photos / "red.png").write_bytes(png("green"))
    assert client(own).get(address).status_code == 404
    assert "moved or changed" in client(own).get(address).text
    (photos / "red.png").unlink()
    (photos / "red.png").symlink_to("/etc/passwd")
    assert client(own).get(address).status_code == 404


def test_an_original_that_was_moved_is_found_again_once_its_folder_is_indexed_again(
    own: Pictures, library: Library, photos: Path
) -> None:
    gallery = open_gallery(library, "Holidays")
    moved = photos.rename(photos.parent / "moved")
    assert ingest_files(library, gallery, folder_uploads(moved)).added == 0
    red = list_photos(library, gallery)[2]
    assert client(own).get(f"/{own.address(red, 'original')}").content == (moved / "red.png").read_bytes()


def test_originals_are_served_to_nobody_where_strangers_come(own: Pictures, library: Library, photos: Path) -> None:
    red = list_photos(library, open_gallery(library, "Holidays"))[2]
    public = Pictures(library, secret_of(home()))
    assert public.address(red, "original") == ""
    assert client(public).get(f"/{own.address(red, 'original')}").status_code == 404


def test_pictures_are_served_at_their_addresses_only(own: Pictures, library: Library, photos: Path) -> None:
    first, second, _ = list_photos(library, open_gallery(library, "Holidays"))
    kinds: tuple[tuple[Size, str], ...] = (("grid", "WEBP"), ("panel", "WEBP"), ("large", "JPEG"))
    for size, kind in kinds:
        answer = client(own).get(f"/{own.address(first, size)}")
        assert answer.headers["content-type"] == f"image/{kind.lower()}"
        assert "immutable" in answer.headers["cache-control"]
        assert Image.open(io.BytesIO(answer.content)).format == kind
    grid = own.address(first, "grid")
    for wrong in (
        grid.replace("grid", "original"),
        grid.replace("grid", "large"),
        grid.replace("grid", "huge"),
        grid.replace(f"photo/{first.id}/", f"photo/{second.id}/"),
        f"photo/{first.id}/grid/{'0' * 64}.jpg",
        f"photo/{first.id}/grid/ü.jpg",
        f"photo/{10**30}/grid/{'0' * 64}.jpg",
    ):
        assert client(own).get(f"/{wrong}").status_code == 404


def test_names_in_an_archive_are_safe_on_every_system() -> None:
    names = ["../../etc/passwd", "a/b/c.HEIC", 'x"<|>?.png', "con.jpg", ".jpg", "", "photo.png", "C.jpg", "c.png"]
    names += ["\u00e9.jpg", "E\u0301.jpg"]  # which macOS takes for one name
    found = list(member_names(names))
    assert found == [
        "passwd.jpg", "c.jpg", "x_____.jpg", "_con.jpg", ".jpg.jpg"[1:], "unnamed.jpg", "photo.jpg", "C (2).jpg",
        "c (3).jpg", "\u00e9.jpg", "E\u0301 (2).jpg",
    ]  # fmt: skip
