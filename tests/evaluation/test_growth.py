import numpy as np
import pytest

from engine.evaluation.growth import KEPT, QUERIES, account, needs, seen_at
from engine.training.captions import Example
from tests import tiny
from tests.evaluation.test_evaluate import MANY, features_of


@pytest.fixture(scope="module")
def encoder():
    return tiny.encoder()


def test_a_larger_gallery_is_filled_up_with_photos_that_nobody_asks_for(encoder) -> None:
    features = features_of(encoder)
    others = features_of(encoder, seed=9).vectors[:, [0, -1]].numpy()
    rows = needs(encoder, features, others, 0, galleries=(MANY, 2 * MANY, 3 * MANY))
    assert [row["photos"] for row in rows] == [MANY, 2 * MANY]  # there are not enough for the third
    assert all(row["full_r10"] == 100 for row in rows)  # each text is its photo's own embedding
    for row in rows:
        assert row["topm"] <= row["photos"]
        assert row.get("kept", KEPT) >= KEPT


def test_others_are_seen_at_the_exit_and_at_full_depth(encoder, tmp_path, png) -> None:
    (tmp_path / "red.png").write_bytes(png("red", (encoder.backbone.size, encoder.backbone.size)))
    seen = seen_at(encoder, [Example(tmp_path / "red.png", (), "train")], 0)
    assert seen.shape == (1, 2, encoder.dim)
    np.testing.assert_allclose(np.linalg.norm(seen, axis=2), 1, atol=1e-5)
    assert seen_at(encoder, [], 0).shape == (0, 2, encoder.dim)


def test_a_gallery_pays_for_its_queries_and_never_twice_for_one_photo(encoder) -> None:
    rows = account(encoder, features_of(encoder), np.zeros(MANY, np.int64), share=0.3)
    own, told = [r for r in rows if "told" not in r], [r for r in rows if "told" in r]
    shares = [row["macs_share"] for row in own]
    assert shares == sorted(shares)
    assert shares[0] >= 0.3
    assert [row["queries"] for row in own] == [many for many in QUERIES if many <= MANY]
    assert [row["queries"] for row in told] == list(QUERIES)
    assert told[-1]["macs_share"] < shares[-1] or shares[-1] == pytest.approx(0.3, abs=1e-3)
