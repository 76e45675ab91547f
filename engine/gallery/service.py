"""The use cases: take photos in, find them by words, tell what each one cost."""

import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from engine.exits.budget import BUDGET_GRID, DEFAULT_BUDGET, nearest_budget
from engine.gallery.encoder_cache import Encoders, guides_of
from engine.gallery.reencode import encode_again
from engine.gallery.types import (
    Deepened,
    GallerySummary,
    GuideTexts,
    Hit,
    IngestReport,
    Photo,
    Progress,
    Refinement,
    photo_of,
)
from engine.ingest.decode import KEPT_SIDE, Skipped
from engine.ingest.pipeline import Encoded, Encoding, Known, encode_here
from engine.ingest.sandbox import decode
from engine.ingest.upload import Upload
from engine.search.query_parser import DROPPED, Asked, QueryRejected, embed, parse
from engine.search.ranking import Ranking, Rankings, ranked, read, similarities
from engine.search.refine import Deepening, affordable, decide, kept_pixels
from engine.storage.database import StoreUnusable
from engine.storage.schema import stamp_of
from engine.storage.store import (
    Candidate,
    CollectionRow,
    EncodingRow,
    ImageRow,
    Kind,
    PhotoMissing,
    Store,
)
from engine.utils.errors import EngineError

if TYPE_CHECKING:
    from engine.exits.encoder import Encoder  # torch comes with it, and most calls need neither

SAMPLE = 300  # photos among which typical ones are looked for


class PictureGone(EngineError):
    """The kept picture of a photo is not there any more, or cannot be read."""


class AllSpent(EngineError):
    """Queries have spent on a gallery what they may."""


class GuidesDiffer(EngineError):
    """A gallery's photos were encoded with other guide texts."""


