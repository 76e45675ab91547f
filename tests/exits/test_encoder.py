import time
from collections import Counter
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from engine.exits import loading
from engine.exits.budget import BUDGET_GRID
from engine.exits.checkpoint import unfitted
from engine.exits.encoder import Encoder, Identity, Standing
from engine.exits.gate import first_exit
from engine.exits.loading import assembled, load_encoder
from engine.exits.modules import ExitModules
from engine.utils.errors import HostProblem, ModelUnreadable
from tests import tiny_models
from tests.exits.ladders import (
    JOINED,
    LADDERS,
    MIDDLE,
    MIXED,
    OWN_END,
    THRIFTY,
    WHOLE,
    made,
    photos,
    standing,
    vectors_of,
)

PHRASES = ("a boat", "red dog")


@pytest.mark.parametrize("name", LADDERS)
def test_every_way_to_an_exit_gives_the_same_embedding_for_what_it_lacks(name: str) -> None:
    encoder, pixels = made(name), photos(made(name))
    traced = encoder.trace(pixels).vectors
    straight = [encoder.deepen(pixels, exit) for exit in range(1, encoder.exits + 1)]
    for found, wanted, macs in zip(straight, traced, encoder.exit_macs, strict=True):
        assert np.array_equal(vectors_of(found), wanted)
        assert {e.macs for e in found} == {macs}
    for start, end in combinations(range(1, encoder.exits + 1), 2):
        left = standing(straight[start - 1])
        found = encoder.deepen(pixels if left.maps is None else None, end, left)
        assert np.array_equal(vectors_of(found), traced[end - 1])
        cost = encoder.exit_macs[end - 1] - encoder.exit_macs[start - 1]
        assert {e.macs for e in found} == {cost}
        assert encoder.ladder.onward[int(left.maps is not None), start - 1, end - 1] == cost / encoder.full_macs


def test_pixels_that_preprocess_does_not_make_are_refused() -> None:
    encoder = tiny_models.encoder()
    right = photos(encoder)
    assert len(encoder.encode(torch.from_numpy(right))) == len(right)
    for wrong in (right / np.float32(255), right.transpose(0, 2, 3, 1), right[..., :-1], right[:, :1], right[0]):
        for run in (encoder.encode, lambda pixels: encoder.deepen(pixels, encoder.exits), encoder.trace):
            with pytest.raises(ValueError, match=r"photos are \(B, 3, \d+, \d+\) uint8, not \("):
                run(wrong)


def test_a_model_that_makes_no_numbers_of_photos_is_one_sentence() -> None:
    encoder = tiny_models.encoder()
    with torch.no_grad():
        next(iter(encoder.backbone.model.visual.parameters())).fill_(float("nan"))
    with pytest.raises(ModelUnreadable, match="makes no numbers of photos"):
        encoder.encode(photos(encoder))
    with pytest.raises(ModelUnreadable, match="makes no numbers of photos"):
        encoder.trace(photos(encoder))


