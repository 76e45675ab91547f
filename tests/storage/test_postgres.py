"""The same tables on PostgreSQL, several processes on them at once, and what is missing said in a sentence."""

import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import alembic.command
import alembic.config
import pytest
from sqlalchemy import create_engine, inspect

from engine.storage import postgres as postgres_module
from engine.storage.collections import TotalsCache, list_collections, open_collection
from engine.storage.database import Database, NewerDatabase, StoreUnusable, connect, explaining_errors, migrate
from engine.storage.encodings import list_changes
from engine.storage.images import delete_images, get_images, list_images
from engine.storage.postgres import PostgresUnusable
from engine.utils.errors import EngineError
from tests import postgres
from tests.pictures import MakePng
from tests.programs import INDEX, begun
from tests.storage.rows import add

ROOT = Path(__file__).parents[2]


@pytest.fixture
def url(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("TGEM_DATABASE_URL", postgres_url)
    return postgres_url


@pytest.fixture
def new_url(new_postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("TGEM_DATABASE_URL", new_postgres_url)
    return new_postgres_url


def refusal(url: str, kind: type[EngineError] = PostgresUnusable) -> str:
    """The sentence that a database is refused with."""
    engine = connect(url)
    with pytest.raises(kind) as refused:
        migrate(engine)
    engine.dispose()
    return str(refused.value)


def test_each_migration_goes_down_and_up_again(new_url: str) -> None:
    config = alembic.config.Config(ROOT / "alembic.ini")
    alembic.command.upgrade(config, "head")
    database = Database.open()
    gallery = open_collection(database, "a", "gallery", None)
    kept = add(database, gallery, "aa", "bb")
    before = [row.encoding.vector for row in get_images(database, [row.id for row in kept])]
    database.close()
    alembic.command.downgrade(config, "0001")
    Database.open().close()
    database = Database.open()
    rows = get_images(database, [row.id for row in kept])
    assert [row.encoding.vector for row in rows] == before
    assert {(row.encoding.collection_id, row.encoding.model) for row in rows} == {(gallery, "a" * 8 + "b" * 8)}
    database.close()
    alembic.command.downgrade(config, "base")
    engine = create_engine(new_url)
    assert inspect(engine).get_table_names() == ["alembic_version"]
    engine.dispose()


def test_processes_that_start_at_once_migrate_once(new_url: str) -> None:
    def start(_: int) -> None:
        engine = connect(new_url)
        migrate(engine)
        engine.dispose()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(start, range(4)))


def test_several_processes_index_into_one_gallery(url: str, home: Path, tmp_path: Path, png: MakePng) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(70):
        (folder / f"{number:02}.png").write_bytes(png((number, 0, 0)))
    running = [begun(INDEX, home, folder) for _ in range(2)]
    for process in running:
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0, said
    database = Database.open()
    (gallery,) = list_collections(database, "gallery")
    assert TotalsCache(database).of(gallery).photos == 70
    revisions = list_changes(database, gallery.id, 0, 100).revisions.tolist()
    assert revisions == list(range(1, 71))
    assert len(list(home.glob("pictures/*/*.jpg"))) == 70
    database.close()


def test_a_picture_stays_while_another_process_adds_it_elsewhere(url: str) -> None:
    databases = [Database.open() for _ in range(4)]
    keeps, goes = (open_collection(databases[0], name, "gallery", None) for name in ("keeps", "goes"))

    def churn(database: Database) -> None:
        for _ in range(5):
            add(database, goes, "aa", "bb")
            delete_images(database, goes, [row.id for row in list_images(database, goes, 9)])
            kept = add(database, keeps, "bb")
            if kept:
                delete_images(database, keeps, [kept[0].id])

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(churn, databases))
    for database in databases:
        for collection in (keeps, goes):
            for row in list_images(database, collection, 9):
                assert database.pictures.path(row.content_hash).is_file()
    for database in databases:
        database.close()


def test_a_plain_postgresql_address_is_taken_too(url: str) -> None:
    engine = connect(url.replace("+psycopg", ""))
    assert engine.url.drivername == "postgresql+psycopg"
    engine.dispose()


