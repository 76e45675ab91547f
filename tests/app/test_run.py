import gc
import subprocess
import sys

import pytest

from app.run import load_encoder
from tests.fake_encoder import FakeEncoder


def test_the_page_opens_before_what_the_encoder_stands_on_is_loaded() -> None:
    code = "import sys, app.run; print(sorted({'torch', 'open_clip', 'timm', 'transformers'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_what_is_loaded_is_not_looked_through_for_garbage_again(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = FakeEncoder()
    monkeypatch.setattr("engine.gallery.load_encoder", lambda _: encoder, raising=False)
    try:
        loaded: object = load_encoder(None, False)
        assert loaded is encoder
        assert gc.get_freeze_count() > 10 * len(gc.get_objects())
    finally:
        gc.unfreeze()
