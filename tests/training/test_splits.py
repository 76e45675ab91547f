from pathlib import Path
from unittest.mock import Mock

import pytest

from engine.ingest.listing import FolderMissing
from engine.training.dataset import Example
from engine.training.splits import TooFewPhotos, folder_photos, split_captions, split_photos


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Files that no two of are alike."""
    paths = [tmp_path / f"{number}.jpg" for number in range(130)]
    for number, path in enumerate(paths):
        path.write_bytes(bytes([number]) * (1 + number % 3))
    return paths


def test_parts_never_meet_and_are_the_same_every_time(photos: list[Path]) -> None:
    parts = split_photos(photos)
    names = [{e.path for e in part} for part in (parts.readouts, parts.gates, parts.prices, parts.curve)]
    assert sum(map(len, names)) == len(set().union(*names)) == len(photos)
    assert split_photos(photos[::-1]).gates[::-1] == parts.gates


@pytest.mark.parametrize("many", [100, 130])
def test_photos_of_one_name_are_dealt_too(photos: list[Path], many: int) -> None:
    alike = [path.with_suffix("") / "cover.png" for path in photos[:many]]
    for path, other in zip(alike, photos, strict=False):
        path.parent.mkdir()
        other.rename(path)
    parts = split_photos(alike)
    assert len(parts.all) == many
    assert all(map(len, (parts.readouts, parts.gates, parts.prices, parts.curve)))
    assert split_photos(alike[::-1]) == parts


def test_a_copy_is_no_other_photo(photos: list[Path]) -> None:
    copy = photos[0].with_name("copy.jpg")
    copy.write_bytes(photos[0].read_bytes())
    assert len(split_photos([*photos, copy]).all) == len(photos)


def test_a_photo_is_not_judged_by_a_copy_that_was_fitted_on(photos: list[Path]) -> None:
    copies = [path.with_name(f"copy-{path.name}") for path in photos[:20]]
    for path, copy in zip(photos, copies, strict=False):
        copy.write_bytes(path.read_bytes())
    val = [Example(path, ("a",), "val") for path in [*copies, *photos[100:]]]
    train = [Example(path, ("a",), "train") for path in photos[:100]]
    splits = split_captions([*val, *train])
    assert {e.path for e in splits.all} == set(photos)
    assert {e.path for e in (*splits.prices, *splits.curve)} == set(photos[100:])


def test_a_file_that_cannot_be_read_is_no_copy(photos: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_bytes", Mock(side_effect=OSError("Input/output error")))
    assert len(split_photos(photos).all) == len(photos)


@pytest.mark.parametrize(
    ("many", "sentence"), [(0, "There are no photos"), (99, "on 99 photos: at least 100 are needed")]
)
def test_too_few_is_a_sentence(photos: list[Path], many: int, sentence: str) -> None:
    with pytest.raises(TooFewPhotos, match=sentence):
        split_photos(photos[:many])


def test_copies_of_one_photo_are_a_sentence(photos: list[Path]) -> None:
    for path in photos:
        path.write_bytes(b"the same")
    with pytest.raises(TooFewPhotos, match="Of these 130 photos only 1 differ, the others are copies"):
        split_photos(photos)


def test_a_folder_of_texts_holds_no_photos(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no photo")
    (tmp_path / ".hidden.jpg").write_bytes(b"")
    assert folder_photos(tmp_path) == []
    with pytest.raises(FolderMissing, match="is not a folder"):
        folder_photos(tmp_path / "notes.txt")
    with pytest.raises(FolderMissing, match="File name too long"):
        folder_photos(tmp_path / ("z" * 300))


def test_kept_pictures_hidden_files_and_archives_are_no_photos_to_fit_on(
    photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TGEM_HOME", str(tmp_path / "home"))
    for name in ("home/pictures/ab/kept.jpg", ".hidden/a.jpg", "more.zip"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"photo")
    assert folder_photos(tmp_path) == sorted(photos)
