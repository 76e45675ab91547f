"""Scores of candidates that left at different exits, for queries of texts and of pictures."""

import math

import numpy as np
import pytest

from engine.exits.calibration import EXACT, Calibration
from engine.exits.scorer import CandidateScorer

TABLE = (Calibration(0.8, 0.05, 0.04), Calibration(0.9, 0.02, 0.02), EXACT)
EXITS = np.array([0, 1, 2, 0])
AFFINITY = np.array([0.3, 0.2, 0.25, 0.1])


@pytest.fixture
def scorer() -> CandidateScorer:
    return CandidateScorer(TABLE, 0.5, 20.0)


@pytest.fixture
def cosines() -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (3, len(EXITS)))  # of three queries


def test_what_calibrations_expect_is_lifted_by_their_doubt() -> None:
    sharpness = 8 * math.log(2)  # an eighth makes a photo twice as likely
    doubtful = CandidateScorer((Calibration(0.9, 1 / 8, 1 / 8), EXACT), 0.0, sharpness)
    slopes, offsets = doubtful.lines(np.arange(2), np.zeros(2))
    assert slopes.tolist() == [0.9, 1]
    assert offsets * 8 == pytest.approx(np.array([1.3466, 0]), abs=1e-4)


def test_a_score_is_calibrated_and_lowered_by_what_all_texts_fit(scorer: CandidateScorer) -> None:
    found = scorer.estimate(np.array([0.5, 0.5, 0.5]), np.array([0, 0, 2]), np.array([0.0, 0.2, 0.2]))
    assert found.expected.tolist() == pytest.approx([0.45, 0.35, 0.4])
    assert found.deviations.tolist() == [0.04, 0.04, 0.0]


def test_full_depth_without_affinity_is_the_cosine(cosines: np.ndarray) -> None:
    plain = CandidateScorer(TABLE, 0.0, 20.0)
    last = np.full(len(EXITS), 2)
    np.testing.assert_array_equal(plain.rank_scores(plain.estimate(cosines, last, AFFINITY)), cosines)


def test_pictures_are_compared_as_they_are(scorer: CandidateScorer, cosines: np.ndarray) -> None:
    found = scorer.estimate(cosines, EXITS, AFFINITY, picture=True)
    np.testing.assert_allclose(found.expected, cosines * np.array([0.8, 0.9, 1, 0.8]))
    np.testing.assert_array_equal(found.expected, scorer.estimate(cosines, EXITS, AFFINITY * 3, picture=True).expected)
    assert scorer.estimate(np.ones(1), EXITS[2:3], AFFINITY[2:3], picture=True).expected == [1]


def test_estimates_are_free_to_be_changed(scorer: CandidateScorer, cosines: np.ndarray) -> None:
    scorer.estimate(cosines, EXITS, AFFINITY).deviations[:] = 9
    assert scorer.estimate(cosines, EXITS, AFFINITY).deviations.max() == 0.04


def test_no_candidates_are_no_error(scorer: CandidateScorer) -> None:
    none = np.zeros(0)
    assert scorer.rank_scores(scorer.estimate(none, none.astype(int), none)).shape == (0,)
    assert [part.shape for part in scorer.lines(none.astype(int), none)] == [(0,), (0,)]


def test_scores_of_usual_photos_stay_of_the_size_of_cosines(cosines: np.ndarray) -> None:
    usual = CandidateScorer(TABLE, 0.5, 20.0, usual_affinity=0.25)
    last, fits = np.full(len(EXITS), 2), np.full(len(EXITS), 0.25)
    np.testing.assert_allclose(usual.estimate(cosines, last, fits).expected, cosines)
    slopes, offsets = usual.lines(last, fits)
    np.testing.assert_allclose(slopes * cosines + offsets, cosines)
