"""A page in a process of its own: a port for it, and waiting until it serves."""

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx


def free_port() -> int:
    """A port that nobody has; below those that connections to others are given, one of which might take it next."""
    while True:
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("", port))
            return port


@contextmanager
def ready_page(folder: Path, home: Path, *program: str, **environment: str) -> Iterator[str]:
    """The page of a folder, as Python runs it there, once it has its demo gallery. Yields: its address."""
    port = free_port()
    here = {"TGEM_HOME": str(home), "GRADIO_SERVER_PORT": str(port), **environment}
    page = subprocess.Popen([sys.executable, *program], cwd=folder, env={**os.environ, **here})
    address = f"http://127.0.0.1:{port}"
    try:
        until_ready(page, address, 300)
        yield address
    finally:
        page.terminate()
        page.wait(30)


def until_ready(page: subprocess.Popen[str] | subprocess.Popen[bytes], address: str, seconds: float) -> float:
    """Wait until a page has its demo gallery; returns the seconds that took.

    Args: address: without a slash at its end.  Raises: AssertionError where it stops, or is not ready in time.
    """
    began = time.monotonic()
    while True:
        said = page.stderr.read() if page.poll() is not None and page.stderr else ""
        assert page.poll() is None, f"app.py stopped before it served: {said!r}"
        assert time.monotonic() - began < seconds, "app.py did not serve"
        try:
            if httpx.get(f"{address}/health").json().get("demo") == "ready":
                return time.monotonic() - began
        except httpx.TransportError:
            pass
        time.sleep(0.2)
