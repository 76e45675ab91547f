"""Uploads from a URI such as s3://BUCKET/FOLDER, read through pyarrow's file systems."""

from functools import partial
from pathlib import PurePosixPath
from typing import Any

from engine.ingest.archives import is_archive
from engine.ingest.image import MAX_BYTES
from engine.ingest.listing import FolderMissing
from engine.ingest.upload import PICTURE_SUFFIXES, Upload, reject
from engine.utils.errors import EngineError, first_line
from engine.utils.file_names import utf8_name


def is_uri(place: str) -> bool:
    """Whether a place is a URI, and not a folder of this machine."""
    return "://" in place


def uri_uploads(uri: str) -> list[Upload]:
    """Every file below a URI that may be a picture by its name, sorted; named by the path from there on.

    Hidden files and folders are passed over. Archives are named and not opened, because they are read by seeking. An
    upload can be sent to another machine, which then reads it with its own credentials.
    Raises: FolderMissing; EngineError without pyarrow.
    """
    try:
        import pyarrow
        from pyarrow import fs
    except ImportError as error:
        raise EngineError(
            f"Reading {uri} needs pyarrow; install it with `pip install -r requirements-cluster.txt`."
        ) from error
    try:
        files, root = fs.FileSystem.from_uri(uri)
        found = files.get_file_info(fs.FileSelector(root, recursive=True))
    except (OSError, pyarrow.ArrowException) as error:
        raise FolderMissing(
            f"{uri} cannot be listed ({first_line(error)[:160]}); check its name and your credentials for it."
        ) from error
    paths = [_path(info) for info in found if info.type == fs.FileType.File]
    named = [(PurePosixPath(path.decode(errors="surrogateescape")).relative_to(root), path) for path in paths]
    return [
        _upload(files, path, utf8_name(name.as_posix()))
        for name, path in sorted(named, key=lambda pair: pair[0].parts)
        if not any(part.startswith(".") for part in name.parts)
        and (name.suffix.lower() in PICTURE_SUFFIXES or is_archive(name.name))
    ]


def _path(info: Any) -> bytes:
    """The path of a file, which pyarrow reads as bytes, too, and does not give as text where it is none."""
    try:
        path: str = info.path
    except UnicodeDecodeError as error:
        return error.object
    return path.encode()


def _upload(files: Any, path: bytes, name: str) -> Upload:
    archive = "an archive, which is opened in a folder of this machine only"
    return Upload(name, partial(reject, name, archive) if is_archive(name) else partial(_read, files, path))


def _read(files: Any, path: bytes) -> bytes:
    # One byte over the limit is enough to be rejected for it.
    with files.open_input_stream(path) as file:
        data: bytes = file.read(MAX_BYTES + 1)
    return data
