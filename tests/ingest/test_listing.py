"""Files are found in folders and archives, in order, and named by their paths."""

import errno
import os
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.ingest.image import ImageRejected
from engine.ingest.listing import FolderMissing, folder_uploads
from tests.zip_files import zipped


def test_a_folder_gives_its_pictures_by_path_in_order(tmp_path: Path) -> None:
    for name in (
        "b.JPG",
        "a/z.png",
        "a/b/c.webp",
        "a b.heic",
        "notes.txt",
        "captions.jsonl",
        ".hidden.jpg",
        ".git/x.png",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    (tmp_path / "folder.jpg").mkdir()
    uploads = folder_uploads(tmp_path)
    assert [upload.name for upload in uploads] == ["a/b/c.webp", "a/z.png", "a b.heic", "b.JPG"]
    assert uploads[0].read() == b"a/b/c.webp"


def test_a_folder_gives_the_photos_of_its_archives_too(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "old.zip").write_bytes(zipped({"x/y.jpg": b"photo", "notes.txt": b""}))
    (tmp_path / "broken.zip").write_bytes(b"nothing")
    (tmp_path / "c.jpg").write_bytes(b"photo")
    good, broken, plain = folder_uploads(tmp_path)
    assert [good.name, broken.name, plain.name] == ["b/old.zip/x/y.jpg", "broken.zip", "c.jpg"]
    assert good.read() == b"photo"
    with pytest.raises(ImageRejected, match="damaged, or not the kind of archive that its name says"):
        broken.read()


def test_pictures_that_the_data_folder_keeps_are_no_new_photos(
    tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in (tmp_path / "pictures" / "a.jpg", home / "pictures" / "aa" / "kept.jpg", home / "mine" / "b.jpg"):
        path.parent.mkdir(parents=True)
        path.touch()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(tmp_path)
    for folder in (tmp_path, Path(), tmp_path / "link"):
        assert [upload.name for upload in folder_uploads(folder)] == ["home/mine/b.jpg", "pictures/a.jpg"]
    assert [upload.name for upload in folder_uploads(home)] == ["mine/b.jpg"]


def test_a_name_that_is_not_utf8_can_still_be_shown(tmp_path: Path) -> None:
    try:
        Path(f"{tmp_path}/caf\udce9.jpg").touch()
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    (upload,) = folder_uploads(tmp_path)
    assert upload.name == "caf\ufffd.jpg"
    assert upload.read() == b""


def test_a_file_that_lies_where_the_name_is_not_utf8_has_no_source_to_store(tmp_path: Path) -> None:
    there, folder = Path(f"{tmp_path}/caf\udce9"), tmp_path / "photos"
    try:
        there.mkdir()
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    folder.mkdir()
    for place in (there / "a.jpg", folder / "b.jpg"):
        place.write_bytes(b"photo")
    (folder / "link.jpg").symlink_to(there / "a.jpg")
    plain, link = folder_uploads(folder)
    assert (plain.source, link.source, link.read()) == (str(folder.resolve() / "b.jpg"), None, b"photo")


def test_a_folder_below_that_cannot_be_read_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def refuse(path: Path | str) -> Iterator[os.DirEntry[str]]:  # the tests of CI run as root, who may read everything
        if os.path.basename(path) == "locked":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scandir(path)

    (tmp_path / "a" / "locked").mkdir(parents=True)
    (tmp_path / "a" / "locked" / "lost.jpg").touch()
    (tmp_path / "b.jpg").write_bytes(b"photo")
    monkeypatch.setattr(os, "scandir", refuse)
    photo, locked = folder_uploads(tmp_path)
    assert (photo.name, photo.read(), locked.name) == ("b.jpg", b"photo", "a/locked")
    with pytest.raises(PermissionError, match="Permission denied"):
        pickle.loads(pickle.dumps(locked)).read()  # as a machine of a cluster has it


def test_a_folder_that_cannot_be_looked_at_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for place, reason in (
        (tmp_path / "nowhere", "nowhere is not a folder"),
        (tmp_path / ("z" * 300), "too long"),
        (tmp_path / "loop", "links"),
        (Path("a\0b"), "not"),
    ):
        with pytest.raises(FolderMissing, match=reason):
            folder_uploads(place)


def test_a_picture_that_is_a_link_to_itself_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").symlink_to(tmp_path / "a.jpg")
    (tmp_path / "b.jpg").write_bytes(b"photo")
    circle, photo = folder_uploads(tmp_path)
    assert (circle.name, photo.read()) == ("a.jpg", b"photo")
    with pytest.raises(OSError, match="symbolic links"):
        circle.read()
