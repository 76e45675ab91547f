"""Results as Markdown tables and figures. Every measured figure that a page shows comes from here."""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from engine.evaluation import Row
from engine.evaluation.plots import plot_recall, plot_speed
from engine.evaluation.speed import promises
from engine.utils.errors import EngineError

START, END = "<!-- written by python -m engine report -->", "<!-- end of what is written -->"
DEEPEST = 0.65  # MACs share of an index above which a query's second look is not drawn or priced
KEPT = (0.97, 0.98, 0.99, 0.995)  # shares of full depth's R@10 whose price a query is asked for
SUMMARISED = (0.2, 0.4, 0.6)  # budgets in the short table
RECALLS = ("r1", "r5", "r10")
BENCH_UNITS = (
    "Photos a second by batch size. In brackets: the speed as a multiple of full depth's, times the MACs share; 1 is "
    "what the MACs promise."
)
NAMES = {
    "full": "full depth",
    "exit": "exit",
    "tgem": "T-GEM, budget",
    "random": "T-GEM's exits dealt at random, budget",
    "small-input": "smaller input",
    "small-model": "smaller model",
    "saturation": "saturation, budget",
    "confidence": "confidence, budget",
    "patience": "patience, budget",
    "oracle": "oracle by captions, budget",
}
LOOKS = {  # ways of choosing what a query runs deeper
    "tgem+deepen": "T-GEM, budget {:g}, by value of information",
    "ablation:rank-only": "T-GEM, budget {:g}, the best M",
    "exit+topm": "exit {:g}, the best M",
    "small-input+topm": "input of {:g} px, the best M",
    "small-model+topm": "smaller model at {:g} px, the best M",
}


class ResultsUnreadable(EngineError):
    """A file that holds no results."""


def read(path: Path) -> Row:
    """Read what `evaluate --json` or `bench --json` printed; raises ResultsUnreadable."""
    try:
        table: Row = json.loads(path.read_text(encoding="utf-8"))
        _ = table["precision"] if is_bench(table) else _full(table)
    except (OSError, ValueError, KeyError, TypeError, StopIteration) as error:
        raise ResultsUnreadable(f"{path} holds no results; `evaluate --json` and `bench --json` print some.") from error
    return table


def is_bench(table: Row) -> bool:
    """Whether results are of speed, and not of recall."""
    return "threads" in table


def write(table: Row, folder: Path, stem: str, min_gain: float) -> list[Path]:
    """Write the tables of an evaluation as STEM.md, its figures as STEM-index.png and STEM-queries.png.

    Args: min_gain: of the second looks in the summary; see `summary`.
    Returns: the paths.
    Raises: MatplotlibMissing; nothing is written then.
    """
    page, index, queries = (folder / f"{stem}{end}" for end in (".md", "-index.png", "-queries.png"))
    full = _full(table)["t2i"]["r10"]
    plot_recall(index, "Finding the right photo within ten", "MACs share of the index", index_lines(table), full)
    plot_recall(queries, "Second looks", "full encodings a query", query_lines(table), full)
    page.write_text(markdown(table, min_gain), encoding="utf-8")
    return [page, index, queries]


def write_bench(table: Row, folder: Path, stem: str) -> list[Path]:
    """Write the table of a bench as STEM.md and its figure as STEM.png; returns the paths, raises MatplotlibMissing."""
    page, figure = folder / f"{stem}.md", folder / f"{stem}.png"
    plot_speed(figure, table)
    page.write_text(bench_markdown(table), encoding="utf-8")
    return [page, figure]


