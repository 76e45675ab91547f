"""Our own web server around Gradio's app: its limits on connections, and the guards in front of every request."""

import asyncio
import errno
import os
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from threading import Thread
from typing import Any

import gradio as gr
import uvicorn
from gradio import http_server
from starlette.types import ASGIApp, Receive, Scope, Send

from app import index_page
from app.blocks import launch_options
from app.pictures import Pictures
from app.server import assistants
from app.server.bodies import OWNERS, STRANGERS, Bodies
from app.server.calls import endpoints
from app.server.compression import Compressed
from app.server.connections import Connection, ConnectionLimit, room
from app.server.headers import SafeHeaders
from app.server.hosts import HOSTS, hosts
from app.server.malformed_requests import (
    whole_head,
    with_assistants_address,
    without_pages_name,
    without_proxys_words,
)
from app.server.order import numbered
from app.server.refusals import Checked
from app.server.requests_at_once import RequestsAtOnce
from app.server.routes import open_route, without_root_path
from app.server.sessions import SHARE, CountedSessions, Sessions
from app.server.settings import NAME, PORT, BadSetting, server_name
from app.server.stream_end import Streams, unread
from app.server.transfers import Transfers
from app.server.turns import serve_in_turn
from app.server.upload_folders import Arrivals
from app.server.upload_routes import UploadRoutes
from app.services import Services

KEEP_ALIVE = 10  # seconds that a connection waits for another request
BACKLOG = 128  # connections that the system keeps for us; so many attempts may fail at once
PATIENCE = 60.0  # seconds until the server has started, on a busy machine
LOOK = 0.01  # seconds between two looks for events that wait; Gradio's 1 ms took 6 % of a core, day and night
PAST_PROXIES = "no_proxy"  # in small letters it comes before NO_PROXY
OWN_SHARE = 1000  # sessions where one owner has the place to themselves


class Server(uvicorn.Server):
    """A server in a thread of its own, as Gradio expects one."""

    def __init__(self, config: uvicorn.Config, listening: socket.socket, limit: ConnectionLimit) -> None:
        super().__init__(config)
        self._limit = limit
        self._thread = Thread(target=self.run, args=([listening],), name="server", daemon=True)

    def start(self) -> None:
        """Serve; raises OSError where that does not begin."""
        self._thread.start()
        began = time.monotonic()
        while not self.started:
            if not self._thread.is_alive() or time.monotonic() - began > PATIENCE:
                raise OSError("The web server did not start.")
            time.sleep(0.005)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin, and say in one line a minute that descriptors ran out, instead of a traceback for each attempt."""
        asyncio.get_running_loop().set_exception_handler(partial(_noted, self._limit, self.server_state.connections))
        await super().startup(sockets)

    def close(self) -> None:
        """End."""
        self.should_exit = True
        self._thread.join(timeout=5)


def guarded(app: ASGIApp, page: gr.Blocks, public: bool) -> ASGIApp:
    """Gradio's app behind all that looks at a request first; the last one named here is the first to look."""
    names = hosts(public)
    guards: ASGIApp = CountedSessions(Compressed(Streams(app)), Sessions(page, SHARE if public else OWN_SHARE))
    guards = Bodies(
        guards,
        STRANGERS if public else OWNERS,
        lambda: {id: len(fn.inputs) for id, fn in page.fns.items()},
        cache(lambda: endpoints(page)),
    )
    if public:
        serve_in_turn(page._queue)
        guards = RequestsAtOnce(Transfers(guards))
    rewritten = without_proxys_words, without_pages_name, with_assistants_address
    turning_away = numbered, whole_head, without_root_path, names.check, open_route, unread(page._queue)
    guards = Checked(guards, (*turning_away, *rewritten))
    guards = SafeHeaders(guards)

    async def requests_guarded(scope: Scope, receive: Receive, send: Send) -> None:
        await (guards if scope["type"] == "http" else app)(scope, receive, send)  # the others: start and end

    return requests_guarded


