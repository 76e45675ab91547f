from engine.gallery.rank_agreement import agreement


def test_the_same_ranking_agrees_throughout() -> None:
    found = agreement([3, 1, 2], [3, 1, 2])
    assert (found.shared, found.same_first, found.moves) == (3, True, (0, 0, 0))


def test_moves_count_the_places_that_the_full_encoder_moves_a_photo_up() -> None:
    found = agreement([1, 2, 3, 4], [2, 4, 1, 9], k=4)
    assert found.moves == (-2, 1, None, 2)
    assert found.shared == 3
    assert not found.same_first


def test_only_the_first_k_count() -> None:
    assert agreement([1, 2, 3], [3, 2, 1], k=1).shared == 0
    assert agreement([1, 2, 3], [3, 2, 1], k=2).full == (3, 2)


def test_nothing_agrees_with_nothing() -> None:
    assert agreement([], []).shared == 0
