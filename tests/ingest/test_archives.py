"""Archives give their photos or a reason, in bounded time, memory and descriptors, and touch no other file."""

import gc
import os
import struct
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from engine.ingest import archives
from engine.ingest.archives import archive_uploads, is_archive
from engine.ingest.image import ImageRejected
from engine.ingest.upload import Upload
from tests import zip_files

PHOTOS = {"b/red.png": b"red", "blue.JPG": b"blue", "notes.txt": b"no photo"}
Make = Callable[[str, bytes], list[Upload]]


@pytest.fixture
def uploads(tmp_path: Path) -> Make:
    """Writes an archive and opens it."""

    def make(name: str, data: bytes) -> list[Upload]:
        (tmp_path / name).write_bytes(data)
        return archive_uploads(tmp_path / name, name)

    return make


def named(value: str | bytes) -> str:
    """Part of a test's name; a ZIP has the time of day in it, its length has not."""
    return value if isinstance(value, str) else f"{len(value)} bytes"


def outcome(upload: Upload) -> bytes | str:
    try:
        return upload.read()
    except ImageRejected as error:
        return error.reason if error.name == upload.name else f"{error.name} is not {upload.name}"


def outcomes(uploads: list[Upload]) -> dict[str, bytes | str]:
    return {upload.name: outcome(upload) for upload in uploads}


def open_files() -> set[tuple[str, str]]:
    """Number and target of each."""
    found = set()
    for number in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the listing's own
            found.add((number, os.readlink(f"/proc/self/fd/{number}")))
    return found


def test_the_photos_of_an_archive_are_read(uploads: Make) -> None:
    deflated, stored = zip_files.zipped(PHOTOS), zip_files.zipped(PHOTOS, zipfile.ZIP_STORED)
    for data in (deflated, stored, b"any bytes before" + deflated):
        assert outcomes(uploads("a.zip", data)) == {"a.zip/b/red.png": b"red", "a.zip/blue.JPG": b"blue"}


def test_they_can_be_read_in_any_order_and_again(uploads: Make) -> None:
    found = uploads("a.zip", zip_files.zipped({f"{n}.jpg": bytes([n]) * 1000 for n in range(20)}))
    for _ in range(2):
        assert [upload.read()[0] for upload in reversed(found)] == list(reversed(range(20)))


@pytest.mark.parametrize("name", ["a.zip", "a.tar", "a.tar.gz", "a.tar.bz2", "a.7z", "a.RAR", "a.tar.xz"])
def test_archives_are_known_by_their_name(name: str) -> None:
    assert is_archive(name)
    assert not is_archive(f"{name}.jpg")


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.zip", b"", "damaged, or not the kind of archive that its name says"),
        ("a.zip", b"\xff\xd8\xff" * 99, "damaged, or not the kind of archive that its name says"),
        ("a.zip", zip_files.zipped(PHOTOS)[:-30], "damaged, or not the kind of archive that its name says"),
        ("a.zip", zip_files.zipped({"notes.txt": b"no photo"}), "an archive without photos"),
        ("a.7z", b"7z", "a 7-Zip archive, which is not opened here; unpack it, or make it a ZIP"),
        ("a.TGZ", b"\x1f\x8b", "a tar archive, which is not opened here; unpack it, or make it a ZIP"),
        ("a.zip", zip_files.overlapping(1000), "its members overlap, as in a bomb"),
    ],
    ids=named,
)
def test_an_archive_that_cannot_be_used_is_named_with_a_reason(
    uploads: Make, name: str, data: bytes, reason: str
) -> None:
    assert outcomes(uploads(name, data)) == {name: reason}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (zip_files.zipped_as("x.jpg", zip_files.LINK), "a link or a device, not a file"),
        (zip_files.zipped_as("x.jpg", zip_files.DEVICE), "a link or a device, not a file"),
        (zip_files.zipped({"x.zip": zip_files.zipped(PHOTOS)}), "an archive inside an archive; unpack it first"),
        (zip_files.lying("x.bmp", 40 * 2**20, 100), "damaged in the archive"),
        (zip_files.zipped({"x.bmp": bytes(51 * 2**20)}), "too large: over 50 MB"),
        (
            zip_files.zipped({"x.jpg": b"photo"}, zipfile.ZIP_LZMA),
            "packed in a way that is not read here; make the ZIP again with the usual one (deflate)",
        ),
    ],
    ids=named,
)
def test_a_member_that_cannot_be_used_is_named_with_a_reason(uploads: Make, data: bytes, reason: str) -> None:
    (upload,) = uploads("a.zip", data)
    assert upload.name.startswith("a.zip/x.")
    assert outcome(upload) == reason


def test_a_member_locked_with_a_password_is_said_to_be(uploads: Make) -> None:
    data = bytearray(zip_files.zipped({"x.jpg": b"photo"}))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    assert outcomes(uploads("a.zip", bytes(data))) == {"a.zip/x.jpg": "locked with a password"}


