"""On a public page visitors do not meet: nothing of one is listed, found, fetched, changed or guessed by another."""

import io
import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import gradio as gr
import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from sqlalchemy import update

from app import pictures as pictures_module
from app.access import Access, NotYours, is_local, is_public
from app.demo import Demo
from app.event_log import EventLog
from app.handlers.add_photos import AddPhotos
from app.handlers.albums import Albums
from app.handlers.api import Api
from app.handlers.budget import Budget
from app.handlers.comparison import Compare
from app.handlers.fitting import Fitting
from app.handlers.galleries import Galleries
from app.handlers.overview import Overview
from app.handlers.photo import Selection
from app.handlers.picture_search import PictureSearch
from app.handlers.present import Present
from app.handlers.search import Search
from app.parts import Updates
from app.pictures import Pictures
from app.services import Services
from app.session import Session
from app.views import upload
from engine.gallery import GalleryMissing, Library, PhotoMissing, Upload, embed_picture, uploads_of
from engine.gallery.comparison import GALLERIES_KEPT, Comparison
from engine.gallery.galleries import get_photo, list_photos, publish_gallery, summarize_gallery
from engine.gallery.ingest import ingest_files
from engine.gallery.quotas import Limits, TooMuch, Visitors
from engine.ingest.image import MAX_BYTES
from engine.storage.collections import restamp
from engine.storage.database import StoreUnusable
from engine.storage.schema import CollectionRow, stamp_of
from tests.app.sending import uploaded
from tests.app.shown_examples import PARTS, after
from tests.pictures import Fill, MakePng, MakeUpload
from tests.zip_files import zipped


@pytest.fixture
def lines() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def services(library: Library, demo: Demo, pictures: Pictures, lines: io.StringIO) -> Services:
    visitors = Visitors(library, Limits(galleries=2))
    return Services(library, Comparison(library), demo, pictures.address, visitors, EventLog(lines))


@pytest.fixture
def access(services: Services) -> Access:
    return services.access


def arrived(access: Access, token: str | None = None) -> Session:
    session = Session()
    access.arrive({"visitor": token}, session)
    return session


@pytest.fixture
def ann(access: Access, library: Library, upload: MakeUpload) -> Session:
    """A visitor with one gallery."""
    session = arrived(access)
    session.gallery = access.make("Mine", session)
    ingest_files(library, session.gallery, [upload("secret.png", "yellow")])
    return session


@pytest.fixture(params=["another", "without a token", "who shows the owner's hash"])
def stranger(request: pytest.FixtureRequest, access: Access, ann: Session) -> Session:
    if request.param == "without a token":
        return Session()
    return arrived(access, ann.owner if request.param != "another" else None)


def test_a_visitor_comes_again_to_what_is_theirs(access: Access, ann: Session) -> None:
    again = arrived(access, ann.token)
    assert [summary.name for summary in access.galleries(again)] == ["Mine", "Demo gallery"]
    assert access.own(ann.gallery, again).id == ann.gallery


def test_nothing_of_another_is_listed_seen_or_changed(
    access: Access, ann: Session, stranger: Session, library: Library
) -> None:
    assert [summary.kind for summary in access.galleries(stranger)] == ["demo"]
    for forbidden in (
        lambda: access.gallery(ann.gallery, stranger),
        lambda: access.own(ann.gallery, stranger),
        lambda: access.recodable(ann.gallery, stranger),
        lambda: access.named("Mine", stranger),
    ):
        with pytest.raises(GalleryMissing):
            forbidden()
    photo = list_photos(library, ann.gallery or 0)[0].id
    for number in (photo, photo + 1):  # nobody learns which photos there are
        with pytest.raises(PhotoMissing, match=f"no photo number {number} any more"):
            access.photo(number, stranger)


def test_the_same_name_is_another_gallery(access: Access, ann: Session) -> None:
    bob = arrived(access)
    assert access.make("Mine", bob) != ann.gallery
    assert access.named("Mine", ann) == ann.gallery


