"""On a ZeroGPU Space batches go through the function that a GPU is lent to; a stand-in takes the place of `spaces`."""

import importlib
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from app import zerogpu
from tests import tiny


def test_elsewhere_the_encoder_stays_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPACES_ZERO_GPU", raising=False)
    encoder = tiny.encoder()
    assert zerogpu.borrow_for(encoder) is encoder
    assert "encode" not in vars(encoder)


def test_pixels_go_to_the_lent_gpu_and_arrays_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    lent: list[int] = []

    def gpu(duration: int):  # as the package's own decorator is used
        return lambda call: lambda *given: lent.append(duration) or call(*given)

    encoder = tiny.encoder()
    photos = tiny.pixels(5, 32)
    before = encoder.encode(photos, 0.75)
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    monkeypatch.setitem(sys.modules, "spaces", SimpleNamespace(GPU=gpu))
    moved: list[torch.device] = []
    monkeypatch.setattr(encoder, "to", moved.append)
    with_gpu = importlib.reload(zerogpu)
    try:
        found = with_gpu.borrow_for(encoder).encode(photos, 0.75)
    finally:
        monkeypatch.undo()
        importlib.reload(zerogpu)
    assert (lent, moved) == ([zerogpu.SECONDS], [torch.device("cuda")])
    assert [encoding.exit for encoding in found] == [encoding.exit for encoding in before]
    np.testing.assert_allclose(found[0].vector, before[0].vector, atol=1e-5)
    assert all(encoding.map is None for encoding in found)
