"""Search: words and pictures to photos, second looks, and single photos run to full depth."""

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from engine.exits.calibration import Estimate
from engine.gallery.galleries import get_photo
from engine.gallery.library import Library
from engine.gallery.types import (
    NO_LOOKS,
    Deepened,
    ExitScore,
    Hit,
    Looks,
    Photo,
    Refinement,
    photo_of,
    with_look,
)
from engine.ingest.kept_picture import KEPT_SIDE, PictureGone, keep, kept_pixels, open_kept, to_jpeg
from engine.ingest.sandbox import decode
from engine.search.allocation import pool_size
from engine.search.query_parser import DROPPED, Query, QueryRejected, embed, parse
from engine.search.ranking import Ranking, ranked, reranked
from engine.search.refine import Deepening, decide, spending_limit
from engine.storage.collections import add_macs
from engine.storage.database import StoreUnusable
from engine.storage.dates import taken_in
from engine.storage.encodings import Candidate, keep_deeper, list_candidates
from engine.storage.images import get_image, get_images
from engine.storage.schema import CollectionRow, PhotoMissing

if TYPE_CHECKING:
    from engine.exits.encoder import Encoder

THUMBNAIL_SIDE = 128  # px: small enough to stand in the search box on a sharp screen
log = logging.getLogger(__name__)

FROZEN = "demo"  # the kind of gallery whose index never changes: everybody who comes finds the same


def search_photos(
    library: Library,
    gallery_id: int,
    query: str | Query,
    k: int = 20,
    year: int | None = None,
    looks: Looks = NO_LOOKS,
) -> list[Hit]:
    """Photos of a gallery that fit a query best, from what is indexed; equal scores in the order they came.

    Photos of an ingest that is still running are found from the batch on that is finished.

    Args:
        query: a line as `embed_query` reads it, or what that has made of it.
        k: how many.
        year: that they were taken in (UNDATED: without a date); None: whenever.
        looks: what ran deeper for this query and is not in the index.
    Raises: GalleryMissing, ModelChanged, and what `embed_query` raises.
    """
    encoder = library.encoder_of(gallery_id)
    asked = _asked(library, gallery_id, query)
    if asked is None:
        return []
    ranking = rank_gallery(library, gallery_id, asked, k, year)
    return list_hits(library, _looked_at(encoder, asked, ranking, looks), k, looks)


def rank_gallery(library: Library, gallery_id: int, query: Query, k: int, year: int | None = None) -> Ranking:
    """Rank a gallery for a query, from what is indexed; raises GalleryMissing, ModelChanged.

    Args: k, year: as for `search_photos`.
    """
    among = None if year is None else taken_in(library.database, gallery_id, year)
    encoder = library.encoder_of(gallery_id)
    return library.rankings.ranking(gallery_id, encoder, query, k, among)


def list_hits(library: Library, ranking: Ranking, k: int, looks: Looks = NO_LOOKS) -> list[Hit]:
    """The first k photos of a ranking; those deleted meanwhile are left out."""
    rows = get_images(library.database, ranking.ids[: max(k, 0)])
    scores = dict(zip(ranking.ids, ranking.scores, strict=True))
    photos = (with_look(photo_of(row), looks.get(row.id)) for row in rows)
    return [Hit(rank, scores[photo.id], photo) for rank, photo in enumerate(photos, start=1)]


def rank_photos(library: Library, gallery_id: int, query: str | Query, photo_ids: Sequence[int]) -> list[int]:
    """Some photos of a gallery, those that fit a query best first, from what is indexed.

    Raises: GalleryMissing, ModelChanged, and what `embed_query` raises.
    """
    encoder = library.encoder_of(gallery_id)
    asked = _asked(library, gallery_id, query)
    if asked is None:
        return []
    return ranked(encoder, asked, list_candidates(library.database, photo_ids), len(photo_ids)).ids


