"""The data folder, which holds the database and the pictures."""

import os
import tempfile
from pathlib import Path

import platformdirs

from engine.utils.errors import HostProblem
from engine.utils.file_names import utf8_name


class HomeUnwritable(HostProblem):
    """The data folder cannot be made or written to."""


def home() -> Path:
    """The data folder, made when it is not there: $TGEM_HOME, or this user's own data folder.

    Raises: HomeUnwritable.
    """
    chosen = os.environ.get("TGEM_HOME")
    try:
        folder = (Path(chosen) if chosen else platformdirs.user_data_path("tgem-search")).expanduser()
    except RuntimeError as error:
        reason = "there is no such user" if chosen else "this user has no home folder"
        raise HomeUnwritable(_sentence(chosen or "~", reason)) from error
    _make(folder)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise HomeUnwritable(_sentence(folder, "no permission to write"))
    found = folder.resolve()
    if str(found) != utf8_name(str(found)):  # a database's URL is text
        raise HomeUnwritable(_sentence(utf8_name(str(found)), "its name is not UTF-8"))
    return found


def lend_temporary_folder() -> None:
    """Have a folder in the data folder serve for temporary files where the system has no place for them.

    In a container all else may be read-only. PyTorch cannot be imported without such a place, and SQLite sorts in it.
    Raises: HomeUnwritable.
    """
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        folder = home() / "tmp"
        _make(folder)
        os.environ["TMPDIR"] = tempfile.tempdir = str(folder)


def _make(folder: Path) -> None:
    """Have a folder that no other user may enter; raises HomeUnwritable."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise HomeUnwritable(_sentence(folder, error.strerror)) from error


def _sentence(folder: Path | str, reason: str | None) -> str:
    return f"The data folder {folder} cannot be used ({reason}); set TGEM_HOME to a folder that can be written to."
