"""A model's curve of quality against compute, from the results that `python -m engine evaluate` wrote."""

import json
from dataclasses import dataclass
from pathlib import Path

from engine.gallery import RESULTS


@dataclass(frozen=True)
class Point:
    """One budget, measured."""

    budget: float
    macs_share: float
    recall: float  # text to image, R@10 in %


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
    """The curve of a model; None where no results file tells of it."""
    for path in sorted(results.glob("*.json")):
        try:
            about = json.loads(path.read_text("utf-8"))
            if about["model"] != model:
                continue
            gated = [
                _point(row, float(row["setting"]))
                for row in about["rows"]
                if row["policy"] == "tgem" and "seed" not in row
            ]
            full = next(_point(row, 1.0) for row in about["rows"] if row["policy"] == "full")
            if gated:
                points = tuple(sorted(gated, key=lambda point: point.macs_share))
                return Curve(model, about["data"], about["split"], int(about["images"]), points, full)
        except (KeyError, TypeError, ValueError, StopIteration):
            continue  # results of another kind
    return None


def _point(row: dict, budget: float) -> Point:  # type: ignore[type-arg]
    return Point(budget, float(row["macs_share"]), float(row["t2i"]["r10"]))
