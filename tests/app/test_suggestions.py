from dataclasses import replace

from app.suggestions import suggestions
from engine.gallery import Photo
from tests.app.shown_examples import PHOTO


def seen(*nearest: tuple[str, float]) -> Photo:
    return replace(PHOTO, nearest_texts=((("a start", 0.9),), (), tuple(nearest)))


def test_what_photos_were_taken_for_most_often_comes_first_then_what_fitted_best() -> None:
    photos = [
        seen(("a cat", 0.9), ("a dog", 0.1)),
        seen(("a beach", 0.3)),
        seen(("a beach", 0.2)),
        seen(("a dog", 0.4)),
    ]
    assert suggestions(photos, 3) == ["a beach", "a cat", "a dog"]
    assert suggestions(photos, 1) == ["a beach"]


def test_photos_that_no_text_was_compared_with_suggest_nothing() -> None:
    assert suggestions([replace(PHOTO, nearest_texts=((), ()))], 5) == []
