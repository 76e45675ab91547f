"""The page's scripts: one file for all HTML parts, named by its content, so that browsers load it once."""

import hashlib
import re
from functools import cache

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from engine.gallery import ASSETS

# What a script is given for the part that it is started for: Gradio's own, and what its scripts share.
GIVEN = "{ element, trigger, watch, ours }"
# It runs before Gradio, which needs both kinds of storage as well.
START = """// Another site's frame may be refused storage: what would be kept lasts until the page is left.
for (const name of ["localStorage", "sessionStorage"]) {
  try {
    window[name].getItem("");
  } catch {
    document.documentElement.dataset.keeps = "nothing"; // which visitors are told before they add photos
    const kept = new Map();
    const value = {
      getItem: (key) => kept.get(key) ?? null,
      setItem: (key, text) => void kept.set(key, String(text)),
      removeItem: (key) => void kept.delete(key),
    };
    Object.defineProperty(window, name, { value });
  }
}
window.tgem = {
  scripts: {},
  start(part, names) {
    const given = { ...part, ours: {} };
    for (const name of names) this.scripts[name](given);
  },
};
"""
HEADERS = {"Cache-Control": "public, max-age=31536000, immutable"}
EVENTS = re.compile(r"^// What Python may listen to: (.+)$", re.MULTILINE)


def started(*names: str) -> str:
    """What Gradio runs when a part is loaded; it names the events, for Gradio lets Python listen to no others."""
    events = " ".join(found for name in names for found in EVENTS.findall(_source(name)))
    return f"tgem.start({{ element, trigger, watch }}, [{', '.join(map(repr, names))}]); // {events}"


@cache
def address() -> str:
    """Where the scripts are served, relative to the page."""
    return f"scripts/{hashlib.sha256(_all().encode()).hexdigest()[:16]}.js"


def scripts_route() -> Route:
    """What the web server must know."""

    def answer(_: Request) -> Response:
        return Response(_all(), media_type="text/javascript", headers=HEADERS)

    return Route(f"/{address()}", answer)


@cache
def _all() -> str:
    names = sorted(path.stem for path in ASSETS.glob("*.js"))
    functions = (f"tgem.scripts.{name} = ({GIVEN}) => {{\n{_source(name)}}};\n" for name in names)
    return START + "".join(functions)


@cache
def _source(name: str) -> str:
    return (ASSETS / f"{name}.js").read_text("utf-8")
