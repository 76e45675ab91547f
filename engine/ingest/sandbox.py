"""Decoding in a process apart: a file that never ends, eats all memory or crashes its decoder costs a sentence.

Decoders are large C libraries, and a few hundred kilobytes can keep one busy for hours (a JPEG of endless scans) or
make it crash. So pictures are decoded by a child that has a limit of processor time and of memory; it is told bytes and
answers pixels, as plain numbers, and it is replaced when it dies.
"""

import logging
import os
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from pathlib import Path
from typing import IO

from cachetools import TTLCache
from PIL import AvifImagePlugin, Image

from engine.ingest.date_taken import read_date
from engine.ingest.image import ImageRejected, NeedsMemory, Picture, open_picture
from engine.utils.paths import ROOT

CPU_SECONDS = 16  # for one picture; the largest that we take need two, and on a busy machine more than eight
WALL_SECONDS = 60.0  # where the processor is busy with other things, or where its time cannot be limited
PLACES = 3  # pictures decoded at once in this process: two long works, and a search by picture
LARGE = 16_000_000  # pixels; of more, one picture is decoded at a time
MEMORY = 576 * 2**20  # bytes of a decoder's address space; the hungriest of LARGE pixels needs 500
LARGE_MEMORY = 1792 * 2**20  # the same for a large one, of which the hungriest needs 1600
REMEMBERED = 4096, 3600.0  # pictures that were given up, and for how many seconds
NICE = 5  # decoders leave most of the processor to who waits for an answer
IDLE = 2  # decoders kept for the next picture: 60 MB each

_REQUEST = struct.Struct("<I?Q")  # longest side or 0, whether it may be large, bytes of the file, which follow
# Kind, picture's size, declared size, date taken or nothing, bytes that follow.
_ANSWER = struct.Struct("<cIIII25sQ")
_PICTURE, _REASON, _UNLIMITED, _LARGE = b"P", b"R", b"U", b"L"
_TOO_LONG, _TOO_MUCH = "takes too long to decode", "takes too much memory to decode"
_COMMAND = [sys.executable, "-m", "engine.ingest.sandbox"]

log = logging.getLogger(__name__)


class _GivenUp(ImageRejected):
    """A picture that took all the time or memory there is: not to be tried again soon."""


def decode(data: bytes, name: str, longest: int | None = None) -> Picture:
    """What `open_picture` does, in a process apart; safe to call from many threads, which wait for each other.

    Raises: ImageRejected, also for a picture that takes too long or too much memory to decode; it is remembered.
    """
    key = len(data), hash(data)
    with _lock:
        reason = _given_up.get(key)
    if reason is not None:
        raise ImageRejected(name, reason)
    with _places:
        decoder = _borrow()
        try:
            try:
                picture = decoder.open(data, name, longest, large=False)
            except NeedsMemory:
                with _one_large:
                    picture = decoder.open(data, name, longest, large=True)
        except ImageRejected as error:
            _give_back(decoder)
            if isinstance(error, _GivenUp):
                with _lock:
                    _given_up[key] = error.reason
            raise
        except BaseException:
            decoder.close()
            raise
        _give_back(decoder)
        return picture


_places = threading.BoundedSemaphore(PLACES)
_one_large = threading.Lock()
_given_up: TTLCache[tuple[int, int], str] = TTLCache(*REMEMBERED)  # why, by a picture's length and hash
_idle: "list[_Decoder]" = []
_lock = threading.Lock()


def _borrow() -> "_Decoder":
    with _lock:
        while _idle:
            decoder = _idle.pop()
            if decoder.alive:
                return decoder
            decoder.close()  # the system has ended it since, and the next picture is not to blame
    return _Decoder()


def _give_back(decoder: "_Decoder") -> None:
    with _lock:
        if decoder.alive and len(_idle) < IDLE:
            _idle.append(decoder)
            return
    decoder.close()


