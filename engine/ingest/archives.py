"""Untrusted ZIP archives: the photos in them, read in place, or a reason.

Nothing is ever extracted: a member is found by its offset and read into memory, one at a time and bounded, so a name in
an archive is never a path on this machine. An archive is measured before any of it is used: one that holds too much, or
that is built to seem smaller than it is (a ZIP bomb), is refused as a whole.
"""

import io
import stat
import struct
import zipfile
import zlib
from contextlib import suppress
from functools import partial
from pathlib import Path, PurePosixPath

from engine.ingest.image import MAX_BYTES, ImageRejected, clean_path
from engine.ingest.upload import PICTURE_SUFFIXES, Upload, reject

MAX_MEMBERS = 50_000
MAX_RATIO = 20  # photos hardly shrink; screenshots and drawings do, by less than this over a whole archive
MIN_ALLOWED = 256 * 2**20  # bytes that even the smallest archive may unpack to
MAX_DIRECTORY = 128 * MAX_MEMBERS  # bytes of an archive's own list of its members

_FOREIGN = {
    ".7z": "a 7-Zip archive",
    ".rar": "a RAR archive",
    **dict.fromkeys((".tar", ".tgz", ".tbz2", ".txz", ".tar.gz", ".tar.bz2", ".tar.xz"), "a tar archive"),
}
_UTF8 = 0x800  # among a member's flags: its name is UTF-8
_HEADER = struct.Struct("<26x2H")  # before each member; ends with the lengths of its name and of its extra field


class _Refused(Exception):
    """Why an archive cannot be used as a whole."""


def is_archive(name: str) -> bool:
    """Whether a file is an archive by its name, one that we open or one that people would miss."""
    return name.lower().endswith((".zip", *_FOREIGN))


def archive_uploads(path: Path, name: str) -> list[Upload]:
    """The photos in an archive, in the order in which they lie there, each named by the archive and its path within.

    Never raises: an archive that cannot be used, or holds no photos, is one upload whose `read` says why. The file is
    open only while something is read from it.
    """
    try:
        for suffix, what in _FOREIGN.items():
            if name.lower().endswith(suffix):
                raise _Refused(f"{what}, which is not opened here; unpack it, or make it a ZIP")
        return [_upload(path, name, member) for member in _photos(path)]
    except _Refused as error:
        reason = str(error)
    except Exception as error:  # what zipfile raises for damage has no common name
        reason = "damaged, or not the kind of archive that its name says"
        if isinstance(error, OSError) and error.strerror:  # the disk's complaint
            reason = f"cannot be read ({error.strerror})"
    return [Upload(name, partial(reject, name, reason))]


def _photos(path: Path) -> list[zipfile.ZipInfo]:
    """The members that may be photos by their names; raises _Refused for a ZIP bomb."""
    with _ZipFile(path, "rb") as file, zipfile.ZipFile(file) as archive:
        members, end = archive.infolist(), archive.start_dir
    if len(members) > MAX_MEMBERS:
        raise _Refused(f"holds over {MAX_MEMBERS} files")
    members.sort(key=lambda member: member.header_offset)
    if members and members[0].header_offset < 0:
        raise zipfile.BadZipFile
    ends = [member.header_offset for member in members[1:]] + [end]
    # A small file that unpacks to a huge one shares data among its members.
    for member, next_one in zip(members, ends, strict=True):
        if member.header_offset + _HEADER.size + member.compress_size > next_one:
            raise _Refused("its members overlap, as in a bomb")
    photos = [member for member in members if not member.is_dir() and _may_be_photo(member.filename)]
    if not photos:
        raise _Refused("an archive without photos")
    allowed = max(MIN_ALLOWED, MAX_RATIO * path.stat().st_size)
    if sum(member.file_size for member in photos) > allowed:
        raise _Refused(f"unpacks to over {allowed >> 20} MB, as a bomb would")
    return photos


class _ZipFile(io.FileIO):
    """A ZIP file, opened to list its members; the list may not be absurdly long."""

    def read(self, size: int | None = -1, /) -> bytes:
        """At most MAX_DIRECTORY bytes."""
        if size is not None and size > MAX_DIRECTORY:
            raise _Refused(f"holds over {MAX_MEMBERS} files, or files with very long names")
        return super().read(-1 if size is None else size)


def _upload(path: Path, archive: str, member: zipfile.ZipInfo) -> Upload:
    name = f"{archive}/{clean_path(_name(member))}"
    problem = _problem(member)
    return Upload(name, partial(_read, path, member, name) if problem is None else partial(reject, name, problem))


def _name(member: zipfile.ZipInfo) -> str:
    """A member's name; some programs, macOS among them, write UTF-8 and do not say so."""
    if not member.flag_bits & _UTF8:
        with suppress(UnicodeError):
            return member.filename.encode("cp437").decode("utf-8")  # what zipfile takes it for
    return member.filename


def _problem(member: zipfile.ZipInfo) -> str | None:
    """Why a member cannot be read."""
    if is_archive(member.filename):  # a bomb needs one inside another, a photo does not
        return "an archive inside an archive; unpack it first"
    kind = stat.S_IFMT(member.external_attr >> 16)  # where it was made on Unix; 0 elsewhere
    if kind not in (0, stat.S_IFREG):
        return "a link or a device, not a file"
    if member.flag_bits & 1:
        return "locked with a password"
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "packed in a way that is not read here; make the ZIP again with the usual one (deflate)"
    if max(member.file_size, member.compress_size) > MAX_BYTES:
        return f"too large: over {MAX_BYTES >> 20} MB"
    return None


def _read(path: Path, member: zipfile.ZipInfo, name: str) -> bytes:
    """The bytes of a member, no more than it declares; raises ImageRejected where they are not as declared."""
    try:
        with path.open("rb") as file:
            file.seek(member.header_offset)
            file.seek(sum(_HEADER.unpack(file.read(_HEADER.size))), io.SEEK_CUR)
            data = file.read(member.compress_size)
        if member.compress_type == zipfile.ZIP_DEFLATED:
            data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, member.file_size) if member.file_size else b""
    except (struct.error, zlib.error) as error:
        raise ImageRejected(name, "damaged in the archive") from error
    if len(data) != member.file_size or zlib.crc32(data) != member.CRC:
        raise ImageRejected(name, "damaged in the archive")
    return data


def _may_be_photo(name: str) -> bool:
    """Whether a member may be a photo by its name, or is an archive that people would miss; hidden ones are not."""
    parts = name.replace("\\", "/").split("/")
    if any((part.startswith(".") and part.strip(".")) or part == "__MACOSX" for part in parts):
        return False
    return is_archive(name) or PurePosixPath(name).suffix.lower() in PICTURE_SUFFIXES
