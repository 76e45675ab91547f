"""Albums written as folders: whole files, nothing written over, the same after a stop."""

import errno
import os
from pathlib import Path
from unittest.mock import Mock

import pytest

from engine.gallery.album_folders import folders_of, write_albums
from engine.ingest.upload import Upload
from engine.utils.errors import EngineError, HostProblem


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "summer").mkdir(parents=True)
    for name in ("a.jpg", "b.jpg", "summer/a.jpg"):
        (folder / name).write_bytes(name.encode())
    return folder


def files(source: Path) -> list[tuple[Upload, str | None]]:
    album = {"a.jpg": "dogs", "b.jpg": None, "summer/a.jpg": "dogs"}
    return [(Upload(name, (source / name).read_bytes, source=str(source / name)), own) for name, own in album.items()]


def listed(target: Path) -> dict[str, bytes]:
    return {str(p.relative_to(target)): p.read_bytes() for p in sorted(target.rglob("*")) if p.is_file()}


REFUSED = Mock(side_effect=OSError(errno.EPERM, "not here"))
WRITTEN = {"dogs/a (2).jpg": b"summer/a.jpg", "dogs/a.jpg": b"a.jpg", "none of these/b.jpg": b"b.jpg"}


@pytest.mark.parametrize("link", [False, True])
def test_files_go_to_the_folder_of_their_album_and_a_second_time_nothing_is_done(
    source: Path, tmp_path: Path, link: bool
) -> None:
    target = tmp_path / "out"
    folders = folders_of(["dogs"], target, source)
    assert not target.exists(), "nothing is made before it is needed"
    assert write_albums(files(source), folders, link).written == 3
    assert listed(target) == WRITTEN
    again = write_albums(files(source), folders, link)
    assert (again.written, again.there) == (0, 3)
    assert listed(target) == WRITTEN


