"""A data folder that the checks of a model cannot use is named, before anything is loaded."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.training import aspect, unseen
from engine.training.captions import DataMissing


@pytest.fixture(autouse=True)
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (aspect, unseen):
        monkeypatch.setattr(module, "load_encoder", lambda model: pytest.fail("a model was loaded"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with one photo to search."""
    row = {"file": "a.jpg", "captions": [], "label": "otter", "split": "train"}
    for name, file in (("flickr8k", "captions"), ("imagenet_samples", "labels"), ("gallery_open", "captions")):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{file}.jsonl").write_text(json.dumps(row))
    return tmp_path


@pytest.mark.parametrize(
    ("check", "gone", "sentence"),
    [
        (unseen.unseen_words, "captions.jsonl", r"gallery_open has no captions\.jsonl"),
        (unseen.unseen_words, None, r"gallery_open lacks images/animal_\w+\.jpg"),
        (aspect.resize_modes, None, r"images is not there"),
    ],
)
def test_a_gallery_that_is_not_whole_is_named(
    check: Callable[[Path], Any], gone: str | None, sentence: str, data: Path
) -> None:
    if gone is not None:
        (data / "gallery_open" / gone).unlink()
    with pytest.raises(DataMissing, match=sentence):
        check(data)
