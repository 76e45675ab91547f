"""The measured albums as a page of tables."""

from collections.abc import Iterator, Sequence

from engine.evaluation import Row
from engine.evaluation.albums import GOAL, at_cost

WAYS = {
    "by margin": lambda r: r["policy"] == "margin",
    "same exits at random": lambda r: r["policy"] == "random",
    "one exit for all": lambda r: r["policy"] in ("exit", "full"),
    "a smaller input": lambda r: r["policy"] == "small-input",
}


def page(results: Row) -> str:
    """Markdown: what each way reaches at the goal's cost, what wide words hold and corrections teach, and every row."""
    sets = results["sets"]
    lines = [
        "# Albums",
        "",
        f"Written by `python -m engine evaluate-albums`; model {results['model']}. Fidelity is how often a photo falls "
        "into the album of full depth, none of them among the outcomes; cost is the mean share of full depth's MACs. "
        "One exit for all and smaller inputs are interpolated between what they cost. Of labels as many photos of "
        "other labels are among those sorted, which belong to none; without a background they are left out, and "
        "so is that outcome.",
        "",
        f"## At a cost of {GOAL:g}",
        "",
        f"| set | phrases | background | full accuracy | {' | '.join(f'{way}: accuracy / fidelity' for way in WAYS)} |",
        "| --- " * (4 + len(WAYS)) + "|",
        *(_goal_row(table) for table in sets),
        "",
        *_wide_words(results["wide_words"]),
        *_corrections(results["corrections"]),
        "## All rows",
        "",
        "| set | phrases | background | policy | setting | cost | accuracy | fidelity |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        *(line for table in sets for line in _all_rows(table)),
    ]
    return "\n".join(lines) + "\n"


def _goal_row(table: Row) -> str:
    rows: Sequence[Row] = table["rows"]
    full = next(row for row in rows if row["policy"] == "full")
    cells = [_about(table), f"{full['accuracy']:.1f}"]
    for chosen in WAYS.values():
        there = any(map(chosen, rows))
        figures = [at_cost(rows, chosen, name, GOAL) for name in ("accuracy", "fidelity")] if there else []
        cells.append(" / ".join(f"{figure:.1f}" for figure in figures) or "-")
    return f"| {' | '.join(cells)} |"


def _wide_words(rows: Sequence[Row]) -> Iterator[str]:
    yield "## What a wide word holds"
    yield ""
    yield (
        "Photos in an album of that one word, at full depth, in per cent: of those that show such a thing by their "
        "label or two of their captions, and of those whose captions name none. By the word alone: without the bank's "
        "texts of such things."
    )
    yield ""
    yield "| set | word | photos that show it | held | by the word alone | other photos | held | by the word alone |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for row in rows:
        others = [row["others"], row["of_others"], row["alone_of_others"]] if row["others"] else ["-"] * 3
        cells = [row["data"], row["word"], row["photos"], row["held"], row["alone_held"], *others]
        yield f"| {' | '.join(map(str, cells))} |"
    yield ""


def _corrections(rows: Sequence[Row]) -> Iterator[str]:
    if rows:
        yield "## What a photo moved by hand teaches"
        yield ""
        yield "Accuracy at full depth on photos that nobody moved, mean of ten draws and the deviation between them."
        yield ""
        yield "| set | albums | of them corrected | photos in each | before | after | gain | deviation |"
        yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
        for row in rows:
            yield f"| {' | '.join(map(str, row.values()))} |"
        yield ""


def _all_rows(table: Row) -> Iterator[str]:
    for row in table["rows"]:
        figures = f"{row['macs_share']:.3f} | {row['accuracy']:.1f} | {row['fidelity']:.1f}"
        yield f"| {_about(table)} | {row['policy']} | {row['setting']:g} | {figures} |"


def _about(table: Row) -> str:
    return f"{table['data']} | {table['phrases']} | {'with' if table['background'] else 'without'}"
