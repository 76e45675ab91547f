import pytest

from engine.utils.file_names import LONGEST, safe_name


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("a/b", "a_b"),
        ("what?", "what_"),
        ("CON", "_CON"),
        ("lpt1.txt", "_lpt1.txt"),
        ("con .jpg", "_con .jpg"),
        ("COM¹.jpg", "_COM¹.jpg"),
        ("conin$", "_conin$"),
        ("console.jpg", "console.jpg"),
        ("dots...", "dots"),
        ("..", "_"),
    ],
)
def test_names_are_safe_on_windows(name: str, safe: str) -> None:
    assert safe_name(name) == safe


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("z" * 130 + ".jpg", "z" * 130 + ".jpg"),
        ("z" * 300 + ".jpeg", "z" * 195 + ".jpeg"),
        ("\u5199" * 82 + ".jpg", "\u5199" * 65 + ".jpg"),
        ("\N{OTTER}" * 80, "\N{OTTER}" * 50),
        ("a. " + "z" * 300, "a. " + "z" * 197),
        ("a" * 199 + " b", "a" * 199),
        ("\udcff", "_"),
        ("a.\udcffjpg", "a.jpg"),
    ],
    ids=[
        "fits",
        "long",
        "three bytes each",
        "four bytes each",
        "a sentence",
        "ends in a space",
        "no text",
        "no suffix",
    ],
)
def test_long_names_keep_their_suffix_and_fit_every_disk(name: str, safe: str) -> None:
    assert safe_name(name) == safe
    assert len(safe.encode()) <= LONGEST
