import math

import pytest

from engine.clip.macs import count_macs
from engine.exits.encoder import Encoder, Standing
from engine.exits.modules import HEAD
from tests import tiny_models
from tests.exits.ladders import MIXED, made, photos, standing

BEHIND, PASSES = MIXED[1:3]


@pytest.fixture
def unfused(monkeypatch: pytest.MonkeyPatch) -> None:
    """All operations can be counted."""
    for module in ("backbone", "fuse"):
        monkeypatch.setattr(f"engine.clip.{module}.can_fuse", lambda dtype: False)


def ran(encoder: Encoder, to: int, left: Standing | None = None) -> int:
    """MACs of all that runs when a photo is sent to an exit."""
    return count_macs(lambda: encoder.deepen(photos(encoder, 1), to, left))


def test_what_a_way_is_said_to_cost_is_what_runs(unfused: None) -> None:
    plain = tiny_models.encoder(sizes=(32,), every=2)  # a transformer behind a smaller tower
    for encoder in (plain, plain.looking_for(("a boat", "red dog"))):
        for end in range(1, encoder.exits + 1):
            assert ran(encoder, end) == encoder.exit_macs[end - 1]
            for start in range(1, end):
                left = standing(encoder.deepen(photos(encoder, 1), start))
                said = encoder.ladder.onward[int(left.maps is not None), start - 1, end - 1]
                assert ran(encoder, end, left) / encoder.full_macs == said


def test_phrases_cost_a_margin_in_place_of_the_gates_that_they_replace(unfused: None) -> None:
    encoder = tiny_models.encoder()  # its own: others have the bank laid out
    named, trace = encoder.looking_for(("a boat",)), encoder.trace(photos(encoder, 1))
    texts = tiny_models.DIM * len(tiny_models.BANK)
    gated = encoder.exits - 1
    gates = count_macs(lambda: encoder.decide(trace)) - gated * texts
    assert gates > 0
    described, margins = encoder.exits * tiny_models.DIM, gated * (texts + tiny_models.DIM)
    assert named.full_macs == encoder.full_macs + described + margins - gates


def test_passes_of_smaller_towers_come_first_and_end_in_an_exit() -> None:
    encoder = made(PASSES)
    assert [(p.tower, p.size, p.exit_after) for p in encoder.passes] == [
        (0, 32, {HEAD: 0}),
        (1, 48, {HEAD: 1}),
        (-1, 64, {HEAD: 2}),
    ]
    assert [s.exit for s in encoder.stages if s.exit] == [1, 2, 3]
    assert [s.pass_number for s in encoder.stages if s.name == HEAD] == [0, 1, 2]
    own = made(BEHIND).passes[-1]
    assert (own.size, list(own.exit_after.values())) == (32, [1, 2, 3])


def test_at_the_end_of_a_pass_a_picture_is_needed_and_within_one_a_map() -> None:
    ladder = made(BEHIND).ladder  # a smaller tower's pass, then exits within the transformer's
    assert [shape is None for shape in ladder.shapes] == [True, False, False, True]
    for from_map in (True, False):
        assert ladder.goes_on(1, from_map)
        assert ladder.needs_picture(1, from_map)
    assert (ladder.goes_on(2, True), ladder.needs_picture(2, True)) == (True, False)
    assert (ladder.goes_on(2, False), ladder.needs_picture(2, False)) == (False, True)


@pytest.mark.parametrize("name", MIXED)
def test_the_way_on_costs_the_missing_passes_in_full_encodings(name: str) -> None:
    encoder = made(name)
    shares = [macs / encoder.full_macs for macs in encoder.exit_macs]
    without, with_maps = encoder.ladder.onward
    for start in range(encoder.exits):
        for end in range(encoder.exits):
            if end <= start:
                assert math.isinf(with_maps[start, end])
                assert math.isinf(without[start, end])
                continue
            assert with_maps[start, end] == pytest.approx(shares[end] - shares[start])
            before = shares[start] if encoder.ladder.shapes[start] is None else 0
            assert without[start, end] == pytest.approx(shares[end] - before)
