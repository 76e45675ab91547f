"""The addresses that files are sent to: for who was told an upload's name, and for nobody else."""

import hashlib
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from app.server.upload_folders import Arrivals
from app.server.upload_routes import UploadRoutes
from app.uploading.inbox import Inbox
from app.uploading.incoming import Incoming
from engine.gallery import EngineError, Library, ingest_files, open_gallery
from tests.pictures import MakePng, MakeUpload


@pytest.fixture
def inbox() -> Inbox:
    return Inbox()


@pytest.fixture
def incoming(inbox: Inbox, library: Library) -> Incoming:
    return inbox.begin("ann", open_gallery(library, "Holidays"), "Holidays", ["1/0/a.jpg", "1/0/b.jpg", "1/0/c.jpg"])


@pytest.fixture
def browser(inbox: Inbox, library: Library, tmp_path: Path) -> TestClient:
    return TestClient(Starlette(routes=UploadRoutes(inbox, Arrivals(tmp_path / "arriving"), library).routes()))


def files(*contents: bytes) -> list[tuple[str, tuple[str, bytes]]]:
    return [("files", (f"{number}.jpg", content)) for number, content in enumerate(contents)]


def kept(tmp_path: Path) -> list[bytes]:
    return sorted(path.read_bytes() for path in (tmp_path / "arriving").rglob("*") if path.is_file())


def test_files_wait_in_the_upload_that_they_were_announced_for(
    browser: TestClient, incoming: Incoming, tmp_path: Path
) -> None:
    answer = browser.post(f"/incoming/{incoming.id}/files?at=2,0", files=files(b"c", b"a"))
    assert answer.json() == {"here": 2}
    assert {number: path.read_bytes() for number, path in incoming.group()} == {2: b"c", 0: b"a"}
    assert kept(tmp_path) == [b"a", b"c"]


def test_a_group_that_is_sent_again_is_welcome_and_kept_once(
    browser: TestClient, incoming: Incoming, tmp_path: Path
) -> None:
    for _ in range(2):  # the first answer was lost on its way
        answer = browser.post(f"/incoming/{incoming.id}/files?at=0,1", files=files(b"a", b"b"))
        assert answer.json() == {"here": 2}
    assert kept(tmp_path) == [b"a", b"b"]
    incoming.group()
    incoming.taken([0, 1])
    assert browser.post(f"/incoming/{incoming.id}/files?at=0,1", files=files(b"a", b"b")).json() == {"here": 2}


@pytest.mark.parametrize("at", ["", "?at=", "?at=0", "?at=0,0", "?at=0,9", "?at=-1,0", "?at=0,1,2", "?at=0,x"])
def test_files_under_other_numbers_are_refused_and_not_kept(
    browser: TestClient, incoming: Incoming, tmp_path: Path, at: str
) -> None:
    answer = browser.post(f"/incoming/{incoming.id}/files{at}", files=files(b"a", b"b"))
    assert answer.status_code == 400
    assert kept(tmp_path) == []
    assert incoming.here == 0


def test_nobody_sends_into_an_upload_that_is_over_or_not_there(
    browser: TestClient, incoming: Incoming, tmp_path: Path
) -> None:
    incoming.end()
    for name, codes in ((incoming.id, [409]), ("x" * 24, [410]), ("..%2f..", [404, 410]), ("%00", [404, 410])):
        for what, body in (("files?at=0", files(b"a")), ("known", None)):
            assert browser.post(f"/incoming/{name}/{what}", files=body).status_code in codes
    assert kept(tmp_path) == []


def test_nothing_more_comes_of_what_was_stopped(browser: TestClient, incoming: Incoming, tmp_path: Path) -> None:
    incoming.stop()  # the page may hear of it after its next group
    assert browser.post(f"/incoming/{incoming.id}/files?at=0", files=files(b"a")).status_code == 409
    assert kept(tmp_path) == []


def test_what_was_given_up_since_its_page_was_silent_may_be_announced_anew(
    browser: TestClient, incoming: Incoming
) -> None:
    incoming.leave()
    assert incoming.group() == []
    assert browser.post(f"/incoming/{incoming.id}/files?at=0", files=files(b"a")).status_code == 410


def test_only_photos_of_the_uploads_own_gallery_are_known(
    browser: TestClient,
    inbox: Inbox,
    incoming: Incoming,
    library: Library,
    upload: MakeUpload,
    png: MakePng,
) -> None:
    ingest_files(library, incoming.gallery, [upload("a.png", "red")])
    ingest_files(library, open_gallery(library, "Bob's"), [upload("b.png", "blue")])
    sums = [hashlib.sha256(png(colour)).hexdigest() for colour in ("red", "blue")]
    body = f"0 {sums[0]}\n1 {sums[1]}\nnonsense\n99999999 {sums[0]}\n7 {sums[0]}"
    assert browser.post(f"/incoming/{incoming.id}/known", content=body).json() == {"known": [0]}
    assert (incoming.duplicates, incoming.done) == (1, 1)
    assert browser.get(f"/incoming/{incoming.id}/known").status_code == 405


def test_a_page_that_is_closed_says_so(browser: TestClient, incoming: Incoming) -> None:
    assert browser.post(f"/incoming/{incoming.id}/left").status_code == 204
    assert incoming.group() == []
    assert incoming.state == "left"
    assert browser.post("/incoming/nobody/left").status_code == 204


def test_photos_that_cannot_be_looked_up_are_sent(
    browser: TestClient, incoming: Incoming, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise EngineError("The data cannot be used.")

    monkeypatch.setattr("app.server.upload_routes.stored_hashes", fail)
    answer = browser.post(f"/incoming/{incoming.id}/known", content=f"0 {'0' * 64}")
    assert answer.json() == {"known": []}
