"""Albums written in a YAML file: a name, and a phrase, a list of phrases, or `phrases` and `not`."""

from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from engine.albums.album import KINDS, Album, AlbumSet, AlbumsRejected, made

LONGEST = 1_000_000  # bytes of a file
FORM = "name: a phrase, or name: [a phrase, another one], or name: {phrases: [...], not: a phrase}"


class _Twice(yaml.YAMLError):
    """A key that stands twice in one place, of which YAML's reader would keep the last."""


class _Loader(yaml.SafeLoader):
    """Reads 2024, yes and 1.5 as the words that they are, too, and keeps null and merges."""

    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [found for found in resolvers if found[0] in ("tag:yaml.org,2002:null", "tag:yaml.org,2002:merge")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """The mapping of a node; raises YAMLError."""
        keys = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
        if twice := next((key for key, times in keys.items() if times > 1), None):
            raise _Twice(twice)
        return super().construct_mapping(node, deep)


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
        return yaml.load(data, _Loader)
    except _Twice as error:
        raise AlbumsRejected(f'{path} names "{str(error)[:40]}" twice in one place; give one another name.') from error
    # Of a value that is none of what its tag says, like a date, YAML's reader raises the other ones.
    except (yaml.YAMLError, RecursionError, ValueError, AttributeError, LookupError) as error:
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
    unlike: Any = []
    if isinstance(said, dict):
        if not said.keys() <= {"phrases", "not"}:
            raise AlbumsRejected(f'{path}: the album "{str(name)[:40]}" is written otherwise; write {FORM}.')
        said, unlike = said.get("phrases", name), said.get("not", [])
    if said is None:
        kinds = KINDS.get(str(name).strip().casefold())
        said = kinds.split(", ") if kinds else name
    lists = [phrases if isinstance(phrases, list) else [phrases] for phrases in (said, unlike)]
    if any(isinstance(phrase, dict | list) for phrases in lists for phrase in phrases):
        raise AlbumsRejected(f'{path}: the album "{str(name)[:40]}" is written otherwise; write {FORM}.')
    return made(name, *lists)
