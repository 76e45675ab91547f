"""Gates that go by what people will look for: photos that clearly show one of the phrases, or none, leave.

The margin between phrases, in a softmax over them and a background from the text bank, takes the place of what a gate
leans to. How large margins are depends on the phrases, so they count by their rank among those of reference photos, and
the prices are found on those photos: the budget stays what it was.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.exits.budget import log_prices
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
        margins = torch.stack([bank.margin(v, logit_scale) for v in reference.vectors.float().unbind(1)])  # (K - 1, R)
        own = reference.leanings.float().T.contiguous()  # (K - 1, R)
        self._sorted = margins.sort(1).values, own.sort(1).values
        leanings = torch.stack([self.leanings(k, margin) for k, margin in enumerate(margins)], 1)
        self.log_prices = tuple(log_prices(leanings, cost_share))

    def leanings(self, k: int, margins: Tensor) -> Tensor:
        """The leanings that stand where margins would among those of the reference photos.

        Args: k: 0-based number of an exit.  margins: (B,), wherever they are.
        Returns: (B,).
        """
        margins_there, own = self._sorted
        if own.device != margins.device:
            margins_there, own = self._sorted = margins_there.to(margins.device), own.to(margins.device)
        places = torch.searchsorted(margins_there[k], margins).clamp_max(own.shape[1] - 1)
        return own[k][places]
