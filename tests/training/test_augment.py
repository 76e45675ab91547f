import torch

from engine.training.augment import random_views


def test_views_are_of_the_asked_size_and_range_and_repeatable() -> None:
    pixels = torch.randint(0, 256, (4, 3, 40, 40), dtype=torch.uint8)
    first = random_views(pixels, 24, torch.Generator().manual_seed(1))
    again = random_views(pixels, 24, torch.Generator().manual_seed(1))
    other = random_views(pixels, 24, torch.Generator().manual_seed(2))
    assert first.shape == (4, 3, 24, 24)
    assert first.min() >= 0
    assert first.max() <= 1
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_a_red_photo_stays_red() -> None:
    red = torch.zeros(8, 3, 32, 32, dtype=torch.uint8)
    red[:, 0] = 200
    views = random_views(red, 16, torch.Generator().manual_seed(0))
    assert (views[:, 0] > views[:, 1] + 0.3).all()
