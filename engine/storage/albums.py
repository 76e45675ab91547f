"""Albums of collections and what was moved into them, read and changed as one."""

from collections.abc import Callable
from itertools import chain

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from engine.albums.album import Album, AlbumSet, Move
from engine.storage.bind_limit import change_rows
from engine.storage.collections import hold
from engine.storage.database import Database
from engine.storage.schema import AlbumMoveRow, AlbumRow, ImageRow


def read_albums(database: Database, collection_id: int) -> AlbumSet:
    """The albums of a collection; none where nobody has made any."""
    with database.read() as session:
        return _read(session, collection_id)


def change_albums(database: Database, collection_id: int, change: Callable[[AlbumSet], AlbumSet]) -> AlbumSet:
    """Change a collection's albums in one transaction; what `change` raises leaves them as they are.

    Returns: the albums as they are then. Raises: GalleryMissing.
    """
    with database.write() as session:
        hold(session, collection_id)
        before = _read(session, collection_id)
        after = change(before)
        if after != before:
            _write(session, collection_id, after)
            after = _read(session, collection_id)  # without moves of images that are not there
    return after


def _read(session: Session, collection_id: int) -> AlbumSet:
    rows = session.scalars(select(AlbumRow).where(AlbumRow.collection_id == collection_id).order_by(AlbumRow.id)).all()
    names = {row.id: row.name for row in rows}
    moves = (
        select(AlbumMoveRow.image_id, AlbumMoveRow.album_id)
        .join(ImageRow, ImageRow.id == AlbumMoveRow.image_id)
        .where(ImageRow.collection_id == collection_id)
        .order_by(AlbumMoveRow.id)
    )
    return AlbumSet(
        tuple(map(_album, rows)),
        tuple(Move(image, names.get(album or 0)) for image, album in session.execute(moves)),
    )


def _album(row: AlbumRow) -> Album:
    parts = [part for part in row.phrases if isinstance(part, list)]
    phrases = [*chain(*parts), *(phrase for phrase in row.phrases if isinstance(phrase, str))]
    return Album(row.name, tuple(phrases), row.unlike, tuple(map(len, parts)))


def _phrases(album: Album) -> list[str | list[str]]:
    return [*map(list, album.parts)] if album.merged else list(album.phrases)


def _write(session: Session, collection_id: int, albums: AlbumSet) -> None:
    """Put albums in the place of those before."""
    there = set(session.scalars(select(ImageRow.id).where(ImageRow.collection_id == collection_id)))
    change_rows(session, delete(AlbumMoveRow), AlbumMoveRow.image_id, there)
    session.execute(delete(AlbumRow).where(AlbumRow.collection_id == collection_id))
    rows = [
        AlbumRow(collection_id=collection_id, name=album.name, phrases=_phrases(album), unlike=album.unlike)
        for album in albums.albums
    ]
    for row in rows:
        session.add(row)
        session.flush()  # one by one: ids are their order
    ids = {row.name: row.id for row in rows}
    session.add_all(
        AlbumMoveRow(image_id=move.photo, album_id=ids[move.album] if move.album else None)
        for move in albums.moves
        if move.photo in there
    )
