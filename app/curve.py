"""A model's curve of quality against compute, from the results that `python -m engine evaluate` wrote."""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from engine.gallery import RESULTS


@dataclass(frozen=True)
class Point:
    """One budget, measured."""

    budget: float
    macs_share: float
    recall: float  # text to image, R@10 in %
    top10: float | None = None  # fidelity, in %: of full depth's ten best photos, those among the early ten


@dataclass(frozen=True)
class Curve:
    """Recall of a model at every budget, as it was measured on captioned photos."""

    model: str
    data: str
    split: str
    images: int
    points: tuple[Point, ...]  # thriftiest first
    full: Point

    def at(self, budget: float) -> Point:
        """The point of the budget nearest to one."""
        return min(self.points, key=lambda point: abs(point.budget - budget))


def curve_of(model: str, results: Path = RESULTS) -> Curve | None:
    """The curve of a model, on the first captioned set of the results; None where no file tells of it."""
    return _curve_among(model, tuple((path, path.stat().st_mtime_ns) for path in sorted(results.glob("*.json"))))


@lru_cache(4)
def _curve_among(model: str, files: tuple[tuple[Path, int], ...]) -> Curve | None:
    """The same of result files as they are since some time; the budget's slider asks at each of its moves."""
    for path, _ in files:
        try:
            found = json.loads(path.read_text("utf-8"))
            for about in found.get("sets", [found]):
                if about["model"] == model and "t2i" in about["rows"][0]:
                    return _curve(about)
        except (AttributeError, LookupError, TypeError, ValueError, StopIteration):
            continue  # results of another kind
    return None


def _curve(about: dict) -> Curve:  # type: ignore[type-arg]
    rows = [row for row in about["rows"] if row["policy"] == "tgem" and row.get("seed") is None]
    points = sorted((_point(row, float(row["setting"])) for row in rows), key=lambda point: point.macs_share)
    full = next(_point(row, 1.0) for row in about["rows"] if row["policy"] == "full")
    return Curve(about["model"], about["data"], about["split"], int(about["images"]), tuple(points), full)


def _point(row: dict, budget: float) -> Point:  # type: ignore[type-arg]
    top10 = row.get("fidelity", {}).get("top10")
    return Point(budget, float(row["macs_share"]), float(row["t2i"]["r10"]), top10)
