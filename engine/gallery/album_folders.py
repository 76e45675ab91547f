"""Albums written as folders of copies or links; nothing there is ever written over, and a stop leaves no half file.

A file is written beside its place under a name that depends on it alone, and takes its place by a link, which fails
where something is. So the same call after a sudden death goes on, and ends with the same folders.
"""

import errno
import hashlib
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from engine.albums.album import NONE
from engine.ingest.upload import PICTURE_SUFFIXES, Upload
from engine.utils.errors import EngineError, HostProblem
from engine.utils.file_names import folded, safe_name

COPIES = 10_000  # files of one name in a folder


@dataclass(frozen=True)
class Written:
    """What became of the files."""

    written: int
    there: int  # already, with the same content
    left_out: tuple[tuple[str, str], ...]  # names and reasons
    others: int  # pictures that are in folders there and not of these: of an earlier sort, say


def folders_of(albums: Sequence[str], target: Path, source: Path) -> dict[str | None, Path]:
    """The folder of each album and of none; nothing is made yet. Raises: EngineError where one cannot be."""
    here, there = (Path(os.path.realpath(place)) for place in (target, source))
    if os.path.islink(here):
        raise EngineError(f"{target} leads to itself by its links; name another folder.")
    try:
        in_the_way = here.exists() and not here.is_dir()
    except OSError as error:  # its name is too long, or what it lies in may not be entered
        raise EngineError(f"{target} cannot be used ({error.strerror}); name another folder.") from error
    if in_the_way:
        raise EngineError(f"{target} is not a folder; name another one.")
    found: dict[str | None, Path] = {}
    taken = {NONE}
    for name in albums:
        folder = safe_name(name)
        if folded(folder) in taken:
            raise EngineError(f'The album "{name}" would share the folder "{folder}"; give it another name.')
        taken.add(folded(folder))
        found[name] = here / folder
    found[None] = here / NONE
    for folder_path in (here, *found.values()):
        if folder_path == there or there in folder_path.parents:
            raise EngineError(f"{target} is inside the photos that are sorted; name a folder outside {source}.")
        if folder_path != here and os.path.islink(folder_path):
            raise EngineError(f"{folder_path} is a link; remove it, or name another folder.")
    return found


def write_albums(files: Iterable[tuple[Upload, str | None]], folders: dict[str | None, Path], link: bool) -> Written:
    """Copy or link files, each with its album, into the folders of their albums.

    Raises: HostProblem where the disk is full, say: what was written by then is whole and stays.
    """
    written = there = 0
    left_out: list[tuple[str, str]] = []
    used: set[Path] = set()
    for file, album in files:
        if link and file.source is None:
            left_out.append((file.name, "it is in an archive, or its path is not UTF-8; it can only be copied"))
            continue
        try:
            data = b"" if link else file.read()
        except (OSError, EngineError) as error:
            left_out.append((file.name, str(getattr(error, "strerror", None) or error)))
            continue
        try:
            if _place(file, data, folders[album], link, used):
                written += 1
            else:
                there += 1
        except OSError as error:
            raise HostProblem(
                f"{folders[album]} cannot be written ({error.strerror}); make room or name another folder, and "
                f"run it again: the {written} files that were written are whole and stay."
            ) from error
    others = sum(place not in used and _is_picture(place) for place in folders[None].parent.glob("*/*"))
    return Written(written, there, tuple(left_out), others)


def _is_picture(place: Path) -> bool:
    """Whether it is no file of a file manager, like .DS_Store, ._a.jpg and Thumbs.db."""
    return place.suffix.lower() in PICTURE_SUFFIXES and not place.name.startswith(".")


def _place(file: Upload, data: bytes, folder: Path, link: bool, used: set[Path]) -> bool:
    """Put a file into a folder; False where it is there already. Raises: OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    name = Path(safe_name(file.name.rpartition("/")[2]))
    for number in range(1, COPIES):
        place = folder / (name.name if number == 1 else f"{name.stem} ({number}){name.suffix}")
        if place in used:
            continue
        if _same(place, file, data, link):
            used.add(place)
            _part_of(place).unlink(missing_ok=True)  # of a death after the link
            return False
        if os.path.lexists(place):
            continue
        if _make(place, file, data, link):
            used.add(place)
            return True
    raise OSError(errno.EEXIST, "too many files of one name")


def _same(place: Path, file: Upload, data: bytes, link: bool) -> bool:
    """Whether what stands at a place is this very file."""
    if link:
        assert file.source is not None
        with suppress(OSError):
            return place.samefile(file.source)
        return False
    return (
        place.is_file() and not place.is_symlink() and place.stat().st_size == len(data) and place.read_bytes() == data
    )


def _make(place: Path, file: Upload, data: bytes, link: bool) -> bool:
    """Write a file to a place; False where another program was faster."""
    if link:
        assert file.source is not None
        try:
            place.symlink_to(Path(file.source).resolve())
        except FileExistsError:
            return False
        except OSError:  # Windows lets few make symbolic links
            os.link(file.source, place)
        return True
    part = _part_of(place)
    part.unlink(missing_ok=True)  # one that is left may be a link to what somebody has now under another name
    try:
        part.write_bytes(data)
        if file.source is not None:
            with suppress(OSError):
                times = os.stat(file.source)
                os.utime(part, ns=(times.st_atime_ns, times.st_mtime_ns))
        try:
            os.link(part, place)
        except FileExistsError:
            return False
        except OSError:  # a file system without hard links
            if os.path.lexists(place):
                return False
            part.rename(place)
        return True
    finally:
        part.unlink(missing_ok=True)


def _part_of(place: Path) -> Path:
    """Where a file is written before it takes its place."""
    return place.with_name(f".{hashlib.sha256(place.name.encode()).hexdigest()[:16]}.part")  # never too long a name
