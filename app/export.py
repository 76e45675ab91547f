"""A ranking to take away, as CSV or JSON, in addresses that hold the file itself."""

import base64
import csv
import io
import json
import re
from collections.abc import Sequence

from engine.gallery import Hit

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


def as_json(query: str, hits: Sequence[Hit]) -> str:
    """The query and its photos."""
    return json.dumps({"query": query, "results": [hit.row() for hit in hits]}, indent=2, ensure_ascii=False)


def links(query: str, hits: Sequence[Hit]) -> str:
    """Two links that save what is on show."""
    if not hits:
        return ""
    files = (("csv", "text/csv", as_csv(hits)), ("json", "application/json", as_json(query, hits)))
    return "".join(
        f'<a download="results.{ending}" href="data:{kind};base64,{base64.b64encode(text.encode()).decode()}">'
        f"{ending.upper()}</a>"
        for ending, kind, text in files
    )