def test_photos_that_memory_has_no_room_for_are_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = tiny_models.encoder()
    full = Mock(side_effect=RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB."))
    monkeypatch.setattr(encoder.backbone, "normalise", full)
    for run in (encoder.encode, lambda pixels: encoder.deepen(pixels, encoder.exits), encoder.trace):
        with pytest.raises(HostProblem, match="no memory left for this"):
            run(photos(encoder))


@pytest.mark.parametrize("name", OWN_END)
def test_full_depth_is_the_models_own_embedding(name: str) -> None:
    encoder, pixels = made(name), photos(made(name))
    with torch.inference_mode():
        own = encoder.backbone.model.encode_image(encoder.backbone.normalise(torch.from_numpy(pixels)), normalize=True)
    assert np.array_equal(vectors_of(encoder.deepen(pixels, encoder.exits)), own)
    assert np.array_equal(vectors_of(encoder.encode(pixels, WHOLE)), own)


@pytest.mark.parametrize("name", JOINED)
def test_a_joined_full_depth_reads_the_exit_before(name: str) -> None:
    encoder, pixels = made(name), photos(made(name))
    before = encoder.deepen(pixels, encoder.exits - 1)
    with torch.inference_mode():
        own = encoder.backbone.model.encode_image(encoder.backbone.normalise(torch.from_numpy(pixels)))
        assert encoder.modules.last is not None
        wanted = F.normalize(encoder.modules.last(torch.cat([torch.from_numpy(vectors_of(before)), own], 1)), dim=1)
    found = encoder.deepen(pixels, encoder.exits, standing(before))
    np.testing.assert_allclose(vectors_of(found), wanted, atol=1e-5)
    elsewhere = replace(standing(before), vectors=-vectors_of(before))
    assert not np.allclose(vectors_of(encoder.deepen(pixels, encoder.exits, elsewhere)), wanted, atol=1e-2)


@pytest.mark.parametrize("name", MIXED)
def test_a_batch_that_leaves_everywhere_is_its_photos_one_by_one(name: str) -> None:
    encoder, pixels = made(name), photos(made(name), 24)
    budget = next(b for b in BUDGET_GRID if len({e.exit for e in encoder.encode(pixels, b)}) == min(4, encoder.exits))
    for together, photo in zip(encoder.encode(pixels, budget), pixels, strict=True):
        (alone,) = encoder.encode(photo[None], budget)
        assert (together.exit, together.macs, together.budget) == (alone.exit, alone.macs, budget)
        assert np.array_equal(alone.vector, encoder.trace(photo[None]).vectors[alone.exit - 1][0])
        np.testing.assert_allclose(together.vector, alone.vector, atol=1e-5)
        np.testing.assert_allclose(together.gates, alone.gates, atol=1e-3)
        assert together.affinity == pytest.approx(alone.affinity, abs=1e-5)
        assert together.nearest_texts[-1][0][0] == alone.nearest_texts[-1][0][0]
        assert (together.map is None) == (alone.map is None)
        if together.map is not None and alone.map is not None:
            torch.testing.assert_close(together.map, alone.map, atol=1e-4, rtol=1e-4)


def test_rows_that_left_are_not_computed_any_further() -> None:
    encoder = tiny_models.encoder()
    sizes: Counter[int] = Counter()
    for depth, block in enumerate(encoder.backbone.model.visual.transformer.resblocks):
        block.register_forward_pre_hook(lambda module, args, depth=depth: sizes.update({depth: len(args[0])}))
    found = encoder.encode(photos(encoder, 24), MIDDLE)
    assert len({e.exit for e in found}) > 2, "the case must mix exits"
    assert [sizes[depth] for depth in range(4)] == [sum(e.exit > depth + 1 for e in found) for depth in range(4)]


@pytest.mark.parametrize("name", MIXED)
def test_a_photo_pays_for_what_ran_and_at_most_for_the_full_encoder(name: str) -> None:
    encoder, pixels = made(name), photos(made(name), 24)
    assert sum(stage.macs for stage in encoder.stages) == encoder.full_macs == encoder.exit_macs[-1]
    assert list(encoder.exit_macs) == sorted(set(encoder.exit_macs))
    for budget in (THRIFTY, MIDDLE, WHOLE):
        found = encoder.encode(pixels, budget)
        assert [e.macs for e in found] == [encoder.exit_macs[e.exit - 1] for e in found]
        assert max(e.macs for e in found) <= encoder.full_macs
    assert {e.exit for e in encoder.encode(pixels, WHOLE)} == {encoder.exits}


@pytest.mark.parametrize("name", MIXED)
def test_what_is_stored_of_a_photo_covers_the_exits_that_it_came_to(name: str) -> None:
    encoder, pixels = made(name), photos(made(name), 12)
    found = encoder.encode(pixels, MIDDLE)
    fits = encoder.bank.affinity(torch.from_numpy(vectors_of(found)))
    assert [e.affinity for e in found] == pytest.approx(fits.tolist(), abs=1e-5)
    for e in found:
        assert e.gates.shape == (min(e.exit, encoder.exits - 1), len(BUDGET_GRID))
        assert len(e.nearest_texts) == e.exit
        assert all(len(texts) == 3 for texts in e.nearest_texts)
        assert {text for texts in e.nearest_texts for text, _ in texts} <= set(tiny_models.BANK)
        assert e.milliseconds > 0
        assert e.budget == MIDDLE
        assert (e.map is None) == (encoder.ladder.shapes[e.exit - 1] is None)
    (sent,) = encoder.deepen(pixels[:1], encoder.exits, standing(encoder.deepen(pixels[:1], 1)))
    assert sent.gates.shape == (encoder.exits - 2, len(BUDGET_GRID))
    assert (len(sent.nearest_texts), sent.budget) == (encoder.exits - 1, None)


@pytest.mark.parametrize("name", MIXED)
def test_gates_foretell_thriftier_runs_and_decide_does_what_encode_does(name: str) -> None:
    encoder, pixels = made(name), photos(made(name), 24)
    decided = encoder.decide(encoder.trace(pixels))
    assert (decided.diff(dim=1) >= 0).all(), "at a higher budget no photo leaves earlier"
    assert not torch.equal(decided[:, 0], decided[:, -2])
    gates = torch.from_numpy(np.stack([e.gates for e in encoder.encode(pixels, WHOLE)]))  # (B, K - 1, G)
    assert torch.equal(first_exit(gates.transpose(1, 2)), decided)
    for column, budget in enumerate(BUDGET_GRID):
        assert [e.exit - 1 for e in encoder.encode(pixels, budget)] == decided[:, column].tolist()


@pytest.mark.parametrize("name", MIXED)
def test_photos_go_on_to_where_a_higher_budget_would_have_sent_them(name: str) -> None:
    encoder, pixels = made(name), photos(made(name), 24)
    thrifty, costly = encoder.encode(pixels, THRIFTY), encoder.encode(pixels, BUDGET_GRID[-2])
    went = 0
    for start in range(1, encoder.exits):
        rows = [row for row, e in enumerate(thrifty) if e.exit == start < costly[row].exit]
        if not rows:
            continue
        found = encoder.encode(pixels[rows], BUDGET_GRID[-2], standing([thrifty[row] for row in rows]))
        for row, on in zip(rows, found, strict=True):
            assert on.exit == costly[row].exit
            np.testing.assert_allclose(on.vector, costly[row].vector, atol=1e-5)
            assert thrifty[row].macs + on.macs == costly[row].macs
            np.testing.assert_allclose(np.concatenate([thrifty[row].gates, on.gates]), costly[row].gates, atol=1e-3)
        went += len(rows)
    assert went > 6, "the case must send photos on"


@pytest.mark.parametrize("name", ["a transformer", "exits along the depth, joined", "siglip"])
def test_a_map_survives_being_kept(name: str) -> None:
    encoder = made(name)
    (left,) = encoder.deepen(photos(encoder, 1), 2)
    packed = left.packed_map()
    assert packed is not None
    assert left.map is not None
    kept = encoder.unpack_map(packed, 2)
    assert kept is not None
    one, other = (
        encoder.deepen(None, encoder.exits, Standing(2, left.vector[None], [each]))[0] for each in (kept, left.map)
    )
    np.testing.assert_allclose(one.vector, other.vector, atol=1e-6)
    assert encoder.unpack_map(packed[:-9], 2) is None, "cut short"
    assert encoder.unpack_map(b"", 2) is None
    assert encoder.unpack_map(packed, encoder.exits) is None, "of an exit that leaves none"


def test_photos_that_cannot_go_on_are_refused() -> None:
    encoder, pixels = made("a transformer"), photos(made("a transformer"))
    left = standing(encoder.deepen(pixels, 2))
    for to in (1, 2, encoder.exits + 1):
        with pytest.raises(ValueError, match="do not go on"):
            encoder.deepen(pixels, to, left)
    with pytest.raises(ValueError, match="feature maps"):
        encoder.deepen(pixels, 3, replace(left, maps=None))
    whole = standing(encoder.deepen(pixels, encoder.exits))
    with pytest.raises(ValueError, match="do not go on"):
        encoder.encode(pixels, WHOLE, whole)


@pytest.mark.parametrize("name", MIXED)
def test_an_empty_batch_is_no_error(name: str) -> None:
    encoder = made(name)
    none = photos(encoder, 0)
    assert encoder.encode(none) == encoder.deepen(none, encoder.exits) == []
    nowhere = Standing(1, np.zeros((0, encoder.dim), np.float32), None if encoder.ladder.shapes[0] is None else [])
    assert encoder.encode(none, WHOLE, nowhere) == encoder.deepen(None, encoder.exits, nowhere) == []


def test_without_exits_every_photo_runs_to_full_depth() -> None:
    encoder = tiny_models.bare()
    model = encoder.backbone
    found = encoder.encode(tiny_models.pixels(3, model.size), THRIFTY)
    assert [(e.exit, e.gates.shape, e.map) for e in found] == [(1, (0, len(BUDGET_GRID)), None)] * 3
    assert encoder.full_macs == sum(model.stage_macs) + len(tiny_models.BANK) * tiny_models.DIM
    assert {e.macs for e in found} == {encoder.full_macs}
    trace = encoder.trace(tiny_models.pixels(3, model.size))
    assert (len(trace.seen), encoder.decide(trace).tolist()) == (0, [[0] * len(BUDGET_GRID)] * 3)
    named = encoder.looking_for(PHRASES)
    assert {e.exit for e in named.encode(tiny_models.pixels(3, model.size), THRIFTY)} == {1}


def test_nobody_leaves_by_gates_that_were_not_fitted() -> None:
    encoder = made("a transformer")
    found = encoder.with_exits(unfitted(encoder.modules)).encode(photos(encoder, 24), THRIFTY)
    assert {e.exit for e in found} == {encoder.exits}


@pytest.mark.parametrize("bank", [(), ("a dog",)])
def test_a_bank_may_have_one_text_or_none(bank: tuple[str, ...]) -> None:
    model = tiny_models.backbone("vit")
    modules = ExitModules(tiny_models.exits_of(model, 2), model.dim)
    encoder = assembled(model, unfitted(modules), Identity("tiny", "w", "e"), bank, Path())
    pixels = photos(encoder)
    for e, vector in zip(encoder.encode(pixels), encoder.trace(pixels).vectors[-1], strict=True):
        assert [len(texts) for texts in e.nearest_texts] == [len(bank)] * encoder.exits
        wanted = (encoder.bank.vectors @ vector).tolist() or [0.0]
        assert e.affinity == pytest.approx(wanted[0], abs=1e-6)
    assert encoder.decide(encoder.trace(pixels)).unique().tolist() == [encoder.exits - 1]


def test_the_banks_texts_are_encoded_when_a_photo_comes_and_can_be_trained_with() -> None:
    model = tiny_models.backbone("vit")
    encoded: list[str] = []

    def embed() -> torch.Tensor:
        encoded.extend(tiny_models.BANK)
        return model.encode_text(tiny_models.BANK)

    encoder = assembled(model, None, Identity("tiny", "w", ""), tiny_models.BANK, Path(), embed)
    encoder.encode_text(["a boat"])
    assert encoded == []
    encoder.encode(photos(encoder))
    encoder.encode(photos(encoder))
    assert encoded == list(tiny_models.BANK)
    learned = torch.ones(tiny_models.DIM, requires_grad=True)
    (encoder.bank.vectors @ learned).sum().backward()
    assert learned.grad is not None


def test_phrases_decide_and_describe_and_name_another_encoder() -> None:
    encoder = made("a transformer")
    named, pixels = encoder.looking_for(PHRASES), photos(made("a transformer"), 24)
    assert (encoder.phrases, named.phrases) == ((), PHRASES)
    assert named.bank.texts == encoder.bank.texts
    assert named.identity != encoder.identity
    assert named.identity == encoder.looking_for(PHRASES).identity != encoder.looking_for(PHRASES[:1]).identity
    assert encoder.looking_for(()) is encoder
    found = named.encode(pixels, MIDDLE)
    assert [e.exit for e in found] != [e.exit for e in encoder.encode(pixels, MIDDLE)]
    assert [e.exit - 1 for e in found] == named.decide(named.trace(pixels))[:, BUDGET_GRID.index(MIDDLE)].tolist()
    assert {e.exit for e in named.encode(pixels, WHOLE)} == {encoder.exits}
    assert "a boat" in {text for e in named.encode(pixels, WHOLE) for texts in e.nearest_texts for text, _ in texts}
    for e, plain in zip(named.deepen(pixels, 2), encoder.deepen(pixels, 2), strict=True):
        assert np.array_equal(e.vector, plain.vector)
        assert e.affinity == plain.affinity, "an owner's phrases never enter the bank"


def test_phrases_without_photos_of_reference_describe_alone() -> None:
    encoder = made("a transformer")
    plain = encoder.with_exits(replace(encoder.fitted, reference=None), "e")
    named, pixels = plain.looking_for(PHRASES), photos(encoder, 24)
    assert [e.exit for e in named.encode(pixels, MIDDLE)] == [e.exit for e in plain.encode(pixels, MIDDLE)]
    assert "a boat" in {text for e in named.encode(pixels, WHOLE) for texts in e.nearest_texts for text, _ in texts}


def test_a_move_reaches_every_encoder_that_shares_the_backbone() -> None:
    encoder = tiny_models.encoder(sizes=(32,), every=2)
    named = encoder.looking_for(PHRASES)
    everyone, pixels = (encoder, named, named.with_exits(encoder.fitted)), photos(encoder)
    for each in everyone:
        each.encode(pixels, MIDDLE)
    encoder.to(torch.device("meta"))
    for each in everyone:
        assert each.device.type == "meta"
        runner = each._runner.here
        sent = (*runner.modules.parameters(), *runner.small_backbones[0].model.visual.parameters(), each._here.vectors)
        assert {tensor.device.type for tensor in sent} == {"meta"}
    vectors = torch.zeros(2, encoder.dim, device="meta")
    found = named._leanings(0, vectors, vectors, vectors)
    assert (found.shape, found.device.type) == ((2,), "meta")


@pytest.mark.parametrize("name", MIXED)
def test_an_encoder_that_has_moved_gives_what_it_gave(name: str) -> None:
    """To "cpu:0", which is another name of the same place: all that is copied and sent on a move is, and runs."""
    encoder = tiny_models.encoder(**LADDERS[name])
    pixels, place = photos(encoder, 24), torch.device("cpu", 0)
    before = encoder.encode(pixels, MIDDLE)
    encoder.to(place)
    assert (encoder.device, encoder.backbone.device, encoder.precision) == (place, place, "float32")
    after = encoder.encode(encoder.send(list(pixels)), MIDDLE)
    assert [(e.exit, e.macs) for e in after] == [(e.exit, e.macs) for e in before]
    np.testing.assert_allclose(vectors_of(after), vectors_of(before), atol=1e-5)
    first = [row for row, e in enumerate(after) if e.exit == min(e.exit for e in after) < encoder.exits]
    assert first, "some leave early and may go on"
    found = encoder.deepen(pixels[first], encoder.exits, standing([after[row] for row in first]))
    np.testing.assert_allclose(vectors_of(found), vectors_of(encoder.deepen(pixels[first], encoder.exits)), atol=1e-5)


@pytest.mark.parametrize("budget", [0.3, 0.6, 1.0])
def test_the_embedded_models_packed_rows_get_the_embedding_of_their_exit(embedded: Encoder, budget: float) -> None:
    pixels = tiny_models.pixels(8, embedded.backbone.size)
    traced = embedded.trace(pixels).vectors
    for row, e in enumerate(embedded.encode(pixels, budget)):
        np.testing.assert_allclose(e.vector, traced[e.exit - 1][row], atol=1e-5)


@pytest.mark.parametrize("words", ["", "dog", "a dog " * 5, "it shows a big yellow bird " * 6])
def test_a_text_is_read_to_its_end_where_its_last_word_counts(embedded: Encoder, words: str) -> None:
    with_bird, with_car = embedded.encode_text([f"{words} bird", f"{words} car"])
    assert embedded.reads_to_end(f"{words} bird") is (float(with_bird @ with_car) < 0.999)


def test_bfloat16_embeddings_stay_near_those_of_float32(embedded: Encoder, embedded_bfloat16: Encoder) -> None:
    pixels = tiny_models.pixels(4, embedded.backbone.size)
    for plain, quick in zip(embedded.trace(pixels).vectors, embedded_bfloat16.trace(pixels).vectors, strict=True):
        assert (F.cosine_similarity(plain, quick) > 0.99).all()


@pytest.mark.parametrize("native", [True, False])
def test_the_precision_follows_from_the_device_and_is_part_of_the_identity(
    native: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "has_native_bfloat16", lambda device: native)
    monkeypatch.setattr(loading, "read_texts", lambda: ["a dog", "a cat"])
    monkeypatch.setattr(time, "perf_counter", pytest.fail)  # nothing is timed
    encoder = load_encoder()
    precision = "bfloat16" if native and encoder.backbone.has_quick_tower else "float32"
    assert encoder.precision == encoder.identity.precision == precision
    other = {"bfloat16": "float32", "float32": "bfloat16"}[precision]
    assert encoder.identity != replace(encoder.identity, precision=other)
    assert encoder.looking_for(("a boat",)).identity.precision == precision