class Catalog:
    """Collections of photos, their encodings, and search; safe to use from many threads."""

    def __init__(self, store: Store, encoder: "Callable[[], Encoder]") -> None:
        """`encoder` loads the encoder; it is called once, when first needed."""
        self._store = store
        self._encoders = Encoders(encoder)
        self._rankings = Rankings(store)
        self._asked = Asked()
        self._refining: dict[int, Lock] = {}  # one refinement of a collection at a time: the next finds its work done
        self._lock = Lock()

    @property
    def encoder(self) -> "Encoder":
        """The encoder, loaded at the first call."""
        return self._encoders.general

    def encoder_of(self, collection_id: int) -> "Encoder":
        """The encoder that a collection's photos went through, with its owner's guide texts where it has some.

        Raises: GalleryMissing, or ModelChanged where it was encoded with another model than the present.
        """
        return self._encoders.of(self._store.collection(collection_id))

    def open_collection(self, name: str, kind: Kind = "gallery", owner: str | None = None) -> int:
        """The id of the collection of that name, kind and owner, made if there is none."""
        return self._store.open_collection(name, kind, owner)

    def remove(self, collection_id: int) -> None:
        """Delete a collection and all that is kept of its photos; raises GalleryMissing."""
        self._store.remove(collection_id)
        self._rankings.forget(collection_id)
        with self._lock:
            self._refining.pop(collection_id, None)

    def rename(self, collection_id: int, name: str) -> None:
        """Give a collection another name; raises GalleryMissing, NameTaken."""
        self._store.rename(collection_id, name)

    def publish(self, collection_id: int, public: bool) -> str | None:
        """Let everyone with the link look at a collection, or nobody any more; raises GalleryMissing.

        Returns: the link's end, which cannot be guessed. One that was taken back is never given again.
        """
        link = self._store.collection(collection_id).link if public else None
        if public and link is None:
            link = secrets.token_urlsafe(16)
        self._store.set_link(collection_id, link)
        return link

    def published(self, link: str) -> int | None:
        """The collection that is published under a link, which may be any text."""
        row = self._store.linked(link) if link and link.isascii() and link.isprintable() else None
        return row.id if row is not None else None

    def remove_photos(self, collection_id: int, photo_ids: Iterable[int]) -> int:
        """Delete photos of a collection and all that is kept of them; returns how many there were."""
        ids = list(photo_ids)
        removed = self._store.remove_images(collection_id, ids)
        self._rankings.remove(collection_id, ids)
        return removed

    def galleries(self, owner: str | None = None) -> list[GallerySummary]:
        """All collections, the demo among them, or all of an owner: the one indexed last first."""
        return [self._summary(row) for row in self._store.collections(owner=owner)]

    def latest(self) -> int | None:
        """The id of the gallery that was indexed last, never the demo's; None when there is none."""
        return next((row.id for row in self._store.collections("gallery") if row.indexed_at is not None), None)

    def find(self, name: str, owner: str | None = None) -> int | None:
        """The id of the gallery of that name (of an owner), never the demo's; None when there is none."""
        return next((row.id for row in self._store.collections("gallery", owner) if row.name == name), None)

    def summary(self, collection_id: int) -> GallerySummary:
        """A collection in numbers; raises GalleryMissing."""
        return self._summary(self._store.collection(collection_id))

    def require_model(self, collection_id: int) -> None:
        """Raise GalleryMissing, or ModelChanged where a collection was encoded with another model than the present."""
        self.encoder_of(collection_id)

    def photo(self, photo_id: int) -> Photo:
        """One photo; raises PhotoMissing."""
        return photo_of(self._store.image(photo_id))

    def photos(self, collection_id: int, offset: int = 0, limit: int = 100) -> list[Photo]:
        """A collection's photos in the order in which they came."""
        return [photo_of(row) for row in self._store.page(collection_id, offset, limit)]

    def picture_path(self, content_hash: str) -> Path:
        """Where the picture of a photo is kept: upright, at most 768 px, JPEG without metadata."""
        return self._store.picture_path(content_hash)

    def ingest(
        self,
        collection_id: int,
        uploads: Iterable[Upload],
        budget: float | None = None,
        on_progress: Callable[[Progress], object] | None = None,
        guides: GuideTexts | None = None,
        encode: Encoding = encode_here,
    ) -> IngestReport:
        """Take files into a collection, batch by batch; a finished batch stays whatever happens later.

        Args:
            budget: mean MACs share to aim at; by default the collection's last one, or else the encoder's own.
            on_progress: told after every batch; what it raises stops the ingest.
            guides: its owner's guide texts, which it remembers; by default those that it remembers already.
            encode: where they are decoded and encoded; by default in this process.
        Raises: GalleryMissing, ModelChanged, GuidesDiffer, StoreUnusable; a bad file is a line in the report instead.
        """
        collection = self._store.collection(collection_id)
        if guides is not None and guides != guides_of(collection):
            if collection.model is not None:
                raise GuidesDiffer(
                    f'The photos in gallery "{collection.name}" were encoded with other guide texts; encode them again '
                    "with these (reencode), or name a new gallery."
                )
            self._store.restamp(collection_id, stamp_of(self.encoder), guides.phrases, guides.only)
            collection = self._store.collection(collection_id)
        encoder = self._encoders.of(collection)
        self._store.touch(collection_id)
        aim = budget if budget is not None else collection.budget

        start = time.perf_counter()
        files = list(uploads)
        done = added = macs = 0
        skipped: list[Skipped] = []
        known = Known(partial(self._store.has_image, collection_id), partial(self._store.content_hashes, collection_id))
        for batch in encode(files, known, encoder, aim):
            rows = self._keep(collection_id, encoder, [made for made in batch if isinstance(made, Encoded)])
            done += len(batch)
            added += len(rows)
            macs += sum(row.encoding.macs_index for row in rows)
            left_out = tuple(outcome for outcome in batch if isinstance(outcome, Skipped))
            skipped += left_out
            if on_progress is not None:
                on_progress(Progress(done, len(files), tuple(map(photo_of, rows)), left_out))
        seconds = time.perf_counter() - start
        return IngestReport(
            added=added,
            duplicates=done - added - len(skipped),
            skipped=tuple(skipped),
            seconds=seconds,
            images_per_second=added / seconds,
            mean_macs_share=macs / (added * encoder.full_macs) if added else 0.0,
        )

    def search(self, collection_id: int, query: str | np.ndarray, k: int = 20, offset: int = 0) -> list[Hit]:
        """Photos of a collection that fit a query best, from what is indexed; equal scores in the order they came.

        Photos of an ingest that is still running are found from the batch on that is finished.

        Args:
            query: words, or a unit vector (D,).
            k, offset: how many, after how many better ones.
        Raises: GalleryMissing, ModelChanged.
        """
        encoder = self.encoder_of(collection_id)
        vector = _vector(encoder, query)
        if vector is None:
            return []
        found = self._rankings.ranking(collection_id, encoder, vector, k, offset)
        self._spend(collection_id, found.macs)
        return self._hits(encoder, found, k, offset)

    def ranked(self, collection_id: int, query: str | np.ndarray, photo_ids: Sequence[int]) -> list[int]:
        """Some photos of a collection, those that fit a query best first, from what is indexed.

        Raises: GalleryMissing, ModelChanged.
        """
        encoder = self.encoder_of(collection_id)
        vector = _vector(encoder, query)
        if vector is None:
            return []
        nothing = np.empty(0, np.int64)
        found = ranked(encoder, vector, nothing, nothing, self._store.candidates(photo_ids))
        self._spend(collection_id, found.macs)
        return found.ids

    def refine(self, collection_id: int, query: str | np.ndarray, k: int = 20) -> Refinement:
        """The first k photos for a query, some run deeper first where that may change them; the deeper embeddings stay.

        Searches go on meanwhile; a second refinement of the same collection waits, and finds the first one's work done.
        Raises: GalleryMissing, ModelChanged.
        """
        began = time.perf_counter()
        encoder = self.encoder_of(collection_id)
        vector = _vector(encoder, query)
        if vector is None:
            return Refinement([], (), 0, encoder.full_macs, time.perf_counter() - began)
        with self._turn(collection_id):
            before = self._rankings.ranking(collection_id, encoder, vector, k)
            deepening = self._deepening(encoder, before.candidates)
            may_spend = decide(deepening, before, vector, k, self._affordable(collection_id, encoder))
            found = deepening.deeper()
            candidates = [candidate.image_id for candidate in before.candidates]
            self._store.deepen(collection_id, stamp_of(encoder), found, candidates, before.macs)
        after = before
        if found:
            after = self._rankings.ranking(collection_id, encoder, vector, k)
            self._spend(collection_id, after.macs)
        ranks = [{image_id: rank for rank, image_id in enumerate(r.ids[:k], start=1)} for r in (before, after)]
        stood = {candidate.image_id: candidate.exit for candidate in before.candidates}
        return Refinement(
            hits=self._hits(encoder, after, k),
            deepened=tuple(
                Deepened(f.image_id, stood[f.image_id], f.exit, f.macs, *(r.get(f.image_id) for r in ranks))
                for f in found
            ),
            macs=deepening.macs + before.macs + (after.macs if found else 0),
            full_macs=encoder.full_macs,
            seconds=time.perf_counter() - began,
            all_spent=not may_spend,
        )

    def deepen(self, photo_id: int, bounded: bool = False) -> Photo:
        """Run one photo to full depth and keep that embedding; raises PhotoMissing, ModelChanged, PictureGone.

        Args: bounded: as a query is in what it may spend on the gallery; beyond that, raises AllSpent.
        """
        with self._turn(self._store.image(photo_id).collection_id):
            row = self._store.image(photo_id)
            encoder = self._encoders.of(row.collection)
            if row.encoding.exit == encoder.exits:
                return photo_of(row)
            deepening = self._deepening(encoder, self._store.candidates([photo_id]))
            cost = deepening.costs()[0, -1]  # inf where it cannot be run
            if bounded and self._affordable(row.collection_id, encoder) < cost < np.inf:
                raise AllSpent(
                    f'Queries have spent on gallery "{row.collection.name}" what they may, half of what indexing it '
                    "saved, so no more of its photos are run to full depth."
                )
            if not deepening.run([0], encoder.exits).all():
                raise _picture_gone(row)
            self._store.deepen(row.collection_id, stamp_of(encoder), deepening.deeper())
        return self.photo(photo_id)

    def explain(self, photo_id: int, query: str | np.ndarray) -> list[float]:
        """The similarity of a photo to a query as every exit would have it, the first one first; nothing of it is kept.

        Raises: PhotoMissing, ModelChanged, PictureGone.
        """
        row = self._store.image(photo_id)
        encoder = self._encoders.of(row.collection)
        vector = _vector(encoder, query)
        if vector is None:
            return []
        pixels = kept_pixels(self._store.picture_path(row.content_hash), encoder)
        if pixels is None:
            raise _picture_gone(row)
        vectors = np.concatenate([found.numpy() for found in encoder.trace(np.stack([pixels])).vectors])
        return read(encoder, vector, vectors, np.arange(1, encoder.exits + 1)).expected.tolist()

    def reencode(
        self,
        collection_id: int,
        budget: float | None = None,
        on_progress: Callable[[Progress], object] | None = None,
        guides: GuideTexts | None = None,
    ) -> IngestReport:
        """Encode a collection's photos again from their kept pictures: for another budget, model or guide texts.

        A finished batch stays whatever happens later, and the same call goes on after a stop. Photos of another model
        are not found until their turn has come.

        Args:
            budget: mean MACs share to aim at; by default the collection's last one.
            on_progress: told after every batch; what it raises stops the run.
            guides: its owner's guide texts from now on, without phrases for none; by default those that it remembers.
        Returns: photos encoded again as `added`, those that needed nothing as `duplicates`.
        Raises: GalleryMissing, ModelChanged where another program encodes with another model meanwhile.
        """
        collection = self._store.collection(collection_id)
        guides = guides_of(collection) if guides is None else guides
        encoder = self._encoders.by(guides)
        wanted = budget if budget is not None else collection.budget
        aim = BUDGET_GRID[nearest_budget(DEFAULT_BUDGET if wanted is None else wanted)]
        self._store.restamp(
            collection_id,
            stamp_of(encoder),
            guides.phrases if guides and guides.phrases else None,
            guides is not None and guides.only,
        )
        return encode_again(self._store, encoder, collection_id, aim, on_progress)

    def fit_exits(self, collection_id: int, on_progress: Callable[[str, int, int], object] | None = None) -> None:
        """Fit exits to the present encoder, which has none, on a collection's kept pictures.

        Photos of every collection are then of another model than before; `reencode` takes one along.

        Args: on_progress: told what is being done, and how many of how many steps are; what it raises stops the fit,
            and the next one goes on from there.
        Raises: GalleryMissing, TooFewPhotos.
        """
        from engine.training.adopting import fit_photos  # what trains is loaded where somebody trains

        many = self._store.totals(self._store.collection(collection_id).id).photos
        pictures = [self.picture_path(photo.content_hash) for photo in self.photos(collection_id, limit=many)]
        self._encoders.replace(fit_photos(self.encoder, pictures, on_progress))

    def embed_query(self, collection_id: int, text: str, dropped: np.ndarray | None = None) -> np.ndarray | None:
        """What one line of words and pictures asks for (see `engine.search.query_parser`); None for a blank line.

        Args:
            dropped: (D,) the picture that came with the query, where one did.
        Returns: (D,) float32, unit length.
        Raises: QueryRejected; PhotoMissing for a photo that is not of this collection.
        """

        def photo(name: str) -> np.ndarray:
            if name != DROPPED:
                return self._vector(collection_id, int(name))
            if dropped is None:
                raise QueryRejected("The picture of this query is gone; drop it again.")
            return dropped

        terms = parse(text)
        if not terms:
            return None
        encoder = self.encoder  # guide texts change nothing of what a text means
        return embed(terms, partial(self._asked.embeddings, encoder.identity.weights, encoder.encode_text), photo)

    def embed_picture(self, collection_id: int | None, data: bytes, name: str) -> np.ndarray:
        """(D,) What a picture shows, at full depth, to search with; raises GalleryMissing, ImageRejected.

        Nothing of it is kept but what it cost.

        Args: collection_id: whose account of its queries that is in; None: nobody's.
        """
        encoder = self.encoder
        pixels = encoder.preprocess(decode(data, name, KEPT_SIDE).rgb)
        vector = encoder.encode_to(np.stack([pixels]), encoder.exits)[0]
        if collection_id is not None:
            self._store.spend(collection_id, on_pictures=encoder.full_macs)
        return vector

    def at_exit(self, collection_id: int, exit: int, limit: int = 3) -> list[Photo]:
        """A collection's typical photos among those that left at an exit: the nearest to their mean embedding."""
        rows = self._store.at_exit(collection_id, exit, SAMPLE)
        if not rows:
            return []
        vectors = np.stack([np.frombuffer(row.encoding.vector, np.float32) for row in rows])
        nearest = np.argsort(-(vectors @ vectors.mean(axis=0)), kind="stable")[:limit]
        return [photo_of(rows[place]) for place in nearest]

    def _vector(self, collection_id: int, photo_id: int) -> np.ndarray:
        rows = self._store.images([photo_id])
        if not rows or rows[0].collection_id != collection_id:
            raise PhotoMissing(f"There is no photo number {photo_id} in this gallery; search again.")
        return np.frombuffer(rows[0].encoding.vector, np.float32)

    def _spend(self, collection_id: int, macs: int) -> None:
        """Write down what scoring photos cost; a full disk does not keep anyone from searching."""
        if macs:
            with suppress(StoreUnusable):
                self._store.spend(collection_id, on_photos=macs)

    def _hits(self, encoder: "Encoder", ranking: Ranking, k: int, offset: int = 0) -> list[Hit]:
        rows = self._store.images(ranking.ids[offset : offset + max(k, 0)])
        told = similarities(encoder, ranking, {row.id: row.encoding.exit for row in rows})
        return [Hit(rank, told[row.id], photo_of(row)) for rank, row in enumerate(rows, start=offset + 1)]

    def _turn(self, collection_id: int) -> Lock:
        """Held while a collection's photos are run deeper."""
        with self._lock:
            return self._refining.setdefault(collection_id, Lock())

    def _affordable(self, collection_id: int, encoder: "Encoder") -> float:
        """What one more query may spend on a collection, in full encodings."""
        account = self.summary(collection_id)
        spent = account.macs_index / encoder.full_macs, account.macs_queries / encoder.full_macs
        return affordable(account.photos, *spent)

    def _deepening(self, encoder: "Encoder", candidates: Sequence[Candidate]) -> Deepening:
        return Deepening(encoder, candidates, self._store.picture_path, self._store.kept_map)

    def _keep(self, collection_id: int, encoder: "Encoder", made: Sequence[Encoded]) -> list[ImageRow]:
        """Store a batch in one transaction; returns the rows that are new."""
        found = {each.photo.content_hash: each for each in made}  # a photo may come twice where many encode at once
        if not found:
            return []
        rows = [_row(each) for each in found.values()]
        pictures = {content_hash: each.photo.jpeg for content_hash, each in found.items()}
        maps = {content_hash: each.map for content_hash, each in found.items() if each.map is not None}
        return self._store.add(collection_id, stamp_of(encoder), rows, pictures, maps)

    def _summary(self, row: CollectionRow) -> GallerySummary:
        totals = self._store.totals(row.id)
        macs = totals.macs_index + row.macs_queries + row.macs_pictures
        full_macs = totals.photos * (row.full_macs or 0)
        return GallerySummary(
            id=row.id,
            name=row.name,
            kind=row.kind,
            photos=totals.photos,
            macs_index=totals.macs_index,
            macs_queries=row.macs_queries,
            macs_pictures=row.macs_pictures,
            macs=macs,
            full_macs=full_macs,
            saved_share=1 - macs / full_macs if full_macs else 0.0,
            exits=tuple(totals.exits.get(exit, 0) for exit in range(1, (row.exits or 0) + 1)),
            model=row.model,
            budget=row.budget,
            owner=row.owner,
            link=row.link,
            guides=guides_of(row),
        )


def _row(made: Encoded) -> ImageRow:
    photo = made.photo
    return ImageRow(
        content_hash=photo.content_hash,
        name=photo.name,
        width=photo.width,
        height=photo.height,
        bytes=photo.file_bytes,
        added_at=time.time(),
        encoding=EncodingRow.of(made.encoding),
    )


def _vector(encoder: "Encoder", query: str | np.ndarray) -> np.ndarray | None:
    """(D,) What a query asks for; None for words that are none."""
    if isinstance(query, np.ndarray):
        return query
    return encoder.encode_text([query])[0] if query.strip() else None


def _picture_gone(row: ImageRow) -> PictureGone:
    return PictureGone(f"The kept picture of {row.name} is gone or damaged; remove the photo and add it again.")
