"""The order in which events came. Each has a thread of its own, which may begin late."""

from itertools import count

from gradio.context import LocalContext
from starlette.types import Scope

ARRIVAL = "tgem.arrival"  # where the scope of a request keeps its number
_numbers = count(1)


def numbered(scope: Scope) -> None:
    """Give a request its number; the first ones come first."""
    scope[ARRIVAL] = next(_numbers)


def arrival() -> int:
    """The number of the event that is being handled; 0 where it came by no request."""
    return int(event_scope().get(ARRIVAL, 0))


def event_scope() -> Scope:
    """The scope of the request whose event is being handled; empty where there is none."""
    request = LocalContext.request.get(None)
    return getattr(getattr(request, "request", None), "scope", None) or {}
