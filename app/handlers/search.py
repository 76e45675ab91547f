"""Asking: the first ranking at once, then the refined one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import gradio as gr
import numpy as np

from app import export
from app.context import Context
from app.handlers.events import sent_along
from app.handlers.photo import gates_of
from app.suggestions import suggestions
from app.uploads import sent
from app.views import head, notes, photo, results
from app.visit import Visit
from engine.gallery import DROPPED, Deepened, EngineError, GallerySummary, Hit, file_upload, relevant

PAGE = 24  # photos on the page at first, and with every "more"
POOL = 100  # photos that tell where relevance falls off
SURE = (3, 12)  # how many places are made sure of, at least and at most: those that stand out
EXAMPLES = 7
COMPARE = "Compare"  # the tab that stays open when something is asked


class Found(NamedTuple):
    """What a search shows, top to bottom."""

    headline: Any
    suggestions: Any
    answer: Any
    grid: Any
    panel: Any


class Search:
    """Words and pictures in, photos out."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._suggested: dict[int, tuple[int, list[str]]] = {}  # gallery -> photos it had, and queries that fitted

    def searched(self, text: str, refine: bool, visit: Visit) -> Iterator[Found]:
        """Words were typed."""
        visit.ask(text)
        yield from self.answers(refine, visit)

    def again(self, event: gr.EventData, refine: bool, visit: Visit) -> Iterator[tuple[Any, ...]]:
        """A query that was offered was chosen. Yields: query, and Found."""
        visit.ask(sent_along(event, "query")[:1000])
        for number, found in enumerate(self.answers(refine, visit)):
            yield at_first(number, visit.query), *found

    def alike(self, refine: bool, visit: Visit) -> Iterator[tuple[Any, ...]]:
        """More like the selected photo. Yields: query, and Found."""
        if visit.photo is None:
            return
        visit.ask(f"photo:{visit.photo}")
        for number, found in enumerate(self.answers(refine, visit)):
            yield at_first(number, visit.query), *found

    def pictured(self, file: str, refine: bool, visit: Visit) -> Iterator[tuple[Any, ...]]:
        """A picture was given to search with. Yields: picture button, query, and Found."""
        try:
            dropped, aside = self._embedded(sent(file), visit)
        except (EngineError, OSError) as error:
            yield None, gr.skip(), *only(self._context.problem(error))
            return
        visit.dropped = dropped
        visit.ask(f"photo:{DROPPED}")
        for number, found in enumerate(self.answers(refine, visit, aside)):
            yield at_first(number, None), at_first(number, visit.query), *found

    def _embedded(self, path: Path, visit: Visit) -> tuple[np.ndarray, str]:
        """What a picture shows, and whose account counts it."""
        access = self._context.access
        try:
            summary = access.gallery(visit.gallery, visit)
            account, aside = (summary.id, head.PICTURED) if access.keeps(summary, visit) else (None, head.UNCOUNTED)
            with access.turn(visit):
                data = file_upload(path, path.name).read()  # no more of it than may be a picture
                return self._context.catalog.embed_picture(account, data, path.name), aside
        finally:
            path.unlink(missing_ok=True)  # it is asked with, and not kept

    def turned(self, event: gr.SelectData, visit: Visit) -> None:
        """Another tab was opened."""
        visit.tab = str(event.value)

    def seen(self, visit: Visit) -> Any:
        """Something was asked: its answer is seen among the results, or compared. Returns: tabs."""
        if visit.tab == COMPARE:
            return gr.skip()
        visit.tab = ""
        return gr.update(selected="results")

    def refreshed(self, visit: Visit) -> Iterator[Found]:
        """The gallery has changed under its ranking."""
        yield from self.answers(False, visit)

    def more(self, visit: Visit) -> str:
        """More of the ranking was asked for. Returns: grid."""
        visit.unfolded += 1
        try:
            summary = self._context.access.gallery(visit.gallery, visit)
            if not visit.query.strip():
                return self._shelf(visit, summary)
            if len(visit.hits) < self._wanted(visit):
                with self._context.access.turn(visit):
                    visit.hits = self._hits(visit)
            return self._grid(visit, summary)
        except EngineError as error:
            return self._context.problem(error)

    def answers(self, refine: bool, visit: Visit, aside: str = "") -> Iterator[Found]:
        """What fits the visit's query: at once, and then with the photos in doubt looked at again.

        Args: aside: what else the query has cost.
        """
        try:
            with self._context.access.turn(visit):
                yield from self._answers(refine, visit, aside)
        except EngineError as error:
            yield only(self._context.problem(error))

    def _answers(self, refine: bool, visit: Visit, aside: str) -> Iterator[Found]:
        catalog, access, asking = self._context.catalog, self._context.access, visit.asking
        summary = access.gallery(visit.gallery, visit)
        assert visit.gallery is not None
        catalog.require_model(visit.gallery)  # another model's photos do not fit this one's strip
        with self._context.journal.timed("search"):
            vector = catalog.embed_query(visit.gallery, visit.query, visit.dropped)
            visit.hits = self._hits(visit, vector) if vector is not None else []
        if vector is None:
            yield self._unasked(visit, summary, aside)
            return
        visit.photo = visit.hits[0].photo.id if visit.hits else None
        yield self._found(visit, summary, (head.LOOKING_AGAIN if refine and visit.hits else head.FIRST_ANSWER) + aside)
        if refine and visit.hits:
            yield self._refined(visit, vector, asking, aside)

    def _refined(self, visit: Visit, vector: np.ndarray, asking: object, aside: str) -> Found:
        if visit.asking is not asking:  # the visitor has gone on to something else
            return unchanged()
        assert visit.gallery is not None
        best = visit.photo
        standing = relevant([hit.score for hit in visit.hits])
        refinement = self._context.catalog.refine(visit.gallery, vector, min(max(standing, SURE[0]), SURE[1]))
        if visit.asking is not asking:  # or has meanwhile
            return unchanged()
        visit.deepened = {deepened.photo_id: deepened for deepened in refinement.deepened}
        before = {hit.photo.id: hit.rank for hit in visit.hits}
        if refinement.deepened:
            visit.hits = self._hits(visit, vector)
            visit.deepened = {id: _moved(d, before, visit.rank(id)) for id, d in visit.deepened.items()}
        kept = visit.photo != best  # another photo was selected meanwhile, and stays
        if not kept:
            visit.photo = visit.hits[0].photo.id
        summary = self._context.access.gallery(visit.gallery, visit)
        found = self._found(visit, summary, head.refined(refinement, list(visit.deepened.values())) + aside)
        return found._replace(panel=self._selected(visit, summary)) if kept else found

    def _selected(self, visit: Visit, summary: GallerySummary) -> Any:
        """The panel of the photo that the visitor has selected meanwhile: drawn anew where it has gone deeper since."""
        context = self._context
        if visit.photo not in visit.deepened:
            return gr.skip()
        chosen = context.catalog.photo(visit.photo)
        credit, own = context.credit(chosen), context.access.owns(summary, visit)
        return photo.panel(chosen, context.drawing, gates_of(chosen), context.address, True, credit, own=own)

    def _wanted(self, visit: Visit) -> int:
        return max(POOL, (visit.unfolded + 1) * PAGE)

    def _hits(self, visit: Visit, vector: np.ndarray | None = None) -> list[Hit]:
        catalog = self._context.catalog
        assert visit.gallery is not None
        if vector is None:
            vector = catalog.embed_query(visit.gallery, visit.query, visit.dropped)
        return catalog.search(visit.gallery, vector, self._wanted(visit)) if vector is not None else []

    def _found(self, visit: Visit, summary: GallerySummary, answer: str) -> Found:
        around, bar = self._around(visit, summary), self._bar(visit, summary, answer)
        return Found(*around, bar, self._grid(visit, summary), self._panel(visit))

    def _bar(self, visit: Visit, summary: GallerySummary, status: str) -> str:
        asked = {"gallery": summary.link, "q": visit.query} if summary.link else {"q": visit.query}
        sharable = (summary.kind == "demo" or summary.link is not None) and "photo:" not in visit.query
        share = f"?{urlencode(asked)}" if sharable else ""
        own = bool(visit.hits) and self._context.access.owns(summary, visit)
        return head.bar(status, export.links(visit.query, visit.hits[:PAGE]), share, own)

    def _around(self, visit: Visit, summary: GallerySummary) -> tuple[str, str]:
        """The headline, and what may be asked."""
        context = self._context
        examples = self._examples(summary)
        earlier = visit.earlier(examples)
        return head.headline(summary, context.comparison.last(summary.id)), head.suggestions(examples, earlier)

    def _examples(self, summary: GallerySummary) -> list[str]:
        """Queries that fit the gallery: the demo's own, or what the first photos of another one were taken for."""
        if summary.kind == "demo":
            return [query.query for query in self._context.demo.queries[:EXAMPLES]]
        known, found = self._suggested.get(summary.id, (0, []))
        if known != summary.photos:
            found = suggestions(self._context.catalog.photos(summary.id, limit=POOL), EXAMPLES)
            self._suggested[summary.id] = summary.photos, found
        return found

    def _grid(self, visit: Visit, summary: GallerySummary) -> str:
        if not visit.hits:
            return notes.note("An empty gallery", "Add photos first, then type what to look for.")
        scores = [hit.score for hit in visit.hits[:POOL]]  # the same photos tell it however many are on show
        standing = relevant(scores)
        shown = visit.hits[: min(standing, PAGE) + visit.unfolded * PAGE]
        more = min(PAGE, summary.photos - len(shown))
        if standing == len(scores):  # nothing falls off as far as was looked
            standing = summary.photos
        return results.results(
            shown, self._context.drawing, self._context.address, standing, max(more, 0), visit.deepened, visit.photo
        )

    def _panel(self, visit: Visit) -> str:
        context = self._context
        if not visit.hits:
            return ""
        best = visit.hits[0].photo
        return photo.panel(best, context.drawing, gates_of(best), context.address, credit=context.credit(best))

    def _unasked(self, visit: Visit, summary: GallerySummary, aside: str) -> Found:
        """A gallery when nothing is asked: its first photos."""
        context = self._context
        photos = context.catalog.photos(summary.id, limit=1)
        visit.photo = photos[0].id if photos else None
        if not photos:
            empty = notes.note("An empty gallery", "Add photos first, then type what to look for.")
            return Found(*self._around(visit, summary), head.bar(aside), empty, "")
        first, bar = photos[0], head.bar(head.UNASKED + aside, own=context.access.owns(summary, visit))
        panel = photo.panel(first, context.drawing, gates_of(first), context.address, credit=context.credit(first))
        return Found(*self._around(visit, summary), bar, self._shelf(visit, summary), panel)

    def _shelf(self, visit: Visit, summary: GallerySummary) -> str:
        context = self._context
        photos = context.catalog.photos(summary.id, limit=(visit.unfolded + 1) * PAGE)
        more = min(PAGE, summary.photos - len(photos))
        return results.shelf(photos, context.drawing, context.address, more)


def at_first(number: int, value: Any) -> Any:
    """What a box is set to with the first answer, number 0; by the second one the visitor may be typing in it."""
    return gr.skip() if number else value


def only(grid: str) -> Found:
    """One thing in the middle of the page and nothing else to see."""
    return Found(gr.skip(), gr.skip(), head.bar(), grid, "")


def unchanged() -> Found:
    """Everything stays as it is."""
    return Found(*(gr.skip() for _ in Found._fields))


def _moved(deepened: Deepened, before: dict[int, int], after: int | None) -> Deepened:
    """With its ranks among all the photos on show."""
    return Deepened(
        deepened.photo_id,
        deepened.from_exit,
        deepened.to_exit,
        deepened.macs,
        before.get(deepened.photo_id),
        after,
    )
