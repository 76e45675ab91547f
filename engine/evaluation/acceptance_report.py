"""The report of an acceptance as Markdown, to be posted."""

from engine.evaluation import Row
from engine.evaluation.evaluate import lines_of
from engine.utils.markdown import table_lines


def markdown(report: Row) -> str:
    """Args: report: what `acceptance.json` holds."""
    steps = {step["step"]: step for step in report["steps"]}
    device = report.get("device", "no model was loaded")
    lines = [
        f"# Acceptance of {report['model']}",
        "",
        f"`python -m engine acceptance`, {report['date']}, on {device}, {report['threads']} threads, "
        f"torch {report['torch']}, float32.{_load(report['load'])}",
        "",
        *table_lines(
            ["step", "status", "why, or what was found", "seconds"], [_step(step) for step in report["steps"]]
        ),
    ]
    for title, name, part in (
        ("Certificate", "certificate", _certificate),
        ("Fidelity and recall against compute", "evaluate", _evaluation),
        ("Speed", "bench", _speeds),
    ):
        if name in steps and steps[name]["found"]:
            lines += ["", f"## {title}", "", *part(steps[name]["found"])]
    return "\n".join(lines) + "\n"


def _load(means: list[float]) -> str:
    if not means:
        return ""
    return (
        f" Load of the machine over 1, 5 and 15 minutes: {', '.join(f'{mean:g}' for mean in means)}; where it is above "
        "the threads, speeds say little beyond their ratios."
    )


def _step(step: Row) -> list[str]:
    return [step["step"], f"**{step['status']}**", _cell(step["why"]), f"{step['seconds']:.0f}"]


def _certificate(found: Row) -> list[str]:
    rows = [
        [
            f"{row['budget']:g}",
            f"{row['macs_share']:.3f}",
            f"{row['fidelity']['label']:.1f} / {row['fidelity']['top10']:.1f}",
            f"{row['images_per_s']:.1f}",
            f"{row['images_per_s'] / found['bare_images_per_s']:.2f}",
        ]
        for row in found["budgets"]
    ]
    head = ["budget", "MACs share", "fidelity: label / top10", "images/s", "times the bare model's"]
    told = f"On {found['photos']} photos that nothing was fitted on; the bare model: {found['bare_images_per_s']:.1f} "
    return [f"{told}images/s. **{_cell(found['advice'])}**", "", *table_lines(head, rows)]


def _evaluation(found: Row) -> list[str]:
    lines = []
    for table in found["sets"]:
        lines += [f"{table['data']}: {table['images']} photos, {table['captions']} captions.", "", "```"]
        lines += [*lines_of(table["rows"]), "```", ""]
    return lines[:-1]


def _speeds(found: Row) -> list[str]:
    head = ["mode", "batch", "MACs share", "images/s"]
    rows = [
        [row["mode"], str(row["batch"]), f"{row['macs_share']:.3f}", f"{row['images_per_s']:.1f}"]
        for row in found["rows"]
    ]
    return table_lines(head, rows)


def _cell(text: str) -> str:
    """Text that stays in its cell and is taken as it stands."""
    plain = " ".join(text.split())
    return "".join(f"\\{c}" if c in "\\|<>*_`[]" else c for c in plain)
