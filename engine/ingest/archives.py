"""Untrusted ZIP archives: the photos in them, read in place, or a reason.

Nothing is ever extracted: a member is found by its offset and read into memory, one at a time and bounded, so a name in
an archive is never a path on this machine. An archive is measured before any of it is used; one that holds too much, or
that is built to seem smaller than it is, is refused as a whole.
"""

import io
import stat
import zipfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from engine.ingest.image import MAX_BYTES, ImageRejected, clean_path
from engine.ingest.upload import PICTURE_SUFFIXES, Upload

MAX_MEMBERS = 50_000
MAX_RATIO = 20  # photos hardly shrink; screenshots and drawings do, by less than this over a whole archive
SMALL = 256 * 2**20  # what even the smallest archive may unpack to
MAX_DIRECTORY = 128 * MAX_MEMBERS  # bytes of a ZIP's own list of its members

_FOREIGN = {
    ".7z": "a 7-Zip archive",
    ".rar": "a RAR archive",
    **dict.fromkeys((".tar", ".tgz", ".tbz2", ".txz", ".tar.gz", ".tar.bz2", ".tar.xz"), "a tar archive"),
}
_ARCHIVES = (".zip", *_FOREIGN)
_ZIP_HEADER = 30  # bytes before each member, its name not counted
_PACKED = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others are unpacked by Python without a bound


class _Refused(Exception):
    """Why an archive cannot be used as a whole; ends in the `read` of one upload."""


@dataclass(frozen=True)
class _Member:
    """A file in an archive."""

    name: str
    size: int  # bytes, as declared
    problem: str | None  # why it cannot be read
    read: Callable[[], bytes]


def is_archive(name: str) -> bool:
    """Whether a file is an archive by its name, one that we open or one that people would miss."""
    return name.lower().endswith(_ARCHIVES)


def archive_uploads(path: Path, name: str) -> list[Upload]:
    """The photos in an archive, in the order in which they lie there, each named by the archive and its path within.

    Never raises: an archive that cannot be used, or holds no photos, is one upload whose `read` says why. Reading them
    in order is fast, in any other order possible. The file is open from the first read to the last and no longer.
    """
    try:
        return _uploads(path, name)
    except _Refused as error:
        reason = str(error)
    except Exception as error:  # what the readers of archives raise for damage has no common name
        reason = "damaged, or not the kind of archive that its name says"
        if isinstance(error, OSError) and error.strerror:  # the disk's complaint
            reason = f"cannot be read ({error.strerror})"
    return [Upload(name, partial(_reject, name, reason))]


def _uploads(path: Path, name: str) -> list[Upload]:
    suffix = _suffix(name)
    if suffix in _FOREIGN:
        raise _Refused(f"{_FOREIGN[suffix]}, which is not opened here; unpack it, or make it a ZIP")
    allowed = max(SMALL, MAX_RATIO * path.stat().st_size)
    source = _Source(partial(_open_zip, path))
    members = _zip_members(source)
    wanted = [member for member in members if _is_wanted(member.name)]
    if not wanted:
        raise _Refused("an archive without photos")
    if sum(member.size for member in wanted) > allowed:
        raise _Refused(f"unpacks to over {_megabytes(allowed)}, as a bomb would")
    source.expect(len(wanted))
    return [_upload(name, member, source) for member in wanted]


def _upload(archive: str, member: _Member, source: "_Source") -> Upload:
    # Archives within archives are named and not opened: a bomb needs them, a photo does not.
    problem = member.problem
    if is_archive(member.name):
        problem = "an archive inside an archive; unpack it first"
    name = f"{archive}/{clean_path(member.name)}"

    def read() -> bytes:
        if problem is not None:
            source.done()
            raise ImageRejected(name, problem)
        try:
            return member.read()
        except Exception as error:
            raise ImageRejected(name, "damaged in the archive") from error
        finally:
            source.done()

    return Upload(name, read)


class _Source:
    """An archive's file: opened when first needed, closed after the last read."""

    def __init__(self, opener: Callable[[], zipfile.ZipFile]) -> None:
        self._open = opener
        self._file: zipfile.ZipFile | None = None
        self._left = 0

    def expect(self, reads: int) -> None:
        """So many reads will follow."""
        self._left = reads

    def file(self) -> zipfile.ZipFile:
        """The open file."""
        if self._file is None:
            self._file = self._open()
        return self._file

    def done(self) -> None:
        """One read less to come; a member may still be read again, which opens the file again."""
        self._left -= 1
        if self._left <= 0:
            self.close()

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


# ZIP


class _Directory(io.FileIO):
    """A ZIP file whose list of members, read as it is opened, may not be absurdly long."""

    listing = True

    def read(self, size: int | None = -1, /) -> bytes:
        """At most MAX_DIRECTORY bytes, until the list is read."""
        if self.listing and size is not None and size > MAX_DIRECTORY:
            raise _Refused(f"holds over {MAX_MEMBERS} files")
        return super().read(-1 if size is None else size)


def _open_zip(path: Path) -> zipfile.ZipFile:
    file = _Directory(path, "rb")
    try:
        archive = zipfile.ZipFile(file)
    except BaseException:
        file.close()
        raise
    file.listing = False
    return archive


def _zip_members(source: _Source) -> list[_Member]:
    """Raises _Refused for members that overlap: a small file that unpacks to a huge one shares its data that way."""
    with closing(source):
        archive = source.file()
        infos, end = archive.infolist(), archive.start_dir
    if len(infos) > MAX_MEMBERS:
        raise _Refused(f"holds over {MAX_MEMBERS} files")
    infos.sort(key=lambda info: info.header_offset)
    ends = [info.header_offset for info in infos[1:]] + [end]
    for info, next_one in zip(infos, ends, strict=True):
        if info.header_offset + _ZIP_HEADER + info.compress_size > next_one:
            raise _Refused("its members overlap, as in a bomb")
    return [
        _Member(info.filename, info.file_size, _zip_problem(info), partial(_read_zip, source, info))
        for info in infos
        if not info.is_dir()
    ]


def _zip_problem(info: zipfile.ZipInfo) -> str | None:
    kind = stat.S_IFMT(info.external_attr >> 16)  # where it was made on Unix; 0 elsewhere
    if kind not in (0, stat.S_IFREG):
        return "a link or a device, not a file"
    if info.flag_bits & 1:
        return "locked with a password"
    if info.compress_type not in _PACKED:
        return "packed in a way that is not read here; make the ZIP again with the usual one (deflate)"
    return _too_large(info.file_size)


def _read_zip(source: _Source, info: zipfile.ZipInfo) -> bytes:
    archive = source.file()
    # Without a number it would unpack all there is before it cut to the size declared; a wrong size fails the checksum.
    with archive.open(info) as file:
        return file.read(info.file_size)


# Names and words


def _suffix(name: str) -> str:
    return next(suffix for suffix in sorted(_ARCHIVES, key=len, reverse=True) if name.lower().endswith(suffix))


def _is_wanted(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    if any(
        (part.startswith(".") and part.strip(".")) or part == "__MACOSX" for part in parts
    ):  # hidden, as in a folder
        return False
    return is_archive(name) or PurePosixPath(name).suffix.lower() in PICTURE_SUFFIXES


def _too_large(size: int) -> str | None:
    return f"too large: over {MAX_BYTES >> 20} MB" if size > MAX_BYTES else None


def _megabytes(size: int) -> str:
    return f"{size >> 20} MB"


def _reject(name: str, reason: str) -> bytes:
    raise ImageRejected(name, reason)
