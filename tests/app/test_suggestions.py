from dataclasses import replace

from app.suggestions import GALLERIES_KEPT, TextsOfGalleries, suggestions
from engine.gallery import Photo
from tests.app.shown_examples import PHOTO, SUMMARY


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


def test_texts_are_found_again_where_photos_have_come_and_kept_of_the_last_galleries_only() -> None:
    asked = list[int]()
    texts = TextsOfGalleries(lambda summary: asked.append(summary.id) or [f"{summary.photos} photos"])
    first = replace(SUMMARY, id=0, photos=3)
    assert [texts.of(first), texts.of(first), texts.of(replace(first, photos=4))] == [
        ["3 photos"],
        ["3 photos"],
        ["4 photos"],
    ]
    for id in range(1, GALLERIES_KEPT + 1):
        texts.of(replace(SUMMARY, id=id, photos=3))
    texts.of(replace(first, photos=4))
    assert asked == [0, 0, *range(1, GALLERIES_KEPT + 1), 0]
