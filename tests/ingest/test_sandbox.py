"""A picture is decoded in a process apart: none keeps us busy, eats our memory or takes us down."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

import numpy as np
import pytest
from PIL import Image

from engine.ingest import sandbox
from engine.ingest.image import ImageRejected, open_picture
from engine.ingest.sandbox import decode
from tests import hostile_pictures
from tests.pictures import encoded, left_red_right_blue, noise
from tests.zip_files import zipped


@pytest.fixture(autouse=True)
def fresh() -> None:
    """A decoder of the test's own, with the limits of the test."""
    while sandbox._idle:
        sandbox._idle.pop().close()
    sandbox._given_up.clear()


def reason(data: bytes) -> str:
    with pytest.raises(ImageRejected) as caught:
        decode(data, "a", 768)
    return caught.value.reason


@pytest.mark.parametrize("longest", [None, 20])
def test_it_gives_what_the_plain_function_gives(longest: int | None) -> None:
    data = encoded(left_red_right_blue(), "PNG")
    here, there = open_picture(data, "a", longest), decode(data, "a", longest)
    assert np.array_equal(np.asarray(here.rgb), np.asarray(there.rgb))
    assert (here.width, here.height) == (there.width, there.height)
    assert not there.rgb.info


def test_a_reason_carries_the_name_of_the_file() -> None:
    with pytest.raises(ImageRejected, match=r"^holiday.jpg was left out: empty file.$"):
        decode(b"", "holiday.jpg")


def test_a_picture_that_takes_too_long_is_given_up_once_and_the_next_one_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sandbox, "WALL_SECONDS", 2.0)
    slow, start = hostile_pictures.comments_gif(40 * 2**20), time.monotonic()
    assert reason(slow) == "takes too long to decode"
    assert time.monotonic() - start < 60
    assert decode(encoded(noise(), "PNG"), "a").width == 64
    start = time.monotonic()
    for _ in range(12):
        assert reason(slow) == "takes too long to decode"
    assert time.monotonic() - start < 2


@pytest.mark.slow
@pytest.mark.parametrize("side", [8000, 3990])  # a large one, and one that is not
def test_the_hungriest_picture_of_a_size_fits_into_its_memory(side: int) -> None:
    picture = encoded(Image.new("RGBA", (side, side), (1, 2, 3, 4)), "WEBP", lossless=True, method=0)
    assert decode(picture, "a", 768).width == side


def test_few_pictures_are_decoded_at_once_and_one_large_one(monkeypatch: pytest.MonkeyPatch) -> None:
    running: list[bool] = []
    together: list[tuple[int, int]] = []
    plain = sandbox._Decoder.open

    def open(self: sandbox._Decoder, data: bytes, name: str, longest: int | None, large: bool) -> object:
        running.append(large)
        together.append((len(running), sum(running)))
        try:
            return plain(self, data, name, longest, large)
        finally:
            running.remove(large)

    monkeypatch.setattr(sandbox._Decoder, "open", open)
    large = encoded(Image.new("L", (5000, 4000)), "PNG")
    with ThreadPoolExecutor(8) as threads:
        assert {picture.width for picture in threads.map(lambda _: decode(large, "a", 64), range(8))} == {5000}
    assert max(count for count, _ in together) == sandbox.PLACES
    assert max(count for _, count in together) == 1


def test_processor_time_is_limited_for_each_picture() -> None:
    code = (
        "import sys, engine.ingest.sandbox as d, engine.ingest.image as i\n"
        "d.CPU_SECONDS = 0\n"
        "def busy(*_):\n"
        "    while True: pass\n"
        "d.open_picture = busy\n"
        "d._serve(sys.stdin.buffer, sys.stdout.buffer)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=sandbox._REQUEST.pack(0, False, 0), timeout=60, check=False, cwd=os.getcwd()
    )
    assert done.returncode == -signal.SIGXCPU


def test_a_picture_that_takes_too_much_memory_is_a_reason() -> None:
    code = "import engine.ingest.sandbox as d\nd.LARGE_MEMORY = 500 * 2**20\nd.main()"
    large, small = encoded(Image.new("RGBA", (6000, 6000)), "PNG"), encoded(noise(), "PNG")
    requests = b"".join(sandbox._REQUEST.pack(0, True, len(data)) + data for data in (large, small))
    done = subprocess.run([sys.executable, "-c", code], input=requests, capture_output=True, timeout=60, check=True)
    kind, *_, length = sandbox._ANSWER.unpack_from(done.stdout)
    rest = done.stdout[sandbox._ANSWER.size :]
    assert (kind, rest[:length]) == (b"R", b"takes too much memory to decode")
    assert sandbox._ANSWER.unpack_from(rest, length)[:3] == (b"P", 64, 64)