def refine_search(
    library: Library, gallery_id: int, query: str | Query, k: int = 20, ranking: Ranking | None = None
) -> Refinement:
    """The first k photos for a query, some run deeper first where that may change them.

    The deeper embeddings stay in the index; those of a gallery whose index never changes stay in memory, bounded, and
    serve only queries that ask for the same second look. Such a query costs what it cost the first time: every visitor
    gets the same answer. Searches go on meanwhile; a second refinement of the same gallery waits, and finds the first
    one's work done.

    Args: ranking: of the gallery for this query, where there is one already, for k photos at least.
    Raises: GalleryMissing, ModelChanged, and what `embed_query` raises.
    """
    began = time.perf_counter()
    collection = library.collection(gallery_id)
    encoder = library.encoders.of(collection)
    asked = _asked(library, gallery_id, query)
    if asked is None or k < 1:
        return Refinement([], (), 0, encoder.full_macs, time.perf_counter() - began)
    first = rank_gallery(library, gallery_id, asked, k) if ranking is None else ranking
    with library.lock_of(gallery_id):
        before = _up_to_date(library, encoder, asked, first)
        many = pool_size(before.photos, k)
        candidates = before.candidates[:many]
        estimate = Estimate(before.estimate.expected[:many], before.estimate.deviations[:many])
        deepening = deepening_of(library, collection, encoder, candidates)
        decide(deepening, estimate, asked, k, spending_limit(before.photos))
        looks = _keep(library, collection, encoder, deepening, asked_about=[c.image_id for c in candidates])
    found = deepening.deeper()
    after = _looked_at(encoder, asked, before, found)
    return Refinement(
        hits=list_hits(library, after, k, looks=looks),
        deepened=_deepened(found, before, after, k),
        macs=deepening.macs,
        full_macs=encoder.full_macs,
        seconds=time.perf_counter() - began,
        ranking=after,
        looks=looks,
    )


def _keep(
    library: Library,
    collection: CollectionRow,
    encoder: "Encoder",
    deepening: Deepening,
    asked_about: Sequence[int] | None = None,
) -> Looks:
    """Take what ran into the index; where that never changes, count what it cost and hand it back.

    So is what cannot be kept: a full disk or a locked database is no reason to lose the answer.
    """
    found = deepening.deeper()
    try:
        if collection.kind != FROZEN:
            keep_deeper(library.database, collection.id, library.stamp_for(collection.id, encoder), found, asked_about)
            return NO_LOOKS
        if deepening.ran:
            add_macs(library.database, collection.id, queries=deepening.ran)
    except StoreUnusable as error:
        log.warning("Second looks cannot be kept: %s", error)
    return {image_id: replace(encoding, map=None) for image_id, encoding in found.items()}  # a map is large


def _looked_at(encoder: "Encoder", query: Query, ranking: Ranking, looks: Looks) -> Ranking:
    """A ranking whose candidates stand where second looks have brought them."""
    if not looks:
        return ranking
    moved = [c.deepened(looks.get(c.image_id)) for c in ranking.candidates]
    return reranked(encoder, query, ranking, moved)


def _up_to_date(library: Library, encoder: "Encoder", query: Query, ranking: Ranking) -> Ranking:
    """A ranking with its candidates as they are now: another query may have run them deeper meanwhile."""
    now = list_candidates(library.database, [candidate.image_id for candidate in ranking.candidates])
    return ranking if now == ranking.candidates else reranked(encoder, query, ranking, now)


def _deepened(found: Looks, before: Ranking, after: Ranking, k: int) -> tuple[Deepened, ...]:
    """The photos that were run deeper, with their ranks among the first k."""
    ranks = [{image_id: rank for rank, image_id in enumerate(r.ids[:k], start=1)} for r in (before, after)]
    stood = {candidate.image_id: candidate.exit for candidate in before.candidates}
    return tuple(Deepened(id, stood[id], look.exit, *(r.get(id) for r in ranks)) for id, look in found.items())


def run_to_full_depth(library: Library, photo_id: int) -> tuple[Photo, Looks]:
    """Run one photo to full depth, and keep that embedding where `refine_search` would.

    Returns: the photo as it is then, and what the index has not taken in.
    Raises: PhotoMissing, ModelChanged, PictureGone.
    """
    with library.lock_of(get_image(library.database, photo_id).collection_id):
        row = get_image(library.database, photo_id)
        encoder = library.encoders.of(row.collection)
        if row.encoding.exit == encoder.exits:
            return photo_of(row), NO_LOOKS
        candidates = list_candidates(library.database, [photo_id])  # none where it has just been deleted
        deepening = deepening_of(library, row.collection, encoder, candidates)
        if not deepening.run(range(len(candidates)), encoder.exits).all():
            raise PictureGone.of(row.name)
        looks = _keep(library, row.collection, encoder, deepening)
    return with_look(get_photo(library, photo_id), looks.get(photo_id)), looks


