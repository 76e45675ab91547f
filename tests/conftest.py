"""What tests share: which of them run, a data folder, databases, encoders, a library, pictures.

An encoder is `fake_encoder` (exact, sees colours), `embedded` (the shipped model), one of `tests.tiny_models` (random
weights in the real classes), or that of `tests.five_photos` (embeddings chosen by hand).
"""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from engine.gallery import Library, Upload, ingest_files, open_gallery
from engine.storage.database import Database, connect, migrate
from engine.storage.schema import Kind
from tests import postgres
from tests.hubserver import Hub, serve
from tests.pictures import Fill, MakePng, MakeUpload, Meanwhile, encoded

if TYPE_CHECKING:  # torch comes with them, and many tests need none
    from torch import Tensor

    from engine.exits.encoder import Encoder
    from tests.fake_encoder import FakeEncoder


def pytest_configure() -> None:
    for name in [name for name in os.environ if name.startswith(("GRADIO_", "HF_", "SPACE", "TGEM_"))]:
        del os.environ[name]  # before a library reads it: what the user has set changes no test
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # of each worker; more threads would wait for each other


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Two workers for whole folders; none for single files, which are through before a worker has started."""
    return 0 if all(".py" in place for place in config.args) else 2


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "database" in metafunc.fixturenames and metafunc.definition.get_closest_marker("both_databases"):
        kinds = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
        metafunc.parametrize("database_kind", kinds, indirect=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "cluster" in getattr(item, "fixturenames", ()):
            item.add_marker("postgres")


@pytest.fixture(scope="session")
def cluster() -> Iterator[postgres.Cluster]:
    """A PostgreSQL server with pgvector, started for these tests."""
    binaries = postgres.programs()
    if binaries is None:
        pytest.fail("PostgreSQL with pgvector is missing (Debian: postgresql-17 and postgresql-17-pgvector)")
    with postgres.cluster(binaries) as running:
        yield running


@pytest.fixture(scope="session")
def migrated(cluster: postgres.Cluster) -> str:
    """A database with the tables, for one test after another: emptying it is far quicker than making another."""
    url = cluster.create()
    engine = connect(url)
    migrate(engine)
    engine.dispose()
    return url


@pytest.fixture
def postgres_url(cluster: postgres.Cluster, migrated: str) -> str:
    """A PostgreSQL database with empty tables."""
    cluster.empty(migrated)
    return migrated


@pytest.fixture
def new_postgres_url(cluster: postgres.Cluster) -> Iterator[str]:
    """A PostgreSQL database that has nothing in it."""
    url = cluster.create()
    yield url
    cluster.drop(url)


@pytest.fixture
def database_kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """The kind of database that a test stands on; the mark `both_databases` has it run on each."""
    kind = str(getattr(request, "param", "sqlite"))
    if kind == "sqlite":
        monkeypatch.delenv("TGEM_DATABASE_URL", raising=False)
    else:
        monkeypatch.setenv("TGEM_DATABASE_URL", request.getfixturevalue("postgres_url"))
    return kind


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_kind: str) -> Path:
    """A data folder of the test's own: no test touches the user's."""
    folder = tmp_path / "home"
    monkeypatch.setenv("TGEM_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def embedded() -> "Encoder":
    """The embedded model in float32, loaded once for all tests of a worker: none changes it."""
    from engine.exits.loading import load_encoder

    return load_encoder(precision="float32")


@pytest.fixture(scope="session")
def shown(embedded: "Encoder") -> "dict[str, Tensor]":
    """What full depth says of each photo of the demo gallery, (D,), by the photo's name."""
    from engine.ingest.image import open_picture
    from engine.ingest.listing import folder_uploads
    from engine.utils.paths import DEMO_GALLERY

    uploads = folder_uploads(DEMO_GALLERY)
    pixels = np.stack([embedded.preprocess(open_picture(u.read(), u.name).rgb) for u in uploads])
    return {u.name.removesuffix(".jpg"): v for u, v in zip(uploads, embedded.trace(pixels).vectors[-1], strict=True)}


@pytest.fixture(scope="session")
def embedded_bfloat16() -> "Encoder":
    """The embedded model in bfloat16, where this build of torch has what that takes."""
    from engine.exits.loading import load_encoder

    found = load_encoder(precision="bfloat16")
    if found.precision != "bfloat16":
        pytest.skip("this build of torch has no fused bfloat16 convolutions")
    return found


@pytest.fixture
def fake_encoder() -> "FakeEncoder":
    from tests.fake_encoder import FakeEncoder

    return FakeEncoder()


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the tables, to copy: a tenth of the time that the migrations take."""
    folder = tmp_path_factory.mktemp("migrated")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("TGEM_DATABASE_URL", raising=False)
        Database.open(folder).close()
    return folder / "tgem.db"


@pytest.fixture
def database(home: Path, database_kind: str, request: pytest.FixtureRequest) -> Iterator[Database]:
    if database_kind == "sqlite":
        home.mkdir(exist_ok=True)
        shutil.copyfile(request.getfixturevalue("migrated_file"), home / "tgem.db")
    database = Database.open()
    yield database
    database.close()


@pytest.fixture
def library(database: Database, fake_encoder: "FakeEncoder") -> Library:
    return Library(database, lambda: fake_encoder)


@pytest.fixture
def png() -> MakePng:
    """Makes the bytes of a PNG of one colour."""

    def make(colour: str | tuple[int, ...], size: tuple[int, int] = (8, 8)) -> bytes:
        return encoded(Image.new("RGB", size, colour), "PNG")

    return make


@pytest.fixture
def upload(png: MakePng) -> MakeUpload:
    """Makes an upload: of a colour (a PNG of it), or of bytes."""

    def make(name: str, content: str | tuple[int, ...] | bytes) -> Upload:
        data = content if isinstance(content, bytes) else png(content)
        return Upload(name, lambda: data)

    return make


@pytest.fixture
def fill(library: Library, upload: MakeUpload) -> Fill:
    """Opens a gallery and takes photos into it, given by name as `upload` takes them; returns its id."""

    def make(name: str, photos: Mapping[str, Any], owner: str | None = None, kind: Kind = "gallery", **how: Any) -> int:
        gallery = open_gallery(library, name, kind, owner)
        ingest_files(library, gallery, [upload(*photo) for photo in photos.items()], **how)
        return gallery

    return make


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Meanwhile:
    """Has something done as a function is called for the first time, given by where it is looked up and its name."""

    def make(place: object, name: str, act: Callable[[], object]) -> None:
        function = getattr(place, name)

        def late(*given: Any, **named: Any) -> Any:
            monkeypatch.setattr(place, name, function)
            act()
            return function(*given, **named)

        monkeypatch.setattr(place, name, late)

    return make


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A Hub that this machine may write to, and from which it has fetched nothing yet."""
    from huggingface_hub import constants

    with serve() as hub:
        template = hub.address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "ENDPOINT", hub.address)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
        monkeypatch.setenv("HF_TOKEN", "hf_right")
        yield hub
