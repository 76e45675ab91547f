from pathlib import Path

import pytest

from engine.evaluation.albums import evaluate_albums
from engine.exits.encoder import Encoder
from engine.utils.errors import EngineError
from tests import tiny_models


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return tiny_models.encoder("efficientnet", sizes=(32,), every=2, joined=True)


def test_two_sets_of_one_name_are_refused_before_any_is_measured(encoder: Encoder, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="Two of the sets are called 'mine test'"):
        evaluate_albums([(tmp_path / "a" / "mine", "test"), (tmp_path / "b" / "mine", "test")], encoder, tmp_path)
