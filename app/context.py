"""What every handler stands on: the engine, who may see what, and how an encoder is drawn."""

from dataclasses import dataclass, field
from typing import Any

from app.access import Access
from app.attribution import Attribution
from app.curve import Curve, curve_of
from app.demo import Demo
from app.journal import Journal
from app.strip import Drawing
from app.views.results import Address
from app.work import Works
from engine.budget import BUDGET_GRID
from engine.catalog import Catalog, Photo
from engine.comparison import Comparison
from engine.visitors import Visitors


@dataclass
class Context:
    """The parts of one running page."""

    catalog: Catalog
    comparison: Comparison
    demo: Demo
    address: Address
    visitors: Visitors | None = None  # where strangers come
    journal: Journal = field(default_factory=Journal)
    works: Works[Any] = field(default_factory=Works)

    def __post_init__(self) -> None:
        self.access = Access(self.catalog, self.demo, self.visitors)

    @property
    def drawing(self) -> Drawing:
        """The present encoder as it is drawn; the first call loads it."""
        encoder = self.catalog.encoder
        return Drawing(encoder.stages, encoder.full_macs, BUDGET_GRID, encoder.plans)

    @property
    def curve(self) -> Curve | None:
        """Quality against compute of the present model, where somebody measured it."""
        return curve_of(self.catalog.encoder.identity.model)

    def credit(self, photo: Photo) -> Attribution | None:
        """Whose photo it is, where it is one of the demo gallery's."""
        return self.demo.credits.get(photo.file) if photo.collection_id in self.demo.ids else None
