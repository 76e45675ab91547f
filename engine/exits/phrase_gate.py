"""Gates that go by what people will look for: photos that clearly show one of the phrases, or none, leave.

The margin between phrases, in a softmax over them and a background from the text bank, takes the place of what a gate
leans to. How large margins are depends on the phrases, so they count by their rank among those of reference photos, and
the prices are found on those photos: the budget stays what it was.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.exits.budget import log_prices
from engine.exits.modules import SLOPE
from engine.exits.text_bank import TextBank


@dataclass(frozen=True)
class Reference:
    """Photos that gates were fitted on, as their exits have them."""

    vectors: Tensor  # (R, K - 1, D), unit length
    leanings: Tensor  # (R, K - 1) of the model's own gates


class PhraseGate:
    """Leanings by phrases, for all exits of one encoder."""

    def __init__(self, bank: TextBank, reference: Reference, cost_share: Tensor, logit_scale: float) -> None:
        """Args: bank: with phrases.  cost_share: (K,) of the exits."""
        self._bank, self._logit_scale = bank, logit_scale
        margins = torch.stack([bank.margin(v, logit_scale) for v in reference.vectors.float().unbind(1)], 1)
        self._margins, self._leanings = margins.sort(0).values, reference.leanings.float().sort(0).values
        ranked = [self._by_rank(k, margin) for k, margin in enumerate(margins.unbind(1))]
        self.log_prices = tuple(log_prices(torch.stack(ranked, 1), cost_share, SLOPE))

    def leanings(self, k: int, vectors: Tensor) -> Tensor:
        """(B,) At exit k (0-based); (B, D) wherever they are."""
        return self._by_rank(k, self._bank.on(vectors.device).margin(vectors, self._logit_scale))

    def _by_rank(self, k: int, margins: Tensor) -> Tensor:
        """The leaning that stands where a margin would among those of the reference photos."""
        ranks, own = self._margins[:, k].to(margins.device), self._leanings[:, k].to(margins.device)
        places = torch.searchsorted(ranks.contiguous(), margins.contiguous()).clamp_max(len(ranks) - 1)
        return own[places]
