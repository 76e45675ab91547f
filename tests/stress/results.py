"""Figures of the long runs, kept in one JSON file, and the page of tables that is made of it."""

import json
import os
import platform
from datetime import date
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "docs" / "results"
FIGURES, PAGE = FOLDER / "robustness.json", FOLDER / "robustness.md"
HEAD = """# Robustness, measured

Written by `python -m tests.stress.NAME`; each part says which, on which machine and when. The tests run the same code
with smaller counts.
"""


def keep(name: str, title: str, sentence: str, rows: list[dict[str, Any]]) -> None:
    """Put a run's table in the place of its last one.

    Args:
        name: of the module; sentence: what was done and what had to hold; rows: one a line, all with the same keys.
    """
    figures = json.loads(FIGURES.read_text("utf-8")) if FIGURES.is_file() else {}
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}"
    figures[name] = {
        "title": title,
        "sentence": sentence,
        "machine": machine,
        "date": date.today().isoformat(),
        "rows": rows,
    }
    FIGURES.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    PAGE.write_text(HEAD + "".join(_part(key, figures[key]) for key in sorted(figures)), encoding="utf-8")


def _part(name: str, part: dict[str, Any]) -> str:
    columns = list(part["rows"][0])
    lines = [f"| {' | '.join(columns)} |", f"|{' --- |' * len(columns)}"]
    lines += [f"| {' | '.join(str(row[column]) for column in columns)} |" for row in part["rows"]]
    told = f"`python -m tests.stress.{name.partition(' ')[0]}`, {part['date']}, {part['machine']}."
    return f"\n## {part['title']}\n\n{part['sentence']} {told}\n\n" + "\n".join(lines) + "\n"
