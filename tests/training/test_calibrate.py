import pytest
import torch

from engine.exits.calibration import EXACT
from engine.training import calibrate
from engine.training.calibrate import fit_calibrations


def test_a_calibration_is_the_line_through_the_photos_that_a_text_ranks_high(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrate, "RANKED", 4)
    # Of one text. The fifth photo ranks low because all texts fit it, the sixth because its cosine is low.
    early = torch.tensor([0.8, 0.8, 0.6, 0.6, 0.9, 0.1])
    final = torch.tensor([0.75, 0.45, 0.85, 0.55, 0.0, 1.0])
    fits = torch.tensor([[0.1, 0.1], [0.2, 0.1], [0.1, 0.2], [0.2, 0.2], [0.4, 0.4], [0.0, 0.0]])
    vectors = torch.stack([early, final], 1)[..., None]
    first, last = fit_calibrations(vectors, torch.ones(1, 1), fits, 2.0)
    # Final scores with twice the early affinity given back: 0.75 and 0.65 where 0.8 was, 0.65 and 0.55 where 0.6 was.
    assert (first.slope, first.offset, first.deviation) == pytest.approx((0.5, 0.3, 0.05), abs=1e-5)
    assert last == EXACT
