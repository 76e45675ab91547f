"""What a host asks now and then: whether the page is alive, and how it fares."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.services import Services
from engine.gallery import summarize_gallery


def health_route(services: Services) -> Route:
    """GET /health: 200 while the database answers, 503 with the reason when it does not; figures of the event_log."""

    def answer(_: Request) -> Response:
        demo = services.demo
        figures = services.event_log.figures()
        state = "failed" if demo.problem else "ready" if demo.ready else "encoding"
        try:
            summarize_gallery(services.library, demo.id)
        except Exception as error:  # whatever is wrong, the host is to know that something is
            return JSONResponse({"status": "failing", "reason": type(error).__name__, **figures}, status_code=503)
        return JSONResponse({"status": "ok", "demo": state, **figures})

    return Route("/health", answer)
