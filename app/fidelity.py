"""How often the early answer is the full encoder's: over the demo gallery's queries, or as the model was evaluated."""

from dataclasses import dataclass

from app.curve import Curve
from app.views.formatting import day, many
from engine.gallery import GallerySummary, shipped_race


@dataclass(frozen=True)
class ShownFidelity:
    """Of the full encoder's ten best photos, how many are among the early ten, and where that was found."""

    shared: float  # 0 to 10
    first: str  # for how many queries the same photo comes first, in words; empty where nobody looked
    source: str


def fidelity(summary: GallerySummary, curve: Curve | None) -> ShownFidelity:
    """The demo gallery's as shipped; another one's by its model's evaluation at its budget, where there is one.

    Args: curve: of the present model.
    """
    point = curve.at(summary.budget) if curve is not None and summary.budget is not None else None
    if summary.kind != "demo" and curve is not None and point is not None and point.top10 is not None:
        photos = f"{many(curve.images)} of the data set {curve.data} ({curve.split})"
        return ShownFidelity(point.top10 / 10, "", f"Mean over {photos}, at this gallery’s budget")
    shipped = shipped_race()
    return ShownFidelity(
        shipped.shared,
        f"The same photo comes first for {shipped.same_first} of {shipped.queries} queries",
        f"Mean over the demo gallery’s queries, {shipped.model}, shipped measurement of {day(shipped.race.at)}",
    )
