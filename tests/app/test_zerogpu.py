"""On a ZeroGPU Space batches go through the function that a GPU is lent to; a stand-in takes the place of `spaces`."""

import importlib
import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from unittest.mock import Mock

import gradio as gr
import httpx
import numpy as np
import pytest
import torch

from app import zerogpu
from engine.exits.encoder import Encoder, Standing
from engine.utils.errors import EngineError
from tests import tiny_models


@pytest.fixture
def moved() -> list[torch.device]:
    return []


@pytest.fixture
def lent() -> list[int]:
    return []


@pytest.fixture
def borrowing(lent: list[int], moved: list[torch.device], monkeypatch: pytest.MonkeyPatch) -> Iterator[Encoder]:
    """A tiny encoder on a ZeroGPU Space; its way to the GPU is noted and not taken."""

    def gpu(duration: int) -> Callable[[Callable[..., object]], Callable[..., object]]:  # a decorator, as the real one
        return lambda call: lambda *given: lent.append(duration) or call(*given)

    monkeypatch.setenv("SPACES_ZERO_GPU", "true")
    monkeypatch.setitem(sys.modules, "spaces", SimpleNamespace(GPU=gpu))
    encoder = tiny_models.encoder()
    monkeypatch.setattr(encoder, "to", moved.append)
    yield importlib.reload(zerogpu).borrow_for(encoder)
    monkeypatch.undo()
    importlib.reload(zerogpu)


def test_elsewhere_the_encoder_stays_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPACES_ZERO_GPU", raising=False)
    encoder = tiny_models.encoder()
    assert zerogpu.borrow_for(encoder) is encoder
    assert type(encoder) is Encoder


def test_pixels_go_to_the_lent_gpu_and_arrays_come_back(
    borrowing: Encoder, lent: list[int], moved: list[torch.device]
) -> None:
    photos = tiny_models.pixels(5, 32)
    before, found = tiny_models.encoder().encode(photos, 0.75), borrowing.encode(photos, 0.75)
    assert (lent, moved) == ([zerogpu.SECONDS], [torch.device("cuda")])
    assert [encoding.exit for encoding in found] == [encoding.exit for encoding in before]
    np.testing.assert_allclose(found[0].vector, before[0].vector, atol=1e-5)
    assert all(encoding.map is None for encoding in found)


def test_a_gallery_with_phrases_of_its_own_is_encoded_by_them_there(borrowing: Encoder, lent: list[int]) -> None:
    photos = tiny_models.pixels(5, 32)
    looking = borrowing.looking_for(("a rose",))
    before, found = tiny_models.encoder().looking_for(("a rose",)).encode(photos), looking.encode(photos)
    assert len(lent) == 1
    assert [encoding.exit for encoding in found] == [encoding.exit for encoding in before]
    assert [encoding.nearest_texts for encoding in found] == [encoding.nearest_texts for encoding in before]


def test_photos_go_on_there_from_where_they_stand(lent: list[int], borrowing: Encoder) -> None:
    photos = tiny_models.pixels(5, 32)
    (stood,) = tiny_models.encoder().deepen(photos[:1], 1)
    assert stood.map is not None
    standing = Standing(1, stood.vector[None], [stood.map])
    (before,), (found,) = (e.encode(photos[:1], 1.0, standing) for e in (tiny_models.encoder(), borrowing))
    assert (found.exit, found.macs, len(lent)) == (before.exit, before.macs, 1)
    np.testing.assert_allclose(found.vector, before.vector, atol=1e-5)


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (gr.Error("Your quota is <a href='/more'>used up</a>."), "Your quota is used up"),
        (RuntimeError("ZeroGPU API /schedule error: 500"), "ZeroGPU API /schedule error: 500"),
        (httpx.ConnectError("Connection refused"), "Connection refused"),
    ],
)
def test_why_no_gpu_was_lent_is_said(
    borrowing: Encoder, monkeypatch: pytest.MonkeyPatch, error: Exception, why: str
) -> None:
    monkeypatch.setattr(zerogpu, "encode_lent", Mock(side_effect=error))
    with pytest.raises(EngineError, match=rf"No GPU was lent \({why}\); .* Try again later\."):
        borrowing.encode(tiny_models.pixels(5, 32))
