"""What the use cases share: the database, the encoder, and the indexes that stand on both."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from engine.exits.certificate import Certificate, read_certificate
from engine.gallery.encoder_cache import Encoders
from engine.search.query_parser import TextEmbeddings
from engine.search.ranking import Rankings
from engine.search.second_looks import SecondLooks
from engine.storage.collections import TotalsCache, delete_if_empty, get_collection
from engine.storage.database import Database
from engine.storage.schema import CollectionRow, GalleryMissing, ModelChanged, ModelStamp, stamp_of
from engine.utils.errors import EngineError

if TYPE_CHECKING:
    from engine.exits.encoder import Encoder

PHRASES_KEPT = 2_000  # some 2 kB each: of ten galleries with as many phrases as one may have
REFINED_AT_ONCE = 16  # galleries; more than that share a lock


class Library:
    """The galleries of one data folder and the encoder that they are searched with; safe to use from many threads."""

    def __init__(self, database: Database, encoder: "Callable[[], Encoder]") -> None:
        """Args: encoder: loads the encoder; called once, when first needed."""
        self.database, self.encoders = database, Encoders(encoder)
        self.rankings, self.totals = Rankings(database), TotalsCache(database)
        self.texts = TextEmbeddings()
        self.phrases = TextEmbeddings(PHRASES_KEPT)  # of albums, as `engine.albums.scorer` embeds them
        self.second_looks = SecondLooks()  # for galleries whose index never changes
        self._refining = [Lock() for _ in range(REFINED_AT_ONCE)]
        self._filling: Counter[int] = Counter()  # how often photos come into a gallery just now
        self._made: set[int] = set()  # galleries that were made for those
        self._filling_lock = Lock()

    @classmethod
    def open(cls, encoder: "Callable[[], Encoder]", folder: Path | None = None) -> "Library":
        """The library of a data folder, by default the user's; raises HomeUnwritable, NewerDatabase, StoreUnusable."""
        return cls(Database.open(folder), encoder)

    @property
    def encoder(self) -> "Encoder":
        """The encoder, loaded at the first call."""
        return self.encoders.general

    def collection(self, gallery_id: int) -> CollectionRow:
        """A gallery's row; what is in memory of one that was deleted is let go of. Raises: GalleryMissing."""
        try:
            return get_collection(self.database, gallery_id)
        except GalleryMissing:  # another process may have deleted it
            self.rankings.forget(gallery_id)
            raise

    @contextmanager
    def filling(self, gallery_id: int, new: bool) -> Iterator[None]:
        """While photos come into a gallery. One that was made for them and got none goes, once no more are coming.

        Args: new: it was made for these photos.
        """
        with self._filling_lock:
            self._filling[gallery_id] += 1
            self._made |= {gallery_id} if new else set()
        try:
            yield
        finally:
            with self._filling_lock:
                self._filling -= Counter([gallery_id])
                made = gallery_id not in self._filling and gallery_id in self._made
                self._made -= {gallery_id} if made else set()
            with suppress(EngineError):  # an empty gallery that stays does no harm
                if made and delete_if_empty(self.database, gallery_id):
                    self.rankings.forget(gallery_id)

    def encoder_of(self, gallery_id: int) -> "Encoder":
        """The encoder that a gallery's photos went through, looking for its owner's phrases where there are some.

        Raises: GalleryMissing, or ModelChanged where it was encoded with another model than the present.
        """
        return self.encoders.of(self.collection(gallery_id))

    def stamp_for(self, gallery_id: int, encoder: "Encoder") -> ModelStamp:
        """The stamp under which a gallery takes what an encoder made: it may look for other phrases by now.

        Raises: GalleryMissing, or ModelChanged where it is encoded with another model than the present.
        """
        made_by = stamp_of(encoder)
        if made_by != stamp_of(self.encoders.by(encoder.phrases)):  # the present model is another one by now
            return made_by
        return stamp_of(self.encoders.of(self.collection(gallery_id)))

    def certificate_of(self, gallery_id: int) -> Certificate | None:
        """What the exits of a gallery's model gave on photos that nothing was fitted on; None where nobody has measured
        that, or where the gallery is of another model than the present.

        Raises: GalleryMissing.
        """
        try:
            return read_certificate(self.encoder_of(gallery_id).folder)
        except ModelChanged:
            return None

    def lock_of(self, gallery_id: int) -> Lock:
        """Held while a gallery's photos are run deeper: the next one who asks finds that work done."""
        return self._refining[gallery_id % REFINED_AT_ONCE]

    def tidy(self) -> None:
        """Leave nothing on the disk of what was deleted, and room for deletions, which would find none on a full one.

        Raises: StoreUnusable.
        """
        self.database.spare_room.keep()
        self.database.empty_log()

    def picture_path(self, content_hash: str) -> Path:
        """Where the picture of a photo is kept: upright, at most 768 px unless a panorama, JPEG without metadata."""
        return self.database.pictures.path(content_hash)