def test_a_limit_that_cannot_be_set_is_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    code = (
        "import resource, engine.ingest.sandbox as d\n"
        "def refuse(*_): raise ValueError('not here')\n"
        "resource.setrlimit = refuse\n"
        "d.main()"
    )
    monkeypatch.setattr(sandbox, "_COMMAND", [sys.executable, "-c", code])
    sandbox._warn_unlimited.cache_clear()
    for _ in range(2):
        assert decode(encoded(noise(), "PNG"), "a").width == 64
    said = [record.getMessage().partition(";")[0] for record in caplog.records]
    assert said == [
        f"Pictures are decoded without a limit of {what} (not here)" for what in ("memory", "processor time")
    ]
    sandbox._idle.pop().close()


@pytest.mark.parametrize(
    ("end", "said"),
    [("SIGSEGV", "damaged: its decoder broke down"), ("SIGKILL", "takes too much memory to decode")],  # by the system
)
def test_a_decoder_that_is_ended_costs_the_picture_that_it_had_and_no_other(
    monkeypatch: pytest.MonkeyPatch, end: str, said: str
) -> None:
    def ended() -> None:
        child._process.send_signal(getattr(signal, end))
        child._process.wait()

    def asked(pipe: IO[bytes], data: bytes) -> None:
        ended()
        write(pipe, data)

    write = sandbox._write
    decode(encoded(noise(), "PNG"), "a")
    (child,) = sandbox._idle
    with monkeypatch.context() as patch:
        patch.setattr(sandbox, "_write", asked)
        assert reason(encoded(noise(), "PNG")) == said
    decode(encoded(noise(), "PNG"), "a")
    (child,) = sandbox._idle
    ended()
    assert decode(encoded(noise(), "PNG"), "a").width == 64, "it had none"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such list")
def test_where_memory_runs_out_a_decoder_goes_before_the_page() -> None:
    decode(encoded(noise(), "PNG"), "a")
    (child,) = sandbox._idle
    assert Path(f"/proc/{child._process.pid}/oom_score_adj").read_text("ascii") == "1000\n"


ODD: dict[str, Callable[[], bytes]] = {
    "many segments": lambda: hostile_pictures.segments_jpeg(200_000),
    "many strips": lambda: hostile_pictures.strips_tiff(1_000_000),
    "text bomb": lambda: hostile_pictures.text_png(100 * 2**20),
    "profile bomb": lambda: hostile_pictures.profile_png(100 * 2**20),
    "frames of a GIF": lambda: hostile_pictures.animation("GIF", 500),
    "frames of a TIFF": lambda: hostile_pictures.animation("TIFF", 500),
    "frames of a WebP": lambda: hostile_pictures.animation("WEBP", 50),
    "picture and archive": lambda: encoded(noise(), "JPEG") + zipped({"a.jpg": b"x"}),
    "picture and page": lambda: encoded(noise(), "PNG") + b"<script>alert(1)</script>",
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_odd_ends_soon_in_a_picture_or_a_reason(name: str) -> None:
    data, start = ODD[name](), time.monotonic()
    with contextlib.suppress(ImageRejected):
        picture = decode(data, "a", 768)
        assert (picture.rgb.mode, picture.rgb.info) == ("RGB", {})
    assert time.monotonic() - start < 60
    assert all(child.alive for child in sandbox._idle)


def test_many_threads_share_a_few_decoders() -> None:
    before = len(os.listdir("/proc/self/fd"))
    data = encoded(noise(), "PNG")
    with ThreadPoolExecutor(6) as threads:
        assert {picture.width for picture in threads.map(lambda _: decode(data, "a"), range(30))} == {64}
    assert len(sandbox._idle) <= sandbox.IDLE
    assert len(os.listdir("/proc/self/fd")) - before <= 2 * sandbox.IDLE


def test_a_decoder_ends_with_the_process_that_asked() -> None:
    code = (
        "import os, signal, engine.ingest.sandbox as d\n"
        "d._give_back(d._borrow())\n"
        "print(d._idle[0]._process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    child = int(done.stdout)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and _runs(child):
        time.sleep(0.1)
    assert not _runs(child)


def _runs(process: int) -> bool:
    try:
        with open(f"/proc/{process}/stat") as file:
            return file.read().split()[2] != "Z"
    except FileNotFoundError:
        return False