def bench_markdown(table: Row) -> str:
    """Photos a second of every mode by batch size, and how much of what its MACs promise an early exit keeps."""
    rows = {(row["model"], row["mode"], row["batch"]): row for row in table["rows"]}
    kept = {(row["model"], row["mode"], row["batch"]): share for row, share in promises(table["rows"])}
    batches = sorted({batch for *_, batch in rows})

    def cell(key: tuple[str, str, int]) -> str:
        speed = f"{rows[key]['images_per_s']:.1f}" if key in rows else ""
        return f"{speed} ({kept[key]:.2f})" if key in kept else speed

    lines = [
        _row(model, mode, f"{row['macs_share']:.2f}", *(cell((model, mode, batch)) for batch in batches))
        for (model, mode), row in {key[:2]: row for key, row in rows.items()}.items()
    ]
    about = f"{table['device']}, {table['threads']} threads, {table['precision']} (bare: float32)."
    head = _head("model", "mode", "MACs share", *map(str, batches))
    return "\n".join(["# Speed at every depth", "", f"{about} {BENCH_UNITS}", "", *head, *lines, ""])


def put_into(page: Path, text: str) -> None:
    """Replace what stands between the markers of a page."""
    before, _, rest = page.read_text(encoding="utf-8").partition(START)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{START}\n{text}{END}{after}", encoding="utf-8")


def summary(table: Row, min_gain: float) -> str:
    """The table of a README or model card: full depth, and T-GEM at a few budgets, before and after second looks.

    Args: min_gain: what a second look must add to the chance of finding, for each full encoding.
    """
    looks = {row["setting"]: row for row in _of(table["rows"], "tgem+deepen") if row["worth"] == min_gain}
    lines = _head("", "MACs share", "R@1 / 5 / 10", "with second looks", "full encodings a query")
    for row in [_full(table), *(row for row in _of(table["rows"], "tgem") if row["setting"] in SUMMARISED)]:
        look = looks.get(row["setting"])
        after = (_recalls(look["t2i"]), f"{look['macs_per_query']:.1f}") if look else ("", "")
        lines.append(_row(_name(row), f"{row['macs_share']:.2f}", _recalls(row["t2i"]), *after))
    return "\n".join([*lines, ""])


def markdown(table: Row, min_gain: float) -> str:
    """All tables of an evaluation."""
    about = f"{table['images']:,} photos, {table['captions']:,} captions of {table['data']}, split {table['split']}."
    parts = [
        (f"# {table['model']}: recall against compute", [about, "", summary(table, min_gain).rstrip()]),
        ("## Every policy, before second looks", _policies(table["rows"])),
        ("## T-GEM's R@10 less its rivals' at the same MACs share, ± standard error", _differences(table)),
        ("## Full encodings a query for a share of full depth's R@10", _prices(table)),
        ("## Captions of a subject that a gallery's owner named", _subjects(table)),
    ]
    return "\n".join(line for title, lines in parts if lines for line in (title, "", *lines, ""))


def index_lines(table: Row) -> dict[str, list[tuple[float, float]]]:
    """(MACs share, R@10) of each policy's indexes, before second looks."""
    points = {
        name: sorted((row["macs_share"], row["t2i"]["r10"]) for row in _of(table["rows"], policy))
        for policy, name in NAMES.items()
        if policy != "full"
    }
    return {name: at for name, at in points.items() if at}


def query_lines(table: Row) -> dict[str, list[tuple[float, float]]]:
    """(Encodings a query, R@10) of every other exit's index by rank, and of T-GEM's index of about the same cost."""
    looks, lines = _of(table["rows"], "tgem+deepen"), {}
    ranked = [row for row in _of(table["rows"], "exit+topm") if row["macs_share"] < DEEPEST]
    shares = {row["setting"]: row["macs_share"] for row in looks}
    for exit in sorted({row["setting"] for row in ranked})[::2]:
        rows = [row for row in ranked if row["setting"] == exit]
        share = rows[0]["macs_share"]
        nearest = min(shares, key=lambda budget: abs(shares[budget] - share), default=None)
        if nearest is not None:
            lines[f"T-GEM, index {shares[nearest]:.2f}"] = _paid([row for row in looks if row["setting"] == nearest])
        lines[f"the best M, index {share:.2f}"] = _paid(rows)
    return lines


