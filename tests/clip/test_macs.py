import inspect
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from engine.exits.encoder import Encoder
from engine.exits.loading import load_encoder
from tests import tiny_models


def flop_counter_macs(run: Callable[[], object]) -> int:
    torch.backends.mha.set_fastpath_enabled(False)  # the counter does not see inside fused attention
    try:
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            run()
    finally:
        torch.backends.mha.set_fastpath_enabled(True)
    return counter.get_total_flops() // 2


@pytest.mark.parametrize("kind", tiny_models.VISION)
def test_counts_agree_with_an_independent_counter(kind: str) -> None:
    model = tiny_models.backbone(kind)
    image = torch.zeros(1, 3, model.size, model.size)
    assert sum(model.stage_macs) == flop_counter_macs(lambda: model.model.encode_image(image))


def test_the_embedded_models_costs_agree_with_an_independent_counter(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("backbone", "fuse"):  # it does not know fused operations
        monkeypatch.setattr(f"engine.clip.{module}.can_fuse", lambda dtype: False)
    monkeypatch.setattr(Encoder, "_climb", inspect.unwrap(Encoder._climb))  # nor can it enter inference mode
    monkeypatch.setattr("engine.exits.loading.read_texts", lambda: ["a dog", "a cat"])
    encoder = load_encoder(precision="float32")
    assert len(encoder.bank.vectors) >= 2, "encoded before it counts"
    photo = tiny_models.pixels(1, encoder.backbone.size)
    for exit in range(1, encoder.exits + 1):
        assert encoder.exit_macs[exit - 1] == flop_counter_macs(partial(encoder.deepen, photo, exit))
