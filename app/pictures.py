"""Photos by URL: signed addresses that cannot be guessed, and the route that serves them."""

import hashlib
import hmac
import io
import secrets
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Literal

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from app.picture_zip import MOST_PHOTOS, Kept, TooMany, zipped
from engine.gallery import (
    EngineError,
    Library,
    OriginalGone,
    Photo,
    PictureGone,
    get_photo,
    open_kept,
    read_original,
    write_whole,
)

Size = Literal["grid", "panel", "large", "original"]
PictureAddress = Callable[[Photo, Size], str]  # what `Pictures.address` is, to those who only draw
SUFFIX = {"grid": "webp", "panel": "webp", "large": "jpg", "original": "jpg"}
# px, on a sharp screen: of a card, 24 of which are most of the first view's bytes, and of the selected photo.
SIDE = {"grid": 360, "panel": 640}
SECRET_BYTES = 32
DAY = 86_400  # seconds
# The content of an address never changes; only this visitor's browser may keep it.
HEADERS = {"Cache-Control": f"private, max-age={DAY}, immutable", "X-Content-Type-Options": "nosniff"}


class Pictures:
    """The addresses of photos, each signed with the data folder's own secret, and what answers there."""

    def __init__(self, library: Library, secret: bytes, originals: bool = False) -> None:
        """Args: originals: files of this machine may be asked for, too: where nobody but its owner comes."""
        self._library, self._secret, self._originals = library, secret, originals

    def address(self, photo: Photo, size: Size) -> str:
        """Where the picture of a photo is served today and tomorrow, relative to the page; empty where it is not.

        Only who was shown the photo can know it; passed on, it leads nowhere from the day after tomorrow on.
        """
        if size == "original" and not (self._originals and photo.source):
            return ""
        return f"photo/{photo.id}/{size}/{self._token(photo, size, _today())}.{SUFFIX[size]}"

    def routes(self) -> list[Route]:
        """What the web server must know."""
        return [
            Route("/photo/{photo_id:int}/{size}/{token}.{suffix}", self._answer),
            Route("/photos.zip", self._answer_zip, methods=["POST"]),
        ]

    def _token(self, photo: Photo, size: str, day: int) -> str:
        message = f"{photo.id}/{photo.content_hash}/{size}/{day}".encode()
        return hmac.new(self._secret, message, hashlib.sha256).hexdigest()

    def _shown(self, photo_id: int, size: str, token: str) -> Photo | None:
        """The photo of an address; None for a wrong token and for a missing photo: nobody learns which there are."""
        try:
            photo = get_photo(self._library, photo_id)
        except (EngineError, OverflowError):
            return None
        days = (_today(), _today() - 1, _today() + 1)  # tomorrow: signed before the clock was set back
        valid = [self._token(photo, size, day).encode() for day in days]
        return photo if any(hmac.compare_digest(token.encode(), good) for good in valid) else None

    def _answer(self, request: Request) -> Response:
        size = request.path_params["size"]
        photo = self._shown(request.path_params["photo_id"], size, request.path_params["token"])
        if photo is None or size not in SUFFIX:
            return Response(status_code=404)
        if size == "original":
            return self._original(photo)
        path = self._library.picture_path(photo.content_hash)
        try:
            if size in SIDE:
                return Response(_smaller(path, SIDE[size]), media_type="image/webp", headers=HEADERS)
            return FileResponse(path, headers=HEADERS, media_type="image/jpeg", stat_result=path.stat())
        except OSError:
            return PlainTextResponse(str(PictureGone.of(photo.file)), 404)

    def _original(self, photo: Photo) -> Response:
        """The file that a photo was indexed from, to save; never to be shown, for it is untrusted."""
        if not self._originals or photo.source is None:
            return Response(status_code=404)
        try:
            data = read_original(photo.source, photo.content_hash)
        except OriginalGone as error:
            return PlainTextResponse(str(error), 404)
        saved = {"Content-Disposition": "attachment", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
        return Response(data, media_type="application/octet-stream", headers=saved)

    async def _answer_zip(self, request: Request) -> Response:
        """A ZIP of kept pictures, each named by the address that the visitor was shown: `ID/TOKEN`, one a line."""
        return await run_in_threadpool(self._zip, (await request.body()).decode("latin-1").split("\n"))

    def _zip(self, lines: Sequence[str]) -> Response:
        if len(lines) > MOST_PHOTOS:
            return PlainTextResponse(str(TooMany()), 413)
        found = self._named(lines)
        if found is None:
            return PlainTextResponse("Some of these photos are not there any more; load the page again.", 404)
        try:
            path = self._library.picture_path
            pieces = zipped(Kept(photo.file, photo.taken_at, path(photo.content_hash)) for photo in found)
        except TooMany as error:
            return PlainTextResponse(str(error), 413)
        saved = {"Content-Disposition": 'attachment; filename="photos.zip"', "Cache-Control": "no-store"}
        return StreamingResponse(pieces, media_type="application/zip", headers=saved)

    def _named(self, lines: Sequence[str]) -> list[Photo] | None:
        """The photos of such lines, each once; None where a line names no photo that was shown."""
        found: dict[int, Photo] = {}
        for line in lines:
            number, _, token = line.partition("/")
            if not (number.isascii() and number.isdecimal() and len(number) < 20):
                return None
            photo = self._shown(int(number), "large", token)
            if photo is None:
                return None
            found[photo.id] = photo
        return list(found.values())


def _today() -> int:
    return int(time.time() // DAY)


def secret_of(home: Path) -> bytes:
    """The data folder's secret, made at first; addresses stay valid over restarts."""
    path = home / "secret.key"
    if not path.is_file() or path.stat().st_size != SECRET_BYTES:
        # An empty secret, left by a sudden death, would sign addresses that can be guessed.
        write_whole(path, secrets.token_bytes(SECRET_BYTES))
    return path.read_bytes()


def derived(secret: bytes, purpose: str) -> str:
    """A secret for another purpose, from which this one cannot be told."""
    return hmac.new(secret, purpose.encode(), hashlib.sha256).hexdigest()


@lru_cache(maxsize=512)  # a card is 16 kB in the mean, a selected photo 34 kB: 8 to 17 MB
def _smaller(path: Path, side: int) -> bytes:
    """A kept picture with no side longer than that; raises OSError."""
    file = io.BytesIO()
    open_kept(path, side).save(file, "WEBP", quality=75, method=2)
    return file.getvalue()
