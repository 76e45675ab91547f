"""Which names the page answers to, and which sites' scripts may speak to it.

A foreign site that has its own name resolve to this machine (DNS rebinding) is told by the Host header, one that calls
the page from its own address by the Origin header. Programs send no Origin; tokens are what they are known by.
"""

import os
import re
import socket
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

from app.server.refusals import Refusal
from app.server.routes import API
from app.server.settings import NAME, BadSetting, is_address

HOSTS = "TGEM_HOSTS"  # names of the page, comma between them
# What a browser loads from links and frames of other sites: nothing in it is private, nothing is changed by it.
OPEN = ("GET", "HEAD")
NAMES = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*|[0-9a-f:.]+")  # the second: IPv6 addresses


@dataclass(frozen=True)
class Hosts:
    """The names of a page."""

    names: frozenset[str] | None  # None: any name

    def known(self, host: str) -> bool:
        """Whether a Host header names this page; a numeric address always does, for no name stands behind it."""
        name = _name(host)
        if not name:
            return False
        return self.names is None or _is_loopback(name) or is_address(name) or name in self.names

    def own(self, origin: str, host: str) -> bool:
        """Whether an Origin header is the page's own: where it was asked, or one of its names behind a proxy."""
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        if parts.scheme not in ("http", "https") or not parts.hostname:
            return False
        return parts.netloc.lower() == host.lower() or parts.hostname in (self.names or ())

    def check(self, scope: Scope) -> Refusal | None:
        """Turn away what was sent to another name, or by another site's script."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self.known(host):
            return Refusal(400, f"This page has another name; its keeper lists its names in {HOSTS}.")
        if scope["method"] in OPEN and not scope["path"].startswith(API):
            return None
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
        foreign = site in ("cross-site", "same-site") if origin is None else not self.own(origin, host)
        if foreign:
            return Refusal(403, f"Another site sent this; the page's keeper can list its names in {HOSTS}.")
        return None


def hosts(public: bool) -> Hosts:
    """The names of this page: those that are configured, a Space's own, and where no stranger comes the machine's.

    Raises: BadSetting.
    """
    listed = {_listed(entry) for entry in os.environ.get(HOSTS, "").split(",") if entry.strip()}
    space = os.environ.get("SPACE_HOST")
    if space:
        return Hosts(frozenset((*listed, _name(space))))
    if public:
        return Hosts(frozenset(listed) or None)
    machine = socket.gethostname().lower()
    return Hosts(frozenset((*listed, machine, f"{machine}.local", _name(os.environ.get(NAME, "")))))


def _listed(entry: str) -> str:
    """A name of the list as browsers send it; raises BadSetting."""
    try:
        name = _name(entry).encode("idna").decode()
    except UnicodeError:
        name = ""
    if not NAMES.fullmatch(name) or not set(" /?#@").isdisjoint(entry.strip()):
        raise BadSetting(
            f"{HOSTS} lists {entry.strip()!r}; list names alone, with commas between them, "
            "as in photos.example,www.photos.example."
        )
    return name


def _name(host: str) -> str:
    """A host without its port, in small letters; empty where it is none."""
    try:
        return urlsplit(f"//{host.strip()}").hostname or ""
    except ValueError:
        return ""


def _is_loopback(name: str) -> bool:
    return name == "localhost" or name.endswith(".localhost")
