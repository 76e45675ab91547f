"""Files that a visitor sent: out of Gradio's cache at once, so that no address leads to them any more."""

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from gradio.utils import get_upload_folder

from engine.gallery import EngineError, HostProblem, IngestReport, Upload, home, uploads_of

DAY = 86_400  # seconds
INCOMING = "incoming-"


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


def take_in(
    files: Sequence[Path], names: Sequence[str], ingest: Callable[[Iterator[list[Upload]]], IngestReport]
) -> IngestReport:
    """Have files taken into a gallery, out of Gradio's cache; none of them is left, whatever happens.

    Args:
        files: in Gradio's cache, where their names lack some characters.
        names: what they are called, safe to show.
        ingest: takes in the photos that each of the files is or holds; an archive is opened when it asks for them.
    Raises HostProblem where the disk does not take them, and what `ingest` raises.
    """
    try:
        with TemporaryDirectory(prefix=INCOMING, dir=home()) as folder:
            # The same file twice in one drop lies in the cache once: it is moved once, and read twice.
            places = {file: Path(folder, str(number)) for number, file in enumerate(dict.fromkeys(files))}
            for file, place in places.items():
                _set_aside(file, place)
            return ingest(uploads_of(places[file], name) for file, name in zip(files, names, strict=True))
    except OSError as error:
        forget(files)
        reason = error.strerror or type(error).__name__
        raise HostProblem(
            f"What was sent cannot be kept ({reason}); make room on the disk and send it again."
        ) from error


def _set_aside(file: Path, place: Path) -> None:
    """Move a file out of the cache, whose files can be asked for by address."""
    with suppress(FileNotFoundError):  # the report names a file that is gone
        shutil.move(file, place)
        _forget_folders(file)


def forget(files: Sequence[Path]) -> None:
    """Delete those that are still in the cache."""
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


def forget_interrupted(folder: Path) -> None:
    """Delete what uploads have left that were killed on their way: they are originals, metadata and all."""
    for left in folder.glob(f"{INCOMING}*"):
        with suppress(OSError):
            if time.time() - left.stat().st_mtime > DAY:
                shutil.rmtree(left)
