"""A measured race, and fidelity beside it: how both are drawn, and said."""

from html import escape

from app.views.formatting import date, many, percent, times
from engine.gallery import GallerySummary, Measured, Race

MARGIN = 0.05  # of the full compute: a race runs some of the photos, and theirs is not quite the gallery's mean


def lanes(race: Race) -> str:
    """Both encoders as bars that are as long as the time they took, and take it when they are played."""
    runs = (("Stopping early", race.early_per_second), ("Full encoder", race.full_per_second))
    slowest = min(rate for _, rate in runs)

    def lane(name: str, rate: float) -> str:
        seconds = race.photos / rate
        return (
            f'<li style="--seconds:{seconds:.3f}s"><span>{name}</span><i style="--part:{slowest / rate:.3f}"></i>'
            f"<b>{seconds:.1f}<small> s · {rate:.1f} photos/s</small></b></li>"
        )

    return f'<ol class="lanes">{"".join(lane(name, rate) for name, rate in runs)}</ol>'


def dots(shared: float, label: str) -> str:
    """Ten boxes, filled as far as ten photos are the full encoder's."""
    boxes = "".join(f'<i style="--fill:{min(max(shared - place, 0), 1):.2f}"></i>' for place in range(10))
    return f'<span class="dots" role="img" aria-label="{label}">{boxes}</span>'


def speed(race: Race) -> tuple[str, str]:
    """The figure of a race, and the words that go with it."""
    return (times(race.speedup), "as fast") if race.speedup >= 1 else (percent(race.speedup), "of the speed")


def faster(race: Race) -> str:
    """The race as words that can be said aloud."""
    return " ".join(speed(race))


def beside(measured: Measured | None, summary: GallerySummary) -> Measured | None:
    """A gallery's race, if it was at the gallery's budget: its speed is read beside what that saved.

    Photos that were indexed at a higher budget before keep that, and took longer than such a race.
    """
    if measured is None or measured.race.budget != summary.budget:
        return None
    return measured if 1 - summary.saved_share < measured.race.macs_share + MARGIN else None


def where(measured: Measured) -> str:
    """When and on which machine it was run, as HTML."""
    if measured.machine:
        return f"Shipped measurement of the demo gallery, {date(measured.race.at)}, {escape(measured.machine)}"
    return f"{date(measured.race.at)} on this machine"


def fairness(race: Race) -> str:
    """What makes it a fair race."""
    return (
        f"the same {many(race.photos)}, both ways in turn, the median of three, decoding left out on both sides · "
        f"budget {percent(race.budget)}, {percent(race.macs_share)} of the compute ran"
    )
