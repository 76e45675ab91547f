import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from engine.evaluation import albums
from engine.evaluation.albums import evaluate_albums
from engine.exits.encoder import Encoder
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


def test_two_sets_of_one_name_are_refused_before_any_is_measured(encoder: Encoder, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="Two of the sets are called 'mine test'"):
        evaluate_albums([(tmp_path / "a" / "mine", "test"), (tmp_path / "b" / "mine", "test")], encoder, tmp_path)


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
