"""Albums: made by words, changed by hand; photos in doubt get a second look while the board is on show already."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from operator import attrgetter
from threading import Lock

import gradio as gr
from cachetools import LRUCache, TTLCache, cachedmethod

from app.access import FORGOTTEN
from app.handlers.events import sent_along
from app.parts import STOP, Parts, Updates, button
from app.picture_zip import MOST_PHOTOS
from app.services import Services
from app.session import AlbumView, Session
from app.views import albums as views
from app.work import Stopped, Waiting
from engine.gallery import (
    DEFAULT_BUDGET,
    AlbumSet,
    AlbumsRejected,
    Aside,
    EngineError,
    GalleryMissing,
    GallerySummary,
    ModelChanged,
    PhotoMissing,
    SortedGallery,
    album_of,
    correct_spelling,
    edit_albums,
    embed_query,
    get_photos,
    list_albums,
    rank_photos,
    require_model,
    sort_gallery,
)

ALBUMS = "Albums"  # the title of the tab
EXTRA = 0.1  # of a full encoding a photo that second looks may take, where indexing has spent the budget
PROPOSED = 8
MOST_MOVES = 5_000
APART_KEPT = 2**25  # bytes of albums of galleries of others, over all visitors
APART_SECONDS = 7 * 86_400.0  # since their last change: as long as what else strangers keep
LOOKS_KEPT = 2**26  # bytes of second looks at photos of galleries of others, over all visitors
MOVE = 150  # bytes of a move, roughly
LOOK = 4096  # bytes of a second look, roughly
SORTED_KEPT = 100_000  # photos of galleries that stay sorted, over all visitors: some 40 MB
SORTED_LEAST = 2_000  # photos that a sort counts for: its albums and moves take memory, too


class Albums:
    """A gallery sorted by words."""

    def __init__(self, services: Services, parts: Parts) -> None:
        self._services, self._parts = services, parts
        # A visitor's own albums of a gallery that is not theirs, by browser and gallery: a reload finds them again.
        self._apart: TTLCache[tuple[str, int], AlbumSet] = TTLCache(APART_KEPT, APART_SECONDS, getsizeof=_size)
        # And what second looks have found for them, without which a reload would show another sort.
        self._looks: LRUCache[tuple[str, int], Aside] = LRUCache(LOOKS_KEPT, _size_of_looks)
        self._apart_lock = Lock()
        # Galleries as they stand: more of a column, a search in it and a ZIP need no other sort.
        self._sorts: LRUCache[object, SortedGallery] = LRUCache(SORTED_KEPT, _photos_of)
        self._sorts_lock = Lock()

    def shown(self, session: Session) -> Iterator[Updates]:
        """The tab was opened, or another gallery is on show."""
        services = self._services
        try:
            summary = services.access.gallery(session.gallery, session)
            view = self._view(session, summary.id)
            asking, refused, albums = view.asking, view.refused, self._apply(summary, session, view, None)
            found = self._sorted(summary, session, view, albums)
            drawn = self._drawn(session, summary, view, found)
            with session.sending.after_the_last():
                if view.asking is asking:  # else there is a newer board
                    if view.looking or view.refused > refused:  # what the line says meanwhile stays
                        drawn = {part: drawn[part] for part in (self._parts.album_proposals, self._parts.album_board)}
                    yield drawn
        except EngineError as error:
            told = self._problem(error, session)
            if isinstance(error, GalleryMissing | ModelChanged):  # the board is another gallery's, or was this one's
                told |= {self._parts.album_proposals: "", self._parts.album_board: ""}
            yield told

    def shown_if_open(self, session: Session) -> Iterator[Updates]:
        """What the tab shows has changed: drawn anew if it is open."""
        if session.tab == ALBUMS:
            yield from self.shown(session)

    def added(self, words: str, session: Session) -> Iterator[Updates]:
        """Words for an album were typed."""
        if words.strip():
            yield {self._parts.album_line: views.SORTING}
            yield from self._changed(session, lambda albums: _with(albums, words), typed=words)

    def proposed(self, event: gr.EventData, session: Session) -> Iterator[Updates]:
        """An album that was offered was chosen."""
        yield from self.added(sent_along(event, "album")[:500], session)

    def moved(self, event: gr.EventData, session: Session) -> Iterator[Updates]:
        """A photo was moved by hand."""
        key, name = sent_along(event, "photo"), sent_along(event, "to")

        def move(albums: AlbumSet) -> AlbumSet:
            if len(albums.moves) >= MOST_MOVES:
                raise AlbumsRejected(f"{MOST_MOVES} photos were moved by hand; that is all that a gallery remembers.")
            return albums.moved([self._photo(key, session)], None if name == views.NO_ALBUM else name[1:])

        yield from self._changed(session, move)

    def undone(self, session: Session) -> Iterator[Updates]:
        """The last change is to be undone."""
        if session.gallery is not None:
            yield from self._changed(session, self._view(session, session.gallery).undo)

    def renamed(self, event: gr.EventData, session: Session) -> Iterator[Updates]:
        """An album is to be called otherwise."""
        album, name = sent_along(event, "album"), sent_along(event, "name")
        yield from self._changed(session, lambda albums: albums.renamed(album, name))

    def merged(self, event: gr.EventData, session: Session) -> Iterator[Updates]:
        """An album is to go into another one."""
        album, into = sent_along(event, "album"), sent_along(event, "into")
        yield from self._changed(session, lambda albums: albums.merged(album, into))

    def deleted(self, event: gr.EventData, session: Session) -> Iterator[Updates]:
        """An album is to go; its photos stay in the gallery."""
        album = sent_along(event, "album")
        yield from self._changed(session, lambda albums: albums.deleted(album))

    def sought(self, event: gr.EventData, session: Session) -> Iterator[Updates]:
        """Words were typed that an album's photos are to be ranked by; none: by how sure they are."""
        key = sent_along(event, "key")
        if session.gallery is not None and views.is_key(key):
            self._view(session, session.gallery).sought = {key: sent_along(event, "words")[:500]}
        yield from self.shown(session)

    def unfolded(self, event: gr.EventData, session: Session) -> Iterator[Updates]:
        """More of a column was asked for."""
        key = sent_along(event, "key")
        if session.gallery is not None and views.is_key(key):
            view = self._view(session, session.gallery)
            view.unfolded[key] = min(view.unfolded.get(key, 0) + 1, views.MOST_UNFOLDED)
        yield from self.shown(session)

    def packed(self, event: gr.EventData, session: Session) -> Updates:
        """An album is to be saved as a ZIP."""
        services, album, line = self._services, sent_along(event, "album"), ""
        try:
            summary = services.access.gallery(session.gallery, session)
            view = self._view(session, summary.id)
            found = self._sorted(summary, session, view, self._apply(summary, session, view, None))
            line = self._line(summary, view, found)
            sure = [photo.id for photo in found.of(album) if not views.is_unsure(photo)]  # as its column shows
            if not sure:
                raise AlbumsRejected("No photo is in this album.")
            if len(sure) > MOST_PHOTOS:
                raise AlbumsRejected(f"One ZIP holds {MOST_PHOTOS} photos; make narrower albums of these {len(sure)}.")
            photos = get_photos(services.library, sure)
        except EngineError as error:
            return {self._parts.album_line: services.problem(error, session) + line}
        return {self._parts.file: views.packed(album, photos, services.address)}

    def _changed(self, session: Session, change: Callable[[AlbumSet], AlbumSet], typed: str = "") -> Iterator[Updates]:
        """Change the albums and sort anew: at once from what is stored, then with second looks.

        Args: typed: words that come back into their box where they make no album.
        """
        services = self._services
        try:
            summary = services.access.gallery(session.gallery, session)
            view = self._view(session, summary.id)
            try:
                albums = self._apply(summary, session, view, change)
            except EngineError:
                view.refused += 1
                raise
            typed, asking = "", object()
            view.asking, view.looking = asking, False
            services.stop("albums", session)
            with view.turn:
                found = self._sorted(summary, session, view, albums) if view.asking is asking else None
            if found is None or view.asking is not asking:  # the visitor has changed more meanwhile, and sees that
                return
            look = view.looking = bool(albums.albums and found.photos)
            drawn = self._drawn(session, summary, view, found)
            with session.sending.after_the_last():
                if view.asking is asking:  # they may have changed more while it was drawn
                    yield {**drawn, **(self._busy(0) if look else {})}
            if look and view.asking is asking:
                yield from self._looked(session, summary, view, albums, asking)
        except EngineError as error:
            problem = self._problem(error, session)
            yield {self._parts.album_words: typed, **problem} if typed else problem
            for drawn in self.shown(session):  # the board may be older than changes that were made in another tab
                undo = drawn.get(self._parts.album_line, "") if drawn.get(self._parts.album_board) else ""
                yield {**drawn, **problem, self._parts.album_line: problem[self._parts.album_line] + undo}

    def _sorted(self, summary: GallerySummary, session: Session, view: AlbumView, albums: AlbumSet) -> SortedGallery:
        """The gallery's photos as they stand, with no second look; raises GalleryMissing, ModelChanged."""
        require_model(self._services.library, summary.id)  # it may be another one than they were sorted by
        if not albums.albums:  # nothing is shown of it
            return SortedGallery((), (), 0, 0.0)
        aside = self._aside(summary, session)
        found = [] if aside is None else list(aside.found.items())
        looks = frozenset((photo, look.exit, look.macs) for photo, look in found)
        return self._sort(summary, session, view, albums, looks)

    @cachedmethod(
        attrgetter("_sorts"),
        lambda self, summary, session, view, albums, looks: (summary, albums, looks),
        attrgetter("_sorts_lock"),
    )
    def _sort(
        self, summary: GallerySummary, session: Session, view: AlbumView, albums: AlbumSet, looks: object
    ) -> SortedGallery:
        """The same, once for each state of the gallery, its albums, and what second looks have found aside."""

        def tell(photos: list[int]) -> None:  # those that were moved by hand run to full depth
            view.looked.update(photos)

        with self._services.access.turn(session), self._services.access.place_of_address():
            return sort_gallery(self._services.library, summary.id, albums, 0.0, tell, self._aside(summary, session))

    def _problem(self, error: EngineError, session: Session) -> Updates:
        return {
            self._parts.album_line: self._services.problem(error, session),
            self._parts.stop_albums: button(STOP, False),
        }

    def _looked(
        self, session: Session, summary: GallerySummary, view: AlbumView, albums: AlbumSet, asking: object
    ) -> Iterator[Updates]:
        """The board after second looks; nothing more once the visitor has changed something.

        Who looks at another gallery meanwhile is not told of this one.
        """
        services, so_far = self._services, set[int]()

        def look(tell: Callable[[list[int] | Waiting], object]) -> SortedGallery:
            with services.access.work(session, tell) as tell, services.event_log.timed("sort"):
                aside = self._aside(summary, session)
                return sort_gallery(services.library, summary.id, albums, _budget(summary), tell, aside)

        try:
            for event in services.begin_instead("albums", session, look):
                if isinstance(event, list):
                    so_far.update(event)
                    view.looked.update(event)
                if view.asking is not asking:
                    return
                if isinstance(event, list) and session.gallery == summary.id:
                    with session.sending.after_the_last():
                        if view.asking is asking:
                            yield self._busy(len(so_far))
                elif isinstance(event, SortedGallery):
                    view.judged = len(event.photos)
                    over = self._over(view, asking)
                    if over is None or session.gallery != summary.id:
                        return
                    drawn = self._drawn(session, summary, view, event)
                    with session.sending.after_the_last():
                        if view.asking is over:  # they may have changed more while it was drawn
                            yield drawn
        except Stopped:
            if self._over(view, asking) and session.gallery == summary.id:
                yield from self.shown(session)
        finally:
            self._over(view, asking)

    def _over(self, view: AlbumView, asking: object) -> object | None:
        """No second looks go on any more: a board that was begun before is not drawn.

        Returns: what `asking` is until the visitor changes something; None where they have done so already.
        """
        if view.asking is not asking:
            return None
        view.asking, view.looking = (over := object()), False
        return over

    def _apply(
        self, summary: GallerySummary, session: Session, view: AlbumView, change: Callable[[AlbumSet], AlbumSet] | None
    ) -> AlbumSet:
        """The gallery's albums, or a visitor's own of a gallery that is not theirs, after a change."""
        library, own = self._services.library, self._services.access.owns(summary, session)
        if change is None:
            return list_albums(library, summary.id) if own else self._edit_apart(summary, session, lambda same: same)
        seen = []

        def changed(albums: AlbumSet) -> AlbumSet:
            seen.append(albums)
            return change(albums)

        after = edit_albums(library, summary.id, changed) if own else self._edit_apart(summary, session, changed)
        if change == view.undo:
            view.changes = view.changes[:-1]
        else:
            view.changed(seen[-1], after)
        return after

    def _edit_apart(
        self, summary: GallerySummary, session: Session, change: Callable[[AlbumSet], AlbumSet]
    ) -> AlbumSet:
        """What a visitor's own albums of a gallery of others are after a change; raises GalleryMissing."""
        if not session.browser and not self._services.access.alone:
            raise GalleryMissing(FORGOTTEN)
        key = session.browser, summary.id
        with self._apart_lock:
            after = change(self._apart.get(key, AlbumSet()))
            if after != AlbumSet() or key in self._apart:
                self._apart[key] = after
        return after

    def _drawn(self, session: Session, summary: GallerySummary, view: AlbumView, found: SortedGallery) -> Updates:
        """The whole tab."""
        services, parts = self._services, self._parts
        own = services.access.owns(summary, session)
        texts = self._proposals(summary, found)
        if not found.albums and summary.photos:
            board = views.empty(not own)
        elif not found.photos:
            board = services.empty(summary, session)
        else:
            shown = views.columns(found, view.unfolded, self._ranked(summary, view, found), view.sought)
            shown = [replace(column, meant=self._meant(column)) for column in shown]
            wanted = [photo.id for column in shown for photo in column.photos]
            pictures = {photo.id: photo for photo in get_photos(services.library, wanted)}
            board = views.board(shown, pictures, services.drawing, services.address)
        return {
            parts.album_proposals: views.proposals(texts),
            parts.album_line: self._line(summary, view, found),
            parts.album_board: board,
            parts.stop_albums: button(STOP, False),
        }

    def _line(self, summary: GallerySummary, view: AlbumView, found: SortedGallery) -> str:
        """What the sort cost."""
        share, photos = found.mean_macs_share, len(found.photos)
        spent = share < 1 and share + 1 / max(1, photos) > _budget(summary)  # not one photo more
        looked = len(view.looked) if view.looked or view.judged == photos else None
        return views.line(found, looked, bool(view.changes), spent)

    def _meant(self, column: views.Column) -> str:
        """What was probably meant by an album's words; empty where photos fit them, or nothing is amiss."""
        album = column.album
        if album is None or column.all or album.phrases != (album.name,) or album.unlike:
            return ""
        if "," in album.name:  # a list was typed, and read as one phrase
            return f"{album.name}: {album.name}"
        meant = correct_spelling(self._services.library, album.name)
        return meant if meant != album.name else ""

    def _busy(self, looked: int) -> Updates:
        return {self._parts.album_line: views.looking(looked), self._parts.stop_albums: button(STOP, True)}

    def _ranked(self, summary: GallerySummary, view: AlbumView, found: SortedGallery) -> dict[str, list[int]]:
        """Columns that were searched, with their photos in order."""
        library, ranked = self._services.library, {}
        for key, words in view.sought.items():
            own = [photo.id for photo in found.photos if views.key_of(photo.album) == key]
            try:
                query = embed_query(library, summary.id, words) if own else None
            except EngineError:
                view.sought = {}  # said once: the next board can be drawn
                raise
            if query is not None:
                ranked[key] = rank_photos(library, summary.id, query, own)
        return ranked

    def _proposals(self, summary: GallerySummary, found: SortedGallery) -> list[str]:
        """Words that the gallery's photos fall under and that are no albums yet."""
        there = {phrase.casefold() for album in found.albums for phrase in (album.name, *album.phrases)}
        return [text for text in self._services.wide_words.of(summary) if text.casefold() not in there][:PROPOSED]

    def _photo(self, key: str, session: Session) -> int:
        """A photo of the gallery on show; raises PhotoMissing."""
        photo = self._services.access.photo(key, session)
        if photo.collection_id != session.gallery:
            raise PhotoMissing("This photo is not of this gallery; open the tab again.")
        return photo.id

    def _aside(self, summary: GallerySummary, session: Session) -> Aside | None:
        """Where second looks at photos of a gallery of others are kept for a visitor."""
        if self._services.access.owns(summary, session):
            return None
        key = session.browser, summary.id
        with self._apart_lock:
            self._looks[key] = found = self._looks.get(key) or Aside()  # measured anew: it has grown since
        return found

    def _view(self, session: Session, gallery: int) -> AlbumView:
        """What the session remembers of a gallery's albums."""
        return session.albums.setdefault(gallery, AlbumView())


def _with(albums: AlbumSet, words: str) -> AlbumSet:
    """With an album added, or other words for one that is there; raises AlbumsRejected where it has them already."""
    album = album_of(words)
    after = albums.with_albums([album])
    if after == albums:
        raise AlbumsRejected(f'There is an album "{album.name}" already, by the same words.')
    return after


def _size(albums: AlbumSet) -> int:
    """Roughly the bytes of albums in memory."""
    texts = (text for album in albums.albums for text in (album.name, *album.phrases, album.unlike))
    return MOVE * (1 + len(albums.moves)) + sum(sys.getsizeof(text) for text in texts)


def _size_of_looks(looks: Aside) -> int:
    """Roughly the bytes of second looks in memory; one visitor's own take all the room there is at most."""
    return min(LOOKS_KEPT, LOOK * (1 + len(looks.found)))


def _photos_of(found: SortedGallery) -> int:
    return max(len(found.photos), SORTED_LEAST)


def _budget(summary: GallerySummary) -> float:
    """The mean MACs share of a gallery's photos up to which its albums ask for second looks."""
    spent = summary.macs_index / summary.macs_in_full if summary.macs_in_full else 0.0
    return min(1.0, max(DEFAULT_BUDGET, spent + EXTRA))