def serve(page: gr.Blocks, services: Services, pictures: Pictures, arrivals: Arrivals, mcp: bool | None = False) -> str:
    """Serve the page; returns its address. Raises OSError, BadSetting.

    `launch` stays the way to start, for ZeroGPU's package waits for it; the server that it asks for is ours.
    """
    public = services.visitors is not None
    index_page.install()
    if mcp:
        assistants.prepare()
    options = launch_options(services, pictures)
    uploading = UploadRoutes(services.inbox, arrivals, services.library)
    options["app_kwargs"]["routes"] += [arrivals.route(), *uploading.routes()]

    def start_server(app: ASGIApp, server_name: str | None = None, server_port: int | None = None, **_: object) -> Any:
        return start(guarded(app, page, public), server_name, server_port)

    before = http_server.start_server
    http_server.start_server = start_server  # type: ignore[assignment]  # it is called by name, with these alone
    try:
        with _past_proxies():
            _, address, _ = page.launch(**options, prevent_thread_lock=True, mcp_server=mcp)
    finally:
        http_server.start_server = before
    page._queue.sleep_when_free = LOOK
    if page.mcp_error:
        page.close()
        raise BadSetting(f'No tools can be served (--mcp): pip install "gradio[mcp]". {page.mcp_error}')
    if public and hosts(public).names is None:
        sys.stderr.write(f"The page answers to any host name; {HOSTS} lists those that it should answer to.\n")
    return address


def start(app: ASGIApp, name: str | None, port: int | None) -> tuple[str, int, str, Server]:
    """Listen on the port that was chosen, or on the first free one.

    Returns: name, port, address and server, as Gradio's own start does.
    Raises: OSError, BadSetting.
    """
    host = name or server_name()
    first = http_server.INITIAL_PORT_VALUE
    chosen = port or (PORT in os.environ and first)
    listening = _listening(host, [chosen] if chosen else range(first, first + http_server.TRY_NUM_PORTS))
    port = listening.getsockname()[1]
    limit = ConnectionLimit(room())
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=partial(Connection, limit),  # type: ignore[arg-type]  # called as a class is
        ws="none",
        log_level="error",
        timeout_keep_alive=KEEP_ALIVE,
        backlog=BACKLOG,
        server_header=False,
    )
    server = Server(config, listening, limit)
    server.start()
    shown = {"0.0.0.0": "localhost", "::": "::1"}.get(host, host)
    return host, port, f"http://{f'[{shown}]' if ':' in shown else shown}:{port}/", server


@contextmanager
def _past_proxies() -> Iterator[None]:
    """Have requests go past any proxy, the system's too.

    As it starts, Gradio asks our own server for a page, which a proxy cannot reach.
    """
    before = os.environ.get(PAST_PROXIES)
    os.environ[PAST_PROXIES] = "*"
    try:
        yield
    finally:  # what is fetched from the Hub may need the proxy
        if before is None:
            del os.environ[PAST_PROXIES]
        else:
            os.environ[PAST_PROXIES] = before


def _listening(host: str, ports: Sequence[int]) -> socket.socket:
    unusable = BadSetting(
        f"{NAME} is {host!r}, which is no name or address of this machine; leave it unset to be reached from this "
        "machine alone, or set it to 0.0.0.0 for all others too."
    )
    try:
        family = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][0]
    except (OSError, UnicodeError) as error:
        raise unusable from error
    for port in ports:
        try:
            listening = socket.create_server((host, port), family=family, backlog=BACKLOG)
        except OSError as error:
            if error.errno == errno.EADDRNOTAVAIL:
                raise unusable from error
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):  # Windows reserves ports, often a hundred in a row
                raise
        else:
            # asyncio asks for it on sockets that it opens itself alone: an answer's end waited 40 ms for its beginning.
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return listening
    busy = f"Port {ports[0]} is" if len(ports) == 1 else f"Ports {ports[0]} to {ports[-1]} are"
    raise OSError(f"{busy} in use or reserved; stop what listens there, or set {PORT} to another port.")


def _noted(
    limit: ConnectionLimit, connections: "set[Any]", loop: asyncio.AbstractEventLoop, context: dict[str, Any]
) -> None:
    error = context.get("exception")
    if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
        limit.full(len(connections))
    else:
        loop.default_exception_handler(context)
