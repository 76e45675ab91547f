"""What a query's candidates are read as after fitting, on embeddings whose truth is known."""

import pytest
import torch
import torch.nn.functional as F

from engine.exits.calibration import EXACT, Calibration, certainty_equivalent
from engine.exits.modules import Exit, ExitModules
from engine.exits.query_gate import Described, QueryGate, described, missed, relations
from engine.training import query_gates
from engine.training.features import Features
from engine.training.query_gates import fit_calibrations, fit_query_gates

DIM, MANY, SHARPNESS = 16, 80, 20.0


@pytest.fixture
def photos() -> Features:
    """Photos seen once through noise and once clearly, and two texts of each."""
    torch.manual_seed(0)
    clear = F.normalize(torch.randn(MANY, DIM), dim=1)
    vague = F.normalize(clear + 0.15 * torch.randn(MANY, DIM), dim=1)
    owner = torch.arange(MANY).repeat_interleave(2)
    texts = F.normalize(clear[owner] + 0.2 * torch.randn(2 * MANY, DIM), dim=1)
    return Features([torch.zeros(MANY, 4)], torch.stack([vague, clear], 1), texts, owner)


def likelihood(gate: QueryGate, photos: Features, told: Calibration, guides: torch.Tensor) -> float:
    scores, places, _ = query_gates.candidates(photos, 0)
    expected = told.slope * scores + told.offset
    seen = described(photos.vectors[:, 0], guides, SHARPNESS)
    asked = described(photos.texts, guides, SHARPNESS)
    with torch.no_grad():
        shift, factor = gate(
            relations(expected, photos.texts, asked, Described(seen.shape[places], seen.meaning[places]))
        )
    return -float(missed(expected + shift, told.deviation * factor, places == photos.owner[:, None], SHARPNESS))


def test_calibrations_foretell_full_depth(photos: Features) -> None:
    told, last = fit_calibrations(photos)
    scores, _, deep = query_gates.candidates(photos, 0)
    assert float((deep - told.slope * scores - told.offset).mean()) == pytest.approx(0, abs=1e-5)
    assert 0 < told.deviation < float((deep - scores).std()) * 1.01
    assert last.deviation == 0


def test_a_calibration_tells_the_score_at_full_depth() -> None:
    torch.manual_seed(2)
    full = F.normalize(torch.randn(40, DIM), dim=1)
    features = Features([], torch.stack([full * 0.5, full], 1), full, torch.arange(40))  # half as long: half the score
    early, last = fit_calibrations(features)
    assert [early.slope, early.offset] == pytest.approx([2, 0], abs=1e-4)
    assert early.deviation == pytest.approx(0, abs=1e-4)
    assert last == EXACT


def test_captions_make_their_own_photos_likelier(photos: Features, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_gates, "STEPS", 60)
    guides = F.normalize(torch.randn(20, DIM), dim=1)
    found = {}
    for captioned in (True, False):
        modules = ExitModules([Exit("a", 4)], DIM)
        told = fit_calibrations(photos)
        fit_query_gates(modules, photos, told, guides, SHARPNESS, 1, captioned)
        gate = modules.query_gates[0]
        assert isinstance(gate, QueryGate)
        found[captioned] = likelihood(gate, photos, told[0], guides)
    assert found[True] > found[False]


def test_a_reading_is_fitted_to_the_doubt_that_a_ranking_believes() -> None:
    expected, deviations = torch.tensor([[0.1, 0.12]]), torch.tensor([[0.5, 0.02]])
    own = torch.tensor([[True, False]])
    scores = certainty_equivalent(expected.numpy(), deviations.numpy(), SHARPNESS)
    told = -torch.from_numpy(SHARPNESS * scores).log_softmax(1)[0, 0]
    assert float(missed(expected, deviations, own, SHARPNESS)) == pytest.approx(float(told), abs=1e-5)


def test_candidates_that_miss_the_one_asked_for_do_not_count() -> None:
    expected, deviations = torch.tensor([[0.1, 0.0], [0.5, 0.0]]), torch.zeros(2, 2)
    own = torch.tensor([[True, False], [False, False]])
    assert float(missed(expected, deviations, own, 20.0)) == pytest.approx(float(torch.tensor(-2.0).exp().log1p()))
    assert float(missed(expected, deviations, torch.zeros(2, 2, dtype=torch.bool), 20.0)) == 0
