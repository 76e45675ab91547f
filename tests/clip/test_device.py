import numpy as np
import pytest
import torch

from engine.clip import device
from engine.clip.device import CPU, best_device, bring, bring_later, send, taken


def test_results_that_travel_together_come_apart_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "CPU", torch.device("meta"))  # so that they travel
    vectors, gates = torch.randn(5, 7), torch.rand(5, 3)
    places = torch.randint(0, 2**20, (5, 2))
    for found, sent in zip(bring((vectors, gates, places)), (vectors, gates, places), strict=True):
        assert found.dtype == torch.float32
        assert torch.equal(found, sent.float())


def test_on_the_cpu_nothing_travels() -> None:
    pixels = np.zeros((2, 3, 4, 4), np.uint8)
    sent = send(torch.from_numpy(pixels), CPU)
    pixels[0, 0, 0, 0] = 9
    assert sent[0, 0, 0, 0] == 9
    assert sent.dtype == torch.uint8
    assert taken(pixels, [0, 1]) is pixels
    vectors = torch.randn(2, 3)
    assert bring((vectors,))[0] is vectors
    assert bring_later(vectors) is vectors


def test_the_main_process_of_a_zerogpu_space_never_asks_for_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", pytest.fail)
    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    assert best_device() == CPU


@pytest.mark.parametrize(("cuda", "mps", "kind"), [(True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")])
def test_the_best_device_that_is_there(monkeypatch: pytest.MonkeyPatch, cuda: bool, mps: bool, kind: str) -> None:
    monkeypatch.delenv("SPACES_ZERO_GPU", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert best_device().type == kind
