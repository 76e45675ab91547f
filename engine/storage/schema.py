"""The tables, and the rows that are handed out: collections, images, and what the encoder made of them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from shlex import quote
from typing import TYPE_CHECKING, Literal

import numpy as np
from sqlalchemy import JSON, BigInteger, Double, ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from engine.storage.vector_column import vector_type
from engine.utils.errors import EngineError

if TYPE_CHECKING:
    from engine.exits.batch import Encoding
    from engine.exits.encoder import Encoder

Kind = Literal["demo", "gallery"]
GONE = "gone"  # in place of its kind: nobody finds the collection any more, and its images go part by part


class GalleryMissing(EngineError):
    """There is no such collection."""


class PhotoMissing(EngineError):
    """There is no such image."""


class ModelChanged(EngineError):
    """A collection was encoded with another model, and vectors of two models must never meet."""


@dataclass(frozen=True)
class ModelStamp:
    """The model that a collection is encoded with, and what its costs are measured against."""

    model: str
    weights_hash: str
    exits_hash: str
    exits: int
    full_macs: int
    precision: str | None = None  # "float32" or "bfloat16"; None: not known

    @property
    def key(self) -> str:
        """As of `model_key`."""
        return model_key(self.weights_hash, self.exits_hash)


def model_key(weights_hash: str | None, exits_hash: str | None) -> str:
    """What tells a model's encodings from another one's within one database."""
    return (weights_hash or "")[:8] + (exits_hash or "")[:8]


def stamp_of(encoder: "Encoder") -> ModelStamp:
    """What a collection remembers of the encoder that its photos went through."""
    identity = encoder.identity
    hashes = identity.weights, identity.exits_hash
    return ModelStamp(identity.model, *hashes, encoder.exits, encoder.full_macs, identity.precision)


@dataclass(frozen=True)
class Totals:
    """Sums over the images of one collection."""

    photos: int
    macs_index: int
    exits: Mapping[int, int]  # exit -> photos that left there
    waiting: int  # images whose encoding was another model's; they are found again once they are encoded anew
    by_other_phrases: int  # images that left by other phrases; they are found, and are to be encoded anew


class NameTaken(EngineError):
    """There is a collection of that name already."""


class Base(DeclarativeBase):
    """The tables, as the newest migration makes them."""

    type_annotation_map = {float: Double}  # what SQLAlchemy 2.1 takes by itself  # noqa: RUF012


class CollectionRow(Base):
    """A named set of images, all encoded with one model; unstamped until the first image is in."""

    __tablename__ = "collections"
    __table_args__ = {"sqlite_autoincrement": True}  # ids are never used again  # noqa: RUF012

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    kind: Mapped[str]
    owner: Mapped[str | None] = mapped_column(index=True)  # a visitor's; None where one person has the place
    model: Mapped[str | None]
    weights_hash: Mapped[str | None]
    exits_hash: Mapped[str | None]
    exits: Mapped[int | None]
    full_macs: Mapped[int | None] = mapped_column(BigInteger)
    precision: Mapped[str | None]  # None: not known, as of images that an earlier version encoded
    budget: Mapped[float | None]
    created_at: Mapped[float]  # seconds since the epoch
    indexed_at: Mapped[float | None]
    link: Mapped[str | None] = mapped_column(index=True, unique=True)  # what its published address ends with
    phrases: Mapped[list[str] | None] = mapped_column(JSON)  # what people will look for, as its owner has said
    revision: Mapped[int] = mapped_column(default=0)  # of its last change; see ImageRow
    queries: Mapped[int] = mapped_column(default=0)  # refined so far
    macs_queries: Mapped[int] = mapped_column(BigInteger, default=0)  # that they spent on its photos
    macs_pictures: Mapped[int] = mapped_column(BigInteger, default=0)  # and on pictures that came with them

    def has_model(self, stamp: ModelStamp) -> bool:
        """Whether its images were encoded with the stamp's model; a precision that is not known fits any."""
        same_weights = (self.weights_hash, self.exits_hash) == (stamp.weights_hash, stamp.exits_hash)
        return same_weights and (None in (self.precision, stamp.precision) or self.precision == stamp.precision)

    def require(self, stamp: ModelStamp) -> None:
        """Raise ModelChanged if the images in here were encoded with another model than the stamp's."""
        if self.model is not None and not self.has_model(stamp):
            changed = ModelChanged(
                f'Gallery "{self.name}" was encoded with {_version(self)}, and the model is now {_version(stamp)}; '
                "encode its photos again."
            )
            changed.command = f"reencode {quote(self.name)}"
            raise changed

    def stamp(self, stamp: ModelStamp) -> None:
        """Note the model that its images are encoded with; a precision that is not known stays so."""
        if self.model is not None and self.has_model(stamp):
            stamp = replace(stamp, precision=self.precision)
        for name, value in vars(stamp).items():
            setattr(self, name, value)

    def next_revision(self) -> int:
        """The number of one more change to one of its images; inside a transaction that writes."""
        self.revision += 1
        return self.revision


