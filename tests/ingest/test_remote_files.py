"""Photos at a URI, as pyarrow reads them; object stores need credentials, so a folder stands for them here."""

import sys
from pathlib import Path

import pytest

from engine.ingest.image import MAX_BYTES, ImageRejected
from engine.ingest.listing import FolderMissing
from engine.ingest.remote_files import is_uri, uri_uploads
from engine.utils.errors import EngineError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "my photos"
    for name in ("b.jpg", "a/c.PNG", "a/notes.txt", ".hidden/d.jpg", "a/.e.jpg", "z.zip"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(name.encode())
    return place


def test_pictures_below_a_uri_are_named_by_their_path_and_sorted(folder: Path) -> None:
    uploads = uri_uploads(folder.as_uri())
    assert [upload.name for upload in uploads] == ["a/c.PNG", "b.jpg", "z.zip"]
    assert uploads[0].read() == b"a/c.PNG"


def test_a_name_that_is_not_utf8_is_taken_as_from_a_folder(folder: Path) -> None:
    try:
        (folder / "caf\udce9.jpg").write_bytes(b"coffee")  # as Python has the byte E9
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    uploads = {upload.name: upload for upload in uri_uploads(folder.as_uri())}
    assert list(uploads) == ["a/c.PNG", "b.jpg", "caf\ufffd.jpg", "z.zip"]
    assert uploads["caf\ufffd.jpg"].read() == b"coffee"


def test_a_reader_can_be_sent_to_another_process(folder: Path) -> None:
    import pickle

    assert pickle.loads(pickle.dumps(uri_uploads(folder.as_uri())[1])).read() == b"b.jpg"


def test_an_archive_at_a_uri_is_named_not_opened(folder: Path) -> None:
    with pytest.raises(ImageRejected, match=r"z\.zip was left out: an archive"):
        uri_uploads(folder.as_uri())[2].read()


def test_no_more_is_read_than_tells_that_a_file_is_too_large(folder: Path) -> None:
    with (folder / "b.jpg").open("wb") as file:
        file.truncate(MAX_BYTES + 100)
    assert len(uri_uploads(folder.as_uri())[1].read()) == MAX_BYTES + 1


@pytest.mark.parametrize("uri", ["file:///nowhere/at/all", "nonsense://bucket/x"])
def test_a_place_that_cannot_be_listed_is_a_sentence(uri: str) -> None:
    with pytest.raises(FolderMissing, match=r"cannot be listed \(.+\); check its name"):
        uri_uploads(uri)


def test_without_pyarrow_the_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(EngineError, match=r"requirements-cluster\.txt"):
        uri_uploads("s3://bucket/photos")


def test_windows_paths_and_folders_are_no_uris() -> None:
    assert not any(map(is_uri, ("photos", "/tmp/photos", "C:\\photos", "C:/photos")))
    assert is_uri("s3://bucket/photos")
