"""What a host asks now and then: whether the page is alive, and how it fares."""

import asyncio

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.services import Services
from engine.gallery import summarize_gallery

SECONDS = 5.0  # that the database may take to answer


def health_route(services: Services) -> Route:
    """GET /health: 200 while the page can answer, 503 with the reason when it cannot; figures of the event_log.

    It cannot where the database does not answer, and where the demo gallery cannot be encoded: without a model, say.
    """

    async def answer(_: Request) -> Response:
        demo = services.demo
        figures = services.event_log.figures()
        problem: Exception | None = demo.problem
        try:
            # Beside the threads that answer visitors, which a database that hangs must not fill up.
            found = asyncio.to_thread(summarize_gallery, services.library, demo.id)
            await asyncio.wait_for(found, SECONDS)
        except Exception as error:  # whatever is wrong, the host is to know that something is
            problem = error
        if problem is not None:
            return JSONResponse({"status": "failing", "reason": type(problem).__name__, **figures}, status_code=503)
        return JSONResponse({"status": "ok", "demo": "ready" if demo.ready else "encoding", **figures})

    return Route("/health", answer)