def doors(services: Services, session: Session) -> list[Callable[[], object]]:
    """Every part of the page that shows or changes something of a gallery, as its visitor's browser asks for it."""
    gallery, photo = session.gallery or 0, session.photo or 0
    search = Search(services, PARTS)
    galleries, selection = Galleries(services, PARTS, search), Selection(services, PARTS, search)
    compare, budget = Compare(services, PARTS), Budget(services, PARTS)
    overview = Overview(services, PARTS, search)
    return [
        lambda: list(galleries.picked(gallery, False, session)),
        lambda: list(galleries.deleted(gallery, False, session)),
        lambda: list(overview.shown(1.0, "", session)),
        lambda: budget.previewed(1.0, "", session),
        lambda: galleries.renamed("Stolen", gallery, session),
        lambda: galleries.published(True, gallery, session),
        lambda: list(galleries.photos_deleted(gr.EventData(None, {"photos": str(photo)}), session)),
        lambda: list(search.searched("yellow", True, session)),
        lambda: list(search.more(session)),
        lambda: list(selection.selected(gr.EventData(None, {"photo": str(photo)}), session)),
        lambda: list(selection.explained(session)),
        lambda: list(selection.deepened(session)),
        lambda: list(compare.shown(session)),
        lambda: Present(services, PARTS).presented(gr.EventData(None, {}), session),
        lambda: list(compare.raced(session)),
        lambda: list(budget.applied(1.0, "", session)),
        lambda: list(Fitting(services, PARTS).fitted(session)),
    ]


def test_the_handlers_ask_first(
    services: Services, search: Search, galleries: Galleries, ann: Session, stranger: Session, library: Library
) -> None:
    photo = list_photos(library, ann.gallery or 0)[0]
    stranger.gallery, stranger.photo = ann.gallery, photo.id
    shown = str([door() for door in doors(services, stranger)])
    shown += str(list(search.searched(f"photo:{photo.id}", True, stranger)))
    shown += str(galleries.settings(ann.gallery, stranger))
    assert "secret" not in shown
    assert summarize_gallery(library, ann.gallery or 0).name == "Mine"
    assert summarize_gallery(library, ann.gallery or 0).link is None
    assert get_photo(library, photo.id).exit == photo.exit


def test_a_browser_that_claims_anothers_gallery_or_link_gets_the_demo(
    galleries: Galleries, ann: Session, demo: Demo
) -> None:
    for kept in (
        {"gallery": ann.gallery, "visitor": "x", "links": ["", None, 7, ann.owner]},
        {"gallery": "1 OR 1", "links": {"a": 1}},
        ["visitor"],
    ):
        bob = Session()
        list(galleries.opened(kept, False, bob, None))
        assert bob.gallery == demo.id
        assert bob.owner not in (None, ann.owner)


def test_a_published_gallery_is_looked_at_and_not_changed_until_the_link_is_taken_back(
    access: Access, ann: Session, stranger: Session, library: Library
) -> None:
    assert access.open_link("a guess", stranger) is None
    link = publish_gallery(library, ann.gallery or 0, True)
    assert access.open_link(link or "", stranger) == ann.gallery
    assert access.gallery(ann.gallery, stranger).name == "Mine"
    assert access.photo(list_photos(library, ann.gallery or 0)[0].id, stranger).file == "secret.png"
    for forbidden in (access.own, access.recodable):
        with pytest.raises(NotYours):
            forbidden(ann.gallery, stranger)
    publish_gallery(library, ann.gallery or 0, False)
    with pytest.raises(GalleryMissing):
        access.gallery(ann.gallery, stranger)


