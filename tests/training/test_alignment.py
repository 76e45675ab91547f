import torch
import torch.nn.functional as F
from torch import Tensor

from engine.exits.modules import HEAD, Exit, ExitModules
from engine.training.alignment import align, fit_map, folded, recalling
from engine.training.features import Features

DIM, MANY, SCALE = 16, 240, 20.0


def turned() -> Tensor:
    """A small rotation."""
    some = torch.randn(DIM, DIM)
    return torch.linalg.matrix_exp(0.1 * (some - some.T))


def ladder() -> ExitModules:
    """Two passes, whose readouts say more than the sum of both."""
    modules = ExitModules([Exit(HEAD, DIM + 4)], DIM, joined=True)
    for parameter in (*modules.readouts.parameters(), *modules.last.parameters()):  # type: ignore[union-attr]
        parameter.data += 0.1 * torch.randn_like(parameter)
    return modules.requires_grad_(False)


def read(modules: ExitModules, seen: Tensor, own: Tensor) -> Tensor:
    first = modules.read(0, seen, None)
    return torch.stack([first, modules.read(1, own, first)], 1)


def test_a_map_fitted_on_some_photos_finds_more_of_others() -> None:
    torch.manual_seed(0)
    texts = F.normalize(torch.randn(2 * MANY, DIM), dim=1)
    vectors = F.normalize(texts @ turned() + 0.2 * torch.randn_like(texts), dim=1)
    found = fit_map(vectors[:MANY], texts[:MANY], torch.arange(MANY), SCALE)

    def right(photos: Tensor) -> float:
        return float((photos @ texts[MANY:].T).argmax(1).eq(torch.arange(MANY)).float().mean())

    assert right(F.normalize(vectors[MANY:] @ found.T, dim=1)) > right(vectors[MANY:]) + 0.1


def test_folded_readouts_say_what_the_maps_make_of_what_they_said() -> None:
    torch.manual_seed(1)
    modules, seen, own = ladder(), torch.randn(8, DIM + 4), torch.randn(8, DIM)
    maps = [torch.eye(DIM) + 0.01 * torch.randn(DIM, DIM) for _ in range(2)]
    said = zip(read(modules, seen, own).unbind(1), maps, strict=True)
    wanted = torch.stack([F.normalize(v @ m.T, dim=1) for v, m in said], 1)
    torch.testing.assert_close(read(folded(modules, maps), seen, own), wanted, atol=0.01, rtol=0)


def test_every_exit_fits_the_texts_better_and_the_ladder_given_stays_as_it_is() -> None:
    torch.manual_seed(2)
    modules, seen, own = ladder(), torch.randn(MANY, DIM + 4), torch.randn(MANY, DIM)
    vectors = read(modules, seen, own)
    texts = F.normalize(vectors.mean(1) @ turned(), dim=1)
    before = {name: t.clone() for name, t in modules.state_dict().items()}
    aligned = align(modules, Features([seen], vectors, texts, torch.arange(MANY)), SCALE)
    better = read(aligned, seen, own)
    assert torch.all((better * texts[:, None]).sum(-1).mean(0) > (vectors * texts[:, None]).sum(-1).mean(0))
    for name, tensor in modules.state_dict().items():
        torch.testing.assert_close(tensor, before[name], atol=0, rtol=0)


def test_the_last_exit_recalls_what_was_said_before_it_and_the_ladder_given_does_not() -> None:
    torch.manual_seed(3)
    modules, seen, own = ladder(), torch.randn(8, DIM + 4), 8 * torch.randn(8, DIM)
    said = read(modules, seen, own)
    found = read(recalling(modules, 20.0), seen, own)
    assert torch.equal(found[:, 0], said[:, 0])
    likeness = [F.cosine_similarity(v[:, 0], v[:, 1], dim=1) for v in (said, found)]
    assert torch.all(likeness[1] > likeness[0] + 0.1)
    torch.testing.assert_close(read(modules, seen, own), said, atol=0, rtol=0)
