"""The same tables on PostgreSQL, several processes on them at once, and what is missing said in a sentence."""

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import alembic.command
import alembic.config
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine, inspect

from engine.gallery import Catalog, Upload
from engine.storage import postgres as postgres_module
from engine.storage.database import NewerDatabase, StoreUnusable, connect, migrate
from engine.storage.postgres import PostgresUnusable
from engine.storage.store import Base, GalleryMissing, Store
from tests import postgres
from tests.conftest import FakeEncoder
from tests.storage.test_store import add

ROOT = Path(__file__).parents[2]


@pytest.fixture
def url(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("TGEM_DATABASE_URL", postgres_url)
    return postgres_url


@pytest.fixture
def new_url(new_postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("TGEM_DATABASE_URL", new_postgres_url)
    return new_postgres_url


def test_the_migrations_make_the_tables_of_the_models(postgres_url: str) -> None:
    import pgvector.sqlalchemy  # noqa: F401  (makes SQLAlchemy know the type when it looks at tables)

    engine = connect(postgres_url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
    engine.dispose()


def test_each_migration_goes_down_and_up_again(new_url: str) -> None:
    config = alembic.config.Config(ROOT / "alembic.ini")
    alembic.command.upgrade(config, "head")
    store = Store.open()
    gallery = store.open_collection("a", "gallery", None)
    kept = add(store, gallery, "aa", "bb")
    before = [row.encoding.vector for row in store.images([row.id for row in kept])]
    store.close()
    alembic.command.downgrade(config, "0001")
    Store.open().close()
    store = Store.open()
    rows = store.images([row.id for row in kept])
    assert [row.encoding.vector for row in rows] == before
    assert {(row.encoding.collection_id, row.encoding.model) for row in rows} == {(gallery, "a" * 8 + "b" * 8)}
    store.close()
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


def test_several_processes_index_into_one_gallery(
    url: str, home: Path, tmp_path: Path, png: Callable[..., bytes]
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(70):
        (folder / f"{number:02}.png").write_bytes(png((number, 0, 0)))
    code = (
        "import sys, engine.cli as line\n"
        "from tests.conftest import FakeEncoder\n"
        "line.opening.chosen_encoder = lambda *_: FakeEncoder()\n"
        "line.cli(['index', sys.argv[1]])"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(folder)], cwd=ROOT, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for process in running:
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0, said
    store = Store.open()
    (gallery,) = store.collections("gallery")
    assert store.totals(gallery.id).photos == 70
    revisions = store.changes(gallery.id, 0, 100).revisions.tolist()
    assert revisions == list(range(1, 71))
    assert len(list(home.glob("pictures/*/*.jpg"))) == 70
    store.close()


def test_a_picture_stays_while_another_process_adds_it_elsewhere(url: str) -> None:
    stores = [Store.open() for _ in range(4)]
    keeps, goes = (stores[0].open_collection(name, "gallery", None) for name in ("keeps", "goes"))

    def churn(store: Store) -> None:
        for _ in range(5):
            add(store, goes, "aa", "bb")
            store.remove_images(goes, [row.id for row in store.page(goes, 0, 9)])
            kept = add(store, keeps, "bb")
            if kept:
                store.remove_images(keeps, [kept[0].id])

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(churn, stores))
    for store in stores:
        for collection in (keeps, goes):
            for row in store.page(collection, 0, 9):
                assert store.picture_path(row.content_hash).is_file()
    for store in stores:
        store.close()


def test_what_one_process_does_another_sees_at_once(url: str, upload: Callable[..., Upload]) -> None:
    stores = [Store.open() for _ in range(2)]
    here, there = (Catalog(store, FakeEncoder) for store in stores)
    gallery = here.open_collection("shared")
    here.ingest(gallery, [upload("r", "red"), upload("b", "blue")])
    first = there.search(gallery, "red")[0].photo
    assert first.file == "r"
    there.remove_photos(gallery, [first.id])
    assert [hit.photo.file for hit in here.search(gallery, "red")] == ["b"]
    there.remove(gallery)
    with pytest.raises(GalleryMissing):
        here.search(gallery, "red")
    for store in stores:
        store.close()


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
    engine = connect("postgresql+psycopg://someone:secret@127.0.0.1:1/tgem")
    with pytest.raises(
        StoreUnusable, match=r"The database tgem on 127\.0\.0\.1 cannot be used .*server runs"
    ) as raised:
        migrate(engine)
    assert "secret" not in str(raised.value)
    assert "\n" not in str(raised.value)


def test_who_may_not_add_pgvector_is_told_who_can(cluster: postgres.Cluster, new_postgres_url: str) -> None:
    cluster.run(new_postgres_url, "CREATE ROLE plain LOGIN", "GRANT ALL ON SCHEMA public TO plain")
    engine = connect(new_postgres_url.replace("tgem@", "plain@"))
    with pytest.raises(PostgresUnusable, match=r"has no pgvector \(permission denied.*\).*CREATE EXTENSION vector"):
        migrate(engine)
    engine.dispose()
    cluster.run(new_postgres_url, "CREATE EXTENSION vector")
    engine = connect(new_postgres_url.replace("tgem@", "plain@"))
    migrate(engine)
    engine.dispose()
    cluster.run(new_postgres_url, "DROP OWNED BY plain", "DROP ROLE plain")


def test_an_old_pgvector_is_refused(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_module, "NEEDS", (99, 1))
    engine = connect(postgres_url)
    with pytest.raises(PostgresUnusable, match=r"has pgvector 0\..*99\.1 is needed.*ALTER EXTENSION vector UPDATE"):
        migrate(engine)
    engine.dispose()


def test_a_database_of_a_newer_version_is_refused(cluster: postgres.Cluster, new_url: str) -> None:
    Store.open().close()
    cluster.run(new_url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(NewerDatabase, match=r"newer version .*9999.*git pull.*name another database"):
        Store.open()


def test_sqlite_imports_nothing_of_this() -> None:
    code = (
        "import sys, os, tempfile; os.environ['TGEM_HOME'] = tempfile.mkdtemp()\n"
        "from engine.storage.store import Store\n"
        "store = Store.open(); store.totals(store.open_collection('a', 'gallery', None))\n"
        "sys.exit(bool({'psycopg', 'pgvector'} & set(sys.modules)))"
    )
    environment = {"PATH": "/usr/bin:/bin"}
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=False).returncode == 0
