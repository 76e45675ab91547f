import numpy as np
import pytest
import torch
import torch.nn.functional as F

from engine.clip.fuse import can_fuse
from engine.exits.encoder import Encoder
from engine.exits.modules import HEAD
from engine.training.augment import resized
from engine.training.ensemble import BLENDED, Students, blended

pytestmark = pytest.mark.skipif(not can_fuse(torch.bfloat16), reason="no fused bfloat16 convolutions here")


@pytest.fixture(scope="module")
def photos(embedded: Encoder) -> torch.Tensor:
    coarse = torch.rand(4, 3, 6, 6, generator=torch.Generator().manual_seed(3))
    return resized(coarse, embedded.backbone.size)


def test_students_begin_as_the_towers_and_their_exits_are(embedded: Encoder, photos: torch.Tensor) -> None:
    student = Students(embedded).eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        said = [*student.full(photos), student.scout(photos)]
    pixels = (photos * 255).round().to(torch.uint8).numpy()
    depth = [k for k, exit in enumerate(embedded.modules.exits) if exit.stage != HEAD]
    wanted = [embedded.encode_to(pixels, k + 1) for k in (*depth, embedded.exits - 1)]
    assert len(said) == len(wanted) + 1
    for found, expected in zip(said, wanted, strict=False):
        assert (F.cosine_similarity(found, torch.from_numpy(expected)) > 0.98).all()
    assert all(p.requires_grad for p in student.parameters())
    theirs = {p.data_ptr() for p in (*embedded.backbone.model.parameters(), *embedded.modules.parameters())}
    assert not any(p.data_ptr() in theirs for p in student.parameters()), "what is learned leaves the embedded alone"


def test_what_is_finished_untaught_is_what_was_begun_with(embedded: Encoder, photos: torch.Tensor) -> None:
    visual, scout, branches = Students(embedded).finished(embedded)
    normalised = embedded.backbone.normalise((photos * 255).round().to(torch.uint8))
    with torch.no_grad():
        for found, was in ((visual, embedded.backbone.model.visual), (scout, embedded.modules.scout)):
            assert was is not None
            assert (F.cosine_similarity(found(normalised), was(normalised)) > 0.98).all()
    assert len(branches) == sum(exit.stage != HEAD for exit in embedded.modules.exits)


def test_another_photo_shines_through_some_and_never_covers_one() -> None:
    views = torch.eye(200)[:, :, None, None].expand(200, 200, 1, 1).contiguous()  # each a colour of its own
    mixed = blended(views, torch.Generator().manual_seed(0))[..., 0, 0]
    own = mixed.diagonal()
    assert (own >= 0.5).all()
    assert (own < 1).float().mean() == pytest.approx(BLENDED, abs=0.1)
    assert torch.allclose(mixed.sum(1), torch.ones(200))
    assert np.array_equal(mixed, blended(views, torch.Generator().manual_seed(0))[..., 0, 0]), "alike every time"
