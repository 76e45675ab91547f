"""Asking: the first ranking at once, then the refined one."""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from urllib.parse import urlencode

import gradio as gr

from app import export
from app.handlers.events import sent_along
from app.parts import Parts, Updates
from app.services import Services
from app.session import Session
from app.views import arrangement, header, photo, placeholders, results
from engine.gallery import (
    DROPPED,
    EngineError,
    GallerySummary,
    Hit,
    ModelChanged,
    Photo,
    Query,
    QueryRejected,
    Ranking,
    correct_spelling,
    embed_query,
    is_english,
    list_hits,
    list_photos,
    rank_gallery,
    reads_to_end,
    refine_search,
    require_model,
    search_photos,
    stacks_among,
    standing,
    subtract_unwanted,
    summarize_gallery,
    years_of,
)

PAGE = 24  # photos on the page at first; twice as many whenever the reader comes to their end, for all are sent anew
POOL = 100  # photos that are listed at least
SURE = (3, 12)  # how many places are made sure of, at least and at most: those that stand out
SUGGESTED = 7  # queries
NAMED = re.compile(rf"\s*photo:(\d{{1,18}}|{DROPPED})(?=\s|$)", re.IGNORECASE)  # how a query with a picture begins
NOTHING: Updates = {}


class Search:
    """Words and pictures in, photos out."""

    def __init__(self, services: Services, parts: Parts) -> None:
        self._services, self._parts = services, parts

    def searched(self, text: str, refine: bool, session: Session) -> Iterator[Updates]:
        """Words were typed, and Enter pressed."""
        aside = self.ask(text, session)
        named: Updates = {self._parts.query: session.words} if session.words != text else {}
        return self.answers_with_words(refine, session, aside, named)

    def ask(self, line: str, session: Session, anew: bool = False) -> str:
        """Begin anew with a line; a picture that it names becomes one to see, and words stay words.

        Args: anew: nothing stays of what was asked before, a picture neither.
        Returns: what to say beside the answer.
        """
        found = NAMED.match(line)
        if found is None:
            session.ask(line if line.strip() else "", *(("", "") if anew else (session.like, session.thumbnail)))
            return ""
        words, named = line[found.end() :].strip().removeprefix("+").strip(), found[1].lower()
        if named == DROPPED and session.dropped is None:  # it was given before the page was loaded again
            session.ask(words)
            return header.PICTURE_GONE
        session.ask(words, f"photo:{named}", self._thumbnail(named, session))
        return ""

    def suggestion_chosen(self, event: gr.EventData, refine: bool, session: Session) -> Iterator[Updates]:
        """A query that was offered was chosen."""
        query = sent_along(event, "query")
        session.ask(query, *((session.like, session.thumbnail) if query == session.corrected else ()))
        return self.answers_with_words(refine, session, first={self._parts.query: session.words})

    def tab_selected(self, event: gr.SelectData, session: Session) -> None:
        """Another tab was opened."""
        session.tab = str(event.value)

    def asked_again(self, refine: bool, session: Session) -> Iterator[Updates]:
        """Second looks were switched on or off: the answer on show is as it would have been."""
        session.ask(session.words, session.like, session.thumbnail)
        return self.answers(refine, session)

    def gallery_changed(self, session: Session) -> Iterator[Updates]:
        """The gallery has changed under its ranking."""
        session.go_on()
        yield from self.answers(False, session)

    def more(self, session: Session) -> Iterator[Updates]:
        """More of the ranking was asked for."""
        asking = session.asking
        session.unfolded += _on_show(session) < results.MOST
        while True:
            photo, drawn = session.photo, self.grid(session)
            with session.sending.after_the_last():
                if session.asking is not asking:
                    return
                yield drawn
            if session.photo == photo:
                return  # else another one was selected while that was on its way, which does not mark it

    def grid(self, session: Session) -> Updates:
        """The ranking on show, or the gallery's photos where nothing is asked."""
        grid = self._parts.grid
        try:
            summary = self._services.access.gallery(session.gallery, session)
            if not session.query.strip():
                return {grid: self._shelf(session, summary)}
            if len(session.hits) < self._wanted(session):
                asking = session.asking
                with self._services.access.turn(session):
                    hits = self.ranked(session, self._wanted(session))
                with session.turn:
                    if session.asking is asking:  # else these are of an earlier question
                        session.hits = hits
            return {grid: self._ranking(session, summary)}
        except EngineError as error:
            return {grid: self._services.problem(error, session)}

    def answers(self, refine: bool, session: Session, aside: str = "", first: Updates = NOTHING) -> Iterator[Updates]:
        """What fits the session's query: at once, and then after a second look at the photos in doubt.

        Args:
            aside: what else to say of it, as what else it has cost.
            first: what changes at once, and whatever the visitor asks next: by the answer they may have gone on.
        """
        return self._as_asked(refine, session, session.asking, aside, first)

    def _as_asked(
        self, refine: bool, session: Session, asking: object, aside: str, first: Updates
    ) -> Iterator[Updates]:
        """The same, of what was asked then.

        The visitor may go on while an answer is drawn, which would then come after that to the later question.
        """
        if first:
            with session.sending.after_the_last():
                yield first
        for changes in self._drawn(refine, session, asking, aside):
            with session.sending.after_the_last():
                if session.asking is not asking:
                    return
                yield changes

    def _drawn(self, refine: bool, session: Session, asking: object, aside: str) -> Iterator[Updates]:
        """The same, or why there is no answer."""
        try:
            with self._services.access.turn(session):
                yield from self._answers(refine, session, asking, aside)
                yield from self._new_suggestions(session, asking)
        except EngineError as error:
            if session.asking is asking:
                if isinstance(error, QueryRejected):
                    session.forget(session.words)
                yield self._refused(error, session)

    def answers_with_words(
        self, refine: bool, session: Session, aside: str = "", first: Updates = NOTHING
    ) -> Iterator[Updates]:
        """The same, each with the words for the box: by then what an earlier question has brought may stand there."""
        answers = self.answers(refine, session, aside, first)
        return ({self._parts.query: session.words, **changes} for changes in answers)

    def only(self, html: str) -> Updates:
        """One thing in the middle of the page, and nothing else to see."""
        return {self._parts.answer: header.bar(), self._parts.grid: html, self._parts.panel: ""}

    def _refused(self, error: EngineError, session: Session) -> Updates:
        """Why there is no answer; it is a place to come back to all the same, where the gallery is there."""
        problem = {self._parts.chip: header.chip(session.thumbnail), **self.only(self._services.problem(error))}
        with suppress(EngineError):
            summary = self._services.access.gallery(session.gallery, session)
            if isinstance(error, ModelChanged):
                may_encode = self._services.access.may_spend(summary, session)
                problem[self._parts.grid] = placeholders.outdated(summary.model or "", may_encode)
            bar = header.bar(place=self._place(session, summary))
            return {**problem, **self._around(session, summary), self._parts.answer: bar}
        return problem

    def _thumbnail(self, named: str, session: Session) -> str:
        """Where the picture is that a query names; empty where this gallery has none."""
        if named == DROPPED:
            return session.dropped_thumbnail
        try:
            found = self._services.access.photo(named, session)
        except EngineError:
            return ""
        return self._services.address(found, "grid") if found.collection_id == session.gallery else ""

    def _answers(self, refine: bool, session: Session, asking: object, aside: str) -> Iterator[Updates]:
        """The same, as long as the visitor has not gone on to something else."""
        library = self._services.library
        summary = self._services.access.gallery(session.gallery, session)
        if session.year is not None and session.year not in years_of(library, summary.id):
            session.year = None
        if session.like and not self._thumbnail(session.like.removeprefix("photo:"), session):
            session.like, session.thumbnail, session.query = "", "", session.words
            aside += header.PICTURE_GONE
        if session.words.strip() and not is_english(session.words):
            aside += header.NOT_ENGLISH
        require_model(library, summary.id)  # another model's photos do not fit this one's strip
        with self._services.event_log.timed("search"):
            query = embed_query(library, summary.id, session.query, session.dropped)
            ranking = None
            if query is not None:
                ranking = rank_gallery(library, summary.id, query, self._wanted(session), year=session.year)
            hits = self._listed(session, ranking)
            meant = subtract_unwanted(session.words)
            if session.like and meant != session.words and meant.startswith("a photo - "):
                meant = meant.removeprefix("a photo ")  # there is one to subtract from
            corrected = correct_spelling(library, meant)
            aside += "" if reads_to_end(library, session.words) else header.READ_IN_PART
        if session.asking is not asking:
            return
        session.hits, session.words_only = hits, query is not None and query.words_only
        session.above = self._above(session, ranking)
        session.corrected = corrected if corrected != session.words else ""
        if query is None or ranking is None:
            first = next(iter(self._first_photos(session, summary, 1)), None)
            picked = self._settle_selection(session, first)
            yield self._unasked(session, summary, aside, first)
            yield from self._selected_since(picked, session, asking)
            return
        best = hits[0].photo if hits else None
        picked = self._settle_selection(session, best)
        status = header.SECOND_LOOK if refine and hits else "" if session.deepened else header.FIRST_ANSWER
        found = {**self._around(session, summary), **self._found(session, summary, status + aside)}
        yield {**found, self._parts.panel: self._beside(session, best)}
        yield from self._selected_since(picked, session, asking)
        if refine and hits and session.asking is asking:
            yield from self._refined(session, summary.id, query, ranking, asking, aside)

    def _settle_selection(self, session: Session, best: Photo | None) -> str:
        """Select the best photo; what the visitor has selected since they asked stays where the answer shows it, too.

        Returns: the visitor's selection; empty where there is none.
        """
        with session.turn:
            if not session.picked or session.photo is None or not self._shows(session.photo, session):
                session.photo, session.picked = best.id if best else None, ""
            return session.picked

    def _shows(self, photo: int, session: Session) -> bool:
        """Whether a photo is among the results, or in the gallery where nothing is asked."""
        if session.hits:
            return session.rank(photo) is not None
        with suppress(EngineError):
            return self._services.access.photo(photo, session).collection_id == session.gallery
        return False

    def _new_suggestions(self, session: Session, asking: object) -> Iterator[Updates]:
        """What may be tried on a gallery that has changed: found while its answer is on show already."""
        summary = self._services.access.gallery(session.gallery, session)
        if summary.kind == "demo" or self._services.wide_words.is_known(summary) or session.asking is not asking:
            return
        self._services.wide_words.of(summary)
        yield {self._parts.suggestions: self._suggestions(session, summary)}

    def _refined(
        self, session: Session, gallery: int, query: Query, ranking: Ranking, asking: object, aside: str
    ) -> Iterator[Updates]:
        """The second look, from the ranking that is on show."""
        best, hits = session.photo, session.hits
        many = min(max(session.above, SURE[0]), SURE[1])
        refinement = refine_search(self._services.library, gallery, query, many, ranking)
        if session.asking is not asking:
            return
        session.deepened = {deepened.photo_id: deepened for deepened in refinement.deepened}
        session.looks = refinement.looks
        before = {hit.photo.id: hit.rank for hit in hits}
        if refinement.deepened:
            hits = self._listed(session, refinement.ranking)
            if session.asking is not asking:
                return
            session.hits, session.above = hits, self._above(session, refinement.ranking)
            session.deepened = {  # with their ranks among all photos on show
                id: replace(d, rank_before=before.get(id), rank_after=session.rank(id))
                for id, d in session.deepened.items()
            }
        summary = self._services.access.gallery(gallery, session)
        with session.turn:
            picked, follows = session.picked, bool(hits) and session.photo == best and not session.picked
            if follows:  # before the ranking is drawn, which marks it
                session.photo = hits[0].photo.id
        found = self._found(session, summary, header.refined(refinement, list(session.deepened.values())) + aside)
        # Of what is around, only these may change: wide words may have been chosen meanwhile.
        found[self._parts.suggestions] = self._suggestions(session, summary)
        if follows and not session.picked:  # nor while it was drawn
            found[self._parts.panel] = self.panel(hits[0].photo, session, picked=False)
        elif session.photo is not None and session.photo in session.deepened:
            # Another photo was selected meanwhile: drawn as deep as it is now.
            found[self._parts.panel] = self.panel(self._services.access.photo(session.photo, session), session)
        yield found
        yield from self._selected_since(picked, session, asking)

    def _selected_since(self, picked: str, session: Session, asking: object) -> Iterator[Updates]:
        """The ranking and the panel again, where a photo was selected after the drawing of an answer began.

        The answer, which does not mark it, may come after its panel.

        Args: picked: the selection that the answer was drawn with.
        """
        if session.picked == picked or session.asking is not asking:
            return
        yield {**self.grid(session), self._parts.panel: self._selected_panel(session) or placeholders.PHOTO_GONE}

    def _selected_panel(self, session: Session) -> str:
        """The panel of the photo that the visitor has selected; empty where there is none, or it has been deleted."""
        if session.picked and session.photo is not None:
            with suppress(EngineError):
                return self.panel(self._services.access.photo(session.photo, session), session)
        return ""

    def panel(self, shown: Photo, session: Session, extra: str = "", picked: bool = True) -> str:
        """The panel of a photo; its owner may delete it where it was picked.

        Args: extra: HTML of what was asked about it.
        """
        services, choice = self._services, None
        if picked and session.picked:
            gallery = summarize_gallery(services.library, shown.collection_id)
            choice = photo.Picked(session.picked, services.access.owns(gallery, session))
        return photo.panel(
            shown,
            services.drawing,
            services.address,
            choice,
            services.credit(shown),
            extra,
            session.deepened.get(shown.id),
        )

    def _wanted(self, session: Session) -> int:
        return max(POOL, _on_show(session))

    def ranked(self, session: Session, many: int) -> list[Hit]:
        """As many photos for the session's query, as it has them."""
        library = self._services.library
        assert session.gallery is not None
        query = embed_query(library, session.gallery, session.query, session.dropped)
        if query is None:
            return []
        return search_photos(library, session.gallery, query, many, year=session.year, looks=session.looks)

    def _above(self, session: Session, ranking: Ranking | None) -> int:
        """How many photos of a ranking fit what was asked."""
        words = session.words if session.words_only else ""
        return standing(ranking, words, self._services.drawing.usual_affinity) if ranking is not None else 0

    def _listed(self, session: Session, ranking: Ranking | None) -> list[Hit]:
        """As many photos of a ranking as the page wants."""
        if ranking is None:
            return []
        return list_hits(self._services.library, ranking, self._wanted(session), looks=session.looks)

    def _found(self, session: Session, summary: GallerySummary, status: str) -> Updates:
        """A ranking, and the line over it."""
        return {
            self._parts.answer: self._bar(session, summary, status),
            self._parts.grid: self._ranking(session, summary),
        }

    def line(self, session: Session, status: str) -> Updates:
        """The line over the ranking on show says something else."""
        summary = self._services.access.gallery(session.gallery, session)
        return {self._parts.answer: self._bar(session, summary, status)}

    def headline(self, session: Session) -> Updates:
        """The gallery on show in a line, as it is now; nothing where it is gone."""
        try:
            return {self._parts.headline: self._headline(self._services.access.gallery(session.gallery, session))}
        except EngineError:
            return {}

    def _headline(self, summary: GallerySummary) -> str:
        try:
            require_model(self._services.library, summary.id)
        except ModelChanged:
            return header.outdated(summary)
        return header.headline(summary, self._services.measured(summary))

    def _bar(self, session: Session, summary: GallerySummary, status: str) -> str:
        asked = {"gallery": summary.link, "q": session.query} if summary.link else {"q": session.query}
        sharable = (
            (summary.kind == "demo" or summary.link is not None) and not session.like and "photo:" not in session.query
        )
        share = f"?{urlencode(asked)}" if sharable else ""
        own = bool(session.hits) and self._services.access.owns(summary, session)
        links = export.BUTTONS if session.hits else ""
        said = f"{session.title}:"
        if session.corrected:
            said += f" did you mean {session.corrected}?"
        return header.bar(status, links, share, bool(session.hits), own, self._place(session, summary), said)

    def _place(self, session: Session, summary: GallerySummary) -> header.Place:
        """What is on show, as the page's address names it."""
        return header.Place(self._services.access.address_name(summary), session.query, session.step)

    def _around(self, session: Session, summary: GallerySummary) -> Updates:
        """The headline, and what may be asked."""
        return {
            self._parts.arrangement: arrangement.choices(
                years_of(self._services.library, summary.id), session.order, session.year, bool(session.query.strip())
            ),
            self._parts.headline: self._headline(summary),
            self._parts.suggestions: self._suggestions(session, summary),
            self._parts.chip: header.chip(session.thumbnail),
        }

    def _suggestions(self, session: Session, summary: GallerySummary) -> str:
        """Queries that the visitor may ask."""
        services = self._services
        queries = services.demo.queries if summary.kind == "demo" else services.wide_words.known(summary)
        return header.suggestions(queries[:SUGGESTED], session.earlier(queries[:SUGGESTED]), session.corrected)

    def _ranking(self, session: Session, summary: GallerySummary) -> str:
        if not session.hits:
            return self._services.empty(summary, session)
        shown = session.hits[: _on_show(session)]
        return results.results(
            shown,
            self._services.drawing,
            self._services.address,
            session.above,
            self._rest(session, summary, len(shown)),
            session.deepened,
            session.photo,
        ) + self._stacks([hit.photo for hit in shown])

    def _beside(self, session: Session, best: Photo | None) -> str:
        """The panel of the photo that the visitor has selected, or else of the best one."""
        return self._selected_panel(session) or (self.panel(best, session, picked=False) if best else "")

    def _unasked(self, session: Session, summary: GallerySummary, aside: str, first: Photo | None) -> Updates:
        """A gallery when nothing is asked: its first photos."""
        parts = self._parts
        around = self._around(session, summary)
        place = self._place(session, summary)
        if first is None:
            bar, grid = header.bar(aside, place=place), self._services.empty(summary, session)
            return {**around, parts.answer: bar, parts.grid: grid, parts.panel: ""}
        own = self._services.access.owns(summary, session)
        return {
            **around,
            parts.answer: header.bar(header.UNASKED[session.order] + aside, photos=True, own=own, place=place),
            parts.grid: self._shelf(session, summary),
            parts.panel: self._beside(session, first),
        }

    def _shelf(self, session: Session, summary: GallerySummary) -> str:
        services = self._services
        photos = self._first_photos(session, summary, _on_show(session))
        rest = self._rest(session, summary, len(photos))
        current = session.photo if session.picked else None
        return results.shelf(photos, services.drawing, services.address, rest, current) + self._stacks(photos)

    def _first_photos(self, session: Session, summary: GallerySummary, many: int) -> list[Photo]:
        """A gallery's first photos in the chosen order, of the chosen year."""
        return list_photos(self._services.library, summary.id, many, session.order, session.year)

    def _rest(self, session: Session, summary: GallerySummary, shown: int) -> int:
        """How many photos of the gallery, or of the chosen year, follow those on show."""
        library, year = self._services.library, session.year
        photos = summary.photos if year is None else years_of(library, summary.id).get(year, 0)
        return max(photos - shown, 0)

    def _stacks(self, photos: Sequence[Photo]) -> str:
        """Which of the photos on show are nearly the same."""
        return results.stacks(stacks_among(self._services.library, [photo.id for photo in photos]))


def _on_show(session: Session) -> int:
    """How many photos stand on the page."""
    return min(PAGE * 2**session.unfolded, results.MOST)
