import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.training.dataset import (
    DataMissing,
    Example,
    gate_photos,
    load_squashed,
    read_captions,
    read_kinds,
    read_labels,
)


def test_captions_and_labels_are_read_in_file_order(tmp_path: Path) -> None:
    rows = [{"file": f"{i}.jpg", "captions": ["a", "b"], "split": "train"} for i in range(3)]
    (tmp_path / "captions.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    (tmp_path / "labels.jsonl").write_text(json.dumps({"file": "x.jpg", "wnid": "n0", "label": "otter"}) + "\n")
    captions = read_captions(tmp_path)
    assert [e.path.name for e in captions] == ["0.jpg", "1.jpg", "2.jpg"]
    assert captions[0].texts == ("a", "b")
    (labelled,) = read_labels(tmp_path)
    assert (labelled.texts, labelled.label) == (("a photo of a otter",), "otter")


def test_rows_of_kind_label_or_without_captions_have_their_label(tmp_path: Path) -> None:
    about = {"captions": ["a"], "split": "val"}
    rows: list[dict[str, object]] = [
        {"file": "0.jpg", "kind": "caption", "label": ""},
        {"file": "1.jpg", "kind": "label", "label": "ape"},
        {"file": "2.jpg", "label": "ape"},
        {"file": "3.jpg", "label": "otter", "captions": []},
    ]
    (tmp_path / "captions.jsonl").write_text("\n".join(json.dumps(about | row) for row in rows))
    assert [e.label for e in read_captions(tmp_path)] == [None, "ape", None, "otter"]


def test_captions_may_hold_any_sign_and_files_a_mark_of_their_encoding(tmp_path: Path) -> None:
    caption = "two lines\u2028of one\x85caption\u2029"
    row = json.dumps({"file": "0.jpg", "captions": [caption], "split": "test"}, ensure_ascii=False)
    (tmp_path / "captions.jsonl").write_text(f"{row}\r\n\n{row.replace('0.jpg', '1.jpg')}\n", "utf-8-sig")
    assert [e.texts for e in read_captions(tmp_path)] == [(caption,)] * 2


@pytest.mark.parametrize(
    "changed",
    [
        {"split": None},
        {"captions": "a dog runs"},
        {"captions": [1]},
        {"file": 5},
        {"kind": "label", "label": None},
        {"captions": [], "label": 5},
    ],
)
def test_a_row_that_is_none_is_named(tmp_path: Path, changed: dict[str, object]) -> None:
    row = {"file": "0.jpg", "captions": ["a dog"], "split": "test"}
    (tmp_path / "captions.jsonl").write_text("\n".join(map(json.dumps, (row, row | changed))))
    with pytest.raises(DataMissing, match="row 2 is none"):
        read_captions(tmp_path)


def test_rows_of_one_file_are_one_photo_with_all_captions(tmp_path: Path) -> None:
    rows = [("0.jpg", ["b", "b"]), ("1.jpg", ["c"]), ("0.jpg", ["a", "b"]), ("./0.jpg", ["d"])]
    lines = [json.dumps({"file": file, "captions": captions, "split": "test"}) for file, captions in rows]
    (tmp_path / "captions.jsonl").write_text("\n".join(lines))
    found = read_captions(tmp_path)
    assert [(e.path.name, e.texts) for e in found] == [("0.jpg", ("b", "b", "a", "d")), ("1.jpg", ("c",))]


def test_a_photo_with_captions_may_have_a_label_apart(tmp_path: Path) -> None:
    row = {"file": "0.jpg", "captions": ["a dog"], "split": "test"}
    rows = [row, row | {"kind": "label", "label": "dog"}, row | {"captions": ["a puppy"]}]
    (tmp_path / "captions.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert [(e.texts, e.label) for e in read_captions(tmp_path)] == [
        (("a dog", "a puppy"), None),
        (("a dog",), "dog"),
    ]


@pytest.mark.parametrize("changed", [{"split": "train"}, {"label": "ape"}])
def test_rows_of_one_file_that_contradict_each_other_are_refused(tmp_path: Path, changed: dict[str, str]) -> None:
    row = {"file": "0.jpg", "captions": ["a dog"], "split": "test", "kind": "label", "label": "dog"}
    (tmp_path / "captions.jsonl").write_text("\n".join(map(json.dumps, (row, row | changed))))
    with pytest.raises(DataMissing, match=r"the rows of 0\.jpg name different splits or labels"):
        read_captions(tmp_path)


def test_kinds_that_are_not_imagenets_thousand_are_refused(tmp_path: Path) -> None:
    rows = [{"file": f"{i}.jpg", "wnid": f"n{i:04}", "label": f"thing {i}"} for i in range(1000)]
    path = tmp_path / "labels.jsonl"
    path.write_text("\n".join(map(json.dumps, rows[::-1])))
    assert read_kinds(tmp_path) == [row["label"] for row in rows]
    path.write_text("\n".join(map(json.dumps, rows[1:])))
    with pytest.raises(DataMissing, match="names 999 kinds; it must name ImageNet's 1000"):
        read_kinds(tmp_path)
    path.write_text(json.dumps({"file": "0.jpg", "wnid": "n0000"}))
    for read in (read_kinds, read_labels):
        with pytest.raises(DataMissing, match=r'row 1 is none; a row is {"file": \.\.\., "wnid"'):
            read(tmp_path)


@pytest.mark.parametrize("line", [b"{a dog}", b'{"file": "M\xfcller.jpg"}'])
def test_the_row_that_is_not_json_is_named(tmp_path: Path, line: bytes) -> None:
    row = json.dumps({"file": "0.jpg", "captions": ["a dog"], "split": "test"}).encode()
    (tmp_path / "captions.jsonl").write_bytes(b"\n".join((row, b"", line)))
    with pytest.raises(DataMissing, match=r'row 3 is not JSON in UTF-8; a row is {"file"'):
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


def test_a_damaged_photo_is_named_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "0.jpg"
    Image.effect_noise((200, 200), 80).save(path)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(DataMissing, match=r"0\.jpg cannot be read \(.*truncated.*\); mend it, or take its row"):
        load_squashed([Example(path, (), "")], 16)
