"""A small exact encoder and the fixtures that stand on it: a data folder, a database, a library, pictures."""

import io
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from engine.exits.budget import BUDGET_GRID, Plan
from engine.exits.calibration import EXACT, Calibration, Estimate
from engine.exits.scorer import CandidateScorer
from engine.exits.text_bank import TextBank
from engine.gallery import Library, Upload
from engine.storage.database import Database, connect, migrate
from tests import postgres

COLOURS = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "yellow": (1, 1, 0), "grey": (1, 1, 1)}


@dataclass(frozen=True)
class FakeStage:
    name: str
    run: int
    macs: int
    exit: int | None
    scout: bool = False


@dataclass(frozen=True)
class FakeIdentity:
    model: str = "fake"
    weights: str = "a" * 64
    exits: str = "b" * 64


@dataclass(frozen=True)
class FakeEncoding:
    vector: np.ndarray
    exit: int
    gates: np.ndarray
    phrases: tuple[tuple[tuple[str, float], ...], ...]
    macs: int
    milliseconds: float
    budget: float
    map: "FakeMap | None"


@dataclass(frozen=True)
class FakeMap:
    """What a photo left with: its own mean colour."""

    colour: np.ndarray

    def pack(self) -> bytes:
        return self.colour.tobytes()


@dataclass(frozen=True)
class FakeDeeperRun:
    vector: np.ndarray
    exit: int
    phrases: tuple[tuple[str, float], ...]
    macs: int
    milliseconds: float
    map: FakeMap | None


@dataclass(frozen=True)
class FakeLadder:
    costs: tuple[int, ...]

    def resumes(self, from_exit: int, to_exit: int) -> bool:
        return from_exit < to_exit

    def onward(self, from_map: bool) -> np.ndarray:
        costs = np.array(self.costs)
        found = (costs - costs[:, None] if from_map else np.tile(costs, (len(costs), 1))) / costs[-1]
        return np.where(np.tri(len(costs), dtype=bool), np.inf, found)


@dataclass(frozen=True)
class FakeVectors:
    """As a tensor has them."""

    vectors: np.ndarray

    def numpy(self) -> np.ndarray:
        return self.vectors


@dataclass(frozen=True)
class FakeTrace:
    vectors: list[FakeVectors]


class FakeScorer(CandidateScorer):
    """Goes by calibrations alone, and counts one MAC for each candidate that left early."""

    def scored(self, query: np.ndarray, vectors: np.ndarray, exits: np.ndarray) -> tuple[Estimate, int]:
        return super().scored(query, vectors, exits)[0], int((exits < len(self.deviations) - 1).sum())


