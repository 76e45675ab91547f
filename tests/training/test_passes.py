from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from engine.clip import device
from engine.clip.small_tower import small_tower
from engine.training import passes
from engine.training.dataset import Example
from engine.training.passes import (
    MANY,
    Batches,
    Passes,
    Photos,
    Teachers,
    blended_targets,
    blends,
    copied,
    held_back,
    named,
    taught_by,
)
from engine.training.pretrained import DIM, PASSES


@pytest.fixture
def photos(monkeypatch: pytest.MonkeyPatch) -> Photos:
    """More than a step takes, of each kind; every two photos with a label share it."""
    monkeypatch.setattr(passes, "load_squashed", lambda examples, size: np.zeros((len(examples), 3, 4, 4), np.uint8))

    def made(kind: str, many: int, same: int) -> list[Example]:
        names = [f"{kind} {i // same}" for i in range(many)]
        return [Example(Path(f"{kind}{i}.jpg"), (name, f"a {name}"), "") for i, name in enumerate(names)]

    kinds = zip(("caption", "textbook", "label", "kind"), MANY, (1, 1, 2, 1), strict=True)
    return Photos(*(made(kind, 3 * many, same) for kind, many, same in kinds))


def batches_of(photos: Photos) -> Batches:
    texts = dict.fromkeys(t for e in photos.all for t in e.texts)
    return Batches(photos, {text: row for row, text in enumerate(texts)})


def test_a_batch_has_photos_of_all_kinds_and_one_of_a_label(photos: Photos) -> None:
    batches = batches_of(photos)
    for step in range(8):
        numbers, rows, owner, _ = batches.draw(step)
        ends = torch.tensor([3 * many for many in MANY]).cumsum(0)
        counts = torch.bincount(torch.bucketize(numbers, ends, right=True), minlength=4).tolist()
        assert counts == list(MANY)
        assert len(set(numbers.tolist())) == len(numbers)
        firsts = [batches.rows[n][0] for n in numbers.tolist()]
        assert len(set(firsts)) == len(firsts), "two photos of a label would be each other's mistakes"
        assert all(row in batches.rows[numbers[o]] for row, o in zip(rows.tolist(), owner.tolist(), strict=True))


def test_a_batch_depends_on_its_step_alone(photos: Photos) -> None:
    first, second = batches_of(photos), batches_of(photos)
    for _ in range(2):
        first.draw(0)
    for found, again in zip(first.draw(5)[:3], second.draw(5)[:3], strict=True):
        assert torch.equal(found, again)


def test_targets_of_a_blended_photo_are_shared_with_the_one_that_shines_through() -> None:
    eye = torch.eye(3)
    other, share = torch.tensor([1, 0, 2]), torch.tensor([0.25, 0.0, 0.5])
    to_texts, to_images = blended_targets((eye, eye), other, share)
    assert torch.allclose(to_texts, torch.tensor([[0.75, 0.25, 0], [0, 1, 0], [0, 0, 1]]))
    assert torch.allclose(to_images.sum(0), torch.ones(3))
    many, shares = blends(1000, torch.Generator().manual_seed(0))
    assert sorted(many.tolist()) == list(range(1000))
    assert 0.7 < (shares > 0).float().mean() < 0.8
    assert shares.max() <= 0.5


def test_an_exit_copies_least_from_what_it_says_itself() -> None:
    torch.manual_seed(0)
    vectors, texts = (F.normalize(torch.randn(6, 8), dim=1) for _ in range(2))
    near = F.normalize(vectors + 0.2 * torch.randn(6, 8), dim=1)
    assert copied(vectors, vectors, texts, 5.0) < copied(near, vectors, texts, 5.0)
    last = F.normalize(torch.randn(6, 8), dim=1)
    assert taught_by(None, last, True) is None, "nobody teaches the last exit of the first stage"
    assert taught_by(None, last, False) is last


