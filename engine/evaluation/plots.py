"""Figures of an evaluation, drawn with matplotlib (requirements-train.txt)."""

from collections.abc import Mapping, Sequence
from io import BytesIO

from engine.evaluation import Row
from engine.utils.errors import EngineError

Points = Sequence[tuple[float, float]]
STYLES: dict[str, Row] = {  # of the lines whose names begin so
    "exit": {"linestyle": "none", "marker": "s"},  # what lies between two exits is neither
    "one tower": {"linestyle": "none", "marker": "D"},
    "full depth": {"linestyle": "none", "marker": "*", "markersize": 12},
    "T-GEM's": {"linestyle": ":"},
    "T-GEM": {"linewidth": 2.6},
}


def plot_policies(title: str, up: str, lines: Mapping[str, Points]) -> bytes:
    """A PNG of what is found against GMACs a photo, a line for each policy; raises EngineError without matplotlib."""
    try:
        from matplotlib.figure import Figure  # only who draws figures needs it
    except ImportError as error:
        raise EngineError(
            "Figures need matplotlib, which is not installed; get it with `pip install -r requirements-train.txt`."
        ) from error
    figure = Figure(figsize=(9, 5.5), layout="constrained")
    axes = figure.subplots()
    plain: Row = {"marker": "o", "markersize": 4, "linewidth": 1.2}
    for name, points in lines.items():
        style = next((style for start, style in STYLES.items() if name.startswith(start)), {})
        axes.plot(*zip(*points, strict=True), label=name, **(plain | style))
    axes.set(title=title, xlabel="GMACs a photo", ylabel=up)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="lower right")
    picture = BytesIO()
    figure.savefig(picture, dpi=110)
    return picture.getvalue()
