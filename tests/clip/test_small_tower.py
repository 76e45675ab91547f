from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from engine.clip.device import smaller
from engine.clip.macs import count_macs
from engine.clip.small_tower import LAST_MAP, scout_tower
from engine.exits.checkpoint import FittedExits, load_exits, save_exits, sight_hash
from engine.exits.encoder import Encoder
from engine.exits.modules import HEAD, Exit, ExitModules
from tests import tiny_models

OPENS = ((0,), (1, 3), (4, 5))  # the scout's first pass; its second and the tower's own of that size; along the depth


@pytest.fixture(scope="module")
def scouted() -> Encoder:
    return tiny_models.encoder("efficientnet", opens=OPENS, scout=True)


def tower_of(encoder: Encoder) -> nn.Module:
    assert encoder.modules.scout is not None
    return encoder.modules.scout


def test_it_reads_inputs_of_any_size_into_the_models_space() -> None:
    tower = scout_tower(16).eval()
    with torch.no_grad():
        assert [tower(torch.zeros(2, 3, size, size)).shape for size in (32, 64)] == [(2, 16), (2, 16)]
        assert tower.trunk.forward_features(torch.zeros(1, 3, 64, 64)).shape[1] == 1280
        assert (
            tower.trunk.blocks(tower.trunk.bn1(tower.trunk.conv_stem(torch.zeros(1, 3, 64, 64)))).shape[1] == LAST_MAP
        )


def test_its_passes_are_its_own_where_the_models_tower_has_one_of_the_same_size(scouted: Encoder) -> None:
    assert [(p.size, p.scout) for p in scouted.passes] == [
        (32, True),
        (48, True),
        (32, False),
        (48, False),
        (64, False),
    ]
    runs = [stage.run for stage in scouted.stages]
    assert runs == sorted(runs)
    assert set(runs) == set(range(5))
    assert [stage.exit for stage in scouted.stages if stage.exit] == list(range(1, scouted.exits + 1))


def test_the_end_of_its_pass_is_its_own_embedding_of_the_smaller_photo(scouted: Encoder) -> None:
    pixels = tiny_models.pixels(4, scouted.backbone.size)
    small = scouted.backbone.normalise(smaller(torch.from_numpy(pixels), 48))
    with torch.no_grad():
        wanted = F.normalize(tower_of(scouted)(small), dim=-1)
    assert np.allclose(scouted.encode_to(pixels, 2), wanted.numpy(), atol=1e-5)


def test_rows_of_every_course_get_the_embedding_of_their_exit(scouted: Encoder) -> None:
    pixels = tiny_models.pixels(32, scouted.backbone.size, seed=1)
    straight = {exit: scouted.encode_to(pixels, exit) for exit in range(1, scouted.exits + 1)}
    left = set()
    for budget in (0.2, 0.6, 1.0):
        for row, encoding in enumerate(scouted.encode(pixels, budget)):
            left.add(encoding.exit)
            assert encoding.vector == pytest.approx(straight[encoding.exit][row], abs=1e-5)
    assert {1, 2} <= left
    assert max(left) == scouted.exits


def test_a_photo_that_stays_pays_for_both_towers(scouted: Encoder) -> None:
    small, *_, whole = ([s.macs for s in scouted.stages if s.run == run] for run in range(5))
    tower, looked = tower_of(scouted), tiny_models.DIM * len(tiny_models.GUIDES)
    assert sum(small) == count_macs(lambda: tower(torch.zeros(1, 3, 32, 32)))
    assert [s.scout for s in scouted.stages if s.run in (0, 4)] == [True] * len(small) + [False] * len(whole)
    first, *_, last = scouted.exit_macs((0,))
    gate = first - sum(small) - looked
    assert 0 < gate < sum(small)
    assert last == sum(small) + sum(whole) + gate + 2 * looked


def test_a_query_looks_again_through_the_models_own_tower_and_the_whole_input(scouted: Encoder) -> None:
    onward, costs = (of(from_map=True) for of in (scouted.ladder.onward, scouted.ladder.costs))
    whole = list(scouted.passes[-1].exits.values())
    before = [k for k in range(scouted.exits) if k not in whole]
    assert np.isfinite(costs[0, before[1:]]).all()
    assert np.isinf(onward[:, before]).all()
    assert (onward[:, whole] == costs[:, whole]).all()
    assert onward[0, -1] == scouted.cost_to(1, scouted.exits, True) / scouted.full_macs


def test_it_is_kept_with_the_exits_and_tells_their_sight_apart(scouted: Encoder, tmp_path: Path) -> None:
    fitted = FittedExits(scouted.modules, scouted.plans, scouted.calibrations)
    save_exits(tmp_path, fitted, "w")
    kept = load_exits(tmp_path, scouted.backbone, "w")
    assert kept is not None
    assert kept.modules.scout is not None
    weights, before = kept.modules.scout.state_dict(), tower_of(scouted).state_dict()
    assert all(torch.allclose(weights[name].float(), t.float(), atol=1e-2) for name, t in before.items())
    assert sight_hash(kept.modules) != sight_hash(ExitModules(kept.modules.exits, kept.modules.dim))


def test_exits_without_its_passes_come_without_it() -> None:
    assert ExitModules([Exit(HEAD, 20, size=32)], 16).scout is None
    assert not any("scout" in name for name in ExitModules([Exit("a", 20)], 16).state_dict())


def test_another_tower_sees_into_the_same_space(scouted: Encoder) -> None:
    found = scouted.backbone.seeing_through(scout_tower(scouted.dim), "other")
    assert found.name == "other"
    assert (found.dim, found.logit_scale) == (scouted.dim, scouted.backbone.logit_scale)
    assert found.step_macs != scouted.backbone.step_macs
