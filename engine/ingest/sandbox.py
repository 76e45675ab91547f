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
from functools import cache
from typing import IO

from PIL import Image

from engine.ingest.image import ImageRejected, Picture, open_picture
from engine.utils.paths import ROOT

CPU_SECONDS = 15  # for one picture; the largest that we take need about five
WALL_SECONDS = 90.0  # where the processor is busy with other things, or where its time cannot be limited
MEMORY = 2 * 2**30  # bytes of a decoder's address space
NICE = 5  # decoders leave most of the processor to who waits for an answer
IDLE = 2  # decoders kept for the next picture: 60 MB each

_REQUEST = struct.Struct("<IQ")  # longest side or 0, bytes of the file, which follow
_ANSWER = struct.Struct("<cIIIIQ")  # kind, picture's size, declared size, bytes that follow
_PICTURE, _REASON, _UNLIMITED = b"P", b"R", b"U"
_COMMAND = [sys.executable, "-m", "engine.ingest.sandbox"]

log = logging.getLogger(__name__)


def decode(data: bytes, name: str, longest: int | None = None) -> Picture:
    """What `open_picture` does, in a process apart; safe to call from many threads.

    Raises: ImageRejected, also for a picture that takes too long or too much memory to decode.
    """
    decoder = _borrow()
    try:
        picture = decoder.open(data, name, longest)
    except ImageRejected:
        _give_back(decoder)
        raise
    except BaseException:
        decoder.close()
        raise
    _give_back(decoder)
    return picture


_idle: "list[_Decoder]" = []
_lock = threading.Lock()


def _borrow() -> "_Decoder":
    with _lock:
        return _idle.pop() if _idle else _Decoder()


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

    def open(self, data: bytes, name: str, longest: int | None) -> Picture:
        """Have a picture decoded; raises ImageRejected."""
        watch = threading.Timer(WALL_SECONDS, self._give_up)
        watch.daemon = True
        watch.start()
        try:
            return self._ask(data, name, longest)
        except (EOFError, BrokenPipeError) as error:  # it died
            raise ImageRejected(name, self._why()) from error
        finally:
            watch.cancel()

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _ask(self, data: bytes, name: str, longest: int | None) -> Picture:
        to, back = self._process.stdin, self._process.stdout
        assert to is not None
        assert back is not None
        _write(to, _REQUEST.pack(longest or 0, len(data)))
        _write(to, data)
        while True:
            kind, *size, width, height, length = _ANSWER.unpack(_read(back, _ANSWER.size))
            body = _read(back, length)
            if kind == _PICTURE:
                return Picture(Image.frombytes("RGB", tuple(size), body), width, height)
            if kind == _REASON:
                raise ImageRejected(name, body.decode("utf-8"))
            _warn_unlimited(body.decode("utf-8"))

    def _give_up(self) -> None:
        self._late = True
        self._process.kill()

    def _why(self) -> str:
        code = self._process.wait()
        if self._late or code == -getattr(signal, "SIGXCPU", 0):
            return "takes too long to decode"
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
    unlimited = _attempt("memory", _limit_memory)
    if hasattr(os, "nice"):  # not on Windows
        os.nice(NICE)
    while True:
        try:
            longest, size = _REQUEST.unpack(_read(requests, _REQUEST.size))
            data = _read(requests, size)
        except EOFError:
            return
        for reason in (unlimited, _attempt("processor time", _limit_time)):
            if reason:
                answers.write(_ANSWER.pack(_UNLIMITED, 0, 0, 0, 0, len(reason)) + reason)
        unlimited = b""
        try:
            picture = open_picture(data, "", longest or None)
            body = picture.rgb.tobytes()
            head = _ANSWER.pack(_PICTURE, *picture.rgb.size, picture.width, picture.height, len(body))
        except (ImageRejected, MemoryError) as error:
            body = (error.reason if isinstance(error, ImageRejected) else "takes too much memory to decode").encode()
            head = _ANSWER.pack(_REASON, 0, 0, 0, 0, len(body))
        answers.write(head)
        answers.write(body)
        answers.flush()


def _attempt(what: str, limit: Callable[[], None]) -> bytes:
    """Set a limit; returns what is not limited and why, or nothing."""
    try:
        limit()
    except (ImportError, ValueError, OSError) as error:  # not on every system
        return f"{what} ({error})".encode()
    return b""


def _limit_memory() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


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
