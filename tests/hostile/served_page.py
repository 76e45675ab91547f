"""The page in a process of its own, real but for its encoder: what strangers send it cannot hurt the tests."""

import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.health import free_port, until_ready

ROOT = Path(__file__).parents[2]
START = 120.0  # seconds


@dataclass
class Served:
    """A page that serves."""

    port: int
    home: Path
    process: "subprocess.Popen[str]"
    said: list[str] = field(default_factory=list)  # lines on stderr

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def arriving(self) -> Path:
        """Where files arrive."""
        return self.home / "arriving"

    def arrived(self) -> list[Path]:
        """Files on their way in."""
        # A folder may go while it is looked into, which os.walk passes over.
        return sorted(Path(folder, name) for folder, _, names in os.walk(self.arriving) for name in names)

    def tracebacks(self, since: int = 0) -> list[str]:
        """Errors that it did not foresee, after so many lines."""
        return [line for line in self.said[since:] if "Traceback" in line or "Error" in line]

    def client(self, address: str = "198.51.100.1", **options: Any) -> httpx.Client:
        """A stranger's client; the page believes this machine when it says for whom it speaks, as of a proxy."""
        headers = {"X-Forwarded-For": address, **options.pop("headers", {})}
        return httpx.Client(base_url=self.address, headers=headers, timeout=options.pop("timeout", 30), **options)

    def connect(self) -> socket.socket:
        """A bare connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def memory(self) -> int:
        """Bytes that the process holds."""
        status = Path(f"/proc/{self.process.pid}/status").read_text("utf-8")
        return int(status.split("VmRSS:")[1].split()[0]) * 1024

    def event(self, name: str) -> int:
        """The number of a named event."""
        return next(event["id"] for event in self._config()["dependencies"] if event["api_name"] == name)

    def listener(self, element: str, trigger: str, inputs: int) -> int:
        """The number of the event of so many inputs that a part of the page triggers; the page itself has no name."""
        config = self._config()
        ids = {part["props"].get("elem_id"): part["id"] for part in config["components"]}
        return next(
            event["id"]
            for event in config["dependencies"]
            if len(event["inputs"]) == inputs
            and any(on == trigger and (not element or id == ids[element]) for id, on in event["targets"])
        )

    def _config(self) -> Any:
        return httpx.get(f"{self.address}/config", timeout=30).json()


def until(true: Callable[[], object], seconds: float = 10) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come to be"
        time.sleep(0.05)


def call(client: httpx.Client, event: int, data: list[Any], session: str) -> str:
    """All that comes back of one event."""
    body = {"fn_index": event, "data": data, "session_hash": session}
    client.post("/gradio_api/queue/join", json=body).raise_for_status()
    return client.get("/gradio_api/queue/data", params={"session_hash": session}).text


@contextmanager
def served(home: Path, limit: str = "", options: tuple[str, ...] = (), **environment: str) -> Iterator[Served]:
    """Serve from a data folder.

    Args: limit: a shell command before it, as `ulimit -n 64`.  options: of `python app.py`.
    """
    port = free_port()
    here = {"TGEM_HOME": str(home), "GRADIO_SERVER_PORT": str(port), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    kept = {name: value for name, value in os.environ.items() if name not in ("GRADIO_TEMP_DIR", "TGEM_HOSTS")}
    process = subprocess.Popen(
        ["bash", "-c", f'{limit or ":"}; exec "$0" -m tests.hostile.served_page "$@"', sys.executable, *options],
        cwd=ROOT,
        env={**kept, **here, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    page = Served(port, home, process)
    assert process.stderr is not None
    threading.Thread(target=lambda: page.said.extend(process.stderr or ()), daemon=True).start()
    try:
        try:
            until_ready(process, page.address, START)
        except AssertionError as error:
            raise AssertionError("".join(page.said)) from error
        yield page
    finally:
        process.terminate()
        process.wait(30)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # where the tests run in the background they are deaf
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

    import engine.gallery

    def fake_encoder(*_: object) -> object:
        """The encoder of the tests, with what it stands on imported only now, as the real one is."""
        from tests.fake_encoder import FakeEncoder

        return FakeEncoder()

    setattr(engine.gallery, "load_encoder", fake_encoder)  # noqa: B010  # resolved lazily otherwise
    setattr(engine.gallery, "named", lambda *_: "fake")  # noqa: B010
    sys.argv = ["app.py", *sys.argv[1:]]
    runpy.run_path(str(ROOT / "app.py"), run_name="__main__")
