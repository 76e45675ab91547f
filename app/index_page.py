"""The document that a browser or a link preview asks for first: Gradio's own, with our card, icons and scripts, and a
search box that is there before Gradio has drawn the page.
"""

import re
from functools import cache
from html import escape

from gradio.routes import templates
from jinja2 import ChoiceLoader, Environment, FunctionLoader
from starlette.responses import FileResponse
from starlette.routing import Route

from app import scripts
from app.views.header import NAME, PLACEHOLDER, SENTENCE, TITLE
from engine.gallery import ASSETS, LONGEST_QUERY

DOCUMENT = "frontend/index.html"
CARD, CARD_SIZE = "social-card.jpg", (1200, 630)
ICON = "icon.png"
DAY = 86_400  # seconds
# What it tells link previews, and a manifest that lies outside where a proxy serves us under a path.
GRADIOS_OWN = re.compile(r'\s*<(?:meta\s+(?:property="og:|name="twitter:)|link\s+rel="manifest")[^>]*>')


def files_routes() -> list[Route]:
    """The picture of the card, and the icon for what takes no SVG."""
    return [_file_route(name) for name in (CARD, ICON)]


@cache  # once is enough
def install() -> None:
    """Have Gradio serve its document with our head."""
    environment: Environment = templates.env
    assert environment.loader is not None
    ours = with_ours(environment.loader.get_source(environment, DOCUMENT)[0])
    own = FunctionLoader(lambda name: ours if name == DOCUMENT else None)
    environment.loader = ChoiceLoader([own, environment.loader])


def with_ours(document: str) -> str:
    """Gradio's template with our head in place of what it tells link previews, and our first search box."""
    headed = GRADIOS_OWN.sub("", document).replace("<head>", f"<head>{_head()}", 1)
    return headed.replace("</body>", f"{_first()}</body>", 1)


def _head() -> str:
    width, height = CARD_SIZE
    said = {
        "og:type": "website",
        "og:title": NAME,
        "og:description": SENTENCE,
        "og:url": "{{ config['root'] }}/",
        "og:image": f"{{{{ config['root'] }}}}/{CARD}",
        "og:image:width": str(width),
        "og:image:height": str(height),
        "og:image:alt": "A search: photos with strips that are filled as far as each one had to be computed",
    }
    previews = "".join(f'<meta property="{name}" content="{escape(text, False)}" />' for name, text in said.items())
    return (
        f'<meta name="description" content="{SENTENCE}" /><meta name="twitter:card" content="summary_large_image" />'
        f"{previews}"
        '<link rel="icon" href="favicon.ico" type="image/svg+xml" />'
        f'<link rel="alternate icon" href="{ICON}" type="image/png" /><link rel="apple-touch-icon" href="{ICON}" />'
        f'<script src="{scripts.address()}"></script>'
    )


def _first() -> str:
    """On a slow network Gradio's scripts come seconds later than this."""
    return (
        f'<div id="first"><style>{(ASSETS / "first.css").read_text("utf-8")}</style><form>'
        f'{TITLE}<div class="ask"><input aria-label="Search" placeholder="{PLACEHOLDER}" maxlength="{LONGEST_QUERY}" />'
        '<button>Search</button></div><p role="status">The page is on its way. You can type.</p></form></div>'
        '<script>tgem.start({ element: document.getElementById("first") }, ["streams", "frame", "question", "first"]);'
        "</script>"
    )


def _file_route(name: str) -> Route:
    headers = {"Cache-Control": f"public, max-age={DAY}"}
    return Route(f"/{name}", lambda _: FileResponse(ASSETS / name, headers=headers))
