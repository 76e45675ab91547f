"""A ranking to take away, as CSV or JSON, in addresses that hold the file itself."""

import base64
import csv
import io
import json
import re
from collections.abc import Sequence

from engine.gallery import GallerySummary, Hit

# How a cell begins that a spreadsheet would run; also in full width, and after a sign that some take for a new cell.
FORMULA = re.compile(r"(?:^|[;,|\t\r\n])\s*[=+\-@＝＋－＠\t\r]")


def as_csv(hits: Sequence[Hit]) -> str:
    """One photo a line; a file name that a spreadsheet would take for a formula is quoted as text."""
    rows = [hit.row() for hit in hits]
    file = io.StringIO()
    writer = csv.DictWriter(file, fieldnames=list(rows[0]) if rows else ["rank", "file"])
    writer.writeheader()
    for row in rows:
        name = str(row["file"])
        writer.writerow({**row, "file": f"'{name}" if FORMULA.search(name) else name})
    return file.getvalue()


def as_json(query: str, hits: Sequence[Hit], summary: GallerySummary) -> str:
    """The query, its photos, and what the gallery took in all."""
    totals = {
        "photos": summary.photos,
        "index_macs_share": summary.macs_index / summary.full_macs if summary.full_macs else 0.0,
        "search_macs_share": (summary.macs_queries + summary.macs_pictures) / summary.full_macs
        if summary.full_macs
        else 0.0,
    }
    told = {"query": query, "gallery": summary.name, **totals, "results": [hit.row() for hit in hits]}
    return json.dumps(told, indent=2, ensure_ascii=False)


BUTTONS = "".join(
    f'<button type="button" data-event="export" data-kind="{kind}">{kind.upper()}</button>' for kind in ("csv", "json")
)


def link(kind: str, text: str) -> str:
    """A link that saves a file, and holds it."""
    media = "text/csv" if kind == "csv" else "application/json"
    data = base64.b64encode(text.encode()).decode()
    return f'<a hidden download="results.{kind}" href="data:{media};base64,{data}"></a>'