class _Decoder:
    """One child, and the pipes to it. It ends when its input does, so it never outlives us."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            _COMMAND,
            cwd=ROOT,
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},  # threads take address space
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
        self._late = False

    @property
    def alive(self) -> bool:
        """It can take another picture."""
        return self._process.poll() is None and not self._late

    def open(self, data: bytes, name: str, longest: int | None, large: bool) -> Picture:
        """Have a picture decoded; raises ImageRejected, and NeedsMemory for a large one where it may not be."""
        to, back = self._process.stdin, self._process.stdout
        assert to is not None
        assert back is not None
        watch = threading.Timer(WALL_SECONDS, self._give_up)
        watch.daemon = True
        watch.start()
        try:
            _write(to, _REQUEST.pack(longest or 0, large, len(data)))
            _write(to, data)
            while True:
                kind, *size, width, height, taken, length = _ANSWER.unpack(_read(back, _ANSWER.size))
                body = _read(back, length)
                if kind == _PICTURE:
                    taken_at = read_date(taken.rstrip(b"\0").decode("ascii", "replace"))
                    return Picture(Image.frombytes("RGB", tuple(size), body), width, height, taken_at)
                if kind == _LARGE:
                    raise NeedsMemory
                if kind == _REASON:
                    reason = body.decode("utf-8")
                    raise (_GivenUp if reason == _TOO_MUCH else ImageRejected)(name, reason)
                _warn_unlimited(body.decode("utf-8"))
        except (EOFError, BrokenPipeError) as error:  # it died
            reason = self._why()
            raise (_GivenUp if reason == _TOO_LONG else ImageRejected)(name, reason) from error
        finally:
            watch.cancel()

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _give_up(self) -> None:
        self._late = True
        self._process.kill()

    def _why(self) -> str:
        code = self._process.wait()
        if self._late or code == -getattr(signal, "SIGXCPU", 0):
            return _TOO_LONG
        if code == -getattr(signal, "SIGKILL", 0):  # by the system, which had no memory left; it may have some later
            return _TOO_MUCH
        return "damaged: its decoder broke down"


@cache  # each reason once, not for every child
def _warn_unlimited(reason: str) -> None:
    log.warning("Pictures are decoded without a limit of %s; a harmful one may keep this machine busy.", reason)


def _write(pipe: IO[bytes], data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[pipe.write(rest) :]


def _read(pipe: IO[bytes], size: int) -> bytes:
    """Exactly so many bytes; raises EOFError."""
    data = bytearray()
    while len(data) < size:
        part = pipe.read(min(size - len(data), 2**20))
        if not part:
            raise EOFError
        data += part
    return bytes(data)


# In the child


def _serve(requests: IO[bytes], answers: IO[bytes]) -> None:
    """Decode one picture after the other until the input ends."""
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # each takes address space, which is limited
    if hasattr(os, "nice"):  # not on Windows
        os.nice(NICE)
    with suppress(OSError):  # Linux's: where a machine or container runs out of memory, this process goes, not the page
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    said: set[bytes] = set()
    while True:
        try:
            longest, large, size = _REQUEST.unpack(_read(requests, _REQUEST.size))
            data = _read(requests, size)
        except EOFError:
            return
        for what, limit in (("memory", partial(_limit_memory, large)), ("processor time", _limit_time)):
            reason = _attempt(what, limit)
            if reason and reason not in said:
                said.add(reason)
                answers.write(_ANSWER.pack(_UNLIMITED, 0, 0, 0, 0, b"", len(reason)) + reason)
        for part in _answer(data, longest or None, large):
            answers.write(part)
        answers.flush()


def _answer(data: bytes, longest: int | None, large: bool) -> tuple[bytes, bytes]:
    """A head and a body: the picture, or why there is none."""
    try:
        picture = open_picture(data, "", longest, None if large else LARGE)
    except NeedsMemory:
        return _ANSWER.pack(_LARGE, 0, 0, 0, 0, b"", 0), b""
    except (ImageRejected, MemoryError) as error:
        body = (error.reason if isinstance(error, ImageRejected) else _TOO_MUCH).encode()
        return _ANSWER.pack(_REASON, 0, 0, 0, 0, b"", len(body)), body
    body, taken = picture.rgb.tobytes(), picture.taken_at.isoformat().encode() if picture.taken_at else b""
    return _ANSWER.pack(_PICTURE, *picture.rgb.size, picture.width, picture.height, taken, len(body)), body


def _attempt(what: str, limit: Callable[[], None]) -> bytes:
    """Set a limit; returns what is not limited and why, or nothing."""
    try:
        limit()
    except (ImportError, ValueError, OSError) as error:  # not on every system
        return f"{what} ({error})".encode()
    return b""


def _limit_memory(large: bool) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (LARGE_MEMORY if large else MEMORY, LARGE_MEMORY))


def _limit_time() -> None:
    """So many seconds of processor time from now on: then the system ends this process."""
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (int(used.ru_utime + used.ru_stime) + 1 + CPU_SECONDS, hard))


def main() -> None:
    """Run the child."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends our input
    _serve(sys.stdin.buffer, sys.stdout.buffer)


if __name__ == "__main__":
    main()
