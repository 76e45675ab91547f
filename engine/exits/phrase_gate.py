"""Gates that go by what people will look for: photos that clearly show one of the phrases, or none of them, leave.

At an exit the best of these outcomes leads the second by so many cosines, and scores there are off by what its
calibration says (`engine.exits.calibration`): the lead over that deviation is how sure it is that full depth would say
the same, and takes the place of what a gate leans to. Prices are found on photos of reference. How many of a gallery's
photos are in doubt depends on the kind of photos, so each part of those keeps within the budget.
"""

import torch
from torch import Tensor

from engine.exits.budget import log_prices
from engine.exits.text_bank import TextBank

PARTS = 4  # of the photos of reference, which lie kind by kind
CERTAIN = 1e-6  # a deviation in cosines that is none


class PhraseGate:
    """Leanings by phrases, for all exits of one encoder."""

    def __init__(
        self, bank: TextBank, reference: Tensor, deviations: Tensor, cost_share: Tensor, logit_scale: float
    ) -> None:
        """Args:
        bank: with phrases.
        reference: (R, K - 1, D) photos that gates were fitted on, as their exits have them.
        deviations: (K,) of scores at the exits, in cosines.
        cost_share: (K,) of the exits.
        """
        self._deviations = deviations.clamp_min(CERTAIN).tolist()
        vectors = reference.float().unbind(1)
        leanings = torch.stack([self.leanings(k, bank.outcomes(v, logit_scale)) for k, v in enumerate(vectors)], 1)
        prices = [log_prices(part, cost_share) for part in leanings.chunk(PARTS)]
        self.log_prices = tuple(map(max, zip(*prices, strict=True)))

    def leanings(self, k: int, outcomes: Tensor) -> Tensor:
        """How sure it is that full depth would say the same; (B, O) cosines at exit k (0-based) to (B,)."""
        return leads(outcomes) / self._deviations[k]


def leads(outcomes: Tensor) -> Tensor:
    """By how many cosines the best outcome leads the second; (B, O), two or more, to (B,)."""
    best, second = outcomes.topk(2, dim=-1).values.unbind(-1)
    return best - second
