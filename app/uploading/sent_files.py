"""Files that a visitor sent: read where they arrived (app/server/upload_folders.py), and then deleted."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from gradio.utils import get_upload_folder

from engine.gallery import EngineError

_in_hand: set[str] = set()  # names of requests' folders that are being read from


class NotUploaded(EngineError):
    """A file that a visitor names and has not sent."""


def sent(file: str) -> Path:
    """A file that a visitor sent, by its path in Gradio's cache; raises NotUploaded for any other path.

    Gradio looks at the paths of most calls itself, and not at those of a call that is made by hand.
    """
    path, cache = Path(file).resolve(), Path(get_upload_folder()).resolve()
    if cache not in path.parents or path.is_dir():  # a folder there holds what others have just sent
        raise NotUploaded("A file was named that was not sent; send it along.")
    return path


@contextmanager
def in_hand(files: Sequence[Path]) -> Iterator[None]:
    """While files are taken in from where they arrived; none of them is left there then, whatever happens."""
    folders = {file.parent.parent.name for file in files}
    _in_hand.update(folders)
    try:
        yield
    finally:
        _in_hand.difference_update(folders)
        forget(files)


def is_in_hand(folder: Path) -> bool:
    """Whether files of a request's folder are being taken in, which is not to be swept away however long it takes."""
    return folder.name in _in_hand


def forget(files: Sequence[Path]) -> None:
    """Delete files that arrived, if they are still there."""
    for file in files:
        with suppress(OSError):
            file.unlink(missing_ok=True)
        _forget_folders(file)


def _forget_folders(file: Path) -> None:
    """Delete the folders of a file that is gone: its own, and its request's with the last one."""
    cache = Path(get_upload_folder()).resolve()
    for folder in (file.parent, file.parent.parent):
        if cache in folder.resolve().parents:
            with suppress(OSError):  # others are in it still
                folder.rmdir()
