import numpy as np
import pytest
import torch
import torch.nn.functional as F

from engine.clip.device import at_size
from engine.clip.macs import count_macs
from engine.clip.small_tower import LAST_MAP, small_tower
from engine.exits.checkpoint import sight_hash
from engine.exits.encoder import Encoder
from engine.exits.modules import ExitModules
from tests import tiny_models


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    """A transformer behind the pass of a smaller tower over a smaller input."""
    return tiny_models.encoder("convnext", sizes=(32,), every=0)


def test_every_trunk_reads_inputs_of_any_size_into_the_models_space() -> None:
    for trunk in LAST_MAP:
        tower = small_tower(trunk, 16).eval()
        with torch.no_grad():
            assert [tower(torch.zeros(2, 3, size, size)).shape for size in (32, 64)] == [(2, 16), (2, 16)]
            features = tower.trunk.blocks(tower.trunk.bn1(tower.trunk.conv_stem(torch.zeros(1, 3, 64, 64))))
        assert features.shape[1] == LAST_MAP[trunk]


def test_the_end_of_its_pass_is_its_own_embedding_of_the_smaller_photo(encoder: Encoder) -> None:
    pixels = tiny_models.pixels(4, encoder.backbone.size)
    small = encoder.backbone.normalise(at_size(torch.from_numpy(pixels), 32))
    with torch.no_grad():
        wanted = F.normalize(encoder.modules.towers[0](small), dim=-1)
    found = np.stack([e.vector for e in encoder.deepen(pixels, 1)])
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_what_its_pass_shows_is_the_embedding_and_the_last_map_pooled(encoder: Encoder) -> None:
    (seen,) = encoder.trace(tiny_models.pixels(2, encoder.backbone.size)).seen
    assert seen.shape == (2, encoder.dim + 2 * LAST_MAP["tf_efficientnet_lite0"]) == (2, encoder.modules.exits[0].seen)


def test_a_photo_that_goes_on_pays_for_both_towers(encoder: Encoder) -> None:
    tower, texts = encoder.modules.towers[0], encoder.bank.macs(encoder.dim)
    alone = count_macs(lambda: tower(torch.zeros(1, 3, 32, 32)))
    looked = encoder.exit_macs[0] - alone
    assert texts < looked < alone
    assert encoder.full_macs == alone + looked + sum(encoder.backbone.stage_macs) + texts


def test_its_weights_are_part_of_what_is_seen(encoder: Encoder) -> None:
    other = ExitModules(encoder.modules.exits, encoder.dim)
    before = sight_hash(other)
    assert before != sight_hash(encoder.modules)
    torch.nn.init.normal_(other.readouts[0].get_parameter("weight"))
    assert sight_hash(other) == before, "readouts say it in another way"


def test_another_tower_sees_into_the_same_space(encoder: Encoder) -> None:
    found = encoder.backbone.seeing_through(small_tower("tf_efficientnet_lite0", encoder.dim), "other")
    assert found.name == "other"
    assert (found.dim, found.logit_scale) == (encoder.dim, encoder.backbone.logit_scale)
    assert found.stage_macs != encoder.backbone.stage_macs