def test_who_looks_at_a_published_gallery_is_offered_no_change_of_it(
    services: Services, galleries: Galleries, selection: Selection, ann: Session, stranger: Session, library: Library
) -> None:
    services.access.open_link(publish_gallery(library, ann.gallery or 0, True) or "", stranger)
    event = gr.EventData(None, {"photo": str(list_photos(library, ann.gallery or 0)[0].id)})
    for session, offered in ((ann, True), (stranger, False)):
        settings = after(galleries.settings(ann.gallery, session))
        parts = (settings.rename, settings.public, settings.delete)
        assert [part["visible"] for part in parts] == [offered] * 3
        assert ('data-event="discard"' in after(selection.selected(event, session)).panel) is offered


def test_a_gallery_of_an_earlier_model_says_so_in_place_of_figures_until_its_owner_encodes_it_again(
    services: Services, overview: Overview, search: Search, ann: Session, stranger: Session, library: Library
) -> None:
    stranger.gallery = services.access.open_link(publish_gallery(library, ann.gallery or 0, True) or "", stranger)
    with library.database.write() as rows:
        rows.execute(update(CollectionRow).where(CollectionRow.id == ann.gallery).values(weights_hash="earlier"))
    albums, stranger.browser = Albums(services, PARTS), "which has opened the page"
    for session, way, sentence in (
        (ann, 'data-event="recode"', "have to be encoded again, in the Gallery tab"),
        (stranger, "Ask the owner", "Ask the owner"),
    ):
        shown = after(search.searched("yellow", False, session))
        assert "Indexed by an earlier model" in shown.grid
        assert way in shown.grid
        assert "indexed by an earlier model: encode again" in shown.headline
        assert "%" not in shown.headline
        told = after(overview.shown(0.6, "", session))
        assert told.apply["visible"] is (session is ann)
        compared = after(Compare(services, PARTS).shown(session))
        assert not compared.start_race["visible"]
        for part in (told.figures, after(albums.shown(session)).album_line, compared.race):
            assert sentence in part
            assert ("Gallery tab" in part) is (session is ann)
    list(Budget(services, PARTS).applied(0.6, "", ann))
    shown = after(search.searched("yellow", False, stranger))
    assert "secret.png" in shown.grid
    assert "of the full encoder’s compute" in shown.headline


def test_who_cannot_apply_a_budget_is_not_told_what_it_would_cost(
    services: Services, overview: Overview, ann: Session, stranger: Session, library: Library
) -> None:
    stranger.gallery = services.access.open_link(publish_gallery(library, ann.gallery or 0, True) or "", stranger)
    for session, said in ((ann, "This raises its cost"), (stranger, "You can choose for galleries of your own.")):
        told = after(overview.shown(1.0, "", session)).budget_preview
        assert said in told
        assert ("cost" in told) is (session is ann)


def test_photos_that_wait_are_the_owners_to_encode(
    services: Services, overview: Overview, search: Search, ann: Session, stranger: Session, library: Library
) -> None:
    stranger.gallery = services.access.open_link(publish_gallery(library, ann.gallery or 0, True) or "", stranger)
    stamp = stamp_of(library.encoder)
    for model in (replace(stamp, weights_hash="later"), stamp):
        restamp(library.database, ann.gallery or 0, model, ())
    for session, way in ((ann, 'data-event="recode"'), (stranger, "ask the owner")):
        shown = after(search.searched("yellow", False, session))
        assert "1 photo waits to be encoded" in shown.headline
        assert way in shown.grid
        assert ("Gallery tab" in shown.grid) is (session is ann)
        assert after(overview.shown(0.6, "", session)).apply["visible"] is (session is ann)


def test_a_program_searches_and_compares_a_published_gallery_and_explains_the_demos_photos(
    services: Services, ann: Session, library: Library, demo: Demo
) -> None:
    api, link = Api(services), publish_gallery(library, ann.gallery or 0, True) or ""
    (hit,) = api.search("yellow", link)
    with pytest.raises(gr.Error, match="only a gallery’s owner may start one"):
        api.compare("yellow", link)
    services.comparison.race(ann.gallery or 0)
    assert api.compare("yellow", link)["full"] == ["secret.png"]
    assert api.explain(list_photos(library, demo.id)[0].id, "red")["scores"]
    with pytest.raises(gr.Error, match="no photo"):
        api.explain(hit["photo"], "yellow")


