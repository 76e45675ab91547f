"""Photos by URL: signed addresses that cannot be guessed, and the route that serves them."""

import hashlib
import hmac
import io
import secrets
import time
from functools import lru_cache
from pathlib import Path
from typing import Literal

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from engine.gallery import EngineError, Library, Photo, PictureGone, get_photo, open_kept, write_whole

Size = Literal["grid", "large"]
GRID_SIDE = 480  # px: a card's width on a sharp screen
SECRET_BYTES = 32
DAY = 86_400  # seconds
# The content of an address never changes; only this visitor's browser may keep it.
HEADERS = {"Cache-Control": f"private, max-age={DAY}, immutable", "X-Content-Type-Options": "nosniff"}


class Pictures:
    """The addresses of photos, each signed with the data folder's own secret, and what answers there."""

    def __init__(self, library: Library, secret: bytes) -> None:
        self._library = library
        self._secret = secret

    def address(self, photo: Photo, size: Size) -> str:
        """Where the picture of a photo is served today and tomorrow, relative to the page.

        Only who was shown the photo can know it; passed on, it leads nowhere from the day after tomorrow on.
        """
        return f"photo/{photo.id}/{size}/{self._token(photo, size, _today())}.jpg"

    def routes(self) -> list[Route]:
        """What the web server must know."""
        return [Route("/photo/{photo_id:int}/{size}/{token}.jpg", self._answer)]

    def _token(self, photo: Photo, size: str, day: int) -> str:
        message = f"{photo.id}/{photo.content_hash}/{size}/{day}".encode()
        return hmac.new(self._secret, message, hashlib.sha256).hexdigest()

    def _answer(self, request: Request) -> Response:
        size, token = request.path_params["size"], request.path_params["token"]
        try:
            photo = get_photo(self._library, request.path_params["photo_id"])
        except (EngineError, OverflowError):
            return Response(status_code=404)
        # A wrong token answers like a missing photo: nobody learns which photos there are.
        valid = [self._token(photo, size, day).encode() for day in (_today(), _today() - 1)]
        if size not in ("grid", "large") or not any(hmac.compare_digest(token.encode(), good) for good in valid):
            return Response(status_code=404)
        path = self._library.picture_path(photo.content_hash)
        try:
            if size == "large" and path.is_file():
                return FileResponse(path, media_type="image/jpeg", headers=HEADERS)
            return Response(_thumbnail(path), media_type="image/jpeg", headers=HEADERS)
        except OSError:
            return Response(str(PictureGone.of(photo.file)), status_code=404, media_type="text/plain")


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


@lru_cache(maxsize=512)  # about 20 MB
def _thumbnail(path: Path) -> bytes:
    file = io.BytesIO()
    open_kept(path, GRID_SIDE).save(file, "JPEG", quality=82)
    return file.getvalue()
