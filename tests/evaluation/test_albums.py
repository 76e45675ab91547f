import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from engine.evaluation import albums
from engine.evaluation.album_report import page
from engine.evaluation.albums import evaluate_albums
from engine.exits.encoder import Encoder
from engine.training.dataset import DataMissing
from engine.utils.errors import EngineError
from tests import tiny_models


def labelled(folder: Path, labels: Sequence[str], split: str = "test", seed: int = 0) -> Path:
    """A set of so many photos, a label each."""
    (folder / "images").mkdir(parents=True)
    rows = []
    for number, picture in enumerate(tiny_models.pictures(len(labels), 64, seed)):
        picture.save(folder / "images" / f"{seed}-{number}.png")
        row = {"file": f"{seed}-{number}.png", "captions": [], "kind": "label", "label": labels[number]}
        rows.append(json.dumps(row | {"split": split}))
    (folder / "captions.jsonl").write_text("\n".join(rows), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return tiny_models.encoder("efficientnet", sizes=(32,), every=2, joined=True)


def test_a_set_that_comes_twice_is_refused_before_any_is_measured(encoder: Encoder, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="named twice"):
        evaluate_albums([(tmp_path / "mine", "test")] * 2, encoder, tmp_path)


def test_other_photos_of_the_same_name_are_measured_anew(
    encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(albums, "SIZES", (32, 48))
    first = labelled(tmp_path / "a" / "mine", ["dog", "cat", "dog"])
    second = labelled(tmp_path / "b" / "mine", ["car", "sky", "tree", "sky"], seed=1)
    evaluate_albums([(first, "test")], encoder, tmp_path / "kept")
    found = evaluate_albums([(second, "test")], encoder, tmp_path / "kept")
    assert found == evaluate_albums([(second, "test")], encoder, tmp_path / "new")
    assert [row["setting"] for row in found["sets"][0]["rows"] if row["policy"] == "small-input"] == [32, 48]


@pytest.mark.parametrize(
    ("labels", "corrected"), [(["dog", "cat"], []), (["dog"] * 6, [1, 1]), (["dog", "cat", "car"] * 6, [3, 3, 1, 1])]
)
def test_few_labels_are_corrected_as_far_as_they_go(
    encoder: Encoder, tmp_path: Path, labels: list[str], corrected: list[int]
) -> None:
    found = evaluate_albums([(labelled(tmp_path / "few", labels, "unseen"), "unseen")], encoder, tmp_path / "kept")
    assert [row["corrected_albums"] for row in found["corrections"]] == corrected
    assert ("What a photo moved by hand teaches" in page(found)) is bool(corrected)


def test_captioned_photos_of_no_album_have_no_rows_without_a_background(
    encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(albums, "PHRASES", (5, 20))
    folder = tmp_path / "plain"
    files = tiny_models.save_pictures(folder / "images", 3, 64)
    rows = [{"file": file.name, "captions": ["a thing"], "split": "unseen"} for file in files]
    (folder / "captions.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    found = evaluate_albums([(folder, "unseen")], encoder, tmp_path / "kept")
    assert [(table["phrases"], table["background"]) for table in found["sets"]] == [(5, True), (20, True)]
    assert found["corrections"] == []
    json.dumps(found, allow_nan=False)
    assert "| plain unseen | 5 | with |" in page(found)


def test_a_missing_photo_is_refused_before_any_set_is_read(encoder: Encoder, tmp_path: Path) -> None:
    sets = [(labelled(tmp_path / name, ["dog", "cat"]), "test") for name in ("whole", "gone")]
    (tmp_path / "gone" / "images" / "0-1.png").unlink()
    said: list[str] = []
    with pytest.raises(DataMissing, match=r"0-1\.png cannot be read \(there is no such file\); mend it, or"):
        evaluate_albums(sets, encoder, tmp_path / "kept", said.append)
    assert said == []


def test_a_damaged_photo_is_refused_before_any_set_is_measured(encoder: Encoder, tmp_path: Path) -> None:
    sets = [(labelled(tmp_path / name, ["dog", "cat"]), "test") for name in ("whole", "damaged")]
    (tmp_path / "damaged" / "images" / "0-1.png").write_text("none")
    said: list[str] = []
    with pytest.raises(DataMissing, match=r"0-1\.png cannot be read \(not a picture .*\); mend it, or take its row"):
        evaluate_albums(sets, encoder, tmp_path / "kept", said.append)
    assert not any("phrases" in line or "skipping" in line for line in said)
