"""A data folder that the checks of a model cannot use is named, before anything is loaded."""

import json
from pathlib import Path

import pytest

from engine.evaluation import probe
from engine.training.dataset import DataMissing


@pytest.fixture(autouse=True)
def no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "load_encoder", lambda model: pytest.fail("a model was loaded"))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with one photo to search."""
    row = {"file": "a.jpg", "captions": [], "label": "otter", "split": "train"}
    for name, file in (("flickr8k", "captions"), ("imagenet_samples", "labels"), ("gallery_open", "captions")):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{file}.jsonl").write_text(json.dumps(row))
    return tmp_path


@pytest.mark.parametrize(
    ("gone", "sentence"),
    [
        ("captions.jsonl", r"gallery_open has no captions\.jsonl"),
        (None, r"gallery_open lacks images/animal_\w+\.jpg"),
    ],
)
def test_a_gallery_that_is_not_whole_is_named(gone: str | None, sentence: str, data: Path) -> None:
    if gone is not None:
        (data / "gallery_open" / gone).unlink()
    with pytest.raises(DataMissing, match=sentence):
        probe.unseen_words(data)
