"""Many visitors of one server: does everybody get their own answers, and does a search wait while photos are encoded?

The server is the real page in a process of its own, on two cores and as strangers find it; the visitors are Gradio's
own client. They run on the same machine, so what they need of the processor is missing to the server.
"""

import argparse
import asyncio
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from gradio_client import Client, handle_file
from PIL import Image

from tests.health import free_port
from tests.stress.results import keep

ROOT = Path(__file__).parents[2]
GALLERY = ROOT / "assets" / "gallery"
QUERIES = [query["query"] for query in json.loads((GALLERY / "queries.json").read_text("utf-8"))]
SEARCHES = 150  # that the quiet page's durations are taken from
UPLOAD = 4  # photos that a visitor of the crowd sends at once
UPLOADS = 0.2  # share of their calls that send photos
PAUSE = 1.0  # seconds between two calls of a visitor, on average
CORES = 2
SETTLED = 300.0  # seconds after which memory should rise no more


@contextmanager
def served(home: Path) -> Iterator[tuple[str, int]]:
    """The page, as strangers find it. Yields: its address and its process."""
    port = free_port()
    here = {"TGEM_HOME": str(home), "TGEM_PUBLIC": "1", "GRADIO_SERVER_PORT": str(port)}
    log = (home.parent / "server.log").open("wb")
    page = subprocess.Popen(
        [sys.executable, "app.py"], cwd=ROOT, env={**os.environ, **here}, stdout=log, stderr=log, start_new_session=True
    )
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(page.pid, sorted(os.sched_getaffinity(0))[:CORES])
    try:
        yield f"http://127.0.0.1:{port}/", page.pid
    finally:
        os.killpg(page.pid, signal.SIGTERM)
        page.wait(30)
        log.close()


def connected(address: str) -> Client:
    """A visitor's client, once the page serves."""
    deadline = time.monotonic() + 300
    while True:
        try:
            return Client(address, verbose=False, httpx_kwargs={"timeout": 120.0})
        except Exception:  # whatever the client raises while nothing listens yet
            if time.monotonic() > deadline:
                raise
            time.sleep(1)


