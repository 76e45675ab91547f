"""Files that a visitor sent: out of Gradio's cache at once, through the encoder in a thread of their own."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from threading import Thread

from engine.catalog import Catalog, IngestReport, Progress, Upload, file_upload
from engine.home import home
from engine.images import clean_name


def taken_in(catalog: Catalog, collection_id: int, files: Sequence[Path]) -> Iterator[Progress | IngestReport]:
    """Take files into a gallery: its progress after every batch, the report at the end.

    Args:
        files: in Gradio's cache, each under its own name.

    It goes on to its end when the visitor leaves. Raises what the ingest raises.
    """
    events: SimpleQueue[Progress | IngestReport | Exception] = SimpleQueue()

    def work() -> None:
        try:
            events.put(_ingest(catalog, collection_id, files, events.put))
        except Exception as error:  # raised again where the visitor is
            events.put(error)

    Thread(target=work, name="ingest", daemon=True).start()
    while True:
        event = events.get()
        if isinstance(event, Exception):
            raise event
        yield event
        if isinstance(event, IngestReport):
            return


def _ingest(
    catalog: Catalog, collection_id: int, files: Sequence[Path], on_progress: Callable[[Progress], object]
) -> IngestReport:
    with TemporaryDirectory(prefix="incoming-", dir=home()) as folder:
        uploads = [_set_aside(file, Path(folder, str(number))) for number, file in enumerate(files)]
        return catalog.ingest(collection_id, uploads, on_progress=on_progress)


def _set_aside(file: Path, place: Path) -> Upload:
    """Move a file out of the cache, whose files can be asked for by address."""
    # The same file twice in one drop lies there once; the report tells of the other.
    with suppress(FileNotFoundError):
        shutil.move(file, place)
    return file_upload(place, clean_name(file.name))
