"""Uploads from files on disk: one file, the photos of an archive, or all that lie below a folder."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from engine.ingest.archives import archive_uploads, is_archive
from engine.ingest.upload import PICTURE_SUFFIXES, Upload, file_upload
from engine.utils.errors import EngineError


class FolderMissing(EngineError):
    """There is no such folder, or it may not be read."""


def require_folder(folder: Path) -> None:
    """Raise FolderMissing for what is no folder, or cannot be looked into."""
    try:
        os.scandir(folder).close()
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:  # ValueError: a zero byte
        raise FolderMissing(f"{folder} is not a folder; name one that holds photos.") from error
    except OSError as error:
        raise FolderMissing(f"{folder} cannot be read ({error.strerror}); name another folder of photos.") from error


def uploads_of(path: Path, name: str) -> list[Upload]:
    """A file on disk under a name: itself, or the photos in it where it is an archive by its name."""
    return archive_uploads(path, name) if is_archive(name) else [file_upload(path, name)]


def folder_uploads(folder: Path) -> list[Upload]:
    """Every file below a folder that may be a picture by its name, sorted; named by the path from the folder on.

    Archives are opened. Hidden files and folders are passed over. Raises: FolderMissing.
    """
    require_folder(folder)
    paths = sorted(_picture_files(folder), key=lambda path: path.relative_to(folder).parts)
    # A name that is not UTF-8 can be neither stored nor shown.
    names = (os.fsencode(path.relative_to(folder).as_posix()).decode("utf-8", "replace") for path in paths)
    return [
        _staying(upload, path) for path, name in zip(paths, names, strict=True) for upload in uploads_of(path, name)
    ]


def _staying(upload: Upload, path: Path) -> Upload:
    """An upload that remembers where its file lies; not what lies in an archive, nor a path that cannot be stored."""
    if is_archive(path.name) or not _is_utf8(str(path)):
        return upload
    return replace(upload, source=str(path.resolve()))


def _is_utf8(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def _picture_files(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for path in (Path(parent, name) for name in files if not name.startswith(".")):
            if (path.suffix.lower() in PICTURE_SUFFIXES or is_archive(path.name)) and os.path.isfile(path):
                yield path
