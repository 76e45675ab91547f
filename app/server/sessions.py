"""Gradio's sessions, bounded by address and by age: nobody's page is forgotten because a stranger makes many.

Gradio keeps a copy of the page's parts for every session hash that it is told, ten thousand of them, and then drops
whoever was quiet longest. Here each address has a share, and what it has too much of is taken from itself.
"""

import time
from collections import OrderedDict, defaultdict
from dataclasses import dataclass
from urllib.parse import parse_qs

import gradio as gr
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.server.calls import LONGEST_SESSION
from app.server.routes import API, SESSION
from app.server.transfers import address_of

SHARE = 100  # sessions of one address
AGE = 3600.0  # seconds that one is kept without a request; an open page makes one every minute (streams.js)
SWEEP = 10.0  # seconds between two looks at all of them
HEARTBEAT = f"{API}heartbeat/"
UNNAMED = "-"  # whose sessions are that Gradio makes itself, for a call that names none


@dataclass
class Use:
    """Of a session: when it was named last, and how many connections of programs say that it goes on."""

    at: float
    open: int = 0


class Sessions:
    """Who has which sessions; what is too much or too old is dropped from where Gradio holds it."""

    def __init__(self, page: gr.Blocks, share: int) -> None:
        self._page, self._share = page, share
        self._owner: dict[str, str] = {}
        self._owned: defaultdict[str, OrderedDict[str, Use]] = defaultdict(OrderedDict)  # named longest ago first
        self._unread: dict[str, float] = {}  # sessions that went while the queue had answers for them, and when
        self._swept = time.monotonic()

    def use(self, session: str, address: str) -> Use:
        """A request names a session; the first address that does has it from then on."""
        now = time.monotonic()
        owned = self._owned[self._owner.setdefault(session, address)]
        use = owned.setdefault(session, Use(now))
        use.at = now
        owned.move_to_end(session)
        while len(owned) > self._share:
            self._drop(next((id for id, other in owned.items() if not other.open), next(iter(owned))))
        return use

    def keep(self, session: str, address: str) -> None:
        """Its page is open. One that was dropped stays so, or of more pages than fit each would push out the next."""
        if session in self._owner:
            self.use(session, address)

    def sweep(self) -> None:
        """Now and then, drop those that are too old, and adopt those that Gradio has made itself."""
        now = time.monotonic()
        if now - self._swept < SWEEP:
            return
        self._swept = now
        for session in [id for id in list(self._page.state_holder.session_data) if id not in self._owner]:
            self.use(session, UNNAMED)
        for owned in list(self._owned.values()):
            for session in [id for id, use in owned.items() if not use.open and now - use.at > AGE]:
                self._drop(session)
        for session in [id for id, at in self._unread.items() if now - at > AGE]:
            del self._unread[session]
            self._drop_answers(session)
        for state in list(self._page.state_holder.session_data.values()):
            state.config_values.clear()  # what each part looked like when it came, for links that are closed here

    def _drop(self, session: str) -> None:
        address = self._owner.pop(session)
        del self._owned[address][session]
        if not self._owned[address]:
            del self._owned[address]
        holder = self._page.state_holder
        with holder.lock:
            holder.session_data.pop(session, None)
            holder.time_last_used.pop(session, None)
        if self._page._queue.pending_event_ids_session.get(session):
            self._unread[session] = time.monotonic()  # a program may come for them
        else:
            self._drop_answers(session)

    def _drop_answers(self, session: str) -> None:
        queue = self._page._queue
        running = queue.pending_event_ids_session.get(session, set()) & queue.event_ids_to_events.keys()
        if session not in self._owner and not running:
            queue.pending_event_ids_session.pop(session, None)
            queue.pending_messages_per_session.pop(session, None)


class CountedSessions:
    """An app whose requests' sessions are counted."""

    def __init__(self, app: ASGIApp, sessions: Sessions) -> None:
        self._app, self._sessions = app, sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Note the session that a request names, and pass it on."""
        path = scope["path"]
        if path.startswith(HEARTBEAT):
            session = path.removeprefix(HEARTBEAT).rstrip("/")
            if scope["method"] == "HEAD":  # our page, which holds no connection open
                self._sessions.keep(session, address_of(scope))
                await Response(status_code=204)(scope, receive, send)
                return
            use = self._sessions.use(session, address_of(scope))
            use.open += 1
            try:
                await self._app(scope, receive, send)
            finally:
                use.open -= 1
        elif path.startswith(API):
            self._sessions.sweep()  # a call names no session, and makes one
            for session in named_sessions(scope):
                self._sessions.use(session, address_of(scope))
            await self._app(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def named_sessions(scope: Scope) -> list[str]:
    """Which sessions a request names, in its address or in its body."""
    asked = parse_qs(scope["query_string"].decode("latin-1")).get("session_hash", [])[-1:]  # as Gradio takes it
    asked = [session for session in asked if len(session) <= LONGEST_SESSION]
    return [*asked, scope[SESSION]] if SESSION in scope else asked  # the latter is checked (bodies.py)
