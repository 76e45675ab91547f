import json
from pathlib import Path

import pytest
from PIL import Image

from engine.evaluation import evaluate
from engine.exits.checkpoint import load_exits
from engine.exits.encoder import Encoder, Identity
from engine.exits.loading import assembled
from engine.training import fit, gates, readouts
from engine.training.dataset import DataMissing
from engine.training.fit import TooFewPhotos, fit_captions, fit_photos, folder_photos, split_photos
from tests import tiny_models

MANY = 130


@pytest.fixture
def encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Encoder:
    """One without exits."""
    monkeypatch.setattr(readouts, "FEWEST_STEPS", 40)
    monkeypatch.setattr(readouts, "EPOCHS", 1)
    monkeypatch.setattr(gates, "STEPS", 60)
    found = assembled(
        tiny_models.backbone("vit"), None, Identity("tiny", "w" * 64, ""), tiny_models.BANK, tmp_path / "exits"
    )
    found.folder.mkdir()
    return found


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A captioned set with all three splits."""
    folder = tmp_path / "data"
    (folder / "images").mkdir(parents=True)
    rows = []
    for i, pixels in enumerate(tiny_models.pixels(MANY, 32)):
        Image.fromarray(pixels.transpose(1, 2, 0)).save(folder / "images" / f"{i}.png")
        split = "train" if i < 90 else "val" if i < 110 else "test"
        rows.append({"file": f"{i}.png", "captions": [f"photo number {i}", "a photo"], "split": split})
    (folder / "captions.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


def loaded(encoder: Encoder) -> Encoder:
    """The encoder with the exits that were written."""
    fitted = load_exits(encoder.folder, encoder.backbone, encoder.identity.weights)
    assert fitted is not None
    return encoder.with_exits(fitted)


@pytest.mark.parametrize("captioned", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_backbone_gets_exits_that_photos_leave_at(encoder: Encoder, data: Path, captioned: bool) -> None:
    said: list[str] = []
    if captioned:
        found = fit_captions(encoder, data, None, said.append, evaluate.curve)
    else:
        found = fit_photos(encoder, folder_photos(data / "images"), say=said.append)
    again = loaded(encoder)
    assert found.exits == again.exits > 2
    assert again.log_prices == found.log_prices
    photos = tiny_models.pixels(40, 32, seed=5)
    cheap, dear = (again.encode(photos, budget) for budget in (0.4, 1.0))
    assert sum(e.macs for e in cheap) < sum(e.macs for e in dear)
    assert {e.exit for e in cheap} != {again.exits}
    curve = said[said.index(next(line for line in said if "written" in line)) + 1 :]
    assert len(curve) > 10
    assert any("tgem" in line for line in curve) == captioned


@pytest.mark.slow
def test_a_stopped_fit_goes_on_and_ends_the_same(encoder: Encoder, data: Path) -> None:
    pictures = folder_photos(data / "images")

    def stop(what: str, done: int, total: int) -> None:
        if what == "training readouts":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit_photos(encoder, pictures, stop)
    assert not (encoder.folder / "tgem.json").exists()
    calls: list[str] = []
    fit_photos(encoder, pictures, lambda what, done, total: calls.append(what))
    assert "training readouts" in calls
    assert not any(call.startswith("looking") for call in calls), "no photo is run twice"


def test_parts_never_meet_and_are_the_same_every_time(data: Path) -> None:
    pictures = folder_photos(data / "images")
    parts = split_photos(pictures)
    names = [{e.path for e in part} for part in (parts.readouts, parts.gates, parts.prices, parts.curve)]
    assert sum(map(len, names)) == len(set().union(*names)) == MANY
    assert split_photos(pictures[::-1]).gates[::-1] == parts.gates


def test_too_few_photos_is_a_sentence(encoder: Encoder, data: Path, tmp_path: Path) -> None:
    with pytest.raises(TooFewPhotos, match="on 20 photos: at least 100"):
        fit_photos(encoder, folder_photos(data / "images")[:20])
    with pytest.raises(DataMissing):
        fit_captions(encoder, tmp_path, None, print)
    assert fit.FEWEST == 100
