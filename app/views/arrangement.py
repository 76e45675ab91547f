"""The orders that a gallery's photos can stand in, and the years to choose from."""

from collections.abc import Mapping

from app.views.formatting import grouped
from engine.gallery import UNDATED, Order

ORDERS: Mapping[str, Order] = {"As they came": "arrival", "Newest first": "newest", "Oldest first": "oldest"}
ANY = "any"


def choices(years: Mapping[int, int], order: Order, year: int | None, asked: bool) -> str:
    """Two boxes to choose from; none where no photo has a date.

    Args:
        years: photos of each year, those without a date under UNDATED.
        year: the chosen one; None: all.
        asked: a query is asked, which has an order of its own.
    """
    if not set(years) - {UNDATED}:
        return ""
    named = [(ANY, f"All years · {grouped(sum(years.values()))}", year is None)]
    for number, count in years.items():
        named.append((str(number), f"{number or 'No date'} · {grouped(count)}", number == year))
    boxes = (
        "" if asked else _box("order", "Sort by", [(value, words, value == order) for words, value in ORDERS.items()])
    )
    return f'<div class="arrangement">{boxes}{_box("year", "Taken in", named)}</div>'


def _box(name: str, label: str, options: list[tuple[str, str, bool]]) -> str:
    listed = "".join(
        f'<option value="{value}"{" selected" if chosen else ""}>{words}</option>' for value, words, chosen in options
    )
    return f'<label>{label} <select name="{name}">{listed}</select></label>'