@pytest.mark.parametrize("package", ["psycopg", "pgvector"])
def test_a_missing_driver_is_said_with_the_mend(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(PostgresUnusable, match=rf"needs the package {package}.*requirements-postgres.txt"):
        connect("postgresql+psycopg://someone:secret@127.0.0.1/tgem")


def test_a_server_that_does_not_answer_is_said_without_the_password() -> None:
    said = refusal("postgresql+psycopg://someone:secret@127.0.0.1:1/tgem", StoreUnusable)
    assert re.search(r"The database tgem on 127\.0\.0\.1 cannot be used .*server runs", said)
    assert "secret" not in said
    assert "\n" not in said


@pytest.mark.parametrize("url", ["someone:se@cret@host/tgem", "someone:secret@host/t@gem"])
def test_a_password_whose_signs_are_not_written_out_is_not_repeated(url: str) -> None:
    with pytest.raises(StoreUnusable, match=r"percent signs: %40 for an @") as raised:
        connect(f"postgresql+psycopg://{url}")
    assert "cret" not in str(raised.value)


def test_a_database_that_cannot_keep_every_name_is_refused(cluster: postgres.Cluster, new_postgres_url: str) -> None:
    cluster.run(cluster.url("postgres"), "CREATE DATABASE ascii ENCODING SQL_ASCII LOCALE 'C' TEMPLATE template0")
    assert re.search("The database ascii is encoded in SQL_ASCII; .*createdb", refusal(cluster.url("ascii")))
    cluster.drop(cluster.url("ascii"))


def test_pgvector_where_nobody_looks_for_it_is_said(cluster: postgres.Cluster, new_postgres_url: str) -> None:
    cluster.run(new_postgres_url, "CREATE SCHEMA hidden", "CREATE EXTENSION vector SCHEMA hidden")
    assert re.search("pgvector in a schema that is not searched.*search_path", refusal(new_postgres_url))


def test_a_server_without_a_connection_left_is_busy(cluster: postgres.Cluster, new_postgres_url: str) -> None:
    cluster.run(new_postgres_url, "CREATE ROLE few LOGIN CONNECTION LIMIT 0")
    said = refusal(new_postgres_url.replace("tgem@", "few@"), StoreUnusable)
    assert re.search(r"is busy with other work \(.*too many connections.*\); try again later", said)
    cluster.run(new_postgres_url, "DROP ROLE few")


def test_what_a_running_server_refuses_is_no_matter_of_the_url(url: str) -> None:
    Database.open().close()
    engine = connect(f"{url}?options=-cdefault_transaction_read_only%3Don")
    with (
        pytest.raises(StoreUnusable, match=r"read-only transaction\)\.$"),
        explaining_errors(engine),
        engine.begin() as one,
    ):
        one.exec_driver_sql("DELETE FROM visitors")
    engine.dispose()


def test_who_may_not_add_pgvector_is_told_who_can(cluster: postgres.Cluster, new_postgres_url: str) -> None:
    cluster.run(new_postgres_url, "CREATE ROLE plain LOGIN", "GRANT ALL ON SCHEMA public TO plain")
    plain = new_postgres_url.replace("tgem@", "plain@")
    assert re.search(r"has no pgvector \(permission denied.*\).*CREATE EXTENSION vector", refusal(plain))
    cluster.run(new_postgres_url, "CREATE EXTENSION vector")
    engine = connect(plain)
    migrate(engine)
    engine.dispose()
    cluster.run(new_postgres_url, "DROP OWNED BY plain", "DROP ROLE plain")


def test_an_old_pgvector_is_refused(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_module, "NEEDS", (99, 1))
    assert re.search(r"has pgvector 0\..*99\.1 is needed.*ALTER EXTENSION vector UPDATE", refusal(postgres_url))


def test_a_database_of_a_newer_version_is_refused(cluster: postgres.Cluster, new_url: str) -> None:
    Database.open().close()
    cluster.run(new_url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(NewerDatabase, match=r"newer version .*9999.*git pull.*name another database"):
        Database.open()
