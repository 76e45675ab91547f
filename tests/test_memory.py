import sys

import pytest

from engine.memory import available_memory, forget_peak, peak_memory


def test_the_peak_grows_with_what_is_held() -> None:
    before = peak_memory()
    block = bytearray(64_000_000)
    block[::4096] = b"x" * len(block[::4096])
    assert peak_memory() >= before
    assert peak_memory() > 64_000_000


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not forget")
def test_a_peak_that_is_over_is_forgotten() -> None:
    block = bytearray(256_000_000)
    block[::4096] = b"x" * len(block[::4096])
    high = peak_memory()
    del block
    forget_peak()
    assert peak_memory() < high - 200_000_000


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not say")
def test_linux_says_what_is_free() -> None:
    assert (available_memory() or 0) > 1_000_000
