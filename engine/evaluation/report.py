"""What an evaluation found, for people: Markdown tables, and figures of quality against compute."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from engine.utils.errors import EngineError

Row = dict[str, Any]

DEEPEST = 0.65  # MACs share of an index above which its queries are not drawn
START, END = "<!-- written by python -m engine report -->", "<!-- end of what is written -->"
KEPT = (0.97, 0.98, 0.99, 0.995)  # of full depth's R@10, whose price a query is asked for
RANKED = {  # rows of one index, whose best photos go to full depth in the ranking's order or by a schedule
    "exit+topm": "exit {:g}, the best M",
    "small-input+topm": "{:g} px, the best M",
    "small-model+topm": "smaller model at {:g} px, the best M",
    "schedule": "T-GEM's index of budget {:g}, fixed schedule",
    "ablation:rank-only": "T-GEM's index of budget {:g}, the best M",
    "tgem+deepen": "T-GEM's index of budget {:g}, by doubt",
}
DEEP_HEAD = (
    "| index, MACs share | a look is worth | photos | MACs a query | R@1 kept | R@10 kept | overlap@10 |",
    "| --- | --- | --- | --- | --- | --- | --- |",
)
NAMES = {
    "exit": "every photo leaves at one exit",
    "small-input": "smaller input",
    "small-model": "smaller model",
    "random": "the gates' exits, dealt at random",
    "saturation": "saturation",
    "confidence": "confidence of p_k",
    "patience": "patience",
    "oracle": "oracle by captions",
    "tgem": "T-GEM",
}


class ResultsUnreadable(EngineError):
    """A file that holds no evaluation."""


class MatplotlibMissing(EngineError):
    """What draws figures is not installed."""


def read(path: Path) -> Row:
    """What an evaluation found, from a file; raises ResultsUnreadable."""
    try:
        table: Row = json.loads(path.read_text(encoding="utf-8"))
        _full(table)
    except (OSError, ValueError, KeyError, TypeError, StopIteration) as error:
        raise ResultsUnreadable(f"{path} holds no evaluation; `evaluate --json` prints one.") from error
    return table


def markdown(table: Row) -> str:
    """The tables of an evaluation: without queries looking again, and with."""
    rows, full = table["rows"], _full(table)
    head = ["| | MACs share | text to image, R@1 / 5 / 10 | image to text, R@1 / 5 / 10 |", "| --- | --- | --- | --- |"]
    lines = [
        f"{table['images']:,} photos, {table['captions']:,} captions of {table['data']} {table['split']}. MACs are "
        "counted from what ran, readouts and gates included, as a share of the bare full encoder's. R@k is the share "
        "of texts (of photos, from image to text) whose own photo (or one of whose texts) is among the first k. "
        "T-GEM's exits, and those dealt at random, are ranked as a search ranks them: a query's candidates are read by "
        "their exits' T-GEMs. What that costs a query is counted where queries look again.",
        "",
        *head,
        _line("full depth", full),
        *(_line(f"exit {row['setting']}", row) for row in _of(rows, "exit")),
        *(_line(f"T-GEM, budget {row['setting']:g}", row) for row in _of(rows, "tgem")),
        *(_line(f"random, budget {row['setting']:g}", row) for row in _of(rows, "random")),
    ]
    others = ("small-input", "small-model", "saturation", "confidence", "patience", "oracle")
    lines += [_line(f"{name}, {row['setting']:g}", row) for name in others for row in _of(rows, name)]
    if spread := _spread(rows):
        lines += ["", "Over three seeds of the gates, R@10:", "", *spread]
    lines += _differences(table.get("differences", []))
    deepened = _distinct(_of(rows, "tgem+deepen"))
    if deepened:
        lines += [
            "",
            "With queries that look again, each from the untouched index; a look is worth what a full encoding adds "
            "by it to the chance of finding the photo asked for, and is not taken for less; kept is the share of full "
            "depth's recall, overlap@10 the share of full depth's first ten among the first ten; costs are in full "
            "encodings a query, the reading of its candidates included:",
            "",
            *DEEP_HEAD,
            *(_deep_line(row, full) for row in deepened),
            *_prices(rows, full),
        ]
    lines += [*_growth(table.get("growth", [])), *_account(table.get("account", []))]
    lines += _subjects(table.get("subjects", []))
    ablations = sorted({row["policy"] for row in rows if row["policy"].startswith("ablation:")})
    if ablations:
        lines += [
            "",
            "Ablations:",
            "",
            "| | budget | MACs share | MACs a query | R@10 |",
            "| --- | --- | --- | --- | --- |",
        ]
        lines += [
            f"| {name.removeprefix('ablation:')} | {row['setting']:g} | {row['macs_share']:.3f} | "
            f"{row.get('macs_per_query', 0):.1f} | {row['t2i']['r10']:.1f} |"
            for name in ablations
            for row in _of(rows, name)
            if "m" not in row
        ]
    return "\n".join([*lines, ""])


def _differences(rows: Sequence[Row]) -> list[str]:
    """How T-GEM's recall differs from its rivals' at the same cost, and how sure that is."""
    if not rows:
        return []

    def cell(found: Row | None) -> str:
        return f"{found['r10']:+.1f} ± {found['error']:.1f}" if found else "-"

    return [
        "",
        "T-GEM's R@10 less its rivals' at the same MACs share, give or take the standard error of the difference over "
        "photos; differences of less than two of them cannot be told from none:",
        "",
        "| budget | MACs share | its exits dealt at random | the line through smaller inputs and full depth |",
        "| --- | --- | --- | --- |",
        *(
            f"| {row['budget']:g} | {row['macs_share']:.3f} | {cell(row['random'])} | {cell(row.get('small-input'))} |"
            for row in rows
        ),
    ]


def _prices(rows: Sequence[Row], full: Row) -> list[str]:
    """What keeping a share of full depth's R@10 costs a query, index by index, every way of choosing photos."""
    lines = [
        "",
        "Full encodings that a query costs where a share of full depth's R@10 is to be kept, by index and by how the "
        "photos to look at again are chosen; between two settings the line, - where none reaches it:",
        "",
        f"| | index, MACs share | {' | '.join(f'{share:.1%}' for share in KEPT)} |",
        f"| --- | --- |{' --- |' * len(KEPT)}",
    ]
    for policy, title in RANKED.items():
        mine = [row for row in _distinct(_of(rows, policy)) if row["macs_share"] < DEEPEST]
        for setting in dict.fromkeys(row["setting"] for row in mine):
            at = [row for row in mine if row["setting"] == setting]
            found = sorted((row["macs_per_query"], row["t2i"]["r10"] / full["t2i"]["r10"]) for row in at)
            cells = " | ".join(_price(found, share) for share in KEPT)
            lines.append(f"| {title.format(setting)} | {at[0]['macs_share']:.3f} | {cells} |")
    return lines


