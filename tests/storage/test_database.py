"""The database is brought up to date when it is opened, and refused in a sentence when it cannot be used."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import alembic.command
import alembic.config
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, select

from engine.storage.collections import TotalsCache, get_collection, open_collection
from engine.storage.database import (
    Database,
    NewerDatabase,
    StoreUnusable,
    connect,
    database_url,
    explaining_errors,
    for_writing,
    migrate,
)
from engine.storage.images import delete_images, image_ids
from engine.storage.schema import Base, ImageRow
from tests.storage.rows import add

ROOT = Path(__file__).parents[2]


def tables(path: Path) -> set[str]:
    with sqlite3.connect(path) as connection:
        return {name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")}


@pytest.mark.both_databases
def test_the_migrations_make_the_tables_of_the_models(home: Path, database: Database) -> None:
    import pgvector.sqlalchemy  # noqa: F401  (makes SQLAlchemy know the type when it looks at tables)

    engine = connect(database_url(home))
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    engine.dispose()


def test_a_database_of_a_newer_version_is_refused_with_the_mend(home: Path) -> None:
    Database.open().close()
    with sqlite3.connect(home / "tgem.db") as connection:
        connection.execute("update alembic_version set version_num = '9999'")
    with pytest.raises(NewerDatabase, match=r"tgem\.db was written by a newer version .*9999.*git pull.*move the file"):
        Database.open()


def test_a_file_that_is_no_database_is_left_alone_and_named(home: Path) -> None:
    home.mkdir()
    (home / "tgem.db").write_bytes(b"my diary" * 1000)
    with pytest.raises(StoreUnusable, match=r"tgem\.db cannot be used \(file is not a database\)"):
        Database.open()
    assert (home / "tgem.db").read_bytes() == b"my diary" * 1000


@pytest.mark.parametrize("name", ["what?", "a#b", "50%20off", "50%", "x?mode=memory&uri=true", "ä b@c:d"])
def test_the_database_lies_in_the_data_folder_whatever_that_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("TGEM_HOME", str(tmp_path / name))
    Database.open().close()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert "images" in tables(tmp_path / name / "tgem.db")


def test_a_file_is_read_by_its_user_alone_whatever_its_folder_allows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "photos.db"
    monkeypatch.setenv("TGEM_DATABASE_URL", f"sqlite:///{file}")
    for mode in (None, 0o644):  # as earlier editions made it
        if mode is not None:
            file.chmod(mode)
        with closing(Database.open(tmp_path)) as database:
            open_collection(database, "mine", "gallery", None)
            assert {path.stat().st_mode & 0o077 for path in tmp_path.glob("photos.db*")} == {0}
    file.chmod(0o660)  # on purpose, for a group
    Database.open(tmp_path).close()
    assert file.stat().st_mode & 0o077 == 0o060


@pytest.mark.parametrize(
    "url",
    [
        "mysql://here/photos",
        "photos.db",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite://folder/tgem.db",
        "sqlite+aiosqlite:////folder/tgem.db",
        "sqlite:////folder/tgem.db?timeout=long",
    ],
)
def test_any_other_database_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TGEM_DATABASE_URL", url)
    with pytest.raises(StoreUnusable, match="must name a SQLite file"):
        Database.open()


def test_a_locked_database_is_said_to_be_locked(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.storage.database.BUSY_SECONDS", 0.05)
    database = Database.open()
    other = connect(database_url(home))
    with for_writing(other).begin(), pytest.raises(StoreUnusable, match=r"\(database is locked\); another program"):
        open_collection(database, "a", "gallery", None)
    other.dispose()
    assert open_collection(database, "a", "gallery", None) == 1
    database.close()


def test_a_file_beside_the_database_is_blamed_itself(home: Path) -> None:
    with closing(Database.open()) as database:
        (home / "pictures").touch()
        said = r"pictures/aa\S* cannot be used \(Not a directory\); mend or move it, .*TGEM_HOME \(TGEM_DATA"
        with pytest.raises(StoreUnusable, match=said), database.explaining_errors():
            database.pictures.keep({"aa" * 32: b"a picture"})


def test_a_failed_migration_leaves_nothing_behind(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.mkdir()
    engine = connect(database_url(home))

    def fail_after_all(*args: Any) -> None:
        upgrade(*args)
        raise OSError(28, "No space left on device")

    upgrade = alembic.command.upgrade
    monkeypatch.setattr(alembic.command, "upgrade", fail_after_all)
    with pytest.raises(StoreUnusable, match="the disk is full"):
        migrate(engine)
    engine.dispose()
    assert tables(home / "tgem.db") == set()


def test_the_command_line_migrates_up_and_down_from_anywhere(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = alembic.config.Config(ROOT / "alembic.ini")
    alembic.command.upgrade(config, "head")
    assert {"collections", "images", "encodings"} <= tables(home / "tgem.db")
    alembic.command.downgrade(config, "base")
    assert tables(home / "tgem.db") <= {"alembic_version", "sqlite_sequence"}


@pytest.mark.both_databases
def test_reading_goes_on_while_another_writes(database: Database) -> None:
    gallery = open_collection(database, "holiday", "gallery", None)
    add(database, gallery, "aa")
    with database.write():
        assert TotalsCache(database).of(get_collection(database, gallery)).photos == 1


def test_nothing_is_read_from_or_added_to_a_file_that_was_deleted(home: Path, database: Database) -> None:
    path, away = home / "tgem.db", home / "away"
    path.rename(away)
    for replaced in (False, True):  # by a copy, say
        if replaced:
            path.write_bytes(away.read_bytes())
        for use in (database.read, database.write):
            with pytest.raises(StoreUnusable, match=re.escape(f"The data in {path} was deleted or replaced")), use():
                pass
    away.replace(path)
    with database.write():
        pass


def test_who_waits_too_long_for_a_connection_is_told_so(tmp_path: Path) -> None:
    few = create_engine(f"sqlite:///{tmp_path / 'tgem.db'}", pool_size=1, max_overflow=0, pool_timeout=0.01)
    with few.connect(), pytest.raises(StoreUnusable, match="is busy with other work"), explaining_errors(few):
        few.connect()
    few.dispose()


def test_what_is_deleted_does_not_stay_on_the_disk(home: Path, database: Database, gallery: int) -> None:
    (row,) = add(database, gallery, "a very private name")
    delete_images(database, gallery, [row.id])
    database.empty_log()
    assert not any(b"very private" in file.read_bytes() for file in home.glob("tgem.db*"))


def test_while_somebody_reads_the_log_is_left_for_the_next_time(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.storage.database.BUSY_SECONDS", 0.1)
    database = Database.open()
    gallery = open_collection(database, "holiday", "gallery", None)
    with database.read() as reading:
        reading.execute(select(ImageRow)).all()
        add(database, gallery, "one")
        database.empty_log()
        add(database, gallery, "two")
    assert len(image_ids(database, gallery)) == 2
    assert (home / "tgem.db-wal").stat().st_size > 0
    database.empty_log()
    assert (home / "tgem.db-wal").stat().st_size == 0
