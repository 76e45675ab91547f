"""The measured albums as a page of tables."""

from collections.abc import Iterator, Sequence

from engine.evaluation import Row
from engine.evaluation.albums import GOAL, at_cost
from engine.utils.markdown import table_lines

ABOUT = ("set", "phrases", "background")  # columns of what was sorted
HELD = ("held", "by the word alone")
WAYS = {
    "by margin": lambda r: r["policy"] == "margin",
    "same exits at random": lambda r: r["policy"] == "random",
    "one exit for all": lambda r: r["policy"] in ("exit", "full"),
    "a smaller input": lambda r: r["policy"] == "small-input",
}


# By the name of its rows each table's title, what it is about, and its head.
PARTS: dict[str, tuple[str, str, Sequence[str]]] = {
    "wide_words": (
        "What a wide word holds",
        "Photos in an album of that one word, at full depth, in per cent: of those that show such a thing by their "
        "label or two of their captions, and of those whose captions name none. By the word alone: without the bank's "
        "texts of such things.",
        ["set", "word", "photos that show it", *HELD, "other photos", *HELD],
    ),
    "searches": (
        "What a search for a word or two finds",
        "Mean average precision at full depth, in per cent, over wide words and names of things that ten photos or "
        "more show, by their label or two of their captions; and over two words that follow each other in a caption, "
        "but for words like *on*, where five photos or more show what two captions name by both. By the words alone: "
        "without query expansion by the bank.",
        ["set", "searched for", "searches", "found", "by the words alone"],
    ),
    "corrections": (
        "What a photo moved by hand teaches",
        "Accuracy at full depth on photos that nobody moved, mean of ten draws and the deviation between them.",
        ["set", "albums", "of them corrected", "photos in each", "before", "after", "gain", "deviation"],
    ),
}


def page(results: Row) -> str:
    """Markdown: what each way reaches at the goal's cost, what words hold and find and corrections teach, every row."""
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
        *table_lines([*ABOUT, "full accuracy", *(f"{way}: accuracy / fidelity" for way in WAYS)], map(_goal_row, sets)),
        "",
        *(line for name, part in PARTS.items() if results[name] for line in _part(*part, results[name])),
        "## All rows",
        "",
        *table_lines(
            [*ABOUT, "policy", "setting", "cost", "accuracy", "fidelity"],
            (row for table in sets for row in _all_rows(table)),
        ),
    ]
    return "\n".join(lines) + "\n"


def _goal_row(table: Row) -> list[str]:
    rows: Sequence[Row] = table["rows"]
    full = next(row for row in rows if row["policy"] == "full")
    cells = [*_about(table), f"{full['accuracy']:.1f}"]
    for chosen in WAYS.values():
        there = any(map(chosen, rows))
        figures = [at_cost(rows, chosen, name, GOAL) for name in ("accuracy", "fidelity")] if there else []
        cells.append(" / ".join(f"{figure:.1f}" for figure in figures) or "-")
    return cells


def _part(title: str, about: str, head: Sequence[str], rows: Sequence[Row]) -> list[str]:
    """A table of rows as they are, under what it is about."""
    cells = (["-" if cell is None else str(cell) for cell in row.values()] for row in rows)
    return [f"## {title}", "", about, "", *table_lines(head, cells), ""]


def _all_rows(table: Row) -> Iterator[list[str]]:
    for row in table["rows"]:
        figures = f"{row['macs_share']:.3f}", f"{row['accuracy']:.1f}", f"{row['fidelity']:.1f}"
        yield [*_about(table), row["policy"], f"{row['setting']:g}", *figures]


def _about(table: Row) -> list[str]:
    """What stands below ABOUT."""
    return [table["data"], str(table["phrases"]), "with" if table["background"] else "without"]