def test_the_demo_is_compared_however_many_visitors_have_raced_since(
    services: Services, demo: Demo, fill: Fill
) -> None:
    with pytest.raises(gr.Error, match="has not come to its end; ask again in a minute"):
        Api(services).compare("something red", k=1)
    services.comparison.race(demo.id)
    for number in range(GALLERIES_KEPT):
        services.comparison.race(fill(f"Raced {number}", {"a.png": "red"}))
    assert Api(services).compare("something red", k=1)["full"] == ["red-square.png"]


def test_the_demo_gallery_is_nobodys_to_change(services: Services, ann: Session, demo: Demo) -> None:
    ann.gallery = demo.id
    for session in (ann, Session(gallery=demo.id)):
        assert "stays as it is" in after(Budget(services, PARTS).applied(1.0, "", session)).applied


def test_exits_for_everyones_model_are_not_fitted_by_a_visitor(services: Services, ann: Session) -> None:
    assert "fitted by who keeps this page" in after(Fitting(services, PARTS).fitted(ann)).no_exits


def test_strangers_are_told_nothing_of_the_machine_and_its_keeper_is(
    services: Services,
    ann: Session,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    broken = StoreUnusable("The data in /data/tgem.db cannot be used (disk I/O error); set TGEM_HOME.")
    monkeypatch.setattr("engine.gallery.galleries._summary", Mock(side_effect=broken))
    ann.query = "yellow"
    for door in doors(services, ann):
        said = str(door())
        assert 'role="alert"' in said
        assert "/data" not in said
        assert "TGEM_HOME" not in said
    with pytest.raises(gr.Error, match="on the machine that serves this page"):
        Api(services).galleries(ann.token or "")
    assert "The data in /data/tgem.db cannot be used" in capsys.readouterr().err
    services.visitors = None
    assert "/data/tgem.db" in after(Search(services, PARTS).more(ann)).grid, (
        "who has the place to themselves can mend it"
    )


def test_limits_are_sentences(access: Access, ann: Session) -> None:
    access.make("Second", ann)
    with pytest.raises(TooMuch, match="2 galleries"):
        access.make("Third", ann)
    with pytest.raises(NotYours, match="load the page again"):
        access.make("Mine", Session())


def test_a_visitor_has_one_long_work_at_a_time_and_the_next_ones_know_their_place(
    services: Services, add_photos: AddPhotos, ann: Session, access: Access, dropped: Callable[..., list[str]]
) -> None:
    (file,) = dropped(blue="blue")
    with access.work(ann), access.work(arrived(access)):  # as many as are served at once
        *_, refused = uploaded(add_photos, services, [file], "Mine", ann)
        assert "long work running already" in str(refused)
        for busy in (Budget(services, PARTS).applied(1.0, "", ann), Compare(services, PARTS).raced(ann)):
            assert "long work running already" in str([*busy])
        assert not Path(file).exists()  # nothing that was refused is kept

        bob, carol = arrived(access), arrived(access)
        waiting = uploaded(add_photos, services, dropped(blue="blue"), "Mine", bob)
        until_said(waiting, "you are next")
        carol.gallery = access.make("Hers", carol)
        racing = Compare(services, PARTS).raced(carol)
        next(racing)
        assert "you are number 2 in line" in str(next(racing))
        services.stop("race", carol)
        assert "Stopped" in str([*racing])
    assert "<b>1</b> photo added" in str([*waiting])


def test_programs_without_a_token_have_one_long_work_at_a_time_from_each_address(
    access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asks(address: str) -> AbstractContextManager[object]:
        monkeypatch.setattr("app.access.asking_address", lambda: address)
        return access.work(Session())

    with asks("198.51.100.1"), asks("198.51.100.2"), pytest.raises(TooMuch), asks("198.51.100.1"):
        pass


def test_an_address_has_two_places_for_albums_however_many_visitors_it_is(
    access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    def place(address: str) -> AbstractContextManager[object]:
        monkeypatch.setattr("app.access.asking_address", lambda: address)
        return access.place_of_address()

    monkeypatch.setattr("app.access.PATIENCE", 0.05)
    monkeypatch.setattr("app.access.hash", {"198.51.100.1": 1, "198.51.100.2": 2}.__getitem__, raising=False)
    with place("198.51.100.1"), place("198.51.100.1"):
        with pytest.raises(TooMuch, match="try again in a minute"), place("198.51.100.1"):
            pass
        with place("198.51.100.2"):
            pass
    with place("198.51.100.1"):
        pass


def test_what_was_sent_is_listed_in_its_turn_and_not_once_it_is_stopped(
    services: Services,
    add_photos: AddPhotos,
    ann: Session,
    access: Access,
    png: MakePng,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    listed: list[str] = []
    bob = arrived(access)

    def listing(path: Path, name: str) -> list[Upload]:
        listed.append(name)
        add_photos.stopped(bob)  # while it is being listed
        return uploads_of(path, name)

    files = [tmp_path / f"{number}.zip" for number in range(3)]
    for file in files:
        file.write_bytes(zipped({"a.png": png("blue")}))
    monkeypatch.setattr("app.uploading.intake.uploads_of", listing)
    with access.work(ann), access.work(arrived(access)):  # as many as are served at once
        waiting = uploaded(add_photos, services, list(map(str, files)), "Mine", bob)
        until_said(waiting, "you are next")
        assert listed == []
    assert "3 files were not taken in when you stopped it" in str([*waiting])
    assert listed == ["0.zip"]
    assert not any(file.exists() for file in files)


def until_said(told: Iterator[Updates], words: str) -> None:
    """Read on until it is said, a few times."""
    assert any(words in str(next(told)) for _ in range(8)), f"nobody said “{words}”"


def test_an_upload_on_its_way_is_told_to_its_own_visitor_only(
    services: Services, add_photos: AddPhotos, ann: Session, access: Access, dropped: Callable[..., list[str]]
) -> None:
    bob = arrived(access)
    telling = uploaded(add_photos, services, dropped(blue="blue"), "Secret trip", ann)
    next(telling)
    for session in (bob, Session()):
        assert "Secret" not in str(add_photos.resumed(session))
        assert "Secret" not in str(add_photos.followed(session))
        add_photos.stopped(session)
        add_photos.dismissed(session)
    assert "<b>1</b> photo added" in str([*telling])
    assert "Secret trip" in str(add_photos.resumed(ann))


def test_a_picture_to_search_with_is_read_in_its_turn_and_no_further_than_may_be_a_picture(
    picture_search: PictureSearch, ann: Session, access: Access, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    embed = Mock(side_effect=embed_picture)
    monkeypatch.setattr("app.handlers.picture_search.embed_picture", embed)
    monkeypatch.setattr(Path, "read_bytes", pytest.fail)
    file = tmp_path / "huge.png"
    with ExitStack() as running:
        for _ in range(Limits.at_once):
            running.enter_context(access.turn(ann))
        file.touch()
        shown = after(picture_search.picture_given(str(file), False, ann))
        assert "You have 4 requests running already" in shown.notice
        assert not hasattr(shown, "grid"), "what was on show stays"
        assert not file.exists()
    with file.open("wb") as huge:
        huge.truncate(MAX_BYTES + 10_000)
    assert "too large" in str([*picture_search.picture_given(str(file), False, ann)])
    assert [len(data) for (_, _, data, _), _ in embed.call_args_list] == [MAX_BYTES + 1]
    assert not file.exists()


def test_pictures_to_search_with_count_for_the_gallery_of_who_owns_it_alone(
    picture_search: PictureSearch,
    ann: Session,
    access: Access,
    library: Library,
    demo: Demo,
    dropped: Callable[..., list[str]],
) -> None:
    bob = arrived(access)
    access.open_link(publish_gallery(library, ann.gallery or 0, True) or "", bob)

    def pictured(session: Session) -> str:
        (file,) = dropped(mine="green")
        return str([*picture_search.picture_given(file, False, session)])

    for gallery in (demo.id, ann.gallery):
        bob.gallery = gallery
        assert "counted for no gallery" in pictured(bob)
        assert summarize_gallery(library, gallery or 0).macs_pictures == 0
    assert "counted for this gallery" in pictured(ann)
    assert summarize_gallery(library, ann.gallery or 0).macs_pictures == library.encoder.full_macs


def test_every_door_that_computes_counts_as_a_request(
    services: Services, search: Search, overview: Overview, selection: Selection, compare: Compare, ann: Session
) -> None:
    ann.query, ann.tab = "yellow", "Compare"
    ann.photo = list_photos(services.library, ann.gallery or 0)[0].id
    with ExitStack() as running:
        for _ in range(Limits.at_once):
            running.enter_context(services.access.turn(ann))
        for answer in (
            list(search.searched("yellow", True, ann)),
            list(search.more(ann)),
            list(selection.explained(ann)),
            list(selection.deepened(ann)),
            list(overview.shown(1.0, "", ann)),
            list(compare.shown(ann)),
            Present(services, PARTS).presented(gr.EventData(None, {}), ann),
        ):
            assert "You have 4 requests running already" in str(answer)


def test_an_address_of_a_picture_that_was_passed_on_does_not_live_long(
    library: Library, demo: Demo, pictures: Pictures
) -> None:
    photo = list_photos(library, demo.id)[0]
    today = pictures_module._today()
    address = pictures.address(photo, "grid")
    token = address.rpartition("/")[2].removesuffix(".webp")
    assert token == pictures._token(photo, "grid", today)
    assert token not in {pictures._token(photo, "grid", day) for day in (today + 1, today - 1)}


@pytest.mark.parametrize(("later", "shown"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_an_address_of_a_picture_lives_on_where_the_clock_is_set_back_a_little(
    library: Library, demo: Demo, pictures: Pictures, monkeypatch: pytest.MonkeyPatch, later: int, shown: bool
) -> None:
    photo = list_photos(library, demo.id)[0]
    token = pictures.address(photo, "grid").rpartition("/")[2].removesuffix(".webp")
    today = pictures_module._today() + later
    monkeypatch.setattr(pictures_module, "_today", lambda: today)
    assert (pictures._shown(photo.id, "grid", token) is not None) == shown


@pytest.mark.parametrize(
    ("environment", "public", "local"),
    [
        ({}, False, True),
        ({"GRADIO_SERVER_NAME": "localhost"}, False, True),
        ({"GRADIO_SERVER_NAME": ""}, False, True),
        ({"GRADIO_SERVER_NAME": "127.0.0.2"}, False, True),
        ({"GRADIO_SERVER_NAME": "::1"}, False, True),
        ({"GRADIO_SERVER_NAME": "[::1]"}, False, True),
        ({"GRADIO_SERVER_NAME": "::"}, True, False),
        ({"GRADIO_SERVER_NAME": "0.0.0.0"}, True, False),
        ({"GRADIO_SERVER_NAME": "192.168.1.7"}, True, False),
        ({"SPACE_ID": "me/demo"}, True, False),
        ({"SPACE_ID": "me/demo", "GRADIO_SERVER_NAME": "127.0.0.1"}, True, False),
        ({"TGEM_PUBLIC": "1"}, True, False),
        ({"TGEM_PUBLIC": "0", "GRADIO_SERVER_NAME": "0.0.0.0"}, False, False),
        ({"TGEM_PUBLIC": "Off", "GRADIO_SERVER_NAME": "0.0.0.0"}, False, False),
        ({"TGEM_PUBLIC": " ", "GRADIO_SERVER_NAME": "0.0.0.0"}, True, False),
    ],
)
def test_a_page_that_others_can_reach_is_public_unless_somebody_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], public: bool, local: bool
) -> None:
    for name in ("GRADIO_SERVER_NAME", "SPACE_ID", "TGEM_PUBLIC"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert (is_public(), is_local()) == (public, local)


class TestOverHttp:
    def test_two_programs_do_not_meet(self, address: str, tmp_path: Path, png: MakePng, lines: io.StringIO) -> None:
        photo = tmp_path / "dog.png"
        photo.write_bytes(png("yellow"))
        one, other = Client(address, verbose=False), Client(address, verbose=False)
        report = one.predict(handle_file(str(photo)), "Holiday", "", api_name="/add_photos")
        token = report["visitor"]
        (hit,) = one.predict("yellow", "Holiday", 5, token, api_name="/search")
        assert [g["name"] for g in one.predict(token, api_name="/galleries")] == ["Holiday", "Demo gallery"]
        again = one.predict(handle_file(str(photo)), "Holiday", token, api_name="/add_photos")
        assert (again["duplicates"], again["visitor"]) == (1, token)

        stranger = other.predict(handle_file(str(photo)), "Mine", "", api_name="/add_photos")["visitor"]
        assert stranger != token
        for shown in ("", stranger, "x" * 43, token[:-1]):
            for call in (
                ("yellow", "Holiday", 5, shown, "/search"),
                (hit["photo"], "yellow", shown, "/explain"),
                ("yellow", "Holiday", 5, shown, "/compare"),
            ):
                *arguments, name = call
                with pytest.raises(AppError, match=r"no gallery|no photo|No visitor"):
                    other.predict(*arguments, api_name=name)
        assert [g["name"] for g in other.predict("", api_name="/galleries")] == ["Demo gallery"]
        assert httpx.get(address + hit["picture"]).status_code == 200
        assert httpx.get(address + re.sub("[0-9a-f]{64}", "0" * 64, hit["picture"])).status_code == 404

        told = [json.loads(line) for line in lines.getvalue().splitlines()]
        assert {line["event"] for line in told} >= {"ingest", "search"}
        assert all(set(line) <= {"at", "event", "ms", "added", "skipped", "failed"} for line in told)

    def test_private_events_called_by_number_know_nobody(self, address: str, ann: Session) -> None:
        events = httpx.get(f"{address}config").json()["dependencies"]
        private = [e for e in events if e["api_visibility"] == "private" and len(e["inputs"]) <= 6]
        assert len(private) > 20
        with httpx.Client(base_url=address, timeout=30) as client:

            def call(event: dict[str, Any]) -> str:
                data = [ann.gallery if n == 0 else None for n in range(len(event["inputs"]))]
                session = {"session_hash": f"guess-{event['id']}"}
                body = {"fn_index": event["id"], "data": data, "event_data": None, **session}
                client.post("gradio_api/queue/join", json=body).raise_for_status()
                return client.get("gradio_api/queue/data", params=session).text

            with ThreadPoolExecutor(8) as callers:
                for answer in callers.map(call, private):
                    assert "process_completed" in answer
                    assert "secret" not in answer
                    assert "running already" not in answer, "it was turned away, and asked nothing"
                    assert "list of choices" not in answer, "as a page has none whose server began anew"


def test_a_public_host_says_how_much_is_kept_and_for_how_long(library: Library) -> None:
    told = upload.keeping(Visitors(library, Limits(galleries=3, photos=1000, bytes=2**30, days=7.0)))
    for promised in ("1\u202f000 photos", "1 GB", "3 galleries", "7 days", "the computer that serves this page"):
        assert promised in told
