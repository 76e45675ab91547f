"""Makes a site of docs/: adds pages from outside it, mends links that lead there, and turns formulas into MathML.

The files read well in the repository, where links lead anywhere; on the site a link to source code is its text alone.
Nothing is fetched when a page is read: formulas are drawn by the browser itself.
"""

import html
import os
import re
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

ROOT = Path(__file__).parents[1]
PAGES = {  # files of the repository that are pages of the site, too
    "SECURITY.md": "security.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "assets/models/tgem-mini/README.md": "model-card.md",
}
LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|mailto:|#)([^)\s#]+)(#[^)\s]*)?\)")
FORMULA = re.compile(r'<(span|div) class="arithmatex">(.*?)</\1>', re.DOTALL)


def on_files(files: Any, config: Any) -> Any:
    """Add the pages from outside docs/."""
    for source, place in PAGES.items():
        files.append(File.generated(config, place, content=(ROOT / source).read_text("utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Have a page's links lead to pages of the site; a file that is not there stops the build."""
    uri = page.file.src_uri
    source = next((name for name, place in PAGES.items() if place == uri), f"docs/{uri}")

    def mended(found: re.Match[str]) -> str:
        picture, text, link, anchor = found[1], found[2], found[3], found[4] or ""
        target = os.path.normpath(os.path.join(os.path.dirname(source), link))
        if not (ROOT / target).exists():
            raise PluginError(f"{source}: {link} is not there")
        place = PAGES.get(target) or (target[5:] if target.startswith("docs/") else None)
        if place is None:
            return text
        return f"{picture}[{text}]({os.path.relpath(place, os.path.dirname(uri) or '.')}{anchor})"

    return LINK.sub(mended, markdown)


def on_page_content(content: str, **_: Any) -> str:
    """Draw formulas without a script."""

    def drawn(found: re.Match[str]) -> str:
        formula = html.unescape(found[2])[2:-2]  # between \\( and \\)
        return str(convert(formula, display="block" if found[1] == "div" else "inline"))

    return FORMULA.sub(drawn, content)