def test_what_is_there_stays(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "out"
    (target / "dogs").mkdir(parents=True)
    (target / "dogs" / "a.jpg").write_bytes(b"mine")
    write_albums(files(source), folders_of(["dogs"], target, source), False)
    assert listed(target) == {
        "dogs/a (2).jpg": b"a.jpg",
        "dogs/a (3).jpg": b"summer/a.jpg",
        "dogs/a.jpg": b"mine",
        "none of these/b.jpg": b"b.jpg",
    }


def test_pictures_of_an_earlier_sort_are_counted_and_not_what_file_managers_leave(source: Path, tmp_path: Path) -> None:
    folders = folders_of(["dogs"], tmp_path / "out", source)
    write_albums(files(source), folders, False)
    for name in (".DS_Store", "Thumbs.db", "desktop.ini", "._a.jpg"):
        (tmp_path / "out" / "dogs" / name).write_bytes(b"theirs")
    assert write_albums(files(source), folders, False).others == 0
    (tmp_path / "out" / "dogs" / "earlier.JPG").write_bytes(b"a picture")
    assert write_albums(files(source), folders, False).others == 1


def test_a_full_disk_is_a_sentence_and_leaves_no_half_file(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, write = tmp_path / "out", Path.write_bytes

    def full(path: Path, data: bytes) -> int:
        if data == b"b.jpg":
            write(path, data[:1])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    folders = folders_of(["dogs"], target, source)
    with pytest.raises(HostProblem, match=r"No space left on device.*1 files that were written"):
        write_albums(files(source), folders, False)
    assert listed(target) == {"dogs/a.jpg": b"a.jpg"}
    monkeypatch.undo()
    write_albums(files(source), folders, False)
    assert listed(target) == WRITTEN


def test_a_part_that_a_sudden_death_left_is_taken_up(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, folders = tmp_path / "out", folders_of(["dogs"], tmp_path / "out", source)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", lambda path, missing_ok: None)
        patch.setattr(os, "utime", lambda path, ns: Path(path).write_bytes(b"hal"))
        patch.setattr(os, "link", REFUSED)
        patch.setattr(Path, "rename", REFUSED)
        with pytest.raises(HostProblem, match="cannot be written"):
            write_albums(files(source), folders, False)
    assert list(listed(target).values()) == [b"hal"]
    write_albums(files(source), folders, False)
    assert listed(target) == WRITTEN


@pytest.mark.parametrize("renamed", [False, True])
def test_a_death_after_a_file_took_its_place_costs_nothing(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renamed: bool
) -> None:
    target, folders = tmp_path / "out", folders_of(["dogs"], tmp_path / "out", source)

    def die(place: Path, missing_ok: bool) -> None:
        if (target / "dogs" / "a.jpg").exists():
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", die)
        with pytest.raises(KeyboardInterrupt):
            write_albums(files(source), folders, False)
    assert len(listed(target)) == 2
    if renamed:  # by its owner; then another photo comes under the name
        (target / "dogs" / "a.jpg").rename(target / "dogs" / "mine.jpg")
        write_albums([(Upload("a.jpg", lambda: b"another"), "dogs")], folders, False)
        assert listed(target) == {"dogs/a.jpg": b"another", "dogs/mine.jpg": b"a.jpg"}
    else:
        write_albums(files(source), folders, False)
        assert listed(target) == WRITTEN


def test_names_that_are_too_long_are_shortened_and_stop_nothing(source: Path, tmp_path: Path) -> None:
    album, names = "\N{OTTER}" * 80, ("z" * 240 + ".jpg", "\u5199" * 82 + ".jpg")
    placed = [(Upload(name, name.encode), album) for name in (*names, "summer/" + names[0])]
    target = tmp_path / "out"
    assert write_albums(placed, folders_of([album], target, source), False).written == 3
    assert sorted(path.suffix for path in target.rglob("*.*")) == [".jpg"] * 3


def test_without_hard_links_files_are_renamed(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", REFUSED)
    write_albums(files(source), folders_of(["dogs"], tmp_path / "out", source), False)
    assert listed(tmp_path / "out") == WRITTEN


def test_members_of_archives_are_copied_and_not_linked(tmp_path: Path, source: Path) -> None:
    member = (Upload("x.zip/a.jpg", lambda: b"member"), "dogs")
    folders = folders_of(["dogs"], tmp_path / "out", source)
    assert write_albums([member], folders, False).written == 1
    assert write_albums([member], folders, True).left_out == (
        ("x.zip/a.jpg", "it is in an archive, or its path is not UTF-8; it can only be copied"),
    )


def test_places_that_cannot_be_are_sentences(source: Path, tmp_path: Path) -> None:
    for target in (source, source / "albums", source / "summer"):
        with pytest.raises(EngineError, match="inside the photos"):
            folders_of(["dogs"], target, source)
    with pytest.raises(EngineError, match="inside the photos"):
        folders_of(["photos"], tmp_path, source)
    with pytest.raises(EngineError, match='share the folder "A_b"'):
        folders_of(["a:b", "A?b"], tmp_path / "out", source)
    with pytest.raises(EngineError, match="share the folder"):
        folders_of(["caf\u00e9", "cafe\u0301"], tmp_path / "out", source)
    with pytest.raises(EngineError, match="File name too long"):
        folders_of(["dogs"], tmp_path / ("z" * 300), source)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(EngineError, match="not a folder"):
        folders_of(["dogs"], tmp_path / "file", source)


def test_links_that_lead_to_themselves_are_sentences(source: Path, tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    (source / "loop").symlink_to(source, target_is_directory=True)
    with pytest.raises(EngineError, match="leads to itself"):
        folders_of(["dogs"], loop, source)
    with pytest.raises(EngineError, match="inside the photos"):
        folders_of(["dogs"], source / "loop" / "out", source)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "dogs").symlink_to(source)
    with pytest.raises(EngineError, match="is a link"):
        folders_of(["dogs"], tmp_path / "out", source)
