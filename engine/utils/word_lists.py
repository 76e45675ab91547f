"""Files of word lists: `name: item, item`, one a line; lines that begin with # say what they are."""

from pathlib import Path


def lines_of(text: str) -> list[str]:
    """The lines of a text, less empty ones and those that begin with #."""
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def lists_of(path: Path) -> dict[str, list[str]]:
    """The lists of a file by their names, in its order."""
    named = (line.split(": ", 1) for line in lines_of(path.read_text(encoding="utf-8")))
    return {name: items.split(", ") for name, items in named}