def test_one_in_ten_photos_is_kept_for_the_gates_by_its_name() -> None:
    kept = [held_back(Example(Path(f"photo_{i}.jpg"), (), "")) for i in range(2000)]
    assert 0.07 < sum(kept) / len(kept) < 0.13
    assert kept == [held_back(Example(Path(f"elsewhere/photo_{i}.jpg"), (), "")) for i in range(2000)]


def test_what_a_labelled_photo_shows_is_said_in_several_ways_and_captions_stay() -> None:
    captioned = Example(Path("a.jpg"), ("Two dogs play.",), "train")
    assert named(captioned) is captioned
    texts = named(Example(Path("b.jpg"), ("a photo of a robin",), "train", "robin")).texts
    assert {"a photo of a robin", "robin"} < set(texts)
    assert all("robin" in text for text in texts)


@pytest.fixture(scope="module")
def student() -> Passes:
    """Passes of random towers of the shipped shapes."""
    torch.manual_seed(0)
    texts: Any = SimpleNamespace(layers=nn.ModuleList(), proj=nn.Linear(2, 2))
    return Passes([small_tower(trunk, DIM).eval() for trunk in PASSES], texts, 10.0).eval()


def views(many: int, side: int) -> Tensor:
    return torch.rand(many, 3, side, side, generator=torch.Generator().manual_seed(1))


def test_a_written_tower_says_what_the_pass_has_learned(student: Passes) -> None:
    tower = small_tower(PASSES[0], DIM)
    student.write_into(0, tower)
    shown = views(2, 64)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        found, wanted = tower.eval()(shown * 2 - 1).float(), student.own(0, shown)
    assert F.cosine_similarity(found, wanted).min() > 0.999, "but for the bfloat16 of the stages that stay"


def test_a_cpu_without_bfloat16_computes_none_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "has_native_bfloat16", lambda on: False)
    texts: Any = SimpleNamespace(layers=nn.ModuleList(), proj=nn.Linear(2, 2))
    passes_here = Passes([small_tower(trunk, DIM).eval() for trunk in PASSES], texts, 10.0)
    used: set[torch.dtype] = set()
    for module in passes_here.modules():
        module.register_forward_hook(
            lambda module, given, made: used.add(made.dtype) if isinstance(made, Tensor) else None
        )
    with device.cpu_autocast():
        vectors, apart = passes_here(views(2, 32), (32, 32, 32))
    sum(v.sum() for v in (*vectors, *apart)).backward()
    assert used == {torch.float32}


def test_the_stage_before_teaches_as_it_was_while_the_next_one_learns(
    student: Passes, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 1000))
    monkeypatch.setattr(passes, "classifier", lambda: kinds)
    monkeypatch.setattr(passes, "WHOLE", (32, 64, 64))
    shown = views(2, 64)

    def said_by(teach: Teachers) -> tuple[Tensor | None, Tensor]:
        with torch.autocast("cpu", torch.bfloat16):
            return teach(shown)

    teach = Teachers(student)
    before, seen = said_by(teach)
    assert before is not None
    texts: Any = SimpleNamespace(layers=nn.ModuleList(), proj=nn.Linear(2, 2))
    following = Passes([small_tower(trunk, DIM).eval() for trunk in PASSES], texts, 10.0)
    following.load_state_dict(student.state_dict())
    with torch.no_grad():
        for weight in following.parameters():
            weight.add_(0.1)
    after, _ = said_by(teach)
    assert after is not None
    assert torch.equal(before, after)
    assert seen.shape == (2, 1000)
    nobody, _ = said_by(Teachers(None))
    assert nobody is None


def test_every_trained_convolution_has_the_fast_backward_pass(student: Passes) -> None:
    slow = [m for m in student.uppers.modules() if isinstance(m, nn.Conv2d) and m.groups == m.in_channels > 1]
    assert slow == [], "the library's depthwise convolutions take minutes a step"