def price(points: Sequence[tuple[float, float]], wanted: float) -> str:
    """The least cost at which the line through points (cost, quality), cheapest first, reaches a quality, in words."""
    before: tuple[float, float] | None = None
    for cost, quality in points:
        if quality >= wanted and before is None:
            return f"≤ {cost:.1f}"
        if before is None or quality > before[1]:
            if before is not None and quality >= wanted:
                return f"{before[0] + (cost - before[0]) * (wanted - before[1]) / (quality - before[1]):.1f}"
            before = (cost, quality)
    return "-"


def _policies(rows: Sequence[Row]) -> list[str]:
    def line(row: Row) -> str:
        share, seed = f"{row['macs_share']:.3f}", str(row.get("seed", ""))
        return _row(_name(row), seed, share, _recalls(row["t2i"]), _recalls(row["i2t"]))

    head = _head("", "seed", "MACs share", "text to image, R@1 / 5 / 10", "image to text, R@1 / 5 / 10")
    return [*head, *(line(row) for row in rows if "macs_per_query" not in row)]


def _differences(table: Row) -> list[str]:
    def cell(found: Row | None) -> str:
        return f"{found['r10']:+.1f} ± {found['error']:.1f}" if found else "-"

    rows = [
        _row(f"{row['budget']:g}", f"{row['macs_share']:.3f}", cell(row["random"]), cell(row.get("small-input")))
        for row in table.get("differences", [])
    ]
    return [*_head("budget", "MACs share", "its exits dealt at random", "smaller inputs"), *rows] if rows else []


def _prices(table: Row) -> list[str]:
    rows, full = [], _full(table)["t2i"]["r10"]
    for policy, name in LOOKS.items():
        looks = [row for row in _of(table["rows"], policy) if row["macs_share"] < DEEPEST]
        for setting in dict.fromkeys(row["setting"] for row in looks):
            own = [row for row in looks if row["setting"] == setting]
            points = [(cost, quality / full) for cost, quality in _paid(own)]
            cells = (price(points, share) for share in KEPT)
            rows.append(_row(name.format(setting), f"{own[0]['macs_share']:.3f}", *cells))
    return [*_head("", "MACs share", *(f"{share:.1%}" for share in KEPT)), *rows] if rows else []


def _subjects(table: Row) -> list[str]:
    """All subjects together, weighed by their captions."""
    rows = table.get("subjects", [])
    counts = [row["captions"] for row in rows]

    def mean(value: Callable[[Row], float]) -> float:
        return sum(count * value(row) for count, row in zip(counts, rows, strict=True)) / sum(counts)

    ways = {"nothing named": "before", "named": "named", "as many at random": "random", "full depth": "full"}
    lines = [
        _row(name, _recalls({k: mean(lambda row, way=way, k=k: row[way][k]) for k in RECALLS}))  # type: ignore[misc]
        for name, way in ways.items()
        if rows
    ]
    return [*_head("photos that went deeper", "R@1 / 5 / 10"), *lines] if lines else []


def _of(rows: Iterable[Row], policy: str) -> list[Row]:
    """A policy's own rows, other seeds left out."""
    return [row for row in rows if row["policy"] == policy and "seed" not in row]


def _full(table: Row) -> Row:
    return next(row for row in table["rows"] if row["policy"] == "full")


def _name(row: Row) -> str:
    policy, setting = row["policy"], f"{row['setting']:g}"
    if policy == "full":
        return NAMES[policy]
    unit = " px" if policy.startswith("small") else ""
    return f"{NAMES.get(policy, policy)} {setting}{unit}"


def _paid(rows: Sequence[Row]) -> list[tuple[float, float]]:
    return sorted((row["macs_per_query"], row["t2i"]["r10"]) for row in rows)


def _recalls(found: Row) -> str:
    return " / ".join(f"{found[k]:.1f}" for k in RECALLS)


def _head(*cells: str) -> list[str]:
    return [_row(*cells), _row(*("---" for _ in cells))]


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
