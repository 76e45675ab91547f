"""`sort`: sort the photos of a folder into albums by words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.library import open_library, require_photos
from engine.cli.options import Budget, Json, Model, Random
from engine.cli.output import printable, say, say_skipped, write_json
from engine.utils.errors import EngineError
from engine.utils.file_names import utf8_name
from engine.utils.progress import progress_bar

if TYPE_CHECKING:
    from engine.albums.album import AlbumSet
    from engine.exits.encoder import Encoder
    from engine.gallery.album_folders import Written
    from engine.gallery.library import Library
    from engine.gallery.types import SortedGallery, SortedPhoto
    from engine.ingest.pipeline import EncodeFiles, Known, Made
    from engine.ingest.upload import Upload


def sort(
    folder: Annotated[Path, typer.Argument(help="Folder of photos, with all below it.")],
    into: Annotated[
        list[str] | None,
        typer.Option(help='An album: a phrase, or "NAME: PHRASE, PHRASE, not PHRASE"; can be given again.'),
    ] = None,
    albums: Annotated[
        Path | None, typer.Option(help="YAML file of albums; a line is NAME: PHRASE, or NAME: [PHRASE, PHRASE].")
    ] = None,
    copy: Annotated[Path | None, typer.Option(help="Copy the photos into a folder for each album, below this.")] = None,
    links: Annotated[Path | None, typer.Option(help="The same with links in place of copies.")] = None,
    budget: Annotated[float | None, Budget] = None,
    gallery: Annotated[
        str | None, typer.Option(help="Gallery that the photos are kept in.", show_default="the folder's name")
    ] = None,
    model: Annotated[str | None, Model] = None,
    random_weights: Annotated[bool, Random] = False,
    as_json: Json = False,
) -> None:
    """Sort the photos of a folder into albums: what the words leave in doubt is computed deeper, and nothing else.

    New photos are indexed at the least cost first. Photos that fit no album are in none of them. What was moved by hand
    on the page stays. Without --into and --albums the gallery's own albums are used. Folders are never written over;
    if you stop it (Ctrl-C), run it again to go on.
    """
    if copy is not None and links is not None:
        raise EngineError("--copy and --links do not go together; choose one.")
    from engine.gallery.album_folders import folders_of
    from engine.gallery.galleries import filling
    from engine.ingest.listing import folder_uploads

    wanted, uploads, target = _wanted(into or [], albums), folder_uploads(folder), copy or links
    require_photos(uploads, folder)
    library = open_library(model, random_weights)
    name = utf8_name(gallery or folder.resolve().name or "gallery")
    chosen = _with_moves(library, name, wanted)
    folders = folders_of([album.name for album in chosen.albums], target, folder) if target is not None else {}
    with filling(library, name) as into_gallery:
        found, placed = _sorted(library, into_gallery, uploads, chosen, budget)
    for album in found.albums:
        if not found.of(album.name):
            say(f'No photo fits the album "{printable(album.name)}".')
    if target is not None:
        _write(found, placed, folders, links is not None)
    if as_json:
        write_json(found.table())
    else:
        typer.echo("\n".join(table_lines(found)))
    if not found.photos:
        say("None of these photos could be read.")
        raise typer.Exit(1)


def table_lines(found: SortedGallery) -> list[str]:
    """The albums as a table, for a person."""
    from engine.albums.album import NONE

    rows = [(album.name, found.of(album.name)) for album in found.albums] + [(NONE, found.of(None))]
    width = max(len(name) for name, _ in rows)
    lines = [f"{'album':{width}}  photos   sure"]
    for name, photos in rows:
        sure = f"{sum(photo.probability for photo in photos) / len(photos):4.0%}" if photos else "   -"
        lines.append(f"{printable(name):{width}}  {len(photos):6}   {sure}")
    return [*lines, f"Sorted with {found.mean_macs_share:.0%} of the full compute, {found.looked} looked at again."]


def _wanted(into: list[str], file: Path | None) -> AlbumSet:
    """The albums that the options name; raises AlbumsRejected."""
    from engine.albums.album import AlbumSet, album_of
    from engine.albums.yaml_file import read_albums

    return AlbumSet((*(read_albums(file) if file is not None else ()), *map(album_of, into)))


def _with_moves(library: Library, gallery: str, wanted: AlbumSet) -> AlbumSet:
    """The albums with what was moved into them by hand; the gallery's own where the options name none."""
    from engine.albums.album import AlbumSet
    from engine.gallery.albums import list_albums
    from engine.gallery.galleries import find_gallery

    known = find_gallery(library, gallery)
    kept = list_albums(library, known) if known is not None else AlbumSet()
    if not wanted.albums:
        if not kept.albums:
            raise EngineError('Say into which albums: --into "receipts" --into "people at a party", or --albums FILE.')
        return kept
    names = {album.name.casefold(): album.name for album in wanted.albums}
    moves = tuple(
        replace(move, album=None if move.album is None else names[move.album.casefold()])
        for move in kept.moves
        if move.album is None or move.album.casefold() in names
    )
    return AlbumSet(wanted.albums, moves)


