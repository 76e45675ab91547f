"""Albums written in a YAML file: a name, and a phrase, a list of phrases, or `phrases` and `not`."""

from pathlib import Path
from typing import Any

import yaml

from engine.albums.album import Album, AlbumSet, AlbumsRejected, made

LONGEST = 1_000_000  # bytes of a file
FORM = "name: a phrase, or name: [a phrase, another one], or name: {phrases: [...], not: a phrase}"


def read_yaml(path: Path) -> Any:
    """What a YAML file holds, which may be a stranger's; raises AlbumsRejected."""
    try:
        with path.open("rb") as file:
            data = file.read(LONGEST + 1)
    except OSError as error:
        raise AlbumsRejected(f"{path} cannot be read ({error.strerror}); name a YAML file of albums.") from error
    if len(data) > LONGEST:
        raise AlbumsRejected(f"{path} is over {LONGEST // 1_000_000} MB; name a YAML file of albums.")
    try:
        return yaml.safe_load(data)
    except (yaml.YAMLError, RecursionError, ValueError) as error:  # ValueError: of a date that is none
        raise AlbumsRejected(f"{path} is not YAML; write {FORM}.") from error


def read_albums(path: Path) -> tuple[Album, ...]:
    """The albums of a file, at its top or below `albums`; raises AlbumsRejected."""
    found = read_yaml(path)
    if isinstance(found, dict) and isinstance(found.get("albums"), dict):
        found = found["albums"]
    if not isinstance(found, dict) or not found:
        raise AlbumsRejected(f"{path} names no albums; write {FORM}.")
    return AlbumSet(tuple(_album(name, said, path) for name, said in found.items())).albums


def _album(name: object, said: Any, path: Path) -> Album:
    unlike: Any = ""
    if isinstance(said, dict):
        if not said.keys() <= {"phrases", "not"}:
            raise AlbumsRejected(f'{path}: the album "{str(name)[:40]}" is written otherwise; write {FORM}.')
        said, unlike = said.get("phrases", name), said.get("not", "")
    if said is None:
        said = name
    return made(name, said if isinstance(said, list) else [said], unlike)
