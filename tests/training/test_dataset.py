import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.training.dataset import DataMissing, gate_photos, load_squashed, read_captions, read_labels


def test_captions_and_labels_are_read_in_file_order(tmp_path: Path) -> None:
    rows = [{"file": f"{i}.jpg", "captions": ["a", "b"], "split": "train"} for i in range(3)]
    (tmp_path / "captions.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    (tmp_path / "labels.jsonl").write_text(json.dumps({"file": "x.jpg", "wnid": "n0", "label": "otter"}) + "\n")
    captions = read_captions(tmp_path)
    assert [e.path.name for e in captions] == ["0.jpg", "1.jpg", "2.jpg"]
    assert captions[0].texts == ("a", "b")
    (labelled,) = read_labels(tmp_path)
    assert (labelled.texts, labelled.label) == (("a photo of a otter",), "otter")


def test_rows_of_kind_label_have_their_label(tmp_path: Path) -> None:
    about = {"captions": ["a"], "split": "val"}
    rows = [{"file": "0.jpg", "kind": "caption", "label": ""}, {"file": "1.jpg", "kind": "label", "label": "ape"}]
    (tmp_path / "captions.jsonl").write_text("\n".join(json.dumps(row | about) for row in rows))
    assert [e.label for e in read_captions(tmp_path)] == [None, "ape"]


def test_captions_may_hold_any_sign_and_files_a_mark_of_their_encoding(tmp_path: Path) -> None:
    caption = "two lines\u2028of one\x85caption\u2029"
    row = json.dumps({"file": "0.jpg", "captions": [caption], "split": "test"}, ensure_ascii=False)
    (tmp_path / "captions.jsonl").write_text(f"{row}\r\n\n{row}\n", "utf-8-sig")
    assert [e.texts for e in read_captions(tmp_path)] == [(caption,)] * 2


@pytest.mark.parametrize(
    "changed",
    [{"split": None}, {"captions": "a dog runs"}, {"captions": [1]}, {"file": 5}, {"kind": "label", "label": None}],
)
def test_a_row_that_is_none_is_named(tmp_path: Path, changed: dict[str, object]) -> None:
    row = {"file": "0.jpg", "captions": ["a dog"], "split": "test"}
    (tmp_path / "captions.jsonl").write_text("\n".join(map(json.dumps, (row, row | changed))))
    with pytest.raises(DataMissing, match="row 2 is none"):
        read_captions(tmp_path)


def test_a_folder_that_is_no_data_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataMissing, match=r"captions\.jsonl"):
        read_captions(tmp_path)


def test_the_gates_have_800_photos_of_their_own() -> None:
    assert len(gate_photos()) == 800


def test_photos_are_squashed_not_cut(tmp_path: Path) -> None:
    photo = Image.new("RGB", (80, 20), "red")
    photo.paste("blue", (40, 0, 80, 20))
    (tmp_path / "images").mkdir()
    photo.save(tmp_path / "images" / "0.png")
    (tmp_path / "captions.jsonl").write_text(json.dumps({"file": "0.png", "captions": ["a"], "split": "val"}))
    pixels = load_squashed(read_captions(tmp_path), 16)
    assert pixels.shape == (1, 3, 16, 16)
    assert np.array_equal(pixels[0, :, 8, 0], [255, 0, 0])
    assert np.array_equal(pixels[0, :, 8, 15], [0, 0, 255])
