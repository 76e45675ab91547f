"""A ranking to take away, as CSV or JSON, in addresses that hold the file itself."""

import csv
import io
import json
import re
from collections.abc import Sequence

from app.views.formatting import anew, button, inline
from engine.gallery import GallerySummary, Hit

# How a cell begins that a spreadsheet would run; also in full width, and after a sign that some take for a new cell.
FORMULA = re.compile(r"(?:^|[;,|\t\r\n])\s*[=+\-@＝＋－＠\t\r]")


def as_csv(hits: Sequence[Hit], summary: GallerySummary) -> str:
    """One photo a line; the last two say what indexing all photos took, and what searches and albums took on top.

    A file name that a spreadsheet would take for a formula is quoted as text.
    """
    rows, totals = [hit.row() for hit in hits], _totals(summary)
    file = io.StringIO()
    writer = csv.DictWriter(file, fieldnames=list(rows[0]) if rows else ["rank", "file", "macs_share"])
    writer.writeheader()
    for row in rows:
        name = str(row["file"])
        writer.writerow({**row, "file": f"'{name}" if FORMULA.search(name) else name})
    for what, total in (
        (f"{summary.photos} photos indexed", "index"),
        ("searches and albums, on top of that", "search"),
    ):
        writer.writerow({"rank": "total", "file": what, "macs_share": totals[f"{total}_macs_share"]})
    return file.getvalue()


def as_json(query: str, year: int | None, hits: Sequence[Hit], summary: GallerySummary) -> str:
    """The query, its photos, and what the gallery took in all.

    Args: year: that they were taken in, if one was chosen.
    """
    told = {"query": query, "year": year, "gallery": summary.name, **_totals(summary)}
    return json.dumps({**told, "results": [hit.row() for hit in hits]}, indent=2, ensure_ascii=False)


def _totals(summary: GallerySummary) -> dict[str, float]:
    """How many photos, and the shares of the full encoder's MACs that indexing and searches ran."""
    full = summary.macs_in_full or 1  # nothing ran where there is no photo
    return {
        "photos": summary.photos,
        "index_macs_share": summary.macs_index / full,
        "search_macs_share": (summary.macs_queries + summary.macs_pictures) / full,
    }


BUTTONS = "".join(button("export", kind.upper(), kind=kind) for kind in ("csv", "json"))


def link(kind: str, text: str) -> str:
    """A link that saves a file, and holds it; a mark before the CSV says that it is UTF-8, which Excel asks for."""
    media, encoding = ("text/csv", "utf-8-sig") if kind == "csv" else ("application/json", "utf-8")
    return f'<a hidden{anew()} download="results.{kind}" href="{inline(media, text.encode(encoding))}"></a>'