class ImageRow(Base):
    """One picture of a collection."""

    __tablename__ = "images"
    __table_args__ = (
        UniqueConstraint("collection_id", "content_hash"),
        Index("ix_images_collection_id_id", "collection_id", "id"),  # a collection's images in order, from any id on
        Index("ix_images_collection_id_revision", "collection_id", "revision"),  # what an index catches up by
        Index("ix_images_collection_id_taken_at", "collection_id", "taken_at"),
        Index("ix_images_content_hash", "content_hash"),  # who else uses a picture file
        {"sqlite_autoincrement": True},  # ids are never used again
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"))
    content_hash: Mapped[str]  # sha256 of the bytes as they came
    name: Mapped[str]
    width: Mapped[int]
    height: Mapped[int]
    bytes: Mapped[int]
    added_at: Mapped[float]
    # On the camera's clock, ISO 8601, with its distance from UTC where that is known: sorts by what people remember.
    taken_at: Mapped[str | None]
    source: Mapped[str | None]  # path of the original on this machine, where it was indexed from a folder
    # Numbers a collection's changes, and only ever grows: its indexes, in any process, ask for what is above the last.
    revision: Mapped[int]

    collection: Mapped[CollectionRow] = relationship(lazy="joined", innerjoin=True)
    encoding: Mapped["EncodingRow"] = relationship(lazy="joined", innerjoin=True, passive_deletes=True)


class EncodingRow(Base):
    """What the encoder made of an image, and what that cost."""

    __tablename__ = "encodings"
    __table_args__ = (Index("ix_encodings_collection_id", "collection_id"),)

    image_id: Mapped[int] = mapped_column(ForeignKey("images.id", ondelete="CASCADE"), primary_key=True)
    # The image's collection, here too: a search in the database looks into this table alone.
    collection_id: Mapped[int]
    # The key of what encoded it. Where that is not the collection's, other phrases have decided where it left: the
    # vector is as comparable as any, and the image is to be encoded anew.
    model: Mapped[str]
    vector: Mapped[bytes] = mapped_column(vector_type())  # float32, unit length
    exit: Mapped[int]
    affinity: Mapped[float] = mapped_column(default=0.0)  # of the vector to the text bank
    gates: Mapped[bytes]  # float32, one row for each gated exit reached
    phrases: Mapped[list[list[tuple[str, float]]]] = mapped_column(JSON)  # the nearest texts at each exit reached
    macs_index: Mapped[int] = mapped_column(BigInteger)
    macs_query: Mapped[int] = mapped_column(BigInteger, default=0)
    milliseconds: Mapped[float]
    budget: Mapped[float]

    @classmethod
    def of(cls, encoding: "Encoding", model: str) -> "EncodingRow":
        """The row of a photo's encoding, made when the photo was indexed. Args: model: the key of what made it."""
        return cls(
            model=model,
            vector=float32_bytes(encoding.vector),
            exit=encoding.exit,
            affinity=encoding.affinity,
            gates=float32_bytes(encoding.gates),
            phrases=encoding.nearest_texts,
            macs_index=encoding.macs,
            macs_query=0,
            milliseconds=encoding.milliseconds,
            budget=encoding.budget,
        )


def float32_bytes(numbers: np.ndarray) -> bytes:
    """Numbers as they are stored."""
    return np.asarray(numbers, np.float32).tobytes()


class FeatureMapRow(Base):
    """A feature map kept of an image, to run it on from; where its file is gone, the image is run again."""

    __tablename__ = "feature_maps"

    image_id: Mapped[int] = mapped_column(ForeignKey("images.id", ondelete="CASCADE"), primary_key=True)
    exit: Mapped[int]
    file: Mapped[str]  # name below the folder of the maps
    bytes: Mapped[int]
    last_used: Mapped[float] = mapped_column(index=True)  # seconds since the epoch


class AlbumRow(Base):
    """An album of a collection; albums stand in the order of their ids."""

    __tablename__ = "albums"
    __table_args__ = {"sqlite_autoincrement": True}  # ids are never used again  # noqa: RUF012

    id: Mapped[int] = mapped_column(primary_key=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    phrases: Mapped[list[str | list[str]]] = mapped_column(JSON)  # lists: of albums that it was merged of
    unlike: Mapped[str]  # what its photos do not show; "": nothing was said


class AlbumMoveRow(Base):
    """An image that was moved by hand; the last move of an image counts, those before wait for an undo."""

    __tablename__ = "album_moves"
    __table_args__ = {"sqlite_autoincrement": True}  # ids are never used again  # noqa: RUF012

    id: Mapped[int] = mapped_column(primary_key=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("images.id", ondelete="CASCADE"), index=True)
    album_id: Mapped[int | None] = mapped_column(ForeignKey("albums.id", ondelete="CASCADE"), index=True)  # None: none
    number: Mapped[int] = mapped_column(default=0)  # of the change that it was a part of, which nothing asks for now


class VisitorRow(Base):
    """A visitor of a public page."""

    __tablename__ = "visitors"

    owner: Mapped[str] = mapped_column(primary_key=True)  # hash of the token in their browser
    seen_at: Mapped[float]  # seconds since the epoch


class RaceRow(Base):
    """One measured race between the full encoder and the one that stops early, over photos of a collection."""

    __tablename__ = "races"

    id: Mapped[int] = mapped_column(primary_key=True)
    collection_id: Mapped[int] = mapped_column(ForeignKey("collections.id", ondelete="CASCADE"), index=True)
    at: Mapped[float]  # seconds since the epoch
    photos: Mapped[int]
    budget: Mapped[float]
    full_per_second: Mapped[float]
    early_per_second: Mapped[float]
    macs_share: Mapped[float]


def _version(of: CollectionRow | ModelStamp) -> str:
    precision = f", {of.precision}" if of.precision else ""
    return f"{of.model} (weights {(of.weights_hash or 'none')[:8]}, exits {(of.exits_hash or 'none')[:8]}{precision})"
