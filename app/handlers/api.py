"""What programs may ask of the page over HTTP."""

from typing import Any

import gradio as gr

from app.context import Context
from engine.errors import EngineError
from engine.store import GalleryMissing

PATIENCE = 300.0  # seconds that a search waits for the demo gallery at the first start


class Api:
    """The named endpoints."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def search(self, text: str, gallery: str = "", k: int = 20) -> list[dict[str, Any]]:
        """The photos of a gallery that fit a text best.

        Args:
            text: what the photo shows; also sums like `2:dog + beach - people`.
            gallery: its name; by default the demo gallery.
            k: how many photos, at most 100.
        Returns: rank, file, score, exit, exits and macs_share of each, best first.
        """
        catalog, demo = self._context.catalog, self._context.demo
        try:
            if not gallery:
                demo.wait(PATIENCE)
            collection = catalog.find(gallery) if gallery else demo.id
            if collection is None:
                raise GalleryMissing(f'There is no gallery "{gallery}".')
            text = text.encode("utf-8", "replace").decode("utf-8")
            vector = catalog.embed_query(collection, text)
            hits = [] if vector is None else catalog.search(collection, vector, min(max(int(k), 1), 100))
        except EngineError as error:
            raise gr.Error(str(error)) from error
        return [hit.row() for hit in hits]
