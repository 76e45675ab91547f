"""Albums as people type and change them; every mistake is a sentence."""

from dataclasses import replace
from pathlib import Path

import pytest

from engine.albums.album import KINDS, Album, AlbumSet, AlbumsRejected, album_of
from engine.albums.yaml_file import read_albums

LONG = "fog over a river " * 5 + "in the morning"
DOGS, PEOPLE = Album("dogs", ("a dog", "a puppy")), Album("people", ("people",))


@pytest.mark.parametrize(
    ("line", "album"),
    [
        ("receipts", Album("receipts", ("receipts",))),
        ("  people at a  party ", Album("people at a party", ("people at a party",))),
        ("dogs: a dog, a puppy, not a wolf", Album("dogs", ("a dog", "a puppy"), "a wolf")),
        ("a man, running", Album("a man, running", ("a man, running",))),
        ("twice: a, a", Album("twice", ("a",))),
        ("night, not day", Album("night", ("night",), "day")),
        (f"{LONG}, at last", Album(f"{LONG[:78]}…", (f"{LONG} at last",))),
    ],
)
def test_a_line_is_an_album_and_the_other_way_round(line: str, album: Album) -> None:
    assert album_of(line) == album
    assert album_of(album.line()) == album


@pytest.mark.parametrize("name", KINDS)
def test_a_wide_name_alone_stands_for_kinds_that_can_be_seen(name: str) -> None:
    album = album_of(f" {name.capitalize()}")
    assert (album.name, album.phrases) == (name.capitalize(), tuple(KINDS[name].split(", ")))
    assert album_of(album.line()) == album
    assert album_of(f"{name}: a koala").phrases == ("a koala",)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("", "needs a name"),
        (": a dog", "needs a name"),
        ("dogs: ", "is empty"),
        ("dogs: a dog,, a cat", "is empty"),
        ("dogs: not a cat", "has no phrase"),
        ("not a cat", "has no phrase"),
        ("dogs: a, not b, not c", "one is possible"),
        ("x" * 81 + ": x", "is over 80 characters"),
        ("a: " + "x" * 201, "is over 200 characters"),
        ("None of these", "choose another name"),
        ("in doubt: fog", "choose another name"),
        ("many: " + "x," * 500, "has 501 phrases; 200 are possible at most"),
    ],
)
def test_mistakes_are_sentences(line: str, sentence: str) -> None:
    with pytest.raises(AlbumsRejected, match=sentence):
        album_of(line)


def test_a_file_says_what_a_line_does(tmp_path: Path) -> None:
    file = tmp_path / "albums.yaml"
    file.write_text("2024: a party\nyes: [2025-01-01, 3]\nAnimals:\ndogs: {not: [a wolf]}\ncats: {not: }\n", "utf-8")
    assert read_albums(file) == (
        Album("2024", ("a party",)),
        Album("yes", ("2025-01-01", "3")),
        album_of("Animals"),
        Album("dogs", ("dogs",), "a wolf"),
        Album("cats", ("cats",)),
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("- a list", "names no albums"),
        ("reds: [red, '']", "is empty"),
        ("reds: [", "is not YAML"),
        ("reds: [red, {a: b}]", "is written otherwise"),
        ("!!python/object/apply:os.system [ls]", "is not YAML"),
        ("reds: {phrase: red}", "is written otherwise"),
        ("reds: {phrases: red, not: [blue, green]}", 'The album "reds" has 2 phrases with "not"; one is possible.'),
        ("reds: red\nblues: blue\nreds: a rose", 'names "reds" twice'),
        ("a: &x [p]\nb: [*x, *x]", "is written otherwise"),
        ("[" * 5000, "is not YAML"),
        ("reds: !!timestamp red", "is not YAML"),
        ("reds: !!bool red", "is not YAML"),
        ("reds: !!int ''", "is not YAML"),
    ],
)
def test_files_that_hold_no_albums_are_sentences(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "albums.yaml").write_text(text, "utf-8")
    with pytest.raises(AlbumsRejected, match=sentence):
        read_albums(tmp_path / "albums.yaml")


def test_two_albums_of_one_name_and_too_many_phrases_are_refused() -> None:
    with pytest.raises(AlbumsRejected, match='Two albums are named "dogs"'):
        AlbumSet((DOGS, Album("Dogs", ("x",))))
    with pytest.raises(AlbumsRejected, match="500 phrases"):
        AlbumSet((Album("many", tuple(map(str, range(500)))),))
    with pytest.raises(AlbumsRejected, match="100 albums at most"):
        AlbumSet(tuple(Album(str(n), ("x",)) for n in range(101)))


def test_a_name_that_was_cut_off_a_phrase_replaces_no_other_album() -> None:
    albums = AlbumSet().with_albums([album_of(f"{LONG} in summer")])
    assert albums.albums[0].phrases == (f"{LONG} in summer",)
    assert albums.with_albums([album_of(f"{LONG} in summer")]) == albums
    with pytest.raises(AlbumsRejected, match="put a short name"):
        albums.with_albums([album_of(f"{LONG} in winter")])


def test_moves_go_along_with_their_albums() -> None:
    albums = AlbumSet((DOGS, PEOPLE)).moved([1, 2], "Dogs").moved([2], "people").moved([3], None)
    assert albums.by_hand() == {1: "dogs", 2: "people", 3: None}
    assert albums.renamed("dogs", "hounds").by_hand() == {1: "hounds", 2: "people", 3: None}
    merged = albums.merged("dogs", "people")
    assert merged.albums == (Album("people", ("people", "a dog", "a puppy"), merged=(1, 2)),)
    assert merged.by_hand() == {1: "people", 2: "people", 3: None}
    assert albums.deleted("people").by_hand() == {1: "dogs", 2: "dogs", 3: None}


def test_an_album_that_is_gone_is_a_sentence() -> None:
    albums = AlbumSet((DOGS, PEOPLE))
    for change in (
        lambda: albums.moved([1], "cats"),
        lambda: albums.deleted("cats"),
        lambda: albums.renamed("cats", "x"),
        lambda: albums.merged("cats", "dogs"),
    ):
        with pytest.raises(AlbumsRejected, match='no album "cats"'):
            change()
    with pytest.raises(AlbumsRejected, match="into itself"):
        albums.merged("dogs", "dogs")
    with pytest.raises(AlbumsRejected, match='an album "People" already'):
        albums.renamed("dogs", "People")
    assert albums.renamed("dogs", "Dogs").albums[0].name == "Dogs", "which is its own name"


def test_albums_given_again_take_their_place_and_keep_their_moves() -> None:
    albums = AlbumSet((DOGS, PEOPLE)).moved([1], "dogs")
    again = albums.with_albums([Album("Dogs", ("a hound",)), Album("cats", ("a cat",))])
    assert [album.name for album in again.albums] == ["dogs", "people", "cats"]
    assert again.albums[0].phrases == ("a hound",)
    assert again.by_hand() == {1: "dogs"}
    assert albums.with_albums([replace(DOGS, name="DOGS", phrases=("A Dog", "a puppy"))]) == albums
