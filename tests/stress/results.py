"""Figures of the long runs, kept in JSON files, and the pages of tables that are made of them."""

import argparse
import json
import os
import platform
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from engine.utils.markdown import table_lines

FOLDER = Path(__file__).parents[2] / "docs" / "results"


@dataclass(frozen=True)
class Page:
    """A page of tables, and the file of the figures that it is made of."""

    name: str  # of both files
    head: str

    @property
    def figures(self) -> Path:
        return FOLDER / f"{self.name}.json"

    @property
    def text(self) -> Path:
        return FOLDER / f"{self.name}.md"


ROBUSTNESS = Page(
    "robustness",
    """# Robustness, measured

Written by `python -m tests.stress.NAME`; each part says which, on which machine and when. The tests run the same code
with smaller counts.
""",
)
SCALE = Page(
    "scale",
    """# Past one machine, measured

Written by `python -m tests.stress.scale FOLDER`; each part says on which machine and when. What follows from it for
larger collections: [docs/scale.md](../scale.md).
""",
)


def whole_numbers(about: str | None, **usual: int) -> argparse.Namespace:
    """The options of a command. Args: about: what the run does.  usual: by name, the number where none is given."""
    parser = argparse.ArgumentParser(description=about)
    for name, number in usual.items():
        parser.add_argument(f"--{name}", type=int, default=number)
    return parser.parse_args()


def keep(name: str, title: str, sentence: str, rows: list[dict[str, Any]], page: Page = ROBUSTNESS) -> None:
    """Put a run's table in the place of its last one.

    Args:
        name: of the module; sentence: what was done and what had to hold; rows: one a line, all with the same keys.
    """
    figures = read(page)
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}"
    figures[name] = {
        "title": title,
        "sentence": sentence,
        "options": options(sys.argv[1:]),
        "machine": machine,
        "date": date.today().isoformat(),
        "rows": rows,
    }
    page.figures.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    page.text.write_text(page.head + "".join(_part(key, figures[key]) for key in sorted(figures)), encoding="utf-8")


def options(words: Sequence[str]) -> str:
    """What stood behind a command, as a shell takes it; of places on this machine the last name alone."""
    return shlex.join(Path(word).name if Path(word).is_absolute() else word for word in words)


def read(page: Page) -> dict[str, Any]:
    """The figures of a page, by the name of each part."""
    found: dict[str, Any] = json.loads(page.figures.read_text("utf-8")) if page.figures.is_file() else {}
    return found


def _part(name: str, part: dict[str, Any]) -> str:
    columns = list(part["rows"][0])
    lines = table_lines(columns, ([str(row[column]) for column in columns] for row in part["rows"]))
    command = f"python -m tests.stress.{name.partition(' ')[0]} {part.get('options', '')}".rstrip()
    told = f"`{command}`, {part['date']}, {part['machine']}."
    return f"\n## {part['title']}\n\n{part['sentence']} {told}\n\n" + "\n".join(lines) + "\n"
