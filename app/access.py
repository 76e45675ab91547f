"""Who may look at which gallery, and change it: every handler asks here."""

import os

from app.demo import Demo
from app.visit import Visit
from engine.catalog import Catalog, GalleryMissing, GallerySummary, Photo
from engine.errors import EngineError


class NotYours(EngineError):
    """A gallery that may be looked at and not changed."""


class Access:
    """The galleries that a visit reaches: its owner's own, the demo's, and those opened by their published address."""

    def __init__(self, catalog: Catalog, demo: Demo) -> None:
        self._catalog, self._demo = catalog, demo

    def galleries(self, visit: Visit) -> list[GallerySummary]:
        """All that may be looked at: the one indexed last first."""
        opened = {self._catalog.published(link) for link in visit.links}
        return [
            summary
            for summary in self._catalog.galleries()
            if summary.kind == "demo" or visit.owner is None or summary.id in opened
        ]

    def gallery(self, collection_id: int | None, visit: Visit) -> GallerySummary:
        """One that may be looked at; raises GalleryMissing, whether there is another one of that number or not."""
        found = next((summary for summary in self.galleries(visit) if summary.id == collection_id), None)
        if found is None:
            raise GalleryMissing("This gallery is not there any more; choose another one.")
        return found

    def own(self, collection_id: int | None, visit: Visit) -> GallerySummary:
        """One that may be changed; raises GalleryMissing, NotYours."""
        found = self.gallery(collection_id, visit)
        if found.kind == "demo":
            raise NotYours("The demo gallery stays as it is; add photos to a gallery of your own.")
        if visit.owner is not None and found.link in visit.links:
            raise NotYours("This gallery is its owner’s; add photos to one of your own.")
        return found

    def photo(self, photo_id: int, visit: Visit) -> Photo:
        """A photo of a gallery that may be looked at; raises PhotoMissing, GalleryMissing."""
        found = self._catalog.photo(photo_id)
        self.gallery(found.collection_id, visit)
        return found

    def open_link(self, link: str, visit: Visit) -> int | None:
        """The published gallery that an address names, from now on one of the visit's."""
        found = self._catalog.published(link)
        if found is not None and link not in visit.links:
            visit.links = (*visit.links, link)
        return found


def is_local() -> bool:
    """Whether only this machine can reach the page; what reads the server's folders is offered nowhere else."""
    name = os.environ.get("GRADIO_SERVER_NAME", "127.0.0.1")
    return "SPACE_ID" not in os.environ and name in ("127.0.0.1", "localhost", "::1")
