"""What programs may ask of the page over HTTP, and assistants as tools: named, typed, the rest is private."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr

from app.demo import NAME as DEMO
from app.handlers.galleries import gallery_name
from app.services import Services
from app.session import Session
from app.uploading.sent_files import in_hand, sent
from engine.gallery import (
    DEFAULT_BUDGET,
    AlbumSet,
    Aside,
    EngineError,
    FullRun,
    GalleryMissing,
    albums_of,
    clean_name,
    compare_rankings,
    embed_query,
    explain_photo,
    get_photo,
    list_hits,
    rank_gallery,
    sort_gallery,
    standing,
    summarize_gallery,
    uploads_of,
)

PATIENCE = 300.0  # seconds that a call waits for the demo gallery at the first start
MOST = 100  # photos of one answer


class Api:
    """The named endpoints. `visitor` is needed on public hosts only: a token that `add_photos` gives, and keeps.

    Assistants read the docstrings as Gradio does: a line for each argument, and below `Returns:` lines that it joins
    with commas.
    """

    def __init__(self, services: Services) -> None:
        self._services = services

    def search(self, text: str, gallery: str = "", k: int = 20, visitor: str = "") -> list[dict[str, Any]]:
        """The photos of a gallery that fit a text best.

        Args:
            text: what the photo shows; also sums like `2:mountain + grass - snow`.
            gallery: its name, or the end of its published address; by default the demo gallery.
            k: how many photos, 1 to 100.
            visitor: on a public host, the token that add_photos gave; empty for the demo and published galleries.
        Returns:
            rank, file, score, exit, exits and macs_share of each
            fits (whether it stands out; of plain words that no photo shows, none does)
            taken_at (ISO 8601, on the camera's clock; null where that is not known)
            photo (its number) and picture (its address).
        """
        with self._called(visitor) as session:
            wanted = _whole(k, "k", MOST)
            with self._services.access.turn(session):
                collection = self._gallery(gallery, session)
                with self._services.event_log.timed("search"):
                    query = embed_query(self._services.library, collection, _words(text, "text"))
                    if query is None:
                        return []
                    ranking = rank_gallery(self._services.library, collection, query, MOST)
                    hits = list_hits(self._services.library, ranking, wanted)
        usual = self._services.drawing.usual_affinity
        fit = standing(ranking, text if query.words_only else "", usual)
        address = self._services.address
        return [
            {**hit.row(), "fits": i < fit, "photo": hit.photo.id, "picture": address(hit.photo, "large")}
            for i, hit in enumerate(hits)
        ]

    def galleries(self, visitor: str = "") -> list[dict[str, Any]]:
        """The galleries that can be searched.

        Args:
            visitor: on a public host, the token that add_photos gave.
        Returns:
            name, photos, saved_share (of the full encoder's work), model and budget of each, the one indexed last first
            link (the end of its published address, or empty).
        """
        with self._called(visitor) as session, self._services.access.turn(session):
            found = self._services.access.galleries(session)
        return [
            {
                "name": summary.name,
                "photos": summary.photos,
                "saved_share": summary.saved_share,
                "model": summary.model,
                "budget": summary.budget,
                "link": summary.link or "",
            }
            for summary in found
        ]

    def add_photos(self, file: str | None, gallery: str, visitor: str = "") -> dict[str, Any]:
        """Encode a photo, or all photos in a ZIP archive, and keep them in a gallery.

        Args:
            file: a picture of 50 MB at most, or an archive of 200 MB; from an assistant a data: address of 32 MB.
            gallery: its name; a new name makes a new gallery.
            visitor: on a public host, the token that an earlier call gave; empty to begin as a new visitor.
        Returns:
            gallery, added, duplicates, skipped (file and reason of each), macs_share (mean, of those added)
            visitor (the token to keep; empty on a host with one owner).
        """
        with self._called(visitor, new=True) as session:
            name = gallery_name(_words(gallery, "gallery"))
            if not file or not name:
                raise EngineError("Say which file, and the name of a gallery for it.")
            path = sent(file)
            access, listing = self._services.access, map(uploads_of, [path], [clean_name(path.name)])
            with access.filling(name, session) as into, in_hand([path]), access.sole_work(session):
                report = self._services.ingest(into, listing, session)
        return {
            "gallery": name,
            "added": report.added,
            "duplicates": report.duplicates,
            "skipped": [{"file": skip.file, "reason": skip.reason} for skip in report.skipped],
            "macs_share": report.mean_macs_share,
            "visitor": session.token or "",
        }

    def explain(self, photo: int, text: str, visitor: str = "") -> dict[str, Any]:
        """How one photo went through the encoder, and how well it fits a text as every exit would have it.

        Args:
            photo: its number, as search gives it.
            text: what to compare it with.
            visitor: on a public host, the token that add_photos gave.
        Returns:
            file, exit, exits, macs, macs_share, milliseconds
            phrases (nearest texts at each exit reached: text and cosine)
            scores (what photos rank by) and cosines, both at every exit, the first one first.
        """
        with self._called(visitor) as session:
            found = self._services.access.photo(_whole(photo, "photo", 2**63 - 1), session)
            with self._services.access.turn(session), self._services.event_log.timed("explain"):
                query = embed_query(self._services.library, found.collection_id, _words(text, "text"))
                fits = [] if query is None else explain_photo(self._services.library, found.id, query)
        return {
            "file": found.file,
            "exit": found.exit,
            "exits": found.exits,
            "macs": found.macs,
            "macs_share": found.macs_share,
            "milliseconds": found.milliseconds,
            "phrases": [[list(phrase) for phrase in at_exit] for at_exit in found.nearest_texts],
            "scores": [fit.score for fit in fits],
            "cosines": [fit.cosine for fit in fits],
        }

    def sort(self, albums: str, gallery: str = "", budget: float = DEFAULT_BUDGET, visitor: str = "") -> dict[str, Any]:
        """Sort a gallery's photos into albums by words; photos whose album is in doubt are computed deeper.

        What was computed stays with a gallery of one's own. Albums are used for this answer only, and not kept.

        Args:
            albums: an album a line: a phrase, or `name: phrase, phrase, not phrase`.
            gallery: its name, or the end of its published address; by default the demo gallery.
            budget: mean share of the full encoder's compute up to which photos may be computed deeper, 0 to 1.
            visitor: on a public host, the token that add_photos gave.
        Returns:
            albums (name and number of photos of each), none (how many are of no album)
            photos (photo, which is its number, file, album, probability, exit and macs_share; album is null for none)
            mean_macs_share.
        """
        with self._called(visitor) as session:
            wanted = AlbumSet(albums_of(_words(albums, "albums").splitlines()))
            if not wanted.albums:
                raise EngineError("Say into which albums, one a line.")
            if isinstance(budget, bool) or not isinstance(budget, (int, float)) or not 0 <= budget <= 1:
                raise EngineError("budget is a number from 0 to 1.")
            access, library = self._services.access, self._services.library
            with access.turn(session):
                collection = self._gallery(gallery, session)
                aside = None if access.owns(summarize_gallery(library, collection), session) else Aside()
                with access.work(session) as tell, self._services.event_log.timed("sort"):
                    found = sort_gallery(library, collection, wanted, budget, tell, aside)
        return found.table()

    def compare(self, text: str, gallery: str = "", k: int = 10, visitor: str = "") -> dict[str, Any]:
        """The ranking of the encoder that stops early beside the full encoder's, over a gallery's first photos.

        The first call runs the gallery's photos through the full encoder, which takes a while; it is measured.

        Args:
            text: what the photo shows.
            gallery: its name, or the end of its published address; by default the demo gallery.
            k: how many photos of each ranking, 1 to 100.
            visitor: on a public host, the token that add_photos gave.
        Returns:
            early and full (the files of both rankings, best first), early_photos and full_photos (their numbers)
            shared (how many are in both)
            photos (how many took part), full_per_second, early_per_second and macs_share (the measured race).
        """
        with self._called(visitor) as session:
            wanted = _whole(k, "k", MOST)
            with self._services.access.turn(session):
                collection = self._gallery(gallery, session)
                query = embed_query(self._services.library, collection, _words(text, "text"))
                if query is None:
                    raise EngineError("Say what the photos show.")
                run = self._full_run(collection, session)
                found = compare_rankings(self._services.library, collection, run, query, wanted)
                early, full = (
                    [get_photo(self._services.library, id).file for id in ids] for ids in (found.shown, found.full)
                )
                race = self._services.comparison.last(collection)
                assert race is not None
        return {
            "early": early,
            "full": full,
            "early_photos": [*found.shown],
            "full_photos": [*found.full],
            "shared": found.shared,
            "photos": len(run.ids),
            "full_per_second": race.full_per_second,
            "early_per_second": race.early_per_second,
            "macs_share": race.macs_share,
        }

    @contextmanager
    def _called(self, token: object, new: bool = False) -> Iterator[Session]:
        """A call of whom a token names; what is wrong with it is said in a sentence."""
        try:
            session = Session()
            if token or new:
                self._services.access.arrive({"visitor": token}, session)
                if token and session.token not in (token, None):
                    raise EngineError("No visitor has this token; leave it out to begin as a new one.")
            yield session
        except EngineError as error:
            raise gr.Error(self._services.sentence(error), print_exception=False) from error

    def _gallery(self, name: object, session: Session) -> int:
        if name not in (None, ""):
            given = _words(name, "gallery")
            try:
                return self._services.access.named(given, session)
            except GalleryMissing:
                kept = gallery_name(given)  # by add_photos; other programs keep names as they are
                if kept != given:
                    return self._gallery(kept, session)
                if given != DEMO:  # which `galleries` names too
                    raise
        self._services.demo.wait(PATIENCE)
        return self._services.demo.id

    def _full_run(self, collection: int, session: Session) -> FullRun:
        comparison = self._services.comparison
        run, raced = comparison.full_run(collection), comparison.last(collection) is not None
        if run is None or not raced:  # the page ranks the demo gallery without a race
            summary = summarize_gallery(self._services.library, collection)
            if summary.kind == "demo" and not self._services.access.may_spend(summary, session):
                if not raced:  # which begins by itself
                    raise EngineError("The race over the demo gallery has not come to its end; ask again in a minute.")
                return comparison.run_in_full(collection)  # visitors' own races have taken its place in memory
            self._services.access.require_race(summary, session)
            with self._services.access.work(session), self._services.event_log.timed("race"):
                comparison.race(collection)
            run = comparison.full_run(collection)
        assert run is not None
        return run


def _whole(value: object, name: str, most: int) -> int:
    """A number from 1 to `most`; raises EngineError."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 1 <= value <= most or value != int(value):
        raise EngineError(f"{name} is a whole number from 1 to {most}.")
    return int(value)


def _words(value: object, name: str) -> str:
    """Text of characters that can be written down; raises EngineError."""
    if not isinstance(value, str):
        raise EngineError(f"{name} is a string.")
    return value.encode("utf-8", "replace").decode("utf-8")
