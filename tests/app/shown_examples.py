"""A photo, a gallery and an encoder to show, and a reader of what is shown."""

from collections.abc import Iterable
from html.parser import HTMLParser
from types import SimpleNamespace

import gradio as gr
import numpy as np

from app.layout import draw
from app.parts import Updates
from app.views.strip import Drawing
from engine.exits.budget import BUDGET_GRID
from engine.gallery import GallerySummary, Measured, Photo
from engine.gallery.speed_race import Race
from tests.fake_encoder import FakeEncoder

EVIL = "<script>alert(1)</script>\"'${7*7}{{x}}.jpg"
PHOTO = Photo(
    id=7,
    collection_id=1,
    file="otter-on-rock.jpg",
    content_hash="ab" * 32,
    width=640,
    height=360,
    exit=2,
    exits=3,
    macs=70,
    macs_share=0.7,
    milliseconds=4.13,
    gates=np.array([[0.2] * len(BUDGET_GRID), [0.7] * len(BUDGET_GRID)], np.float32),
    nearest_texts=((("a dog", 0.5), ("grass", 0.2)), (("an otter", 0.8), ("water", 0.1))),
    budget=0.75,
)
SUMMARY = GallerySummary(
    id=1, name="Holidays", kind="gallery", photos=4, waiting=0, by_other_phrases=0, macs_index=220, macs_queries=30,
    macs_pictures=0, macs=250, macs_in_full=400, saved_share=0.45, exits=(2, 1, 1),
    model="fake", budget=0.75, link=None, owner=None, phrases=(), revision=4,
)  # fmt: skip
RACE = Race(at=1_764_000_000.0, photos=46, budget=0.75, full_per_second=20.0, early_per_second=32.0, macs_share=0.6)
MEASURED, SHIPPED = Measured(RACE), Measured(RACE, "cpu (A <Processor>), 2 threads")
DRAWING = Drawing(FakeEncoder().stages, 100, usual_affinity=0.45)

with gr.Blocks():
    PARTS = draw("a secret")


def after(changes: Updates | Iterable[Updates]) -> SimpleNamespace:
    """What some changes leave in each component that they change, by its name in Parts."""
    names = {part: name for name, part in vars(PARTS).items()}
    found = SimpleNamespace()
    for each in [changes] if isinstance(changes, dict) else changes:
        for part, value in each.items():
            if value != gr.skip():
                setattr(found, names[part], plain(value) if isinstance(value, str) else value)
    return found


def plain(html: str) -> str:
    """With blanks that may break in place of those that may not."""
    return html.replace("\N{NO-BREAK SPACE}", " ")


def address(photo: Photo, size: str) -> str:
    return f"photo/{photo.id}/{size}"


class Outline(HTMLParser):
    """What a page's reader meets: tags with their attributes, and whether every tag is closed."""

    VOID = frozenset(("img", "br", "input", "progress"))

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