def _price(points: Sequence[tuple[float, float]], wanted: float) -> str:
    """The least cost at which a line through points (cost, quality), in order of cost, reaches a quality, in words."""
    before: tuple[float, float] | None = None
    for cost, quality in points:
        if quality >= wanted and before is None:
            return f"≤ {cost:.1f}"
        if before is None or quality > before[1]:
            if before is not None and quality >= wanted:
                return f"{before[0] + (cost - before[0]) * (wanted - before[1]) / (quality - before[1]):.1f}"
            before = (cost, quality)
    return "-"


def _growth(rows: Sequence[Row]) -> list[str]:
    if not rows:
        return []
    return [
        "",
        f"What 98 % of full depth's R@10 takes as the gallery grows, from exit {rows[0]['exit']}; the photos beyond "
        "the first thousand are of the train split, and nobody asks for them; - where no setting tried keeps as much:",
        "",
        "| photos | R@10 at full depth | looked at again | MACs a query | the best by rank alone |",
        "| --- | --- | --- | --- | --- |",
        *(
            f"| {row['photos']:,} | {row['full_r10']:.1f} | {_told(row, 'deepened_per_query')} | "
            f"{_told(row, 'macs_per_query')} | {row['topm'] or '-'} |"
            for row in rows
        ),
    ]


def _told(row: Row, name: str) -> str:
    return f"{row[name]:.1f}" if name in row else "-"


