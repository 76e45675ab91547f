"""What encoding gives, in one process and where many work at once."""

import pickle
from collections.abc import Callable, Iterator, Sequence

from engine.exits.photo_encoder import PhotoEncoder
from engine.gallery import Library, Upload
from engine.gallery.galleries import list_photos, open_gallery
from engine.gallery.ingest import ingest_files
from engine.ingest.decode import Skipped
from engine.ingest.pipeline import Encoded, Known, Made, encode_here
from tests.fake_encoder import FakeEncoder

NOTHING = Known(lambda _: False, list)


def test_a_batch_comes_back_in_order_with_bad_files_and_copies(
    fake_encoder: FakeEncoder, upload: Callable[..., Upload]
) -> None:
    files = [upload("a", "red"), upload("b", b""), upload("c", "red"), upload("d", "blue")]
    ((red, bad, copy, blue),) = encode_here(files, NOTHING, fake_encoder, None)
    assert isinstance(red, Encoded)
    assert isinstance(blue, Encoded)
    assert (red.photo.name, blue.photo.name) == ("a", "d")
    assert bad == Skipped("b", "empty file")
    assert copy is None


def test_what_was_encoded_is_plain_data_and_carries_no_pixels(
    fake_encoder: FakeEncoder, upload: Callable[..., Upload]
) -> None:
    ((made,),) = encode_here([upload("a", "red")], NOTHING, fake_encoder, None)
    assert isinstance(made, Encoded)
    assert made.photo.pixels.size == 0
    assert made.encoding.map is None
    assert isinstance(made.map, bytes)
    assert pickle.loads(pickle.dumps(made)).photo.content_hash == made.photo.content_hash


def test_a_photo_that_two_have_encoded_is_kept_once(library: Library, upload: Callable[..., Upload]) -> None:
    def by_two(uploads: Sequence[Upload], known: Known, encoder: PhotoEncoder, _: float | None) -> Iterator[list[Made]]:
        (batch,) = encode_here(uploads, known, encoder, None)
        yield [*batch, *batch]  # in one batch
        yield batch  # and in the next

    gallery = open_gallery(library, "g")
    report = ingest_files(library, gallery, [upload("a", "red"), upload("b", "blue")], encode=by_two)
    assert (report.added, report.duplicates) == (2, 4)
    assert [photo.file for photo in list_photos(library, gallery)] == ["a", "b"]


def test_stored_photos_are_known_one_by_one_and_all_together(library: Library, upload: Callable[..., Upload]) -> None:
    gallery = open_gallery(library, "g")
    ingest_files(library, gallery, [upload("a", "red"), upload("b", "blue")])
    told: list[Known] = []

    def listen(uploads: Sequence[Upload], known: Known, *_: object) -> Iterator[list[Made]]:
        told.append(known)
        yield [None for _ in uploads]

    ingest_files(library, gallery, [upload("a", "red")], encode=listen)
    stored = {photo.content_hash for photo in list_photos(library, gallery)}
    assert set(told[0].all()) == stored
    assert all(map(told[0].has, stored))
    assert not told[0].has("0" * 64)
