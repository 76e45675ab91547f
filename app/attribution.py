"""Whose the demo gallery's photos are: the table in its ATTRIBUTION.md, read."""

import re
from dataclasses import dataclass
from pathlib import Path

_ROW = re.compile(r"^\| (?P<file>[^|]+?) \| (?P<title>[^|]+?) \| (?P<author>[^|]+?) \| (?P<licence>[^|]+?) \|", re.M)
_LINK = re.compile(r"\[(?P<name>[^\]]+)\]\((?P<url>https?://\S+)\)")


@dataclass(frozen=True)
class Attribution:
    """A photo's title, author and licence."""

    title: str
    author: str
    licence: str
    licence_url: str


def attributions(table: Path) -> dict[str, Attribution]:
    """What is said of each file; rows without a licence to link to are left out."""
    found = {}
    for row in _ROW.finditer(table.read_text("utf-8")):
        link = _LINK.fullmatch(row["licence"])
        if link is not None:
            found[row["file"]] = Attribution(row["title"], row["author"], link["name"], link["url"])
    return found
