"""Files are found, read late and hashed first; only what is new is decoded."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.ingest import decode as decode_module
from engine.ingest import image as image_module
from engine.ingest import upload
from engine.ingest.decode import Decoded, FolderMissing, Skipped, decoded_batches, folder_uploads
from engine.ingest.image import ImageRejected, open_picture
from engine.ingest.upload import Upload, file_upload
from tests.packed import zipped


def preprocess(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.resize((2, 2))).transpose(2, 0, 1)


def outcomes(uploads: list[Upload], is_known: Callable[[str], bool] = lambda _: False) -> list[decode_module.Outcome]:
    return [outcome for batch, _ in decoded_batches(uploads, is_known, preprocess, np.stack) for outcome in batch]


def test_a_new_photo_is_decoded_with_its_facts(upload: Callable[..., Upload], png: Callable[..., bytes]) -> None:
    (photo,) = outcomes([upload("a.png", png("red", (1536, 768)))])
    assert isinstance(photo, Decoded)
    assert (photo.name, photo.width, photo.height) == ("a.png", 1536, 768)
    assert photo.file_bytes == len(png("red", (1536, 768)))
    assert (photo.pixels == np.array([255, 0, 0]).reshape(3, 1, 1)).all()
    assert photo.jpeg[:3] == b"\xff\xd8\xff"


def test_each_upload_has_its_outcome_in_order(upload: Callable[..., Upload]) -> None:
    found = outcomes([upload("a", "red"), upload("b", b""), upload("c", "red"), upload("d", "blue"), upload("e", b"")])
    assert [type(outcome).__name__ for outcome in found] == ["Decoded", "Skipped", "NoneType", "Decoded", "Skipped"]


def test_a_batch_is_made_ready_for_the_encoder_before_it_is_asked_for(upload: Callable[..., Upload]) -> None:
    sent: list[int] = []
    uploads = [upload(str(number), (number, 0, 0)) for number in range(decode_module.BATCH + 1)]
    batches = decoded_batches(uploads, lambda _: False, preprocess, lambda photos: sent.append(len(photos)) or photos)
    next(batches)
    batches.close()  # waits for the batch in the making
    assert sent == [decode_module.BATCH, 1]


def test_a_batch_without_a_new_photo_is_not_sent(upload: Callable[..., Upload]) -> None:
    ((_, pixels),) = decoded_batches([upload("a", b"")], lambda _: False, preprocess, pytest.fail)
    assert pixels is None


def test_what_is_known_is_not_decoded(upload: Callable[..., Upload], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode_module, "decode", pytest.fail)
    assert outcomes([upload("a", "red")], is_known=lambda _: True) == [None]


def test_the_same_photo_two_batches_apart_is_decoded_once(
    upload: Callable[..., Upload], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decode_module, "BATCH", 1)
    assert [type(outcome) for outcome in outcomes([upload("a", "red"), upload("b", "blue"), upload("c", "red")])] == [
        Decoded,
        Decoded,
        type(None),
    ]


def test_files_are_read_one_batch_ahead_and_no_further(png: Callable[..., bytes]) -> None:
    read: list[int] = []

    def late(number: int) -> Upload:
        return Upload(str(number), lambda: read.append(number) or png((number, 0, 0)))

    batches = decoded_batches([late(number) for number in range(200)], lambda _: False, preprocess, np.stack)
    next(batches)
    batches.close()  # waits for the batch in the making
    assert len(read) == 2 * decode_module.BATCH


def test_a_file_that_cannot_be_read_is_a_reason(tmp_path: Path) -> None:
    assert outcomes([file_upload(tmp_path / "gone.jpg", "gone.jpg")]) == [
        Skipped("gone.jpg", "cannot be read (No such file or directory)")
    ]


def test_a_huge_file_is_not_read_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "MAX_BYTES", 10)
    monkeypatch.setattr(image_module, "MAX_BYTES", 10)
    (tmp_path / "a.jpg").write_bytes(b"\xff" * 1000)
    read = file_upload(tmp_path / "a.jpg", "a.jpg").read()
    assert len(read) == 11
    with pytest.raises(ImageRejected, match="too large"):
        open_picture(read, "a.jpg")


def test_a_folder_gives_its_pictures_by_path_in_order(tmp_path: Path) -> None:
    for name in (
        "b.JPG",
        "a/z.png",
        "a/b/c.webp",
        "a b.heic",
        "notes.txt",
        "captions.jsonl",
        ".hidden.jpg",
        ".git/x.png",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    (tmp_path / "folder.jpg").mkdir()
    uploads = folder_uploads(tmp_path)
    assert [upload.name for upload in uploads] == ["a/b/c.webp", "a/z.png", "a b.heic", "b.JPG"]
    assert uploads[0].read() == b"a/b/c.webp"


def test_a_folder_gives_the_photos_of_its_archives_too(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "old.zip").write_bytes(zipped({"x/y.jpg": b"photo", "notes.txt": b""}))
    (tmp_path / "broken.zip").write_bytes(b"nothing")
    (tmp_path / "c.jpg").write_bytes(b"photo")
    good, broken, plain = folder_uploads(tmp_path)
    assert [good.name, broken.name, plain.name] == ["b/old.zip/x/y.jpg", "broken.zip", "c.jpg"]
    assert good.read() == b"photo"
    assert outcomes([broken]) == [Skipped("broken.zip", "damaged, or not the kind of archive that its name says")]


def test_a_name_that_is_not_utf8_can_still_be_shown(tmp_path: Path) -> None:
    try:
        Path(f"{tmp_path}/caf\udce9.jpg").touch()
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    (upload,) = folder_uploads(tmp_path)
    assert upload.name == "caf\ufffd.jpg"
    assert upload.read() == b""


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FolderMissing, match="nowhere is not a folder"):
        folder_uploads(tmp_path / "nowhere")