def explain_photo(library: Library, photo_id: int, query: str | Query) -> list[ExitScore]:
    """How a photo fits a query as every exit would have it, the first one first; nothing of it is kept.

    Raises: PhotoMissing, ModelChanged, PictureGone, and what `embed_query` raises.
    """
    import torch  # where there is a photo it is loaded

    row = get_image(library.database, photo_id)
    encoder = library.encoders.of(row.collection)
    asked = _asked(library, row.collection_id, query)
    if asked is None:
        return []
    pixels = kept_pixels(library.picture_path(row.content_hash), encoder.preprocess)
    if pixels is None:
        raise PictureGone.of(row.name)
    vectors = torch.cat(encoder.trace(np.stack([pixels])).vectors)
    cosines, affinity = vectors.numpy() @ asked.vector, encoder.bank.affinity(vectors).numpy()
    estimate = encoder.scorer.estimate(cosines, np.arange(encoder.exits), affinity, asked.picture)
    scores = estimate.expected if asked.picture else encoder.scorer.rank_scores(estimate)
    return [ExitScore(*each) for each in zip(scores.tolist(), cosines.tolist(), strict=True)]


def embed_query(library: Library, gallery_id: int, text: str, dropped: np.ndarray | None = None) -> Query | None:
    """What one line of words and pictures asks for (see `engine.search.query_parser`); None for a blank line.

    Args:
        dropped: (D,) the picture that came with the query, where one did.
    Raises: QueryRejected; PhotoMissing for a photo that is not of this gallery.
    """

    def photo(name: str) -> np.ndarray:
        if name != DROPPED:
            return _embedding(library, gallery_id, int(name))
        if dropped is None:
            raise QueryRejected("The picture of this query is gone; drop it again.")
        return dropped

    from engine.search.query_expansion import embed_words

    terms = parse(text)
    if not terms:
        return None
    encoder = library.encoder  # phrases change nothing of what a text means
    return embed(
        terms, partial(library.texts.embeddings, encoder.identity.weights, partial(embed_words, encoder)), photo
    )


def correct_spelling(library: Library, text: str) -> str:
    """A text with its misspelt words put right, where that is possible."""
    from engine.search import spelling

    return spelling.correct(text, library.encoder.bank.texts, library.encoder.reads_whole)


def reads_to_end(library: Library, text: str) -> bool:
    """Whether all words of a query count; raises QueryRejected."""
    return all(library.encoder.reads_to_end(term.words) for term in parse(text))


def embed_picture(library: Library, gallery_id: int | None, data: bytes, name: str) -> tuple[np.ndarray, bytes]:
    """What a picture to search with shows, (D,) at full depth, and a small copy, a JPEG of 128 px at most.

    Nothing of it is kept but what it cost.

    Args: gallery_id: whose account of its queries that is in; None: nobody's.
    Raises: GalleryMissing, ImageRejected.
    """
    encoder = library.encoder
    jpeg, pixels = keep(decode(data, name, KEPT_SIDE).rgb, encoder.preprocess)
    (found,) = encoder.deepen(np.stack([pixels]), encoder.exits)
    if gallery_id is not None:
        add_macs(library.database, gallery_id, pictures=found.macs)
    return found.vector, to_jpeg(open_kept(BytesIO(jpeg), THUMBNAIL_SIDE))


def _asked(library: Library, gallery_id: int, query: str | Query) -> Query | None:
    """What a query asks for; None for a blank line."""
    return query if isinstance(query, Query) else embed_query(library, gallery_id, query)


def _embedding(library: Library, gallery_id: int, photo_id: int) -> np.ndarray:
    rows = get_images(library.database, [photo_id])
    if not rows or rows[0].collection_id != gallery_id:
        raise PhotoMissing(f"There is no photo number {photo_id} in this gallery; search again.")
    return np.frombuffer(rows[0].encoding.vector, np.float32)


def deepening_of(
    library: Library, collection: CollectionRow, encoder: "Encoder", candidates: Sequence[Candidate]
) -> Deepening:
    """Photos of a collection on their way deeper; where its index never changes, what ran before is remembered."""
    memory = library.second_looks if collection.kind == FROZEN else None
    return Deepening(encoder, candidates, library.picture_path, library.database.maps, memory)