def _sorted(
    library: Library, gallery: int, uploads: list[Upload], albums: AlbumSet, budget: float | None
) -> tuple[SortedGallery, list[Upload]]:
    """Index what is new, sort all, and leave out what the gallery holds of other folders.

    Returns: the photos sorted, and the file of each.
    """
    from engine.exits.budget import BUDGET_GRID, DEFAULT_BUDGET
    from engine.gallery.albums import sort_gallery
    from engine.gallery.ingest import ingest_files

    row, hashes = library.collection(gallery), list[str]()
    with progress_bar("photos") as show:
        report = ingest_files(
            library,
            gallery,
            uploads,
            budget=BUDGET_GRID[0] if row.budget is None else None,
            on_progress=lambda now: show(now.done, now.total),
            encode=_noting(hashes),
        )
    say_skipped(report)
    # The least budget is the one that photos are indexed at here: nobody chose it for the gallery.
    kept = row.budget if row.budget is not None and row.budget > BUDGET_GRID[0] else DEFAULT_BUDGET
    aim = kept if budget is None else budget
    with progress_bar("second looks") as show:
        looked = set[int]()

        def tell(photos: list[int]) -> None:
            looked.update(photos)
            show(len(looked), 0)

        found = sort_gallery(library, gallery, albums, aim, tell)
    pairs = list(_named(found, uploads, hashes))
    photos = tuple(photo for photo, _ in pairs)
    mean = sum(photo.macs_share for photo in photos) / len(photos) if photos else 0.0
    return replace(found, photos=photos, mean_macs_share=mean), [upload for _, upload in pairs]


def _noting(hashes: list[str]) -> EncodeFiles:
    """Encodes in this process, and notes what is in each file, in their order; "" for one that was left out."""
    from engine.ingest.decode import Skipped
    from engine.ingest.pipeline import Encoded, encode_here

    def encode(uploads: Sequence[Upload], known: Known, encoder: Encoder, budget: float | None) -> Iterator[list[Made]]:
        for batch in encode_here(uploads, known, encoder, budget):
            photos = (made.photo if isinstance(made, Encoded) else made for made in batch)
            hashes.extend("" if isinstance(photo, Skipped) else photo.content_hash for photo in photos)
            yield batch

    return encode


def _named(found: SortedGallery, uploads: list[Upload], hashes: list[str]) -> Iterator[tuple[SortedPhoto, Upload]]:
    """The photo of every file of the folder, by what is in it; files of one content share one."""
    by_hash = {photo.content_hash: photo for photo in found.photos}
    for upload, content_hash in zip(uploads, hashes, strict=True):
        if content_hash in by_hash:
            yield replace(by_hash[content_hash], file=upload.name), upload


def _write(found: SortedGallery, uploads: list[Upload], folders: dict[str | None, Path], link: bool) -> None:
    """Write the albums' folders, and say what was done.

    Args: uploads: the file of each photo.
    """
    from engine.gallery.album_folders import write_albums

    files = zip(uploads, (photo.album for photo in found.photos), strict=True)
    with progress_bar("files") as show:

        def told() -> Iterator[tuple[Upload, str | None]]:
            for number, file in enumerate(files, start=1):
                yield file
                show(number, len(uploads))

        done: Written = write_albums(told(), folders, link)
    for name, reason in done.left_out:
        say(f"leaving out {printable(name)}: {reason}")
    say(f"{done.written} files written, {done.there} were there already.")
    if done.others:
        say(f"Beside them lie {done.others} others, of an earlier sort, say; name a new folder to have these alone.")
