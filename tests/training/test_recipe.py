import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from engine.training import recipe
from engine.training.dataset import DataMissing, Example, gate_photos
from engine.training.passes import held_back
from engine.training.recipe import require_photos, unseen_photos

Row = dict[str, Any]
Rows = dict[str, list[Row]]

LABEL = {"kind": "label", "label": "ape"}
UNSEEN, SEEN = (
    [name for name in (f"{i}.jpg" for i in range(100)) if held_back(Example(Path(name), (), "")) is held]
    for held in (True, False)
)


def row(file: str, split: str, **about: str) -> Row:
    return {"file": file, "captions": ["a photo of an ape"], "split": split} | about


@pytest.fixture
def rows() -> Rows:
    """One photo of each kind that the recipe needs."""
    flickr = [row("train.jpg", "train"), row(min(gate_photos()), "train"), row("val.jpg", "val")]
    varied = [row(UNSEEN[0], "train"), row(UNSEEN[1], "train", **LABEL), row(SEEN[0], "train")]
    varied += [row(SEEN[1], "train", **LABEL), row(SEEN[2], "val"), row(SEEN[3], "val", **LABEL)]
    kinds = [{"file": "kind.jpg", "wnid": "n1", "label": "ape"}]
    return {"flickr8k/captions": flickr, "more_photos/captions": varied, "imagenet_samples/labels": kinds}


@pytest.fixture
def write(tmp_path: Path) -> Callable[[Rows], Path]:
    def written(rows: Rows) -> Path:
        for name, part in rows.items():
            path = tmp_path / f"{name}.jsonl"
            path.parent.mkdir(exist_ok=True)
            path.write_text("\n".join(map(json.dumps, part)))
            for one in part:
                file = path.parent / "images" / one["file"]
                file.parent.mkdir(exist_ok=True)
                Image.effect_noise((64, 64), 80).save(file)
        return tmp_path

    return written


def test_data_with_all_kinds_of_photos_are_taken(rows: Rows, write: Callable[[Rows], Path]) -> None:
    require_photos(write(rows))


@pytest.mark.parametrize(
    ("name", "number", "sentence"),
    [
        ("flickr8k/captions", 0, "captioned photos to train on"),
        ("flickr8k/captions", 1, "captioned photos in .* that no image tower is to see"),
        ("flickr8k/captions", 2, "captioned photos in the val splits"),
        ("more_photos/captions", 0, "described photos in .* that no image tower is to see"),
        ("more_photos/captions", 1, "labelled photos in .* that no image tower is to see"),
        ("more_photos/captions", 2, "described photos to train on"),
        ("more_photos/captions", 3, "labelled photos to train on"),
        ("more_photos/captions", 4, "described photos in the val splits"),
        ("more_photos/captions", 5, "labelled photos in the val splits"),
        ("imagenet_samples/labels", 0, "photos of ImageNet's kinds to train on"),
    ],
)
def test_a_kind_of_photos_that_is_missing_is_said_before_anything_is_trained(
    rows: Rows, write: Callable[[Rows], Path], tmp_path: Path, name: str, number: int, sentence: str
) -> None:
    del rows[name][number]
    with pytest.raises(DataMissing, match=f"There are no {sentence}"):
        recipe.train(write(rows), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("name", "number"), [("flickr8k/captions", 0), ("flickr8k/captions", 1)])
def test_a_photo_without_a_caption_is_named(rows: Rows, write: Callable[[Rows], Path], name: str, number: int) -> None:
    bare = rows[name][number]
    bare["captions"] = []
    with pytest.raises(DataMissing, match=f"1 of the captioned photos .* have no captions, {bare['file']} among"):
        require_photos(write(rows))


def test_an_unseen_photo_that_was_cut_short_is_named(rows: Rows, write: Callable[[Rows], Path]) -> None:
    data = write(rows)
    path = unseen_photos(data)[0].path
    path.write_bytes(path.read_bytes()[:-500])
    with Image.open(path) as picture:
        assert picture.size == (64, 64), "its header is sound"
    with pytest.raises(DataMissing, match=f"{path.name} cannot be read"):
        require_photos(data)
