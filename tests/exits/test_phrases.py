from pathlib import Path

import pytest

from engine.exits.phrases import (
    LONGEST_TYPED,
    MOST_LOOKED_FOR,
    MOST_TYPED,
    PhrasesUnusable,
    phrases_of,
    read_texts,
    typed_phrases,
)


def test_comments_and_blank_lines_are_no_texts(tmp_path: Path) -> None:
    path = tmp_path / "texts.txt"
    path.write_text("# animals\na dog\n\n  a cat  \na dog\n")
    assert read_texts(path) == ["a dog", "a cat", "a dog"]
    assert phrases_of(path) == ["a dog", "a cat"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read as phrases"),
        (b"\xff\xfe", "cannot be read as phrases"),
        (b"", "has 0 phrases"),
        (b"# nothing\n", "has 0 phrases"),
        (b"\n".join(b"%d" % i for i in range(MOST_LOOKED_FOR + 1)), f"has {MOST_LOOKED_FOR + 1} phrases"),
    ],
)
def test_a_file_that_names_no_phrases_or_too_many_is_one_sentence(
    content: bytes | None, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "phrases.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(PhrasesUnusable, match=rf"^{path} {reason}; name .+\.$"):
        phrases_of(path)


def test_typed_phrases_are_each_once_and_few_and_short() -> None:
    assert typed_phrases(" a dog \n\na cat\na dog\nA Dog") == ["a dog", "a cat"]
    assert typed_phrases("") == []
    assert len(typed_phrases("\n".join(map(str, range(MOST_TYPED))))) == MOST_TYPED
    with pytest.raises(PhrasesUnusable, match=f"{MOST_TYPED} at most"):
        typed_phrases("\n".join(map(str, range(MOST_TYPED + 1))))
    assert typed_phrases("x" * LONGEST_TYPED) == ["x" * LONGEST_TYPED]
    with pytest.raises(PhrasesUnusable, match="over 200 characters"):
        typed_phrases("x" * (LONGEST_TYPED + 1))