def test_a_bad_member_does_not_stop_the_others(uploads: Make) -> None:
    data = bytearray(zip_files.zipped({"a.jpg": b"first", "b.jpg": b"second", "c.jpg": b"third"}, zipfile.ZIP_STORED))
    data[data.index(b"second")] ^= 1
    assert list(outcomes(uploads("a.zip", bytes(data))).values()) == [b"first", "damaged in the archive", b"third"]


@pytest.mark.parametrize(
    ("member", "shown"),
    [
        ("../../etc/passwd.jpg", "etc/passwd.jpg"),
        ("/etc/shadow.png", "etc/shadow.png"),
        ("C:\\Windows\\..\\x.jpg", "C:/Windows/x.jpg"),
        ("CON.jpg", "CON.jpg"),
        ("<img src=x onerror=alert(1)>.jpg", "<img src=x onerror=alert(1)>.jpg"),
        ("photo\u202egpj.\x1b[31m.jpg", "photogpj.[31m.jpg"),
        ("x" * 3000 + ".jpg", "x" * 179 + "…" + "x" * 16 + ".jpg"),
        ("a/" * 500 + "x.jpg", ("a/" * 500)[:179] + "…" + "/a/a/a/a/a/a/a/x.jpg"),
    ],
)
def test_a_members_name_is_never_a_path(uploads: Make, tmp_path: Path, member: str, shown: str) -> None:
    assert outcomes(uploads("a.zip", zip_files.zipped({member: b"photo"}))) == {f"a.zip/{shown}": b"photo"}
    assert [path.name for path in tmp_path.iterdir() if path.name != "home"] == ["a.zip"]


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("M\u00fcller/\u5199\u771f.png".encode(), "M\u00fcller/\u5199\u771f.png"),
        (b"M\x81ller.png", "M\u00fcller.png"),  # in the code page that a ZIP's names are in
    ],
    ids=["utf8", "cp437"],
)
def test_a_members_name_is_read_where_no_flag_says_how(uploads: Make, raw: bytes, shown: str) -> None:
    data = zip_files.zipped({"?" * (len(raw) - 4) + ".png": b"red"}).replace(b"?" * (len(raw) - 4) + b".png", raw)
    assert outcomes(uploads("a.zip", data)) == {f"a.zip/{shown}": b"red"}


def test_what_is_hidden_is_passed_over_as_in_a_folder(uploads: Make) -> None:
    names = ["x.jpg", ".y.jpg", "__MACOSX/._x.jpg", "a/.git/z.png"]
    assert [upload.name for upload in uploads("a.zip", zip_files.zipped(dict.fromkeys(names, b"photo")))] == [
        "a.zip/x.jpg"
    ]


BOMBS = {
    "many.zip": lambda: zip_files.zipped(
        {f"{n}.jpg": b"" for n in range(archives.MAX_MEMBERS + 1)}, zipfile.ZIP_STORED
    ),
    "declared.zip": lambda: zip_files.zipped({f"{n}.bmp": bytes(40 * 2**20) for n in range(8)}),
    "directory.zip": lambda: struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, 2**31, 0, 0),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_a_reason_in_little_time_and_memory(
    uploads: Make, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBERS", 5000)
    monkeypatch.setattr(archives, "MAX_DIRECTORY", 128 * 5000)
    data = BOMBS[name]()
    gc.collect()  # or files of earlier tests are closed meanwhile
    before, start = open_files(), time.monotonic()
    tracemalloc.start()
    reasons = [outcome(upload) for upload in uploads(name, data)]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert any(isinstance(reason, str) for reason in reasons)
    assert time.monotonic() - start < 20
    assert peak < 200 * 2**20
    assert open_files() == before


def test_a_member_that_lies_past_the_end_is_damaged(tmp_path: Path, uploads: Make) -> None:
    whole = zip_files.zipped({"x.jpg": b"photo" * 100}, zipfile.ZIP_STORED)
    (upload,) = uploads("a.zip", whole)
    for length in (10, 100):  # cut since it was listed
        (tmp_path / "a.zip").write_bytes(whole[:length])
        assert outcome(upload) == "damaged in the archive"


def test_an_empty_member_is_an_empty_file(uploads: Make) -> None:
    assert outcomes(uploads("a.zip", zip_files.zipped({"x.jpg": b""}))) == {"a.zip/x.jpg": b""}


def test_a_thousand_archives_keep_no_file_open(uploads: Make) -> None:
    gc.collect()  # or files of earlier tests are closed meanwhile
    before = open_files()
    found = [upload for n in range(300) for upload in uploads(f"{n}.zip", zip_files.zipped(PHOTOS))]
    for upload in found:
        upload.read()
        assert open_files() == before
