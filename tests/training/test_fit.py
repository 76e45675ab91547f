import json
from html import escape
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from engine.exits import certificate
from engine.exits.certificate import FULL_DEPTH, read_certificate
from engine.exits.checkpoint import load_exits
from engine.exits.encoder import Encoder
from engine.training import first_pass, gates, readouts
from engine.training import fit as fitting
from engine.training.dataset import read_captions
from engine.training.fit import Reporter, fit_exits, fit_photos
from engine.training.splits import TooFewPhotos, folder_photos, split_captions, split_photos
from engine.utils.errors import ModelUnreadable
from tests import tiny_models

MANY = 130


@pytest.fixture
def encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Encoder:
    """One without exits."""
    monkeypatch.setattr(readouts, "FEWEST_STEPS", 40)
    monkeypatch.setattr(readouts, "EPOCHS", 1)
    monkeypatch.setattr(gates, "STEPS", 60)
    monkeypatch.setattr(certificate, "ENOUGH", 0.0)  # a random model's exits find little
    found = tiny_models.bare(tmp_path / "exits")
    found.folder.mkdir()
    return found


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A captioned set with all three splits."""
    folder = tmp_path / "data"
    rows = []
    for i, file in enumerate(tiny_models.save_pictures(folder / "images", MANY, 32)):
        split = "train" if i < 90 else "val" if i < 110 else "test"
        rows.append({"file": file.name, "captions": [f"photo number {i}", "a photo"], "split": split})
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
        splits = split_captions(read_captions(data))
        found = fit_exits(encoder, splits, encoder.folder, Reporter(said.append))
    else:
        found = fit_photos(encoder, folder_photos(data / "images"), say=said.append)
    again = loaded(encoder)
    assert found.exits == again.exits > 2
    assert again.log_prices == found.log_prices
    photos = tiny_models.pixels(40, 32, seed=5)
    cheap, dear = (again.encode(photos, budget) for budget in (0.4, 1.0))
    assert sum(e.macs for e in cheap) < sum(e.macs for e in dear)
    assert {e.exit for e in cheap} != {again.exits}
    kept = read_certificate(encoder.folder)
    assert kept is not None
    assert kept.pays
    assert kept.advice in said


def test_a_certificate_has_what_programs_read_though_one_of_its_photos_cannot_be_read(
    encoder: Encoder, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "peak_memory", lambda: None)  # Windows does not say
    pictures = folder_photos(data / "images")
    split_photos(pictures).curve[0].path.write_text("no picture")
    fit_photos(encoder, pictures)
    assert read_certificate(encoder.folder) is not None
    report = json.loads((encoder.folder / "fit-report.json").read_text())
    assert set(report) == {"model", "photos", "budgets", "bare_images_per_s", "advice"}
    for row in report["budgets"]:
        assert set(row) == {"budget", "macs_share", "fidelity", "images_per_s"}
        assert set(row["fidelity"]) == {"label", "top10"}
        assert row["images_per_s"] > 0
    last = report["budgets"][-1]
    assert (last["budget"], last["macs_share"], last["fidelity"]) == (1.0, 1.0, {"label": 100.0, "top10": 100.0})
    assert report["photos"] < MANY / 4, "none of the photos that something was fitted on"
    page = (encoder.folder / "fit-report.html").read_text()
    assert escape(report["advice"]) in page
    assert page.count("<svg") == 2
    assert "<script" not in page


def test_exits_that_do_not_pay_are_not_used(encoder: Encoder, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = folder_photos(data / "images")
    fit_photos(encoder, pictures)
    assert load_exits(encoder.folder, encoder.backbone, encoder.identity.weights) is not None
    monkeypatch.setattr(certificate, "ENOUGH", 101.0)
    found = fit_photos(encoder, pictures)
    kept = read_certificate(encoder.folder)
    assert kept is not None
    assert kept.advice == FULL_DEPTH
    assert load_exits(encoder.folder, encoder.backbone, encoder.identity.weights) is None, "nor those of before"
    photos = tiny_models.pixels(4, 32)
    assert found.exits == 1
    assert {(e.exit, e.macs) for e in found.encode(photos, 0.2)} == {(1, found.full_macs)}


@pytest.mark.parametrize("pays", [True, False])
def test_a_first_pass_stays_where_it_pays(
    encoder: Encoder, data: Path, monkeypatch: pytest.MonkeyPatch, pays: bool
) -> None:
    monkeypatch.setattr(first_pass, "MOST_SHARE", 1e9)  # it costs many times what a tiny model does
    monkeypatch.setattr(certificate, "SPARED", 1e9)
    monkeypatch.setattr(fitting, "LEAST_GAIN", -100.0 if pays else 100.0)
    said: list[str] = []
    found = fit_photos(encoder, folder_photos(data / "images"), say=said.append)
    assert any(f"so it is {'kept' if pays else 'left out'}" in line for line in said)
    assert bool(found.modules.exits[0].tower) == pays
    photos = tiny_models.pixels(8, 32, seed=5)
    full = loaded(encoder).deepen(photos, found.exits)
    own = encoder.backbone.encode_image(photos)
    assert np.array_equal(np.stack([e.vector for e in full]), own.numpy()), "full depth is the model's own, to the bit"
    assert {e.macs for e in full} == {found.full_macs}


def test_exits_that_say_no_more_than_those_before_them_are_left_out(
    encoder: Encoder, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fitting, "LEAST_GAIN", 200.0)  # none can gain so much
    said: list[str] = []
    found = fit_photos(encoder, folder_photos(data / "images"), say=said.append)
    assert any("exits say more than those before them" in line for line in said)
    assert found.exits == 2, "the first of them, and full depth"
    photos = tiny_models.pixels(4, 32)
    full = loaded(encoder).deepen(photos, found.exits)
    assert np.array_equal(np.stack([e.vector for e in full]), encoder.backbone.encode_image(photos).numpy())


def test_photos_all_alike_are_a_sentence(encoder: Encoder, tmp_path: Path) -> None:
    for number in range(120):
        picture = Image.new("RGB", (32, 32), "grey")
        picture.putpixel((number % 32, number // 32), (129, 128, 128))  # no two files are copies
        picture.save(tmp_path / f"{number}.png")
    with pytest.raises(TooFewPhotos, match="These 120 photos are all alike to the model"):
        fit_photos(encoder, folder_photos(tmp_path))
    assert {path.name for path in encoder.folder.iterdir()} == {"training"}, "nothing is half written"


def test_a_model_that_makes_no_numbers_is_said_after_the_first_photos(encoder: Encoder, data: Path) -> None:
    with torch.no_grad():
        next(iter(encoder.backbone.model.visual.parameters())).fill_(float("nan"))
    said: list[str] = []
    with pytest.raises(ModelUnreadable, match="makes no numbers of photos"):
        fit_photos(encoder, folder_photos(data / "images"), say=said.append)
    assert not any("photos for gates" in line for line in said)


def test_photos_that_cannot_be_read_do_not_count(encoder: Encoder, data: Path) -> None:
    pictures = folder_photos(data / "images")
    for path in pictures[:40]:
        path.write_bytes(path.name.encode())
    with pytest.raises(TooFewPhotos, match="Only 90 of the photos can be read"):
        fit_photos(encoder, pictures)


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
