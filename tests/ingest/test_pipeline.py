"""What encoding gives, in one process and where many work at once."""

import pickle
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from engine.exits.encoder import Encoder
from engine.gallery import Library, Upload
from engine.gallery.galleries import list_photos, open_gallery
from engine.gallery.ingest import ingest_files
from engine.ingest.decode import BATCH, Duplicate, Skipped
from engine.ingest.pipeline import Encoded, Known, Made, encode_here
from tests.fake_encoder import FakeEncoder
from tests.pictures import Fill, MakePng, MakeUpload

NOTHING = Known(lambda _: False, list)


def test_a_batch_comes_back_in_order_with_bad_files_and_copies(fake_encoder: FakeEncoder, upload: MakeUpload) -> None:
    files = [upload("a", "red"), upload("b", b""), upload("c", "red"), upload("d", "blue")]
    ((red, bad, copy, blue),) = encode_here(files, NOTHING, fake_encoder, None)
    assert isinstance(red, Encoded)
    assert isinstance(blue, Encoded)
    assert (red.photo.name, blue.photo.name) == ("a", "d")
    assert bad == Skipped("b", "empty file")
    assert isinstance(copy, Duplicate)


def test_files_are_read_one_batch_ahead_and_no_further(fake_encoder: FakeEncoder, png: MakePng) -> None:
    read: list[int] = []

    def late(number: int) -> Upload:
        return Upload(str(number), lambda: read.append(number) or png((number, 0, 0)))

    batches = encode_here([late(number) for number in range(200)], NOTHING, fake_encoder, None)
    next(batches)
    batches.close()  # waits for the batch in the making
    assert len(read) == 2 * BATCH


def test_a_batch_is_sent_to_the_encoder_before_it_is_asked_for(
    fake_encoder: FakeEncoder, upload: MakeUpload, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[int] = []
    monkeypatch.setattr(FakeEncoder, "send", lambda _, photos: sent.append(len(photos)) or np.stack(photos))
    files = [upload(str(number), (number, 0, 0)) for number in range(BATCH + 1)]
    batches = encode_here(files, NOTHING, fake_encoder, None)
    next(batches)
    batches.close()  # waits for the batch in the making
    assert sent == [BATCH, 1]


def test_a_batch_without_a_new_photo_is_not_encoded(fake_encoder: FakeEncoder, upload: MakeUpload) -> None:
    assert list(encode_here([upload("a", b"")], NOTHING, fake_encoder, None)) == [[Skipped("a", "empty file")]]
    assert fake_encoder.batches == []


def test_the_same_photo_two_batches_apart_is_encoded_once(
    fake_encoder: FakeEncoder, upload: MakeUpload, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.ingest.pipeline.BATCH", 1)
    files = [upload("a", "red"), upload("b", "blue"), upload("c", "red")]
    (first,), (second,), (again,) = encode_here(files, NOTHING, fake_encoder, None)
    assert isinstance(first, Encoded)
    assert isinstance(second, Encoded)
    assert isinstance(again, Duplicate)


def test_what_was_encoded_is_plain_data(fake_encoder: FakeEncoder, upload: MakeUpload) -> None:
    ((made,),) = encode_here([upload("a", "red")], NOTHING, fake_encoder, None)
    assert isinstance(made, Encoded)
    assert made.encoding.map is None
    assert isinstance(made.map, bytes)
    assert pickle.loads(pickle.dumps(made)).photo.content_hash == made.photo.content_hash


def test_a_photo_that_two_have_encoded_is_kept_once(library: Library, upload: MakeUpload) -> None:
    def by_two(uploads: Sequence[Upload], known: Known, encoder: Encoder, _: float | None) -> Iterator[list[Made]]:
        (batch,) = encode_here(uploads, known, encoder, None)
        yield [*batch, *batch]  # in one batch
        yield batch  # and in the next

    gallery = open_gallery(library, "g")
    report = ingest_files(library, gallery, [upload("a", "red"), upload("b", "blue")], encode=by_two)
    assert (report.added, report.duplicates) == (2, 4)
    assert [photo.file for photo in list_photos(library, gallery)] == ["a", "b"]


def test_stored_photos_are_known_one_by_one_and_all_together(library: Library, fill: Fill, upload: MakeUpload) -> None:
    gallery = fill("g", {"a": "red", "b": "blue"})
    told: list[Known] = []

    def listen(uploads: Sequence[Upload], known: Known, *_: object) -> Iterator[list[Made]]:
        told.append(known)
        yield [Duplicate("", "", None) for _ in uploads]

    ingest_files(library, gallery, [upload("a", "red")], encode=listen)
    stored = {photo.content_hash for photo in list_photos(library, gallery)}
    assert set(told[0].all()) == stored
    assert all(map(told[0].has, stored))
    assert not told[0].has("0" * 64)
