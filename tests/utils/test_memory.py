import gc
import platform
import subprocess
import sys
from errno import ENOMEM

import pytest
from safetensors import SafetensorError

from engine.utils.errors import HostProblem
from engine.utils.memory import available_memory, explaining_lack, peak_memory, without_garbage_collection


def test_the_peak_is_no_less_than_what_is_held() -> None:
    block = bytearray(64_000_000)
    block[::4096] = b"x" * len(block[::4096])
    assert (peak_memory() or 0) > 64_000_000


def test_nobody_knows_where_the_system_counts_no_resources(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows."""
    monkeypatch.setitem(sys.modules, "resource", None)
    assert peak_memory() is None


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not say")
def test_linux_says_what_is_free() -> None:
    assert (available_memory() or 0) > 1_000_000


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another allocator")
def test_freed_memory_is_there_for_what_is_needed_next() -> None:
    """In a process of its own: it cannot be undone."""
    program = """
import resource
from threading import Thread
from engine.utils.memory import keep_freed_memory

def work():
    for _ in range(20):
        block = bytearray(64_000_000)
        block[::4096] = b"x" * len(block[::4096])

keep_freed_memory()
thread = Thread(target=work)
thread.start()
thread.join()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
"""
    faults = int(subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout)
    assert faults < 3 * 64_000_000 // 4096


def test_no_garbage_is_looked_for_while_much_is_loaded_and_is_again_afterwards() -> None:
    looks = []

    @without_garbage_collection()
    def fail_to_load() -> None:
        looks.append(gc.isenabled())
        raise ValueError("not loaded")

    assert gc.isenabled()
    with pytest.raises(ValueError, match="not loaded"):
        fail_to_load()
    assert looks == [False]
    assert gc.isenabled()


def test_who_looks_for_none_is_left_alone() -> None:
    gc.disable()
    try:
        with without_garbage_collection():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes."),
        RuntimeError("unable to mmap 8 bytes from file <x>: Cannot allocate memory (12)"),
        RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB."),
        RuntimeError("could not create a primitive"),
        OSError(ENOMEM, "Cannot allocate memory"),
        SafetensorError("Error: I/O error: Cannot allocate memory (os error 12)"),
    ],
)
def test_a_lack_of_memory_is_a_sentence(error: Exception) -> None:
    with pytest.raises(HostProblem, match="no memory left for this; close other programs"), explaining_lack():
        raise error


def test_another_error_is_none_of_memory() -> None:
    with pytest.raises(RuntimeError, match="contiguous in memory"), explaining_lack():
        raise RuntimeError("a tensor must be contiguous in memory")
