import numpy as np
import pytest
import torch

from engine.evaluation import captioned_set
from engine.evaluation.captioned_set import CaptionedSet
from tests import tiny_models
from tests.evaluation.test_evaluate import MANY, features_of


def test_a_smaller_input_is_read_by_the_models_own_projection(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = tiny_models.encoder("efficientnet", opens=((0,),))
    for k in range(len(encoder.modules.projections)):
        torch.nn.init.normal_(
            encoder.modules.get_parameter(f"projections.{k}.weight")
        )  # the ladder's own readouts say something else
    size = encoder.passes[0].size
    monkeypatch.setattr(captioned_set, "SIZES", (size, encoder.backbone.size))
    features = features_of(encoder)
    (smaller,) = CaptionedSet(encoder, features, features).smaller_inputs
    assert smaller.size == size
    assert 0 < smaller.macs_share < 1
    assert np.allclose(
        smaller.vectors, encoder.read_at(tiny_models.pixels(MANY, encoder.backbone.size), size), atol=1e-5
    )
    assert not np.allclose(smaller.vectors, features.vectors[:, 0].numpy(), atol=1e-2)


def test_without_a_smaller_model_there_are_no_rows_of_one() -> None:
    encoder = tiny_models.encoder()
    features = features_of(encoder)
    assert CaptionedSet(encoder, features, features).smaller_models == []
