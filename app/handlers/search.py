"""Asking: the first ranking at once, then the refined one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import gradio as gr
import numpy as np

from app import export
from app.handlers.events import sent_along
from app.handlers.photo import gates_of
from app.services import Services
from app.session import Session
from app.suggestions import suggestions
from app.uploads import sent
from app.views import head, notes, photo, results
from engine.gallery import (
    DROPPED,
    Deepened,
    EngineError,
    GallerySummary,
    Hit,
    embed_picture,
    embed_query,
    file_upload,
    get_photo,
    list_photos,
    refine_search,
    relevant,
    require_model,
    search_photos,
)

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

    def __init__(self, services: Services) -> None:
        self._services = services
        self._suggested: dict[int, tuple[int, list[str]]] = {}  # gallery -> photos it had, and queries that fitted

    def searched(self, text: str, refine: bool, session: Session) -> Iterator[Found]:
        """Words were typed."""
        session.ask(text)
        yield from self.answers(refine, session)

    def again(self, event: gr.EventData, refine: bool, session: Session) -> Iterator[tuple[Any, ...]]:
        """A query that was offered was chosen. Yields: query, and Found."""
        session.ask(sent_along(event, "query")[:1000])
        for number, found in enumerate(self.answers(refine, session)):
            yield at_first(number, session.query), *found

    def alike(self, refine: bool, session: Session) -> Iterator[tuple[Any, ...]]:
        """More like the selected photo. Yields: query, and Found."""
        if session.photo is None:
            return
        session.ask(f"photo:{session.photo}")
        for number, found in enumerate(self.answers(refine, session)):
            yield at_first(number, session.query), *found

    def pictured(self, file: str, refine: bool, session: Session) -> Iterator[tuple[Any, ...]]:
        """A picture was given to search with. Yields: picture button, query, and Found."""
        try:
            dropped, aside = self._embedded(sent(file), session)
        except (EngineError, OSError) as error:
            yield None, gr.skip(), *only(self._services.problem(error))
            return
        session.dropped = dropped
        session.ask(f"photo:{DROPPED}")
        for number, found in enumerate(self.answers(refine, session, aside)):
            yield at_first(number, None), at_first(number, session.query), *found

    def _embedded(self, path: Path, session: Session) -> tuple[np.ndarray, str]:
        """What a picture shows, and whose account counts it."""
        access = self._services.access
        try:
            summary = access.gallery(session.gallery, session)
            account, aside = (summary.id, head.PICTURED) if access.keeps(summary, session) else (None, head.UNCOUNTED)
            with access.turn(session):
                data = file_upload(path, path.name).read()  # no more of it than may be a picture
                return embed_picture(self._services.library, account, data, path.name), aside
        finally:
            path.unlink(missing_ok=True)  # it is asked with, and not kept

    def turned(self, event: gr.SelectData, session: Session) -> None:
        """Another tab was opened."""
        session.tab = str(event.value)

    def seen(self, session: Session) -> Any:
        """Something was asked: its answer is seen among the results, or compared. Returns: tabs."""
        if session.tab == COMPARE:
            return gr.skip()
        session.tab = ""
        return gr.update(selected="results")

    def refreshed(self, session: Session) -> Iterator[Found]:
        """The gallery has changed under its ranking."""
        yield from self.answers(False, session)

    def more(self, session: Session) -> str:
        """More of the ranking was asked for. Returns: grid."""
        session.unfolded += 1
        try:
            summary = self._services.access.gallery(session.gallery, session)
            if not session.query.strip():
                return self._shelf(session, summary)
            if len(session.hits) < self._wanted(session):
                with self._services.access.turn(session):
                    session.hits = self._hits(session)
            return self._grid(session, summary)
        except EngineError as error:
            return self._services.problem(error)

    def answers(self, refine: bool, session: Session, aside: str = "") -> Iterator[Found]:
        """What fits the session's query: at once, and then with the photos in doubt looked at again.

        Args: aside: what else the query has cost.
        """
        try:
            with self._services.access.turn(session):
                yield from self._answers(refine, session, aside)
        except EngineError as error:
            yield only(self._services.problem(error))

    def _answers(self, refine: bool, session: Session, aside: str) -> Iterator[Found]:
        library, access, asking = self._services.library, self._services.access, session.asking
        summary = access.gallery(session.gallery, session)
        assert session.gallery is not None
        require_model(library, session.gallery)  # another model's photos do not fit this one's strip
        with self._services.event_log.timed("search"):
            vector = embed_query(library, session.gallery, session.query, session.dropped)
            session.hits = self._hits(session, vector) if vector is not None else []
        if vector is None:
            yield self._unasked(session, summary, aside)
            return
        session.photo = session.hits[0].photo.id if session.hits else None
        yield self._found(
            session, summary, (head.LOOKING_AGAIN if refine and session.hits else head.FIRST_ANSWER) + aside
        )
        if refine and session.hits:
            yield self._refined(session, vector, asking, aside)

    def _refined(self, session: Session, vector: np.ndarray, asking: object, aside: str) -> Found:
        if session.asking is not asking:  # the visitor has gone on to something else
            return unchanged()
        assert session.gallery is not None
        best = session.photo
        standing = relevant([hit.score for hit in session.hits])
        refinement = refine_search(
            self._services.library, session.gallery, vector, min(max(standing, SURE[0]), SURE[1])
        )
        if session.asking is not asking:  # or has meanwhile
            return unchanged()
        session.deepened = {deepened.photo_id: deepened for deepened in refinement.deepened}
        before = {hit.photo.id: hit.rank for hit in session.hits}
        if refinement.deepened:
            session.hits = self._hits(session, vector)
            session.deepened = {id: _moved(d, before, session.rank(id)) for id, d in session.deepened.items()}
        kept = session.photo != best  # another photo was selected meanwhile, and stays
        if not kept:
            session.photo = session.hits[0].photo.id
        summary = self._services.access.gallery(session.gallery, session)
        found = self._found(session, summary, head.refined(refinement, list(session.deepened.values())) + aside)
        return found._replace(panel=self._selected(session, summary)) if kept else found

    def _selected(self, session: Session, summary: GallerySummary) -> Any:
        """The panel of the photo that the visitor has selected meanwhile: drawn anew where it has gone deeper since."""
        services = self._services
        if session.photo not in session.deepened:
            return gr.skip()
        chosen = get_photo(services.library, session.photo)
        credit, own = services.credit(chosen), services.access.owns(summary, session)
        return photo.panel(chosen, services.drawing, gates_of(chosen), services.address, True, credit, own=own)

    def _wanted(self, session: Session) -> int:
        return max(POOL, (session.unfolded + 1) * PAGE)

    def _hits(self, session: Session, vector: np.ndarray | None = None) -> list[Hit]:
        library = self._services.library
        assert session.gallery is not None
        if vector is None:
            vector = embed_query(library, session.gallery, session.query, session.dropped)
        return search_photos(library, session.gallery, vector, self._wanted(session)) if vector is not None else []

    def _found(self, session: Session, summary: GallerySummary, answer: str) -> Found:
        around, bar = self._around(session, summary), self._bar(session, summary, answer)
        return Found(*around, bar, self._grid(session, summary), self._panel(session))

    def _bar(self, session: Session, summary: GallerySummary, status: str) -> str:
        asked = {"gallery": summary.link, "q": session.query} if summary.link else {"q": session.query}
        sharable = (summary.kind == "demo" or summary.link is not None) and "photo:" not in session.query
        share = f"?{urlencode(asked)}" if sharable else ""
        own = bool(session.hits) and self._services.access.owns(summary, session)
        return head.bar(status, export.links(session.query, session.hits[:PAGE]), share, own)

    def _around(self, session: Session, summary: GallerySummary) -> tuple[str, str]:
        """The headline, and what may be asked."""
        services = self._services
        examples = self._examples(summary)
        earlier = session.earlier(examples)
        return head.headline(summary, services.comparison.last(summary.id)), head.suggestions(examples, earlier)

    def _examples(self, summary: GallerySummary) -> list[str]:
        """Queries that fit the gallery: the demo's own, or what the first photos of another one were taken for."""
        if summary.kind == "demo":
            return [query.query for query in self._services.demo.queries[:EXAMPLES]]
        known, found = self._suggested.get(summary.id, (0, []))
        if known != summary.photos:
            found = suggestions(list_photos(self._services.library, summary.id, limit=POOL), EXAMPLES)
            self._suggested[summary.id] = summary.photos, found
        return found

    def _grid(self, session: Session, summary: GallerySummary) -> str:
        if not session.hits:
            return notes.note("An empty gallery", "Add photos first, then type what to look for.")
        scores = [hit.score for hit in session.hits[:POOL]]  # the same photos tell it however many are on show
        standing = relevant(scores)
        shown = session.hits[: min(standing, PAGE) + session.unfolded * PAGE]
        more = min(PAGE, summary.photos - len(shown))
        if standing == len(scores):  # nothing falls off as far as was looked
            standing = summary.photos
        return results.results(
            shown,
            self._services.drawing,
            self._services.address,
            standing,
            max(more, 0),
            session.deepened,
            session.photo,
        )

    def _panel(self, session: Session) -> str:
        services = self._services
        if not session.hits:
            return ""
        best = session.hits[0].photo
        return photo.panel(best, services.drawing, gates_of(best), services.address, credit=services.credit(best))

    def _unasked(self, session: Session, summary: GallerySummary, aside: str) -> Found:
        """A gallery when nothing is asked: its first photos."""
        services = self._services
        photos = list_photos(services.library, summary.id, limit=1)
        session.photo = photos[0].id if photos else None
        if not photos:
            empty = notes.note("An empty gallery", "Add photos first, then type what to look for.")
            return Found(*self._around(session, summary), head.bar(aside), empty, "")
        first, bar = photos[0], head.bar(head.UNASKED + aside, own=services.access.owns(summary, session))
        panel = photo.panel(first, services.drawing, gates_of(first), services.address, credit=services.credit(first))
        return Found(*self._around(session, summary), bar, self._shelf(session, summary), panel)

    def _shelf(self, session: Session, summary: GallerySummary) -> str:
        services = self._services
        photos = list_photos(services.library, summary.id, limit=(session.unfolded + 1) * PAGE)
        more = min(PAGE, summary.photos - len(photos))
        return results.shelf(photos, services.drawing, services.address, more)


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
