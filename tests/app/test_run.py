import gc

import pytest

from app.run import load_encoder
from tests.fake_encoder import FakeEncoder


def test_what_is_loaded_is_not_looked_through_for_garbage_again(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = FakeEncoder()
    monkeypatch.setattr("engine.gallery.load_encoder", lambda _: encoder, raising=False)
    try:
        loaded: object = load_encoder(None, False)
        assert loaded is encoder
        assert gc.get_freeze_count() > 10 * len(gc.get_objects())
    finally:
        gc.unfreeze()