def _account(rows: Sequence[Row]) -> list[str]:
    if not rows:
        return []
    lines = [
        "",
        "A gallery's whole account, as a share of full depth for every photo, after so many queries that leave what "
        "they find, if nothing bounded them (the page stops them at half of what indexing saved); the large gallery is "
        "told from the rate of the first hundred:",
        "",
        "| budget | photos | queries | MACs share |",
        "| --- | --- | --- | --- |",
    ]
    return lines + [
        f"| {row['budget']:g} | {row['photos']:,} | {row['queries']:,} | {row['macs_share']:.3f} |" for row in rows
    ]


def _subjects(rows: Sequence[Row]) -> list[str]:
    """What naming what people will look for changes, all subjects together and one by one."""
    if not rows:
        return []
    counts = [row["captions"] for row in rows]

    def mean(values: Iterable[float]) -> float:
        return sum(count * value for count, value in zip(counts, values, strict=True)) / sum(counts)

    ways = ("before", "named", "random", "full")
    together: Row = {way: {k: mean(row[way][k] for row in rows) for k in ("r1", "r5", "r10")} for way in ways}
    together |= {name: mean(row[name] for row in rows) for name in ("deeper", "macs_share")}
    together |= {"subject": "all, weighed by their captions", "captions": sum(counts)}
    return [
        "",
        "Where a gallery's owner has named what people will look for, photos that show it go deeper. What the captions "
        "that speak of it find at the default budget, R@1 / 5 / 10: nothing named; named; as many photos gone as deep "
        "at random; every photo at full depth. The subjects are the guide texts of one word that most captions hold:",
        "",
        "| named | captions | photos that went deeper | MACs share | nothing named | named | random | full depth |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
        *(
            f"| {row['subject']} | {row['captions']:,} | {row['deeper']:.1%} | {row['macs_share']:.3f} | "
            f"{' | '.join(_recalls(row[way]) for way in ways)} |"
            for row in (together, *rows)
        ),
    ]


def summary(table: Row, worth: float) -> str:
    """The few rows that a model card needs; of queries that look again, those where a look is worth so much."""
    rows, full = table["rows"], _full(table)
    lines = [
        "| | MACs share | text to image, R@1 / 5 / 10 | image to text, R@1 / 5 / 10 |",
        "| --- | --- | --- | --- |",
        _line("full depth", full),
        *(_line(f"exit {row['setting']}", row) for row in _of(rows, "exit")),
        *(_line(f"T-GEM, budget {row['setting']:g}", row) for row in _of(rows, "tgem")),
        "",
        "With queries that look again:",
        "",
        *DEEP_HEAD,
        *(_deep_line(row, full) for row in _distinct(_of(rows, "tgem+deepen")) if row["worth"] == worth),
    ]
    return "\n".join([*lines, ""])


def write(table: Row, folder: Path, stem: str) -> list[Path]:
    """Write the tables as STEM.md and the figures as STEM-index.png and STEM-queries.png; returns the paths.

    Raises: MatplotlibMissing; nothing is written then.
    """
    paths = [folder / f"{stem}.md", folder / f"{stem}-index.png", folder / f"{stem}-queries.png"]
    _figure(
        paths[1], "Finding the right photo within ten", "MACs share of the index", _index_lines(table), _full(table)
    )
    _figure(paths[2], "Queries that look again", "full encodings a query", _query_lines(table), _full(table))
    paths[0].write_text(markdown(table), encoding="utf-8")
    return paths


def put_into(page: Path, text: str) -> None:
    """Replace what stands between the markers of a page."""
    before, _, rest = page.read_text(encoding="utf-8").partition(START)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{START}\n{text}{END}{after}", encoding="utf-8")


def _of(rows: Sequence[Row], policy: str) -> list[Row]:
    """A policy's own rows, other seeds left out."""
    return [row for row in rows if row["policy"] == policy and "seed" not in row]


def _distinct(rows: Sequence[Row]) -> list[Row]:
    """Rows without those that differ from an earlier one in nothing but the budget."""
    found: dict[str, Row] = {}
    for row in rows:
        found.setdefault(json.dumps({name: value for name, value in row.items() if name != "setting"}), row)
    return list(found.values())