@dataclass
class FakeEncoder:
    """Sees the mean colour, before full depth as through a haze; a text is the sum of the colours it names.

    A picture of one colour leaves at exit 1 of 3, any other goes to full depth, as all do at budget 1. MACs: 40, 70,
    100 of 100.
    """

    identity: FakeIdentity = field(default_factory=FakeIdentity)
    batches: list[int] = field(default_factory=list)  # photos in each batch encoded so far
    visits: list[tuple[int, int, int]] = field(default_factory=list)  # photos, from exit (0: anew) and to exit of each
    precision: str = "float32"
    haze: float = 0.0  # grey that is mixed into every colour
    logit_scale: float = 20.0
    guide_texts: tuple[str, ...] = ("a colour", "a thing")
    owner_texts: tuple[str, ...] = ()
    dim: int = 3
    exits: int = 3
    full_macs: int = 100
    costs: tuple[int, ...] = (40, 70, 100)
    stages: tuple[FakeStage, ...] = (
        FakeStage("stem", 8, 20, None),
        FakeStage("blocks.0", 8, 20, 1),
        FakeStage("blocks.1", 8, 30, 2),
        FakeStage("blocks.2", 8, 30, 3),
    )

    @property
    def plans(self) -> tuple[Plan, ...]:
        return tuple(Plan(tuple(range(self.exits - 1)), 1.0) for _ in BUDGET_GRID)

    def preprocess(self, picture: Image.Image) -> np.ndarray:
        return np.asarray(picture.resize((8, 8), Image.Resampling.NEAREST)).transpose(2, 0, 1)

    def send(self, photos: Sequence[np.ndarray]) -> np.ndarray:
        return np.stack(photos)

    def encode(self, pixels: np.ndarray, budget: float = 0.75) -> list[FakeEncoding]:
        self.batches.append(len(pixels))
        return [self._encode_one(picture, budget) for picture in pixels]

    @property
    def calibrations(self) -> tuple[Calibration, ...]:
        # What the haze does to reds is known but for a little.
        told = Calibration(slope=1 + 0.2 * self.haze, offset=0.02 * self.haze, deviation=0.06)
        return (*(told for _ in range(self.exits - 1)), EXACT)

    @property
    def ladder(self) -> FakeLadder:
        return FakeLadder(self.costs)

    def guided_by(self, texts: Sequence[str], owner_texts: Sequence[str] = ()) -> "FakeEncoder":
        identity = replace(self.identity, exits="".join(texts))
        return replace(self, identity=identity, guide_texts=tuple(texts), owner_texts=tuple(owner_texts))

    def cost_to(self, from_exit: int, to_exit: int, from_map: bool) -> int:
        return self.costs[to_exit - 1] - (self.costs[from_exit - 1] if from_map else 0)

    @property
    def scorer(self) -> "FakeScorer":
        return FakeScorer(self.calibrations, nn.ModuleList(), TextBank((), lambda _: torch.empty(0)), self.logit_scale)

    def encode_to(self, pixels: np.ndarray, exit: int) -> np.ndarray:
        return np.stack([self._vector(_mean(picture), exit) for picture in pixels])

    def run_to(self, pixels: np.ndarray, exit: int) -> list[FakeDeeperRun]:
        self.visits.append((len(pixels), 0, exit))
        return [self._visit(_mean(picture), exit, self.cost_to(1, exit, False)) for picture in pixels]

    def resume(self, maps: Sequence[FakeMap], from_exit: int, to_exit: int) -> list[FakeDeeperRun]:
        self.visits.append((len(maps), from_exit, to_exit))
        return [self._visit(kept.colour, to_exit, self.cost_to(from_exit, to_exit, True)) for kept in maps]

    def unpack_map(self, data: bytes, exit: int) -> FakeMap | None:
        return FakeMap(np.frombuffer(data, np.float32)) if len(data) == 12 else None

    def trace(self, pixels: np.ndarray) -> FakeTrace:
        return FakeTrace([FakeVectors(self.encode_to(pixels, exit)) for exit in range(1, self.exits + 1)])

    def _encode_one(self, picture: np.ndarray, budget: float) -> FakeEncoding:
        colours = picture.reshape(3, -1).astype(np.float32)
        plain = bool((colours == colours[:, :1]).all()) and budget < 1
        exit = 1 if plain else self.exits
        gates = np.full((min(exit, self.exits - 1), len(BUDGET_GRID)), float(plain), np.float32)
        gates[:, -1] = 0
        seen = self._visit(_mean(picture), exit, self.costs[exit - 1])
        return FakeEncoding(seen.vector, exit, gates, (seen.phrases,) * exit, seen.macs, 2.0, budget, seen.map)

    def _visit(self, colour: np.ndarray, exit: int, macs: int) -> FakeDeeperRun:
        phrases = tuple(zip(self.guide_texts[:2], (0.9, 0.1), strict=True))
        kept = FakeMap(colour) if exit < self.exits else None
        return FakeDeeperRun(self._vector(colour, exit), exit, phrases, macs, 2.0, kept)

    def _vector(self, colour: np.ndarray, exit: int) -> np.ndarray:
        return _unit(colour + (255 * self.haze if exit < self.exits else 0))

    def encode_text(self, texts: Sequence[str]) -> np.ndarray:
        sums = [
            sum((np.array(COLOURS[word]) for word in text.split() if word in COLOURS), np.zeros(3)) for text in texts
        ]
        return np.stack([_unit(vector) for vector in sums])


def _mean(picture: np.ndarray) -> np.ndarray:
    return picture.reshape(3, -1).astype(np.float32).mean(axis=1)


def _unit(vector: np.ndarray) -> np.ndarray:
    # Black, and a text without a colour, are as near to every colour.
    vector = vector if vector.any() else np.ones(3)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


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


@pytest.fixture
def fake_encoder() -> FakeEncoder:
    return FakeEncoder()


@pytest.fixture
def database(home: Path) -> Iterator[Database]:
    database = Database.open()
    yield database
    database.close()


@pytest.fixture
def library(database: Database, fake_encoder: FakeEncoder) -> Library:
    return Library.over(database, lambda: fake_encoder)


@pytest.fixture
def png() -> Callable[..., bytes]:
    """Makes the bytes of a PNG of one colour."""

    def make(colour: str | tuple[int, ...], size: tuple[int, int] = (8, 8)) -> bytes:
        file = io.BytesIO()
        Image.new("RGB", size, colour).save(file, "PNG")
        return file.getvalue()

    return make


@pytest.fixture
def upload(png: Callable[..., bytes]) -> Callable[..., Upload]:
    """Makes an upload: of a colour (a PNG of it), or of bytes."""

    def make(name: str, content: str | tuple[int, ...] | bytes) -> Upload:
        data = content if isinstance(content, bytes) else png(content)
        return Upload(name, lambda: data)

    return make
