import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.clip.backbone import ModelUnreadable
from engine.clip.device import smaller
from engine.exits import loading
from engine.exits.batch import DeeperRun, Encoding
from engine.exits.budget import BUDGET_GRID
from engine.exits.checkpoint import FittedExits
from engine.exits.encoder import Encoder, Identity
from engine.exits.feature_map import FeatureMap
from engine.exits.loading import assembled, load_encoder
from engine.exits.modules import HEAD
from engine.storage.schema import stamp_of
from tests import tiny_models

MIDDLE = BUDGET_GRID[len(BUDGET_GRID) // 2]


@pytest.mark.parametrize("kind", tiny_models.SMALL)
def test_full_depth_is_the_models_own_embedding(kind: str) -> None:
    encoder = tiny_models.encoder(kind)
    photos = tiny_models.pixels(4, encoder.backbone.size)
    with torch.inference_mode():
        own = encoder.backbone.model.encode_image(encoder.backbone.normalise(torch.from_numpy(photos)), normalize=True)
    assert np.array_equal(encoder.encode_to(photos, encoder.exits), own.numpy())


def test_full_depth_of_the_embedded_model_is_open_clips(embedded: Encoder) -> None:
    encoder, photos = embedded, tiny_models.pixels(3, embedded.backbone.size)
    with torch.inference_mode():
        own = encoder.backbone.model.encode_image(encoder.backbone.normalise(torch.from_numpy(photos)), normalize=True)
    assert np.array_equal(encoder.encode_to(photos, encoder.exits), own.numpy())


def test_a_pass_over_a_smaller_input_says_what_the_tower_would_to_rounding(embedded: Encoder) -> None:
    encoder, photos = embedded, tiny_models.pixels(3, embedded.backbone.size)
    size = encoder.passes[0].size
    with torch.inference_mode():
        small = encoder.backbone.normalise(smaller(torch.from_numpy(photos), size))
        own = encoder.backbone.model.encode_image(small, normalize=True).numpy()
    assert size < encoder.backbone.size
    np.testing.assert_allclose(encoder.read_at(photos, size), own, atol=1e-5)


@pytest.mark.parametrize("budget", [0.5, 0.9, 1.0])
def test_the_embedded_models_packed_rows_get_the_embedding_of_their_exit(embedded: Encoder, budget: float) -> None:
    encoder, photos = embedded, tiny_models.pixels(8, embedded.backbone.size)
    found = encoder.encode(photos, budget)
    for exit in {e.exit for e in found}:
        rows = [row for row, e in enumerate(found) if e.exit == exit]
        vectors = np.stack([found[row].vector for row in rows])
        np.testing.assert_allclose(vectors, encoder.encode_to(photos, exit)[rows], atol=1e-5)


def test_packed_rows_get_the_embedding_of_their_exit() -> None:
    encoder = tiny_models.encoder()
    photos = tiny_models.pixels(24, encoder.backbone.size)
    found = encoder.encode(photos, MIDDLE)
    assert len({e.exit for e in found}) > 2, "the case must mix exits"
    for encoding, photo in zip(found, photos, strict=True):
        alone = encoder.encode_to(photo[None], encoding.exit)[0]
        np.testing.assert_allclose(encoding.vector, alone, atol=1e-5)


def test_rows_that_left_are_not_computed_any_further() -> None:
    encoder = tiny_models.encoder()
    photos = tiny_models.pixels(24, encoder.backbone.size)
    sizes: dict[str, int] = {}
    for name, block in zip(
        [s.name for s in encoder.stages[1:-1]], encoder.backbone.model.visual.transformer.resblocks, strict=True
    ):
        block.register_forward_pre_hook(lambda module, args, name=name: sizes.update({name: len(args[0])}))
    found = encoder.encode(photos, MIDDLE)
    for stage in encoder.stages[1:-1]:
        number = [s.name for s in encoder.stages].index(stage.name)
        still_in = sum(1 for e in found if [s.exit for s in encoder.stages].index(e.exit) >= number)
        assert sizes.get(stage.name, 0) == still_in


def test_costs_grow_with_depth_and_gates_are_paid_for() -> None:
    encoder = tiny_models.encoder()
    macs = encoder.exit_macs(encoder.plans[0].open)
    assert list(macs) == sorted(macs)
    assert macs[-1] > encoder.full_macs == encoder.forced_macs[-1]
    assert sum(stage.macs for stage in encoder.stages) == encoder.full_macs
    for encoding in encoder.encode(tiny_models.pixels(12, encoder.backbone.size)):
        assert encoding.macs == macs[encoding.exit - 1]


def test_what_is_stored_of_a_photo_covers_the_exits_it_reached() -> None:
    encoder = tiny_models.encoder()
    for e in encoder.encode(tiny_models.pixels(12, encoder.backbone.size)):
        assert e.gates.shape == (min(e.exit, encoder.exits - 1), len(BUDGET_GRID))
        assert len(e.phrases) == e.exit
        assert all(text in tiny_models.GUIDES for exit in e.phrases for text, _ in exit)
        assert e.milliseconds > 0


def test_a_thriftier_budget_never_goes_deeper() -> None:
    encoder = tiny_models.encoder()
    photos = tiny_models.pixels(24, encoder.backbone.size)
    depths = [[e.exit for e in encoder.encode(photos, budget)] for budget in BUDGET_GRID]
    for thrifty, costly in pairwise(depths):
        assert all(a <= b for a, b in zip(thrifty, costly, strict=True))
    assert depths[0] != depths[-1]


def test_stored_gates_foretell_a_thriftier_run() -> None:
    encoder = tiny_models.encoder()
    photos = tiny_models.pixels(24, encoder.backbone.size)
    rich, poor = encoder.encode(photos, 1.0), encoder.encode(photos, BUDGET_GRID[0])
    for deep, shallow in zip(rich, poor, strict=True):
        opened = np.flatnonzero(deep.gates[:, 0] >= 0.5)
        assert (opened[0] + 1 if len(opened) else deep.exit) == shallow.exit


def test_decide_agrees_with_encode() -> None:
    encoder = tiny_models.encoder()
    photos = tiny_models.pixels(24, encoder.backbone.size)
    _, exits = encoder.decide(encoder.trace(photos))
    for column in (0, len(BUDGET_GRID) // 2, -1):
        assert [e.exit - 1 for e in encoder.encode(photos, BUDGET_GRID[column])] == exits[:, column].tolist()


def test_without_exit_weights_every_photo_runs_to_full_depth(tmp_path: Path) -> None:
    model = tiny_models.backbone("vit")
    encoder = assembled(model, None, Identity("tiny", "w", ""), tiny_models.GUIDES, tmp_path)
    found = encoder.encode(tiny_models.pixels(3, model.size), 0.5)
    assert [e.exit for e in found] == [1, 1, 1]
    assert {e.macs for e in found} == {
        encoder.full_macs + len(tiny_models.GUIDES) * tiny_models.DIM
    }  # it is still described


def test_an_empty_batch_is_no_error() -> None:
    assert tiny_models.encoder().encode(tiny_models.pixels(0, 32)) == []


def test_a_missing_model_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelUnreadable, match="not an OpenCLIP folder"):
        load_encoder(str(tmp_path / "nowhere"))


def test_bfloat16_embeddings_stay_near_those_of_float32(embedded: Encoder, embedded_bfloat16: Encoder) -> None:
    plain, quick = embedded, embedded_bfloat16
    photos = tiny_models.pixels(8, plain.backbone.size)
    similarity = (plain.encode_to(photos, plain.exits) * quick.encode_to(photos, plain.exits)).sum(1)
    assert (similarity > 0.99).all()


@pytest.mark.parametrize("native", [True, False])
def test_the_precision_follows_from_the_device_and_is_part_of_the_identity(
    native: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "has_native_bfloat16", lambda device: native)
    monkeypatch.setattr(time, "perf_counter", pytest.fail)  # nothing is timed
    encoder = load_encoder()
    precision = "bfloat16" if native and encoder.backbone.has_quick_tower else "float32"
    assert encoder.precision == encoder.identity.precision == stamp_of(encoder).precision == precision
    other = {"bfloat16": "float32", "float32": "bfloat16"}[precision]
    assert encoder.identity != replace(encoder.identity, precision=other)
    assert encoder.guided_by(("a boat", "a dog")).identity.precision == precision


def shallow(encoder: Encoder) -> dict[int, list[int]]:
    """Rows of `tiny_models.pixels(24, ...)` by the exit, 1-based, at which they leave at a middling budget."""
    found = encoder.encode(tiny_models.pixels(24, encoder.backbone.size), MIDDLE)
    return {exit: [row for row, e in enumerate(found) if e.exit == exit] for exit in {e.exit for e in found}}


def maps_of(runs: Sequence[Encoding | DeeperRun]) -> list[FeatureMap]:
    """The feature maps that photos left with, which all of them must have."""
    found = [run.map for run in runs if run.map is not None]
    assert len(found) == len(runs)
    return found


@pytest.mark.parametrize("kind", tiny_models.SMALL)
def test_photos_resumed_from_their_maps_end_where_a_straight_run_ends(kind: str) -> None:
    encoder = tiny_models.encoder(kind)
    photos = tiny_models.pixels(24, encoder.backbone.size)
    found = encoder.encode(photos, MIDDLE)
    resumed = 0
    for exit, rows in shallow(encoder).items():
        for to_exit in range(exit + 1, encoder.exits + 1):
            visits = encoder.resume(maps_of([found[row] for row in rows]), exit, to_exit)
            assert {v.exit for v in visits} == {to_exit}
            straight = encoder.encode_to(photos[rows], to_exit)
            np.testing.assert_allclose(np.stack([v.vector for v in visits]), straight, atol=1e-5)
            resumed += len(visits)
    assert resumed > 24, "the case must resume from several exits"


@pytest.mark.parametrize("kind", tiny_models.SMALL)
def test_a_photo_may_leave_again_on_the_way(kind: str) -> None:
    encoder = tiny_models.encoder(kind)
    photos = tiny_models.pixels(3, encoder.backbone.size)
    visits = encoder.run_to(photos, 1)
    for exit in range(2, encoder.exits + 1):
        visits = encoder.resume(maps_of(visits), exit - 1, exit)
        np.testing.assert_allclose([v.vector for v in visits], encoder.encode_to(photos, exit), atol=1e-5)
    assert [visit.map for visit in visits] == [None] * 3


@pytest.mark.parametrize("kind", tiny_models.SMALL)
def test_a_map_survives_being_kept(kind: str) -> None:
    encoder = tiny_models.encoder(kind)
    (visit,) = encoder.run_to(tiny_models.pixels(1, encoder.backbone.size), 2)
    (left,) = maps_of([visit])
    kept = encoder.unpack_map(left.pack(), 2)
    assert kept is not None
    one, other = (encoder.resume([each], 2, encoder.exits)[0] for each in (kept, left))
    assert np.array_equal(one.vector, other.vector)
    assert encoder.unpack_map(left.pack(), 1) is None, "of another exit"
    assert encoder.unpack_map(left.pack()[:-9], 2) is None, "cut short"
    assert encoder.unpack_map(b"", 2) is None


class Counter:
    """MACs of what an encoder runs, counted where it runs; for encoders of one pass without branches."""

    def __init__(self, encoder: Encoder) -> None:
        self.total = 0
        costs = encoder.backbone.step_macs
        assert not any(e.channels or e.stage == HEAD for e in encoder.modules.exits)

        def counting(run: Callable[[Tensor], Tensor], macs: int) -> Callable[[Tensor], Tensor]:
            def counted(state: Tensor) -> Tensor:
                self.total += macs * len(state)
                return run(state)

            return counted

        towers = encoder._runner.towers
        for name in ("to_end", "before_end"):
            tower = getattr(towers, name)
            steps = tuple(replace(s, run=counting(s.run, n)) for s, n in zip(tower.steps, costs, strict=False))
            setattr(towers, name, replace(tower, steps=steps, finish=counting(tower.finish, costs[-1])))
        for projection in encoder.modules.projections:
            projection.register_forward_hook(
                lambda module, args, output: setattr(
                    self, "total", self.total + module.in_features * module.out_features * len(args[0])
                )
            )


@pytest.mark.parametrize("kind", tiny_models.SMALL)
def test_what_a_way_is_said_to_cost_is_what_ran(kind: str) -> None:
    encoder = tiny_models.encoder(kind)
    counter, photos = Counter(encoder), tiny_models.pixels(2, encoder.backbone.size)
    described = encoder.dim * len(tiny_models.GUIDES)
    for start in range(1, encoder.exits):
        maps = maps_of(encoder.run_to(photos, start))
        for end in range(start + 1, encoder.exits + 1):
            for from_map in (True, False):
                counter.total = 0
                visits = encoder.resume(maps, start, end) if from_map else encoder.run_to(photos, end)
                assert [v.macs for v in visits] == [encoder.cost_to(start, end, from_map)] * 2
                assert counter.total + 2 * described == sum(v.macs for v in visits)


def test_where_a_map_leads_nowhere_the_photo_is_run_again() -> None:
    encoder = tiny_models.encoder("efficientnet", opens=LADDER)
    photos = tiny_models.pixels(4, encoder.backbone.size)
    assert [visit.map for visit in encoder.run_to(photos, 1)] == [None] * 4
    assert not encoder.ladder.resumes(1, 3)
    assert encoder.ladder.resumes(3, encoder.exits)
    whole = encoder.cost_to(1, encoder.exits, False)
    assert (
        encoder.cost_to(1, encoder.exits, True)
        == whole
        == encoder.full_macs + tiny_models.DIM * len(tiny_models.GUIDES)
    )
    assert encoder.cost_to(3, encoder.exits, True) < whole


def test_a_visit_describes_the_photo_where_it_ended() -> None:
    encoder = tiny_models.encoder()
    for exit in range(1, encoder.exits + 1):
        (visit,) = encoder.run_to(tiny_models.pixels(1, 32), exit)
        assert len(visit.phrases) == 3
        assert {text for text, _ in visit.phrases} <= set(tiny_models.GUIDES)
        assert visit.milliseconds > 0
    assert encoder.run_to(tiny_models.pixels(0, 32), 1) == encoder.resume([], 1, 2) == []


def test_an_owners_guide_texts_describe_and_decide_and_name_another_encoder() -> None:
    encoder = tiny_models.encoder()
    texts = ("a boat", "a dog", "the sea")
    guided = encoder.guided_by(texts)
    photos = tiny_models.pixels(24, 32)
    assert {text for e in guided.encode(photos) for exit in e.phrases for text, _ in exit} == set(texts)
    np.testing.assert_allclose(guided.guides, encoder.backbone.encode_text(texts), atol=1e-6)
    assert guided.identity != encoder.identity
    assert guided.identity == encoder.guided_by(texts).identity != encoder.guided_by(texts[:2]).identity
    assert encoder.guided_by(texts, texts[:1]).identity != guided.identity
    assert [e.exit for e in guided.encode(photos, MIDDLE)] != [e.exit for e in encoder.encode(photos, MIDDLE)]
    assert np.array_equal(guided.encode_to(photos, 2), encoder.encode_to(photos, 2))
    everything = encoder.plans[0].open
    fewer = tiny_models.DIM * (len(tiny_models.GUIDES) - len(texts)) * encoder.exits
    assert encoder.exit_macs(everything)[-1] - guided.exit_macs(everything)[-1] == fewer
    assert encoder.guide_texts == tiny_models.GUIDES


@pytest.mark.parametrize("texts", [tiny_models.GUIDES, ("a boat", "two people")])
def test_a_photo_that_shows_what_people_will_look_for_never_leaves_early(texts: tuple[str, ...]) -> None:
    encoder = tiny_models.encoder()
    plain, guided = encoder.guided_by(texts), encoder.guided_by(texts, ("two people",))
    photos = tiny_models.pixels(40, 32)
    trace = encoder.trace(photos)
    _, exits = guided.decide(trace)
    for budget in (BUDGET_GRID[0], MIDDLE, BUDGET_GRID[-1]):
        before, after = plain.encode(photos, budget), guided.encode(photos, budget)
        assert [e.exit - 1 for e in after] == exits[:, BUDGET_GRID.index(budget)].tolist()
        assert all(now.exit >= then.exit for now, then in zip(after, before, strict=True))
    assert {e.exit for e in plain.encode(photos, BUDGET_GRID[0])} == {1}
    shown = [e.phrases[0][0][0] == "two people" for e in encoder.encode(photos, BUDGET_GRID[0])]
    assert [e.exit > 1 for e in guided.encode(photos, BUDGET_GRID[0])] == shown
    assert 0 < sum(shown) < len(photos)
    everything = encoder.plans[0].open
    asking = tiny_models.DIM * (1 + len(tiny_models.GUIDES)) * (encoder.exits - 1)
    assert guided.exit_macs(everything)[-1] - plain.exit_macs(everything)[-1] == asking
    assert guided.cost_to(1, 2, False) == plain.cost_to(1, 2, False), "a second look asks no gate"
    moved = guided.with_exits(FittedExits(guided.modules, guided.plans, guided.calibrations))
    assert moved.exit_macs(everything) == guided.exit_macs(everything)


def test_an_owners_phrases_in_place_of_the_general_ones_are_all_that_is_encoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = tiny_models.backbone("vit")
    encoder = assembled(model, None, Identity("tiny", "w", ""), tiny_models.GUIDES, Path())
    encoded: list[str] = []
    encode = model.encode_text
    monkeypatch.setattr(model, "encode_text", lambda texts: encoded.extend(texts) or encode(texts))
    encoder.guided_by(("a boat", "a dog"))
    assert encoded == ["a boat", "a dog"]
    encoder.guided_by((*tiny_models.GUIDES, "a boat"))
    assert encoded[2:] == ["a boat"]


LADDER = ((0,), (1,), (2, 3))  # thrifty budgets ask the smallest pass, the costliest the exits along the depth


def test_a_pass_over_a_smaller_input_is_the_model_on_the_smaller_photo() -> None:
    encoder = tiny_models.encoder("efficientnet", opens=LADDER)
    photos = tiny_models.pixels(3, encoder.backbone.size)
    small = torch.nn.functional.interpolate(torch.from_numpy(photos), (32, 32), mode="bicubic", antialias=True)
    with torch.inference_mode():
        own = encoder.backbone.model.encode_image(encoder.backbone.normalise(small), normalize=True)
    np.testing.assert_allclose(encoder.encode_to(photos, 1), own.numpy(), atol=1e-6)


def test_a_photo_that_stays_pays_for_every_pass_it_ran_and_for_no_other() -> None:
    encoder = tiny_models.encoder("efficientnet", opens=LADDER)
    small, larger, whole = ([s.macs for s in encoder.stages if s.run == run] for run in range(3))
    photos = tiny_models.pixels(24, encoder.backbone.size)
    looked = tiny_models.DIM * len(tiny_models.GUIDES)
    for open, passes in (((0,), [small, whole]), ((1,), [larger, whole])):
        macs = encoder.exit_macs(open)
        gate = macs[open[0]] - sum(passes[0]) - looked
        assert 0 < gate < sum(passes[0])
        assert macs[-1] == sum(map(sum, passes)) + gate + 2 * looked
        column = [plan.open for plan in encoder.plans].index(open)
        found = encoder.encode(photos, BUDGET_GRID[column])
        assert {e.exit - 1 for e in found} == {open[0], encoder.exits - 1}, "the case must mix exits"
        assert all(e.macs == macs[e.exit - 1] for e in found)


def test_rows_of_every_course_get_the_embedding_of_their_exit() -> None:
    encoder = tiny_models.encoder("efficientnet", opens=LADDER)
    photos = tiny_models.pixels(24, encoder.backbone.size)
    _, exits = encoder.decide(encoder.trace(photos))
    for column in range(len(BUDGET_GRID)):
        found = encoder.encode(photos, BUDGET_GRID[column])
        assert [e.exit - 1 for e in found] == exits[:, column].tolist()
        for encoding, photo in zip(found, photos, strict=True):
            alone = encoder.encode_to(photo[None], encoding.exit)[0]
            np.testing.assert_allclose(encoding.vector, alone, atol=1e-5)


def test_exits_that_were_not_asked_are_told_from_those_that_were() -> None:
    encoder = tiny_models.encoder("efficientnet", opens=LADDER)
    column = [plan.open for plan in encoder.plans].index((1,))
    for e in encoder.encode(tiny_models.pixels(24, encoder.backbone.size), BUDGET_GRID[column]):
        asked = ~np.isnan(e.gates).all(1)
        assert np.flatnonzero(asked).tolist() == [1]
        assert [k for k, phrases in enumerate(e.phrases) if phrases] == sorted({1, e.exit - 1})
        never_asked_at = [c for c, plan in enumerate(encoder.plans) if 1 not in plan.open]
        assert (e.gates[1, never_asked_at] == 0).all()


def test_closed_exits_along_the_depth_cost_nothing() -> None:
    encoder = tiny_models.encoder("efficientnet", opens=LADDER)
    assert encoder.exit_macs(())[-1] == encoder.full_macs + tiny_models.DIM * len(tiny_models.GUIDES)
    assert encoder.exit_macs((2, 3))[-1] > encoder.exit_macs((2,))[-1] > encoder.exit_macs(())[-1]


def test_a_move_reaches_every_encoder_that_shares_the_backbone() -> None:
    encoder = tiny_models.encoder("efficientnet", opens=LADDER, scout=True)
    guided = encoder.guided_by((*tiny_models.GUIDES, "a boat"), ("a boat",))
    other = guided.with_exits(FittedExits(encoder.modules, encoder.plans, encoder.calibrations))
    everyone, photos = (encoder, guided, other), tiny_models.pixels(8, encoder.backbone.size)
    for each in everyone:
        each.encode(photos, MIDDLE)
    encoder.to(torch.device("meta"))
    for each in everyone:
        assert each.device.type == "meta"
        sent = (*each._runner.here.modules.parameters(), each._runner.here.log_prices, each._here.vectors)
        assert {tensor.device.type for tensor in sent} == {"meta"}


@pytest.mark.parametrize(("kind", "scout"), [("vit", False), ("efficientnet", False), ("efficientnet", True)])
def test_an_encoder_that_has_moved_gives_what_it_gave(kind: str, scout: bool) -> None:
    """To "cpu:0", which is another name of the same place: all that is copied and sent on a move is, and runs."""
    encoder = tiny_models.encoder(kind, opens=LADDER if kind == "efficientnet" else (), scout=scout)
    photos = tiny_models.pixels(24, encoder.backbone.size)
    before = encoder.encode(photos, MIDDLE)
    place = torch.device("cpu", 0)
    encoder.to(place)
    assert (encoder.device, encoder.backbone.device, encoder.precision) == (place, place, "float32")
    after = encoder.encode(encoder.send(list(photos)), MIDDLE)
    assert [e.exit for e in after] == [e.exit for e in before]
    for one, other in zip(after, before, strict=True):
        np.testing.assert_allclose(one.vector, other.vector, atol=1e-6)
        np.testing.assert_allclose(one.gates, other.gates, atol=1e-6)
    assert {e.macs for e in after} == {e.macs for e in before}
    shallow = [e for e in after if e.map is not None]
    if shallow:
        exit = shallow[0].exit
        maps = maps_of([e for e in shallow if e.exit == exit])
        rows = [row for row, e in enumerate(after) if e.map is not None and e.exit == exit]
        visits = encoder.resume(maps, exit, encoder.exits)
        straight = encoder.encode_to(photos[rows], encoder.exits)
        np.testing.assert_allclose([v.vector for v in visits], straight, atol=1e-5)
