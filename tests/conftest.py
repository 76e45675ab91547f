"""A small exact encoder and the fixtures that stand on it: a data folder, a store, a catalog, pictures."""

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.budget import BUDGET_GRID, Plan
from engine.catalog import Catalog, Upload
from engine.store import Store

COLOURS = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "yellow": (1, 1, 0), "grey": (1, 1, 1)}


@dataclass(frozen=True)
class FakeStage:
    name: str
    size: int
    macs: int
    exit: int | None


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


@dataclass
class FakeEncoder:
    """Sees the mean colour: a picture of one colour leaves at exit 1 of 3, any other goes to full depth, as all do
    at budget 1; a text is the sum of the colours it names. MACs: 40, 70, 100 of 100."""

    identity: FakeIdentity = field(default_factory=FakeIdentity)
    batches: list[int] = field(default_factory=list)  # photos in each batch encoded so far
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

    def exit_macs(self, open: tuple[int, ...]) -> tuple[int, ...]:
        return self.costs

    def preprocess(self, picture: Image.Image) -> np.ndarray:
        return np.asarray(picture.resize((8, 8), Image.Resampling.NEAREST)).transpose(2, 0, 1)

    def encode(self, pixels: np.ndarray, budget: float = 0.75) -> list[FakeEncoding]:
        self.batches.append(len(pixels))
        return [self._encode_one(picture, budget) for picture in pixels]

    def encode_to(self, pixels: np.ndarray, exit: int) -> np.ndarray:
        return np.stack([_unit(picture.reshape(3, -1).astype(np.float32).mean(axis=1)) for picture in pixels])

    def _encode_one(self, picture: np.ndarray, budget: float) -> FakeEncoding:
        colours = picture.reshape(3, -1).astype(np.float32)
        plain = bool((colours == colours[:, :1]).all()) and budget < 1
        exit = 1 if plain else self.exits
        gates = np.full((min(exit, self.exits - 1), len(BUDGET_GRID)), float(plain), np.float32)
        gates[:, -1] = 0
        phrases = ((("a colour", 0.9), ("a thing", 0.1)),) * exit
        return FakeEncoding(_unit(colours.mean(axis=1)), exit, gates, phrases, self.costs[exit - 1], 2.0, budget)

    def encode_text(self, texts: Sequence[str]) -> np.ndarray:
        sums = [
            sum((np.array(COLOURS[word]) for word in text.split() if word in COLOURS), np.zeros(3)) for text in texts
        ]
        return np.stack([_unit(vector) for vector in sums])


def _unit(vector: np.ndarray) -> np.ndarray:
    # Black, and a text without a colour, are as near to every colour.
    vector = vector if vector.any() else np.ones(3)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder of the test's own: no test touches the user's."""
    folder = tmp_path / "home"
    monkeypatch.setenv("TGEM_HOME", str(folder))
    monkeypatch.delenv("TGEM_DATABASE_URL", raising=False)
    return folder


@pytest.fixture
def fake_encoder() -> FakeEncoder:
    return FakeEncoder()


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    store = Store.open()
    yield store
    store.close()


@pytest.fixture
def catalog(store: Store, fake_encoder: FakeEncoder) -> Catalog:
    return Catalog(store, lambda: fake_encoder)


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
