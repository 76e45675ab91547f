"""Where the page sends the files of an upload that it has announced, group by group.

An upload's name cannot be guessed, and only the page that announced it was told: who knows it may add to it. Limits on
bytes, files and disk are those of every upload (upload_folders.py, transfers.py).
"""

import asyncio
import re
from contextlib import suppress
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.server.refusals import Refusal
from app.server.upload_folders import Arrivals
from app.uploading.inbox import Inbox
from app.uploading.incoming import Incoming
from app.uploading.sent_files import forget
from engine.gallery import EngineError, Library, stored_hashes

MOST_NUMBERS = 64  # files of one request
MOST_HASHES = 500
NUMBERS = re.compile(r"\d{1,6}(,\d{1,6})*")
HASH = re.compile(r"(\d{1,6}) ([0-9a-f]{64})")
PATIENCE = 300  # looks at whether there is room, a fifth of a second between two


class UploadRoutes:
    """The addresses of uploads on their way."""

    def __init__(self, inbox: Inbox, arrivals: Arrivals, library: Library) -> None:
        self._inbox, self._arrivals, self._library = inbox, arrivals, library

    def routes(self) -> list[Route]:
        """What the web server must know."""
        return [
            Route("/incoming/{id}/files", self._files, methods=["POST"]),
            Route("/incoming/{id}/known", self._known, methods=["POST"]),
            Route("/incoming/{id}/left", self._left, methods=["POST"]),
        ]

    def _incoming(self, request: Request) -> Incoming | Refusal:
        found = self._inbox.find(request.path_params["id"])
        return found if found is not None and found.takes_more else _over(found)

    async def _files(self, request: Request) -> Response:
        """Files, whose numbers in the announced list the address gives in the same order (`?at=3,4`)."""
        incoming, at = self._incoming(request), request.query_params.get("at", "")
        if isinstance(incoming, Refusal):
            return incoming
        numbers = [int(number) for number in at.split(",")] if NUMBERS.fullmatch(at) else []
        if not 0 < len(set(numbers)) == len(numbers) <= MOST_NUMBERS:
            return Refusal(400, "Say which of the announced files these are (at=0,1,2).")
        with incoming.hearing():
            kept = await self._arrivals.take(request)
            if isinstance(kept, Refusal):
                return kept
            paths = [Path(file) for file in kept]
            spare = incoming.put(dict(zip(numbers, paths, strict=True))) if len(paths) == len(numbers) else None
            await run_in_threadpool(forget, paths if spare is None else spare)
            if spare is None:
                unknown = Refusal(400, "These are not the files that were announced.")
                return unknown if incoming.takes_more else _over(incoming)
            for _ in range(PATIENCE):
                if incoming.has_room() or incoming.over:
                    break
                await asyncio.sleep(0.2)
        return JSONResponse({"here": incoming.here})

    async def _known(self, request: Request) -> Response:
        """Which of the announced files need not come, for the gallery has them: asked with `NUMBER SHA256` lines."""
        incoming = self._incoming(request)
        if isinstance(incoming, Refusal):
            return incoming
        with incoming.hearing():
            lines = (await request.body()).decode("latin-1").split("\n")[:MOST_HASHES]
            asked = {int(found[1]): found[2] for found in map(HASH.fullmatch, lines) if found}
            stored: set[str] = set()
            with suppress(EngineError):  # who sends the files then hears why
                stored = await run_in_threadpool(stored_hashes, self._library, incoming.gallery, list(asked.values()))
            incoming.settle([number for number, content_hash in asked.items() if content_hash in stored])
        return JSONResponse({"known": incoming.settled()})

    async def _left(self, request: Request) -> Response:
        """The page that sends is being closed."""
        incoming = self._incoming(request)
        if isinstance(incoming, Incoming):
            incoming.leave()
        return Response(status_code=204)


def _over(incoming: Incoming | None) -> Refusal:
    """No more files, please: they may be announced anew where the upload was given up because the page was silent."""
    if incoming is None or incoming.state == "left":
        return Refusal(410, "This upload is over; drop the rest again.")
    return Refusal(409, "This upload has ended.")
