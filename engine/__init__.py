"""Text-to-image search that pays only for the encoder depth a photo needs; everything that is not a page.

The names below are what a program needs; docs/api.md shows them at work. Each is loaded when it is first used, so that
`import engine` brings neither PyTorch nor the database with it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.exits.encoder import Encoder
    from engine.exits.loading import load_encoder
    from engine.gallery.galleries import list_galleries, open_gallery
    from engine.gallery.ingest import ingest_files
    from engine.gallery.library import Library
    from engine.gallery.search import refine_search, search_photos
    from engine.ingest.listing import folder_uploads

_HOMES = {
    "Encoder": "engine.exits.encoder",
    "Library": "engine.gallery.library",
    "folder_uploads": "engine.ingest.listing",
    "ingest_files": "engine.gallery.ingest",
    "list_galleries": "engine.gallery.galleries",
    "load_encoder": "engine.exits.loading",
    "open_gallery": "engine.gallery.galleries",
    "refine_search": "engine.gallery.search",
    "search_photos": "engine.gallery.search",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
