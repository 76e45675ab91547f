"""The one control: three presets with what they were measured to give, and what a choice would run here."""

from html import escape

from app.curve import Curve, Point
from app.views.encoding import left_out
from app.views.formatting import button, isolated, many, percent, waiting
from app.views.placeholders import note
from engine.gallery import DEFAULT_BUDGET, BudgetCost, GallerySummary, IngestReport

# Budgets are choices; what each one gives is read from the evaluation.
PRESETS = {"Fast": 0.3, "Balanced": DEFAULT_BUDGET, "Best": 0.9}
SAME = 0.025  # half a step of the slider
ELSEWHERE = "You can choose for galleries of your own."


def budget_preview(
    summary: GallerySummary,
    budget: float,
    curve: Curve | None,
    cost: BudgetCost | None,
    anew: bool = False,
    may_apply: bool = True,
) -> str:
    """Presets, and what the chosen budget would run.

    Args:
        budget: the chosen one.
        cost: of the gallery's photos at it; None where they have to be encoded anew whatever it is.
        anew: other phrases are asked for, for which all photos run anew.
        may_apply: whether the visitor may have it run; strangers may not.
    """
    if not summary.in_all:
        return note("Nothing to tell yet", "Add photos, and this shows what another budget would run.")
    cards = "".join(_preset(name, setting, budget, curve) for name, setting in PRESETS.items())
    source = "This model has not been measured."
    if curve is not None:
        source = f"Measured on {many(curve.images)} of the data set {curve.data} ({curve.split})."
    told = _warning(summary, budget, cost, anew) if may_apply else f"{_now(summary) if cost else ''}{ELSEWHERE}"
    return (
        f'<div class="prospect"><div class="presets" role="group" aria-label="Presets">{cards}</div>'
        f'<p class="aside">{source}</p><p class="warning" role="status">{told}</p></div>'
    )


def action(summary: GallerySummary, cost: BudgetCost | None, anew: bool = False) -> str:
    """What the button would do; arguments as of `budget_preview`."""
    if (summary.in_all and anew) or (summary.photos and cost is None):
        return "Encode all photos anew"
    due = []
    if summary.waiting:
        due.append(f"encode the {many(summary.waiting)} that {'waits' if summary.waiting == 1 else 'wait'}")
    if summary.by_other_phrases:
        due.append(f"encode {many(summary.by_other_phrases)} anew")
    if cost and cost.deeper:
        due.append(f"run {many(cost.deeper)} deeper")
    if due:
        return ", ".join(due).capitalize()
    return "Keep this budget" if summary.kind == "demo" else "Keep this budget for new photos"


def encoded_again(summary: GallerySummary, done: IngestReport, budget: float) -> str:
    """What became of a gallery's photos when another budget was applied, or other phrases.

    Args: summary: as it is now.
    """
    which = f"All {'other ' if done.skipped else ''}photos of “{escape(isolated(summary.name))}” now have"
    named = [f" ({name})" for name, preset in PRESETS.items() if abs(preset - budget) < SAME]
    share = f" {_indexed_with(summary)}." if summary.photos else ""
    return (
        f'<div class="report"><p role="status">{which} a budget of {percent(budget)}{"".join(named)}.{share}</p>'
        f"{left_out(done.skipped)}</div>"
    )


def _preset(name: str, setting: float, budget: float, curve: Curve | None) -> str:
    chosen = "true" if abs(setting - budget) < SAME else "false"
    rows = _measured(curve.at(setting)) if curve is not None else f"<span>budget {percent(setting)}</span>"
    return button("preset", f"<b>{name}</b>{rows}", f' aria-pressed="{chosen}"', budget=setting)


def _measured(point: Point) -> str:
    fidelity = (
        f"<span>{point.top10 / 10:.1f} of the first ten as at full depth</span>" if point.top10 is not None else ""
    )
    return (
        f'<i style="--part:{point.macs_share:.3f}"></i><span>{percent(point.macs_share)} of the compute</span>'
        f"{fidelity}<span>{point.recall:.1f}\N{NO-BREAK SPACE}% of searches find their photo in the first ten</span>"
    )


def _warning(summary: GallerySummary, budget: float, cost: BudgetCost | None, anew: bool) -> str:
    about = f"at about {percent(budget)} of a full encoding"
    if cost is None or anew:
        why = "Other phrases cost compute" if anew else "Another model costs compute"
        if summary.in_all == 1:
            return f"<b>{why}:</b> the photo is encoded anew, {about}."
        # Going back to the phrases before runs those alone that have left by others since.
        which = "up to" if anew and summary.by_other_phrases else "all"
        found = "No search finds a photo until its turn has come."
        if anew:
            found = "" if summary.waiting else "Searches find them meanwhile."
        return f"<b>{why}:</b> {which} {many(summary.in_all)} are encoded anew, {about} each. {found}"
    now = _now(summary)
    until = " until the program is started again" if summary.kind == "demo" else ""  # which brings it back as it ships
    due = (waiting(summary.waiting), summary.waiting), (_anew(summary.by_other_phrases), summary.by_other_phrases)
    takes = [f"{said}, {about}{' each' if count > 1 else ''}" for said, count in due if count]
    if cost.deeper:
        takes.append(_deeper(cost))
    if not takes:
        later = "." if summary.kind == "demo" else "; photos that come later go by this budget."
        return f"{now}<b>This costs nothing here:</b> what ran stays{until}{later}"
    stays = f" What ran stays{until}." if now and not summary.by_other_phrases else ""
    return f"{now}<b>This raises its cost:</b> {'; '.join(takes)}.{stays}"


def _anew(count: int) -> str:
    return f"{many(count)} {'is' if count == 1 else 'are'} to be encoded anew"


def _deeper(cost: BudgetCost) -> str:
    least, most = cost.macs_least / cost.full_macs, cost.macs_most / cost.full_macs
    amount = f"{least:.1f}" if most - least < 0.05 else f"{least:.1f} to {most:.1f}"
    return f"{many(cost.deeper)} {'runs' if cost.deeper == 1 else 'run'} deeper, +{amount} full encodings"


def _now(summary: GallerySummary) -> str:
    return f"Now: {_indexed_with(summary).lower()}. " if summary.photos else ""


def _indexed_with(summary: GallerySummary) -> str:
    return f"Indexed with {percent(summary.macs_index / summary.macs_in_full)} of the full compute"
