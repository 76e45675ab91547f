"""Uploads from files on disk: one file, the photos of an archive, or all that lie below a folder."""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from engine.ingest.archives import archive_uploads, is_archive
from engine.ingest.upload import PICTURE_SUFFIXES, Upload, read_file
from engine.storage.backup_folder import PICTURES
from engine.utils.data_dir import HomeUnwritable, home
from engine.utils.errors import EngineError
from engine.utils.file_names import utf8_name


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
    return archive_uploads(path, name) if is_archive(name) else [Upload(name, partial(read_file, path))]


def folder_uploads(folder: Path) -> list[Upload]:
    """Every file below a folder that may be a picture by its name, sorted; named by the path from the folder on.

    Archives are opened. Hidden files and folders are passed over, and so are the data folder's kept pictures below it.
    Folders that cannot be read come last, each as an upload whose `read` says why. Raises: FolderMissing.
    """
    require_folder(folder)
    unread: list[OSError] = []
    paths = sorted(picture_files(folder, unread.append), key=lambda path: path.relative_to(folder).parts)
    found = [_staying(upload, path) for path in paths for upload in uploads_of(path, _name_of(path, folder))]
    return found + [Upload(_name_of(Path(error.filename), folder), partial(_fail, error)) for error in unread]


def _name_of(path: Path, folder: Path) -> str:
    return utf8_name(path.relative_to(folder).as_posix())


def _fail(error: OSError) -> bytes:
    raise error


def _staying(upload: Upload, path: Path) -> Upload:
    """An upload that remembers where its file lies; not what lies in an archive, nor a path that cannot be stored."""
    if is_archive(path.name):
        return upload
    source = os.path.realpath(path)  # of links that go in a circle, too
    return replace(upload, source=source) if source == utf8_name(source) else upload


def picture_files(folder: Path, on_error: Callable[[OSError], object] = lambda error: None) -> Iterator[Path]:
    """The files below a folder that may be pictures or archives by their names, in no order; less those that
    `folder_uploads` passes over.
    """
    kept = _kept_pictures(folder)
    for parent, folders, files in os.walk(folder, onerror=on_error):
        folders[:] = [name for name in folders if not name.startswith(".") and Path(parent, name) != kept]
        for path in (Path(parent, name) for name in files if not name.startswith(".")):
            broken = os.path.islink(path) and not os.path.exists(path)  # which reading it says; what waits is no file
            if (path.suffix.lower() in PICTURE_SUFFIXES or is_archive(path.name)) and (os.path.isfile(path) or broken):
                yield path


def _kept_pictures(folder: Path) -> Path | None:
    """Where the data folder's kept pictures lie below a folder: they would come in as new photos, each time again."""
    with suppress(HomeUnwritable, ValueError):  # ValueError: they lie elsewhere
        return folder / (home() / PICTURES).relative_to(folder.resolve())
    return None
