"""Albums of a gallery: made, changed, and its photos sorted into them."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from engine.albums.album import MOST_ALBUMS, Album, AlbumSet, album_of
from engine.exits.budget import DEFAULT_BUDGET
from engine.exits.phrases import read_texts
from engine.gallery.library import Library
from engine.gallery.search import deepening_of
from engine.gallery.types import SortedGallery, SortedPhoto
from engine.search.refine import Deepening
from engine.storage.albums import change_albums, read_albums
from engine.storage.collections import add_macs
from engine.storage.database import StoreUnusable
from engine.storage.encodings import Candidate, keep_deeper, list_candidates, list_standings
from engine.storage.images import image_ids
from engine.utils.paths import ALBUM_WORDS

if TYPE_CHECKING:
    from torch import Tensor

    from engine.albums.scorer import AlbumScorer
    from engine.albums.sorting import AlbumSorting, Ran
    from engine.exits.batch import Encoding
    from engine.exits.encoder import Encoder

MOST_ASIDE = 100.0  # full encodings that one sort of a gallery may take that is somebody else's
PROPOSED_BY = 300  # photos that tell what a gallery could be sorted into
log = logging.getLogger(__name__)

Tell = Callable[[list[int]], object]  # which photos were run deeper just now; some have been before


@dataclass
class Aside:
    """Deeper encodings that a visitor's albums asked for and that a gallery, which is not theirs, does not keep."""

    found: "dict[int, Encoding]" = field(default_factory=dict)

    def keep(self, deeper: "Mapping[int, Encoding]") -> None:
        """Keep encodings; what one cost is added to what the one before did."""
        found = dict(self.found)  # in its place at once: another page of the visitor may be reading
        for image_id, each in deeper.items():
            before = found.get(image_id)
            found[image_id] = replace(each, map=None, macs=each.macs + (before.macs if before else 0))
        self.found = found


def list_albums(library: Library, gallery_id: int) -> AlbumSet:
    """A gallery's albums, and what was moved into them."""
    return read_albums(library.database, gallery_id)


def edit_albums(library: Library, gallery_id: int, change: Callable[[AlbumSet], AlbumSet]) -> AlbumSet:
    """Change a gallery's albums, by the ways of `AlbumSet`; raises AlbumsRejected, GalleryMissing."""
    return change_albums(library.database, gallery_id, change)