def _full(table: Row) -> Row:
    return next(row for row in table["rows"] if row["policy"] == "full")


def _recalls(found: Row) -> str:
    return " / ".join(f"{found[k]:.1f}" for k in ("r1", "r5", "r10"))


def _line(name: str, row: Row) -> str:
    return f"| {name} | {row['macs_share']:.3f} | {_recalls(row['t2i'])} | {_recalls(row['i2t'])} |"


def _deep_line(row: Row, full: Row) -> str:
    kept = [f"{row['t2i'][k] / full['t2i'][k]:.1%}" for k in ("r1", "r10")]
    return (
        f"| {row['macs_share']:.3f} (budget {row['setting']:g}) | {row['worth']:g} | {row['deepened_per_query']:.1f} | "
        f"{row['macs_per_query']:.1f} | {kept[0]} | {kept[1]} | {row['overlap10']:.3f} |"
    )


def _spread(rows: Sequence[Row]) -> list[str]:
    """Mean and spread of the seeds, budget by budget."""
    lines = ["| budget | mean | spread (highest less lowest) |", "| --- | --- | --- |"]
    found: dict[float, list[float]] = {}
    for row in rows:
        if row["policy"] == "tgem":
            found.setdefault(row["setting"], []).append(row["t2i"]["r10"])
    if not any(len(values) > 1 for values in found.values()):
        return []
    return lines + [
        f"| {budget:g} | {sum(values) / len(values):.2f} | {max(values) - min(values):.2f} |"
        for budget, values in sorted(found.items())
    ]


def _index_lines(table: Row) -> dict[str, list[tuple[float, float]]]:
    points = {
        title: sorted((row["macs_share"], row["t2i"]["r10"]) for row in _of(table["rows"], policy))
        for policy, title in NAMES.items()
    }
    return {title: at for title, at in points.items() if at}


def _query_lines(table: Row) -> dict[str, list[tuple[float, float]]]:
    """Every other exit's index asked by rank, and the budget's whose index costs most nearly the same, by doubt."""
    looked, found = _of(table["rows"], "tgem+deepen"), {}
    ranked = [row for row in _of(table["rows"], "exit+topm") if row["macs_share"] < DEEPEST]
    shares = {row["setting"]: row["macs_share"] for row in looked}
    for exit in sorted({row["setting"] for row in ranked})[::2]:
        mine = [row for row in ranked if row["setting"] == exit]
        share = mine[0]["macs_share"]
        nearest = min(shares, key=lambda budget: abs(shares[budget] - share), default=None)
        if nearest is not None:
            doubted = [row for row in looked if row["setting"] == nearest]
            found[f"T-GEM, index {shares[nearest]:.2f}"] = _paid(doubted)
        found[f"best M of the ranking, index {share:.2f}"] = _paid(mine)
    return found


def _paid(rows: Sequence[Row]) -> list[tuple[float, float]]:
    return sorted((row["macs_per_query"], row["t2i"]["r10"]) for row in rows)


def _figure(path: Path, title: str, across: str, lines: dict[str, list[tuple[float, float]]], full: Row) -> None:
    try:
        from matplotlib.figure import Figure  # only who writes figures needs it
    except ImportError as error:
        raise MatplotlibMissing(
            "Figures need matplotlib, which is not installed; get it with `pip install -r requirements-train.txt`."
        ) from error

    figure = Figure(figsize=(9, 5.5), layout="constrained")
    axes = figure.subplots()
    axes.axhline(full["t2i"]["r10"], color="#999", linestyle="--", label="full depth")
    for name, points in lines.items():
        style: dict[str, Any] = {"linewidth": 1.2}
        if name == NAMES["exit"]:  # passes and depths: what lies between two of them is neither
            style = {"linestyle": "none"}
        elif name.startswith("T-GEM"):
            style = {"linewidth": 2.6}
        axes.plot(*zip(*points, strict=True), marker="o", markersize=4, label=name, **style)
    axes.set(title=title, xlabel=across, ylabel="R@10, text to image, %")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8, loc="lower right")
    figure.savefig(path, dpi=110)
