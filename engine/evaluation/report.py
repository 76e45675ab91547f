"""Results as Markdown tables and figures. Every measured figure that a page shows comes from here."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import quote

from engine.evaluation import Row
from engine.evaluation.plots import plot_policies
from engine.evaluation.speed import promises
from engine.search.allocation import MIN_GAIN
from engine.utils.errors import EngineError
from engine.utils.markdown import table_lines
from engine.utils.result_files import write_result

START, END = "<!-- written by python -m engine report -->", "<!-- end of what is written -->"
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
    "small-input": "the model's own tower alone, smaller input, px",
    "single": "one tower alone, px",
    "single-cheapest": "the cheapest tower alone that finds what full depth finds, px",
    "confidence": "confidence, budget",
    "patience": "patience, exits",
    "oracle": "oracle of captions or labels, budget",
    "oracle-drift": "oracle of drift, budget",
    "ablation:no-text": "gates that see no text, budget",
    "ablation:random-bank": "gates with a random text bank, budget",
}
LOOKS = {"tgem+deepen": "T-GEM, by value of information, budget", "exit+topm": "the best M, exit"}


def read(path: Path) -> Row:
    """Read what `evaluate --json` or `bench --json` printed; raises EngineError where a file holds none."""
    try:
        results: Row = json.loads(path.read_text(encoding="utf-8"))
        # Sets that `evaluate-albums` measured have rows, too, but no split.
        _ = results["precision"] if is_bench(results) else [(t["split"], t["rows"][0]) for t in tables_of(results)]
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise EngineError(f"{path} holds no results; `evaluate --json` and `bench --json` print some.") from error
    return results


def is_bench(results: Row) -> bool:
    """Whether results are of speed, and not of an evaluation."""
    return "threads" in results


def tables_of(results: Row) -> list[Row]:
    """The tables of an evaluation, one a set of photos."""
    return results.get("sets", [results])


def write(results: Row, folder: Path, stem: str) -> list[Path]:
    """Write the tables as STEM.md; that of an evaluation shows STEM-SET-recall.png and STEM-SET-fidelity.png.

    Returns: the paths.
    Raises: EngineError without matplotlib; nothing is written then. HostProblem where the folder takes no file.
    """
    page, parts = folder / f"{stem}.md", []
    paths = [page]
    for table in tables_of(results):  # a set of photos each, or a bench
        drawn = _drawn(table, folder, stem) if not is_bench(table) and _judged(table) else {}
        pictures = [f"![{shown}]({quote(path.name)})" for path, shown in drawn.items()]
        parts.append(bench_markdown(table) if is_bench(table) else markdown(table, pictures))
        paths += drawn
    write_result(page, "\n".join(parts).encode())
    return paths


def _drawn(table: Row, folder: Path, stem: str) -> dict[Path, str]:
    """Draw recall and fidelity of a set's policies against what they cost.

    Returns: the paths, and what each picture shows in words.
    """
    data, captioned = f"{table['data']}, {table['split']}", "t2i" in table["rows"][0]
    right = ("Recall", "R@10, text to image, %") if captioned else ("Labels found", "photos whose label fits best, %")
    fidelity = ("Fidelity", "photos whose best text is full depth's, %")
    found = {}
    for kind, (name, up) in (("recall", right), ("fidelity", fidelity)):
        path = folder / f"{stem}-{_place(table)}-{kind}.png"
        write_result(path, plot_policies(data, up, lines_of(table, kind)))
        found[path] = f"{name} against GMACs a photo, of every policy on {data}"
    return found


def bench_markdown(table: Row) -> str:
    """Photos a second of every mode by batch size, and how much of what its MACs promise an early exit keeps."""
    rows = {(row["model"], row["mode"], row["batch"]): row for row in table["rows"]}
    kept = {(row["model"], row["mode"], row["batch"]): share for row, share in promises(table["rows"])}
    batches = sorted({batch for *_, batch in rows})

    def cell(key: tuple[str, str, int]) -> str:
        speed = f"{rows[key]['images_per_s']:.1f}" if key in rows else ""
        return f"{speed} ({kept[key]:.2f})" if key in kept else speed

    lines = [
        [model, mode, f"{row['macs_share']:.2f}", *(cell((model, mode, batch)) for batch in batches)]
        for (model, mode), row in {key[:2]: row for key, row in rows.items()}.items()
    ]
    about = f"{table['device']}, {table['threads']} threads, {table['precision']} (bare: float32)."
    shown = table_lines(["model", "mode", "MACs share", *map(str, batches)], lines)
    return "\n".join(["# Speed at every depth", "", f"{about} {BENCH_UNITS}", "", *shown, ""])


def renewed(page: Path, text: str) -> str:
    """A page with other text between its markers; raises EngineError where it lacks one, and writes nothing."""
    before, start, rest = page.read_text(encoding="utf-8").partition(START)
    _, end, after = rest.partition(END)
    if not start or not end:
        raise EngineError(f"{page} has no place for the tables; write the lines {START} and {END} where they belong.")
    return f"{before}{START}\n{text}{END}{after}"


def summary(results: Row) -> str:
    """The tables of a README or model card: full depth, the largest tower alone, and T-GEM at a few budgets, before and
    after second looks.
    """
    return "\n".join(line for table in tables_of(results) if _judged(table) for line in _summary(table))


def _summary(table: Row) -> list[str]:
    looks = {row["setting"]: row for row in _of(table["rows"], "tgem+deepen") if row["min_gain"] == MIN_GAIN}
    chosen = [row for row in _of(table["rows"], "tgem") if row["setting"] in SUMMARISED]
    captioned = "t2i" in table["rows"][0]
    found = ("R@1 / 5 / 10", "with second looks", "full encodings a query") if captioned else ("label found",)
    head = [f"{table['data']}, {table['split']}", "MACs share", "at most", "fidelity: label / top10", *found]
    lines = []
    largest = sorted(_of(table["rows"], "single"), key=lambda row: float(row["macs_share"]))[-1:]
    for row in [*_of(table["rows"], "full"), *largest, *chosen]:
        look = looks.get(row["setting"]) if row["policy"] == "tgem" else None
        after = (_found(look), f"{look['macs_per_query']:.1f}") if look else ("", "")
        lines.append([_name(row), *_costs(row), _kept(row), _found(row), *(after if captioned else ())])
    return [*table_lines(head, lines), ""]


def markdown(table: Row, pictures: Sequence[str] = ()) -> str:
    """All tables of one set.

    Args: pictures: lines that show its figures, in Markdown.
    """
    captions = f", {table['captions']:,} captions" if table["captions"] else ""
    split = f", split {table['split']}" if table["split"] else ""
    precision = f", in {table['precision']}" if "precision" in table else ""
    about = f"{table['images']:,} photos{captions} of {table['data']}{split}{precision}."
    if not _judged(table):
        parts = [(f"# {table['model']} on {table['data']}: where photos leave", [about, "", *_histogram(table)])]
    else:
        shown = [line for picture in pictures for line in ("", picture)]
        parts = [
            (f"# {table['model']} on {table['data']}", [f"{about}{_new(table)}", "", *_summary(table)[:-1], *shown]),
            ("## Every policy, before second looks", _policies(table)),
            ("## What the gates gain on random exits, and what gates that know the drift would", _differences(table)),
            ("## Second looks", _looks(table)),
            ("## Captions of a subject that a gallery's owner named", _subjects(table)),
            ("## Labels that a gallery's owner named: label fidelity among them", _known_labels(table)),
        ]
    return "\n".join(line for title, lines in parts if lines for line in (title, "", *lines, ""))


def _new(table: Row) -> str:
    """Labels that ImageNet has no class of, in a sentence."""
    new = table.get("new_labels")
    if not new:
        return ""
    found = f"{new['right']:.1f} ± {new['error']:.1f}"
    return f" Of {new['photos']} of them, of {new['labels']} labels that no class of ImageNet has, {found} % are found."


def lines_of(table: Row, kind: str) -> dict[str, list[tuple[float, float]]]:
    """(GMACs a photo, per cent) of each policy's indexes, by its name, before second looks.

    Args: kind: "recall" or "fidelity".
    """

    def value(row: Row) -> float:
        if kind == "fidelity":
            return row["fidelity"]["label"]
        return row["t2i"]["r10"] if "t2i" in row else row["top1"]["right"]

    points = {
        name.rsplit(",", 1)[0]: sorted((row["gmacs"], value(row)) for row in _of(table["rows"], policy))
        for policy, name in NAMES.items()
    }
    return {name: at for name, at in points.items() if at}


def _policies(table: Row) -> list[str]:
    def line(row: Row) -> list[str]:
        seed = "" if row["seed"] is None else str(row["seed"])
        found = row.get("t2i") or row["top1"]
        kept = row["fidelity"]
        cells = (f"{_found(row)} ± {found['error']:.1f}", f"{kept['label']:.1f} ± {kept['error']:.1f}")
        return [_name(row), seed, *_costs(row), f"{row['gmacs']:.3f}", *cells, f"{kept['top10']:.1f}"]

    right = "text to image, R@1 / 5 / 10 ± its error" if "t2i" in table["rows"][0] else "label found"
    head = ["", "seed", "MACs share", "at most", "GMACs", right, "fidelity: label", "top10"]
    return table_lines(head, (line(row) for row in table["rows"] if row["policy"] not in LOOKS))


def _differences(table: Row) -> list[str]:
    rows = table["differences"]
    if not rows:
        return []
    names = {"r10": "R@10", "right": "label found", "label": "label", "top10": "top10"}
    measured = list(rows[0]["random"])

    def cell(found: Row) -> str:
        return f"{found['more']:+.1f} ± {found['error']:.1f}"

    titles = [f"{names[name]}: {who}" for name in measured for who in ("gates", "oracle of drift")]
    lines = [
        [
            f"{row['budget']:g}",
            f"{row['macs_share']:.3f}",
            *(cell(row[way][name]) for name in measured for way in ("random", "gain")),
        ]
        for row in rows
    ]
    return table_lines(["budget", "MACs share", *titles], lines)


def _looks(table: Row) -> list[str]:
    lines = [
        [
            f"{LOOKS[row['policy']]} {row['setting']:g}",
            f"M = {row['m']}" if "m" in row else f"gain ≥ {row['min_gain']:g}",
            f"{row['macs_share']:.3f}",
            f"{row['macs_per_query']:.1f}",
            _found(row),
            f"{row['fidelity']['top10']:.1f}",
        ]
        for row in table["rows"]
        if row["policy"] in LOOKS
    ]
    return table_lines(["", "", "MACs share", "full encodings a query", "R@1 / 5 / 10", "top10"], lines)


def _subjects(table: Row) -> list[str]:
    head = ["gates", "captions", "MACs share", "R@1 / 5 / 10", "R@10: those that know it less these"]
    lines = [
        [
            row["gates"],
            str(row["captions"]),
            f"{row['macs_share']:.3f}",
            " / ".join(f"{row[name]:.1f}" for name in RECALLS),
            f"{row['more']:+.1f} ± {row['error']:.1f}" if place else "",
        ]
        for place, row in enumerate(table["subjects"])
    ]
    return table_lines(head, lines)


def _known_labels(table: Row) -> list[str]:
    head = ["labels known", "budget", "photos", "MACs share", "gates that know them", "general gates", "difference"]
    lines = [
        [
            str(row["labels"]),
            f"{row['budget']:g}",
            str(row["photos"]),
            f"{row['macs_share']:.3f}",
            f"{row['named']:.1f}",
            f"{row['general']:.1f}",
            f"{row['more']:+.1f} ± {row['error']:.1f}",
        ]
        for row in table["known_labels"]
    ]
    return table_lines(head, lines)


def _histogram(table: Row) -> list[str]:
    exits = [f"exit {k + 1}" for k in range(len(table["rows"][0]["exits"]))]
    lines = ([f"{row['setting']:g}", f"{row['macs_share']:.3f}", *map(str, row["exits"])] for row in table["rows"])
    return table_lines(["budget", "MACs share", *exits], lines)


def _judged(table: Row) -> bool:
    """Whether photos had captions or labels."""
    return "fidelity" in table["rows"][0]


def _of(rows: Iterable[Row], policy: str) -> list[Row]:
    """A policy's own rows, other seeds left out; of the ablations, the first."""
    return [row for row in rows if row["policy"] == policy and row.get("seed") in (None, 1)]


def _name(row: Row) -> str:
    name = NAMES.get(row["policy"]) or str(row["policy"])
    return name if row["policy"] == "full" else f"{name} {row['setting']:g}"


def _place(table: Row) -> str:
    return f"{table['data']}-{table['split']}".translate(str.maketrans(" /", "--"))


def _costs(row: Row) -> tuple[str, str]:
    return f"{row['macs_share']:.3f}", f"{row['max_macs_share']:.3f}"


def _found(row: Row) -> str:
    found = row.get("t2i") or row["top1"]
    return " / ".join(f"{value:.1f}" for name, value in found.items() if name != "error")


def _kept(row: Row) -> str:
    return f"{row['fidelity']['label']:.1f} / {row['fidelity']['top10']:.1f}"
