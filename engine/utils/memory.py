"""Memory: how much is available, how much this process took, and when it is looked through and given back."""

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.utils.errors import HostProblem

# Names of glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8
KEPT = 2**30  # bytes


def available_memory() -> int | None:
    """Bytes that a new allocation can have without swapping; None where the system does not say (it is Linux's)."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


def ran_out(error: BaseException) -> bool:
    """Whether an error says that there is no memory left: PyTorch's is a RuntimeError in such words, for a GPU too."""
    said = str(error).lower()
    ours = "allocate memory" in said or "out of memory" in said or said == "could not create a primitive"  # oneDNN's
    return isinstance(error, MemoryError) or ours


@contextmanager
def explaining_lack() -> Iterator[None]:
    """Raise HostProblem where memory runs out."""
    try:
        yield
    except Exception as error:  # of many kinds: PyTorch's, safetensors', the system's
        if not ran_out(error):
            raise
        raise HostProblem(
            "There is no memory left for this; close other programs, or choose a smaller model, and try again."
        ) from error


def peak_memory() -> int | None:
    """Most bytes that this process has held since it began; None on Windows."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def keep_freed_memory(most: int = KEPT) -> None:
    """Have glibc keep freed memory for the next allocation.

    By default it returns the features of a stage to the system and asks for as much again at once, page by page. That
    takes half of an encoder's time in float32, and a sixth in bfloat16.

    Args: most: bytes that are kept at most; -1: all.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(M_MMAP_MAX, 0)
        mallopt(M_TRIM_THRESHOLD, most)
        mallopt(M_ARENA_MAX, 1)  # other threads' own heaps would be too small to keep anything


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """While much is loaded that stays, look for no garbage.

    Python looks through all that there is each time so much has been added. Of the time that libraries and a model
    take to load that is a quarter, and next to nothing is found.
    """
    looks = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if looks:
            gc.enable()