def photo(draw: random.Random) -> bytes:
    """One of the demo gallery's photos, cut out anew, so that no two are alike."""
    with Image.open(draw.choice(sorted(GALLERY.glob("*.jpg")))) as picture:
        width, height = picture.size
        left, top = draw.randrange(width // 4), draw.randrange(height // 4)
        part = picture.convert("RGB").crop((left, top, left + 3 * width // 4, top + 3 * height // 4))
    file = io.BytesIO()
    part.save(file, "JPEG", quality=draw.randrange(80, 95))
    return file.getvalue()


def archive(path: Path, prefix: str, many: int, draw: random.Random) -> Path:
    """A ZIP archive of so many photos, whose names begin with the prefix."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as file:
        for number in range(many):
            file.writestr(f"{prefix}{number:04}.jpg", photo(draw))
    return path


def resident(process: int) -> int:
    """Megabytes in memory of a process and of those that it has started."""
    pages = 0
    for one in [process, *_children(process)]:
        try:
            pages += int(Path(f"/proc/{one}/statm").read_text().split()[1])
        except (OSError, IndexError):  # it has just ended
            continue
    return pages * os.sysconf("SC_PAGE_SIZE") >> 20


def _children(process: int) -> list[int]:
    found = []
    for file in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            found += [int(number) for number in file.read_text().split()]
        except OSError:
            continue
    return found


@dataclass
class Account:
    """What the crowd met."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: {"search": [], "upload": []})
    photos: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    foreign: int = 0  # answers in which another visitor's photo or gallery was


class Visitor:
    """One of the crowd, with a gallery of their own under the name that everybody's has."""

    def __init__(self, number: int, client: Client, folder: Path, account: Account) -> None:
        self._prefix, self._client, self._folder, self._account = f"v{number:02}-", client, folder, account
        self._draw = random.Random(number)
        self._token, self._sent = "", 0
        self.photos: list[int] = []  # numbers of photos that are this visitor's

    def upload(self) -> None:
        """Send some photos more."""
        self._sent += 1
        path = self._folder / f"{self._prefix}{self._sent}.zip"
        sent = archive(path, f"{self._prefix}{self._sent}-", UPLOAD, self._draw)
        report = self._timed("upload", handle_file(str(sent)), "Mine", self._token, api_name="/add_photos")
        sent.unlink()
        if report is not None:
            self._token = self._token or report["visitor"]
            self._account.photos += report["added"]
            self._see(report["visitor"] == self._token and report["added"] + report["duplicates"] == UPLOAD)

    def search(self) -> None:
        """Search one's own gallery, or the demo's, or look at what there is."""
        query = self._draw.choice(QUERIES)
        if self._draw.random() < 0.5:
            self._timed("search", query, "", 10, "", api_name="/search")
            return
        hits = self._timed("search", query, "Mine", 10, self._token, api_name="/search")
        if hits is not None:
            self._see(bool(hits) and all(f"/{self._prefix}" in hit["file"] for hit in hits))
            self.photos = [hit["photo"] for hit in hits]

    def pry(self, other: "Visitor") -> None:
        """Ask for another visitor's photo by its number: it must not be there."""
        if not other.photos or not self._token:
            return
        try:
            self._client.predict(other.photos[0], "a dog", self._token, api_name="/explain")
        except Exception:  # a sentence, which tests look at
            return
        self._see(False)

    def _timed(self, kind: str, *given: Any, api_name: str) -> Any:
        began = time.monotonic()
        try:
            found = self._client.predict(*given, api_name=api_name)
        except Exception as error:  # whatever it is, it is counted
            self._account.failures[str(error)[:200]] += 1
            return None
        self._account.seconds[kind].append(time.monotonic() - began)
        return found

    def _see(self, own: bool) -> None:
        self._account.foreign += not own


async def crowd(
    address: str, process: int, many: int, seconds: float, folder: Path, in_thread: Callable[..., Awaitable[Any]]
) -> tuple[Account, list[int]]:
    """So many visitors at once, for so long. Returns: what they met, and the server's memory, second by second."""
    account, memory = Account(), []
    clients = await asyncio.gather(*(in_thread(connected, address) for _ in range(many)))
    visitors = [Visitor(number, client, folder, account) for number, client in enumerate(clients)]
    end = time.monotonic() + seconds

    async def visit(visitor: Visitor) -> None:
        draw = random.Random(id(visitor))
        await in_thread(visitor.upload)
        while time.monotonic() < end:
            await asyncio.sleep(draw.expovariate(1 / PAUSE))
            if draw.random() < UPLOADS:
                await in_thread(visitor.upload)
            elif draw.random() < 0.1:
                await in_thread(visitor.pry, draw.choice([other for other in visitors if other is not visitor]))
            else:
                await in_thread(visitor.search)

    async def weigh() -> None:
        while True:
            memory.append(resident(process))
            await asyncio.sleep(1)

    scales = asyncio.create_task(weigh())
    await asyncio.gather(*map(visit, visitors))
    scales.cancel()
    return account, memory


def asked(client: Client, enough: Callable[[int], bool]) -> list[float]:
    """Seconds of one search after the other, until there are enough."""
    found: list[float] = []
    while not enough(len(found)):
        began = time.monotonic()
        client.predict(QUERIES[len(found) % len(QUERIES)], "", 20, "", api_name="/search")
        found.append(time.monotonic() - began)
    return found


async def run(many: int, seconds: float, photos: int, searches: int = SEARCHES) -> list[dict[str, Any]]:
    """The quiet page, the page while somebody indexes, and the crowd. Returns a row for each."""
    loop = asyncio.get_running_loop()
    with TemporaryDirectory() as name, ThreadPoolExecutor(many + 8) as threads:
        in_thread = lambda call, *given: loop.run_in_executor(threads, partial(call, *given))  # noqa: E731
        home, folder = Path(name, "home"), Path(name, "photos")
        folder.mkdir()
        many_photos = archive(folder / "many.zip", "many-", photos, random.Random(0))
        with served(home) as (address, process):
            client = connected(address)
            asked(client, lambda done: done == 10)  # the demo gallery is there, and everything is loaded
            before = resident(process)
            quiet = asked(client, lambda done: done == searches)

            other = connected(address)
            job = other.submit(handle_file(str(many_photos)), "Many", "", api_name="/add_photos")
            began = time.monotonic()
            beside = await in_thread(asked, client, lambda done: done and job.done())
            indexing = time.monotonic() - began
            report = job.result()
            assert report["added"] == photos, report

            account, memory = await crowd(address, process, many, seconds, folder, in_thread)
    rows = [
        _row("a quiet page", quiet, before),
        {
            **_row(f"while another indexes {photos} photos", beside, memory[0]),
            "times the quiet p95": f"{_p(beside, 95) / _p(quiet, 95):.2f}",
            "photos": photos,
            "photos a second": f"{photos / indexing:.1f}",
        },
        {
            **_row(f"{many} visitors at once, {seconds:.0f} s", account.seconds["search"], max(memory)),
            "times the quiet p95": f"{_p(account.seconds['search'], 95) / _p(quiet, 95):.2f}",
            "photos": account.photos,
            "photos a second": f"{account.photos / seconds:.1f}",
            "upload p95, ms": _p(account.seconds["upload"], 95),
            "errors": sum(account.failures.values()),
            "foreign": account.foreign,
            "memory, MB": f"{memory[0]} to {memory[-1]}, at most {max(memory)}",
            "most after 5 min, times that at 5 min": _growth(memory, seconds),
        },
    ]
    for failure, times in account.failures.most_common(10):
        sys.stderr.write(f"{times} x {failure}\n")
    return rows


def _row(what: str, seconds: list[float], memory: int) -> dict[str, Any]:
    return {
        "what": what,
        "searches": len(seconds),
        "search p50, ms": _p(seconds, 50),
        "search p95, ms": _p(seconds, 95),
        "times the quiet p95": "1",
        "photos": 0,
        "photos a second": "",
        "upload p95, ms": "",
        "errors": 0,
        "foreign": 0,
        "memory, MB": memory,
        "most after 5 min, times that at 5 min": "",
    }


def _growth(memory: list[int], seconds: float) -> str:
    """How far memory rose after the first five minutes: the median of a minute is what it held then."""
    if seconds < 2 * SETTLED:
        return ""
    a_second = len(memory) / seconds
    at = sorted(memory[int(SETTLED * a_second) :][: max(1, int(60 * a_second))])
    return f"{max(memory[int(SETTLED * a_second) :]) / at[len(at) // 2]:.2f}"


def _p(seconds: list[float], percentile: int) -> int:
    return round(float(np.percentile(seconds, percentile)) * 1000)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--visitors", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--photos", type=int, default=500)
    parser.add_argument("--beside", default="nothing else", help="what else ran on the machine, for the record")
    parser.add_argument("--try", dest="trial", action="store_true", help="print the figures, and keep nothing")
    given = parser.parse_args()
    rows = asyncio.run(run(given.visitors, given.seconds, given.photos))
    if given.trial:
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
    else:
        keep(
            "load",
            "Many visitors",
            f"`python app.py` as strangers find it, on {CORES} cores; its visitors, on the same machine, are Gradio's "
            f"own client. In the crowd each searches their own gallery or the demo's, sends {UPLOAD} photos with every "
            f"fifth call, and asks for others' photos by number. Foreign: answers that held another's. Beside it ran: "
            f"{given.beside}.",
            rows,
        )
