import math

import pytest
import torch

from engine.guidance import ONE_IN, Interest, content_distribution, divergence, read_guide_texts, statistics


def test_the_nearest_guide_text_gets_the_largest_share() -> None:
    guides = torch.eye(3)
    p = content_distribution(torch.tensor([[0.0, 1.0, 0.0]]), guides, sharpness=2.0)
    e = math.e**2
    assert p[0].tolist() == pytest.approx([1 / (2 + e), e / (2 + e), 1 / (2 + e)])


def test_divergence_by_hand() -> None:
    p, q = torch.tensor([[0.5, 0.5]]), torch.tensor([[0.25, 0.75]])
    assert divergence(p, q).item() == pytest.approx(0.5 * math.log(2) + 0.5 * math.log(2 / 3))
    assert divergence(torch.tensor([[1.0, 0.0]]), q).item() == pytest.approx(math.log(4))


def test_statistics_tell_a_settled_description_from_a_moving_one() -> None:
    sure, even = torch.tensor([[0.98, 0.01, 0.01]]), torch.full((1, 3), 1 / 3)
    peak, margin, entropy, moved, changed = statistics(sure, sure)[0].tolist()
    assert (peak, margin) == pytest.approx((0.98, 0.97))
    assert entropy < 0.15
    assert (moved, changed) == pytest.approx((0, 0), abs=1e-6)
    assert statistics(even, sure)[0, 2].item() == pytest.approx(1)
    other = torch.tensor([[0.01, 0.98, 0.01]])
    assert statistics(other, sure)[0, 3] > 4
    assert statistics(other, sure)[0, 4] == 1
    assert statistics(sure, None)[0, 3:].tolist() == [0, 1]


def test_a_photo_shows_what_fits_it_as_well_as_the_best_general_texts() -> None:
    angles = torch.linspace(0, math.pi / 2, 3 * ONE_IN)  # from level to vertical
    general = torch.stack([angles.cos(), angles.sin()], 1)
    phrase = general[-3:-2]  # among vertical photos' best three, and the worst of the level ones'
    interest = Interest(phrase, general)
    assert interest.shown_by(torch.tensor([[0.0, 1.0], [1.0, 0.0]])).tolist() == [True, False]
    assert not Interest(general[-4:-3], general).shown_by(torch.tensor([[0.0, 1.0]]))
    several = Interest(torch.cat([phrase, general[:1]]), general)
    assert several.shown_by(torch.tensor([[0.0, 1.0], [1.0, 0.0]])).all()
    assert interest.macs == 2 * (3 * ONE_IN + 1)


def test_comments_and_blank_lines_are_no_guide_texts(tmp_path) -> None:
    path = tmp_path / "guides.txt"
    path.write_text("# animals\na dog\n\n  a cat  \n")
    assert read_guide_texts(path) == ["a dog", "a cat"]
