"""Files on their way in: each request's in a folder of its own, which is gone when the request is broken off.

Gradio's own address for uploads leaves what was broken off for ever, has two visitors who send the same file share one
path, and serves what lies there. This one takes its place; nothing is ever served from here.
"""

import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gradio.route_utils import GradioMultiPartParser, GradioUploadFile, MultiPartException
from gradio_client.utils import strip_invalid_filename_characters
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.server.bodies import UPLOAD
from app.server.refusals import Refusal
from app.uploading.sent_files import is_in_hand

FILE_BYTES = 200 * 2**20  # of one file; what is over the engine's own limit is named in the report
SPARE = 512 * 2**20  # bytes that stay free on the disk
WAITING = 3 * 3600.0  # seconds that a file waits to be taken in
GRADIOS = 600.0  # the same for what Gradio puts there: its copy of what an assistant sent, which it sends on at once
OURS = re.compile(r"[0-9a-f]{32}")  # names of requests' folders


class Arrivals:
    """The folder that files come into."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._own = secrets.token_hex(4)  # begins the names of the folders that this process makes
        self._coming: set[str] = set()  # requests' folders that are being written to

    def route(self) -> Route:
        """What the web server must know; it comes before Gradio's own."""
        return Route(UPLOAD, self._answer, methods=["POST"])

    def sweep(self) -> None:
        """Delete what was not taken in for too long, and what a process that was killed has left."""
        now = time.time()
        for path in self._folder.glob("*"):  # none where the folder is not there
            waits = WAITING if OURS.fullmatch(path.name) else GRADIOS
            with suppress(OSError):
                busy = path.name in self._coming or is_in_hand(path)
                if not busy and now - path.stat().st_mtime > waits:
                    _delete(path)

    def clear(self) -> None:
        """Delete all that has come to this process, which ends: nobody will take it in."""
        for path in self._folder.glob(f"{self._own}*"):
            _delete(path)

    async def _answer(self, request: Request) -> Response:
        kept = await self.take(request)
        return kept if isinstance(kept, Refusal) else JSONResponse(kept)

    async def take(self, request: Request) -> list[str] | Refusal:
        """The files of a form, each where it is kept until it is taken in; or why not, and then none is kept."""
        if self._short_of_room(int(request.headers.get("content-length", 0))):
            return Refusal(507, "The disk of the machine that serves this page is full; try again later.")
        try:
            with self._folder_of_one() as folder:
                return await _kept(request, folder)
        except MultiPartException as error:
            return Refusal(413 if "maximum allowed size" in error.message else 400, error.message)
        except (KeyError, ValueError):  # no boundary, or a character set that is none
            return Refusal(400, "Send files as a form (multipart/form-data).")
        except ClientDisconnect:
            return Refusal(400, "Broken off.")
        except OSError as error:
            reason = error.strerror or "an error of its disk"
            return Refusal(507, f"The machine that serves this page cannot keep files ({reason}); try again later.")

    @contextmanager
    def _folder_of_one(self) -> Iterator[Path]:
        name = self._own + secrets.token_hex(12)
        folder = self._folder / name
        folder.mkdir(mode=0o700, parents=True)
        self._coming.add(name)
        try:
            yield folder
            os.utime(folder)  # from now on it waits
        except BaseException:
            _delete(folder)
            raise
        finally:
            self._coming.discard(name)

    def _short_of_room(self, coming: int) -> bool:
        with suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return shutil.disk_usage(self._folder).free - coming < SPARE
        return True


class _Files(GradioMultiPartParser):
    """Reads a form of files only: a field of another kind would be kept in memory, however long it is."""

    def on_headers_finished(self) -> None:
        """A part begins."""
        super().on_headers_finished()
        if self._current_part.file is None:
            raise MultiPartException("Send files only.")


async def _kept(request: Request, folder: Path) -> list[str]:
    """The files of a request, each kept under its own name in a folder of its own."""
    form = await _Files(
        request.headers,
        request.stream(),
        upload_dir=folder,
        max_file_size=FILE_BYTES,
    ).parse()
    kept = []
    for number, (_, file) in enumerate(form.multi_items()):
        assert isinstance(file, GradioUploadFile)  # or there was an exception
        file.file.close()
        place = folder / str(number)
        place.mkdir(mode=0o700)
        name = strip_invalid_filename_characters(Path(file.filename or "").name)
        path = place / (name if name.strip(".") else "file")
        os.rename(file.file.name, path)
        kept.append(str(path))
    return kept


def _delete(path: Path) -> None:
    with suppress(OSError):
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