def propose_albums(library: Library, gallery_id: int, words: Sequence[str] | None = None) -> list[str]:
    """Words that a gallery's photos fall under, those of most photos first.

    The texts of the bank would not do: they are narrow, and what fits a photo best may not be there at all.

    Args: words: to choose from; by default the wide ones in `assets/album_words.txt`.
    Raises: GalleryMissing, ModelChanged.
    """
    import torch

    encoder = library.encoder_of(gallery_id)
    ids = image_ids(library.database, gallery_id)
    sample = list_candidates(library.database, ids[:: max(1, len(ids) // PROPOSED_BY)])
    if not sample:
        return []
    albums = [album_of(word) for word in words or read_texts(ALBUM_WORDS)]
    vectors = torch.from_numpy(
        np.frombuffer(b"".join(c.vector for c in sample), np.float32).reshape(len(sample), -1).copy()
    )
    fallen = Counter(_scorer(library, encoder, albums).scores(vectors).argmax(1).tolist())
    return [albums[place].name for place, _ in fallen.most_common() if place < len(albums)]


def sort_gallery(
    library: Library,
    gallery_id: int,
    albums: AlbumSet,
    budget: float = DEFAULT_BUDGET,
    tell: Tell = lambda photos: None,
    aside: Aside | None = None,
) -> SortedGallery:
    """Sort a gallery's photos into albums; those in doubt run deeper from where they stand, and keep that.

    Photos that were moved by hand stay where they were put, and are run to full depth to be examples.

    Args:
        budget: mean MACs share of the whole gallery up to which photos in doubt are run deeper.
        tell: told which were, now and then; what it raises stops the sort, and what was run stays.
        aside: where deeper encodings are kept in the gallery's place, for whom it does not belong to.
    Raises: GalleryMissing, ModelChanged, AlbumsRejected.
    """
    return _Sort(library, gallery_id, albums, tell, aside).run(budget)


class _Sort:
    """One sort of a gallery."""

    def __init__(self, library: Library, gallery_id: int, albums: AlbumSet, tell: Tell, aside: Aside | None) -> None:
        self.library, self.gallery_id, self.albums = library, gallery_id, albums
        self.encoder = library.encoder_of(gallery_id)
        self.tell, self.aside, self.collection = tell, aside, library.collection(gallery_id)
        self.standing = list_standings(library.database, gallery_id)
        self.places = {int(image_id): row for row, image_id in enumerate(self.standing.ids)}
        self.looked = 0
        if aside is not None:
            self._stand_as_aside(aside)

    def run(self, budget: float) -> SortedGallery:
        from engine.albums.sorting import look_again

        sorting = self._sorting()
        if self.albums.albums:
            onward = self.encoder.ladder.onward
            costs = onward[self.standing.mapped.astype(int), self.standing.exits - 1]
            spent = self.standing.macs.sum() / self.encoder.full_macs
            limit = budget * len(self.standing.ids) - spent
            if self.aside is not None:
                limit = min(limit, MOST_ASIDE)
            self.looked += look_again(sorting, costs, onward[1], limit, self._deepen)
        return self._result(sorting)

    def _sorting(self) -> "AlbumSorting":
        """Photos as they stand, sorted; those that were moved by hand are examples."""
        import torch

        from engine.albums.sorting import AlbumSorting

        moved = {p: self.albums.place(a) for p, a in self.albums.by_hand().items() if p in self.places}
        self._run_examples([self.places[photo] for photo in moved])
        vectors = torch.from_numpy(self.standing.vectors).view(len(self.places), self.encoder.dim)
        examples = {
            place: vectors[[self.places[photo] for photo, own in moved.items() if own == place]]
            for place in set(moved.values())
        }
        scorer = _scorer(self.library, self.encoder, self.albums.albums, examples)
        fixed = {self.places[photo]: place for photo, place in moved.items()}
        return AlbumSorting(scorer, vectors, torch.from_numpy(self.standing.exits - 1), fixed)

    def _run_examples(self, rows: Sequence[int]) -> None:
        """Run photos to full depth, so that all examples say as much; one whose picture is gone stays as it is."""
        short = np.array([row for row in rows if self.standing.exits[row] < self.encoder.exits], np.int64)
        if len(short):
            self._deepen(short, self.encoder.exits - 1)

    def _deepen(self, rows: np.ndarray, exit: int) -> "Ran":
        """Run photos, (n,) rows, to an exit (0-based), and keep what came of it; some may be there by now."""
        import torch

        from engine.albums.sorting import Ran

        library, ids = self.library, self.standing.ids[rows].tolist()
        with library.lock_of(self.gallery_id):
            candidates = self._candidates(ids)
            deepening = deepening_of(library, self.collection, self.encoder, candidates)
            short = [place for place, candidate in enumerate(candidates) if candidate.exit <= exit]
            deepening.run(short, exit + 1)
            self._keep(deepening)
        now = {c.image_id: (c.exit, np.frombuffer(c.vector, np.float32), 0) for c in candidates}
        now |= {image_id: (d.exit, d.vector, d.macs) for image_id, d in deepening.deeper().items()}
        came = np.array([image_id in now and now[image_id][0] > exit for image_id in ids])
        for row in rows[came]:
            to, vector, macs = now[int(self.standing.ids[row])]
            self.standing.vectors[row], self.standing.exits[row] = vector, to
            self.standing.macs[row] = min(self.standing.macs[row] + macs, self.encoder.full_macs)
        self.tell(self.standing.ids[rows[came]].tolist())
        return Ran(torch.from_numpy(self.standing.vectors[rows]), came, deepening.macs / self.encoder.full_macs)

    def _candidates(self, ids: Sequence[int]) -> list[Candidate]:
        known = self.aside.found if self.aside is not None else {}
        return [c.deepened(known.get(c.image_id)) for c in list_candidates(self.library.database, ids)]

    def _keep(self, deepening: Deepening) -> None:
        found, database = deepening.deeper(), self.library.database
        if self.aside is None:
            stamp = self.library.stamp_for(self.gallery_id, self.encoder)
            keep_deeper(database, self.gallery_id, stamp, found)
            return
        self.aside.keep(found)
        try:
            if deepening.ran:
                add_macs(database, self.gallery_id, queries=deepening.ran)
        except StoreUnusable as error:  # a full disk is no reason to lose the sort
            log.warning("What second looks took is not counted: %s", error)

    def _stand_as_aside(self, aside: Aside) -> None:
        """Have photos stand where a visitor's own deeper encodings have brought them."""
        standing = self.standing
        for image_id, deeper in aside.found.items():
            row = self.places.get(image_id)
            if row is not None and deeper.exit > standing.exits[row]:
                standing.exits[row], standing.vectors[row] = deeper.exit, deeper.vector
                standing.macs[row] = min(standing.macs[row] + deeper.macs, self.encoder.full_macs)
                standing.mapped[row] = False  # no map is kept of what ran aside

    def _result(self, sorting: "AlbumSorting") -> SortedGallery:
        standing, full = self.standing, self.encoder.full_macs
        names = (*(album.name for album in self.albums.albums), None)
        shares = np.minimum(standing.macs / full, 1)  # as of `photo_of`
        outcomes, by_hand = sorting.outcomes.tolist(), (sorting.fixed >= 0).tolist()
        photos = tuple(
            SortedPhoto(image_id, file, content, names[outcome], *rest)
            for image_id, file, content, outcome, *rest in zip(
                standing.ids.tolist(),
                standing.names,
                standing.hashes,
                outcomes,
                sorting.probabilities.tolist(),
                by_hand,
                standing.exits.tolist(),
                shares.tolist(),
                strict=True,
            )
        )
        return SortedGallery(self.albums.albums, photos, self.looked, float(shares.mean()) if len(shares) else 0.0)


def _scorer(
    library: Library,
    encoder: "Encoder",
    albums: Sequence[Album],
    examples: "Mapping[int, Tensor] | None" = None,
) -> "AlbumScorer":
    """The scorer of some albums; phrases that were embedded before are not embedded again."""
    from engine.albums.scorer import AlbumScorer, embed_phrases

    embed = partial(library.phrases.embeddings, encoder.identity.weights, partial(embed_phrases, encoder))
    return AlbumScorer.of(albums, encoder, examples, embed)


def albums_of(lines: Iterable[str]) -> tuple[Album, ...]:
    """Albums as a person types them, one a line, each name once; raises AlbumsRejected.

    Of lines that are too many, one more than a gallery's albums is read.
    """
    typed = islice((line for line in lines if line.strip()), MOST_ALBUMS + 1)
    return AlbumSet(tuple(map(album_of, typed))).albums
