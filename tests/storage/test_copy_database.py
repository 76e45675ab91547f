"""A database moved between databases holds the same, goes on after a stop, and is refused where it would be mixed."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from engine.cli import cli
from engine.gallery import Library
from engine.gallery.galleries import delete_photos, list_photos, open_gallery
from engine.gallery.ingest import ingest_files
from engine.gallery.search import run_to_full_depth, search_photos
from engine.storage.collections import open_collection
from engine.storage.copy_database import copy_database
from engine.storage.database import Database, StoreUnusable
from engine.storage.visitors import mark_seen
from engine.utils.errors import EngineError
from tests import postgres
from tests.fake_encoder import FakeEncoder
from tests.pictures import MakeUpload

FIRST = (Path(__file__).parents[1] / "data" / "0001.sql").read_text("utf-8")
COLOURS = ("red", "green", "blue", "yellow", "grey")


@pytest.fixture
def sqlite_url(home: Path, upload: MakeUpload) -> str:
    """A database with two galleries, kept maps, a visitor, and gaps among its ids."""
    database = Database.open()
    library = Library(database, FakeEncoder)
    first, second = open_gallery(library, "first"), open_gallery(library, "second", owner="ann")
    ingest_files(library, first, [upload(colour, colour) for colour in COLOURS])
    ingest_files(library, second, [upload("mine", "red"), upload("gone", "green")])
    delete_photos(library, second, [photo.id for photo in list_photos(library, second) if photo.file == "gone"])
    run_to_full_depth(library, list_photos(library, first)[0].id)
    mark_seen(database, "ann", 5.0)
    database.close()
    return f"sqlite:///{home / 'tgem.db'}"


def searched(url: str, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, str, float]]:
    """What a database answers, from the same data folder."""
    monkeypatch.setenv("TGEM_DATABASE_URL", url)
    database = Database.open()
    library = Library(database, FakeEncoder)
    hits = search_photos(library, 1, "red green", 5)
    assert all(library.picture_path(hit.photo.content_hash).is_file() for hit in hits)
    found = [(hit.photo.id, hit.photo.file, round(hit.score, 5)) for hit in hits]
    database.close()
    return found


def test_all_rows_move_and_are_found_again(
    sqlite_url: str, postgres_url: str, monkeypatch: pytest.MonkeyPatch, upload: MakeUpload
) -> None:
    moved = {table.table: table for table in copy_database(sqlite_url, postgres_url)}
    assert {name: table.rows for name, table in moved.items()} == {
        "collections": 2,
        "images": 6,
        "encodings": 6,
        "feature_maps": 5,
        "races": 0,
        "albums": 0,
        "album_moves": 0,
        "visitors": 1,
    }
    before = searched(sqlite_url, monkeypatch)
    assert len(before) == 5
    assert searched(postgres_url, monkeypatch) == before
    database = Database.open()
    library = Library(database, FakeEncoder)
    ingest_files(library, 1, [upload("new", (9, 9, 9))])
    assert list_photos(library, 1)[-1].id == 8  # 7 was another photo's once
    database.close()


def test_there_and_back_is_the_same(sqlite_url: str, postgres_url: str, tmp_path: Path) -> None:
    there = copy_database(sqlite_url, postgres_url)
    back = copy_database(postgres_url, f"sqlite:///{tmp_path / 'back.db'}")
    assert [table.checksum for table in back] == [table.checksum for table in there]


def test_a_move_that_was_stopped_goes_on(sqlite_url: str, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.storage.copy_database.CHUNK", 2)

    class Stopped(Exception):
        pass

    def stop(done: int, rows: int) -> None:
        if done >= 5:
            raise Stopped

    with pytest.raises(Stopped):
        copy_database(sqlite_url, postgres_url, stop)
    seen: list[tuple[int, int]] = []
    moved = copy_database(sqlite_url, postgres_url, lambda done, rows: seen.append((done, rows)))
    new = {table.table: table.new for table in moved}
    assert (new["collections"], new["images"], new["encodings"]) == (0, 4, 6)
    assert seen[-1] == (40, 40)
    assert sum(table.new for table in copy_database(sqlite_url, postgres_url)) == 0


def test_other_galleries_are_never_mixed_in(
    sqlite_url: str, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TGEM_DATABASE_URL", postgres_url)
    database = Database.open()
    open_collection(database, "theirs", "gallery", None)
    database.close()
    with pytest.raises(EngineError, match=r'holds a gallery "theirs".*name an empty database'):
        copy_database(sqlite_url, postgres_url)


def test_a_difference_is_found(sqlite_url: str, postgres_url: str, cluster: postgres.Cluster) -> None:
    copy_database(sqlite_url, postgres_url)
    cluster.run(postgres_url, "UPDATE encodings SET vector = vector * '[1,1,0.5]' WHERE image_id = 3")
    with pytest.raises(EngineError, match=r"encodings are not the same in both databases .*6 rows.*6 in the new"):
        copy_database(sqlite_url, postgres_url)


def test_what_is_not_there_is_not_made(tmp_path: Path, postgres_url: str) -> None:
    with pytest.raises(StoreUnusable, match=r"no database .*nothing\.db"):
        copy_database(f"sqlite:///{tmp_path / 'nothing.db'}", postgres_url)
    assert not (tmp_path / "nothing.db").exists()
    with pytest.raises(EngineError, match="same one"):
        copy_database(postgres_url, postgres_url)


def test_an_old_database_is_left_as_it_was(tmp_path: Path) -> None:
    old, new = tmp_path / "old.db", tmp_path / "new.db"
    with closing(sqlite3.connect(old)) as connection:
        connection.executescript(FIRST)
    before = old.read_bytes()
    moved = {table.table: table.rows for table in copy_database(f"sqlite:///{old}", f"sqlite:///{new}")}
    assert (moved["collections"], moved["images"], moved["encodings"]) == (3, 5, 5)
    assert old.read_bytes() == before
    assert {path.name for path in tmp_path.glob("old*")} == {"old.db"}
    assert sum(table.new for table in copy_database(f"sqlite:///{old}", f"sqlite:///{new}")) == 0


def test_a_database_of_another_program_is_no_source(tmp_path: Path) -> None:
    theirs, new = tmp_path / "theirs.db", tmp_path / "new.db"
    with closing(sqlite3.connect(theirs)) as connection:
        connection.execute("CREATE TABLE songs (name)")
    before = theirs.read_bytes()
    with pytest.raises(StoreUnusable, match=r"theirs\.db holds no galleries"):
        copy_database(f"sqlite:///{theirs}", f"sqlite:///{new}")
    assert theirs.read_bytes() == before
    assert not new.exists()


def test_the_command_says_what_moved(sqlite_url: str, postgres_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    cli(["migrate-store", sqlite_url, postgres_url, "--json"], standalone_mode=False)
    tables = json.loads(capsys.readouterr().out)
    assert [table["new"] for table in tables if table["table"] == "images"] == [6]
