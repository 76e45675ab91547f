"""Which of a query's candidates to look at again, and how deep: those where a look pays.

A CLIP says how probably each photo is the one that a text is about: the softmax over photos of logit_scale times score
(Radford et al. 2021). Of a candidate that left early the score at full depth is not known, only what is expected of it
and how far off that may be (`Estimate`), so its likelihood is log-normal. The score that a known photo would need to be
as likely is its `certainty_equivalent`; photos rank by it, and the one asked for is on the page as probably as the
likelihoods there, as a share of all, add up to. A look at a deeper exit may change a candidate's place. What that is
worth before it is known is the price of an option to exchange one photo for another (Margrabe 1978), and the look that
raises the chance of finding most per MAC comes first (knowledge gradient: Frazier, Powell and Dayanik 2008).
Nothing here knows of photos, texts or encoders.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engine.exits.calibration import FARTHEST, Estimate, certainty_equivalent
from engine.exits.looks import best_looks

ROUND = 8  # looks taken at once, before the page's edge is found again
# What it counts, beside being on the page at all, that the photo asked for comes first; chosen on val and on the photos
# that gates are fitted on.
FIRST = 0.15
MIN_GAIN = 0.003  # by how much one full encoding must raise the chance of finding: lambda at query time; chosen on val


@dataclass(frozen=True)
class Goal:
    """What second looks are for, and what they may cost."""

    k: int  # page size
    logit_scale: float  # what scores are multiplied by before their softmax
    limit: float  # of all looks of a query together, in full encodings
    min_gain: float = MIN_GAIN  # that a full encoding must add to the chance of finding; the lower, the more looks


# Runs candidates, named by (N,) queries and (N,) places, to an exit and reads them there.
Run = Callable[[np.ndarray, np.ndarray, int], Estimate]


def pool_size(photos: int, k: int) -> int:
    """How many of the best of a gallery are candidates for a page of k; it grows with the gallery's square root."""
    return max(6 * k, 2 * math.isqrt(photos))


def deepen(
    estimate: Estimate,
    exits: np.ndarray,
    costs: np.ndarray,
    onward: np.ndarray,
    spreads: np.ndarray,
    goal: Goal,
    run: Run,
) -> np.ndarray:
    """Look at candidates again, round by round, while a look gains enough for its cost.

    Several queries go side by side, each for itself; a page has one.

    Args:
        estimate: of M candidates of each of Q queries, (Q, M), in any order.
        exits: (Q, M) where each stands, 0-based.
        costs: (Q, M, E) what it costs to run each to each exit, in full encodings; inf where it cannot be run there.
        onward: (E, E) the same from one exit to another for a candidate that has just been run to the first.
        spreads: (E,) typical deviation of a candidate at each exit; the last one's is 0.
    Returns: (Q,) what the looks of each query cost, in full encodings.
    """
    expected, deviations = estimate.expected.astype(np.float64), estimate.deviations.astype(np.float64)
    exits, costs = exits.copy(), costs.astype(np.float64)
    spent = np.zeros(len(expected))
    able = _able(costs, spreads)
    going = np.arange(len(expected) if len(able) else 0)  # queries that still look
    while len(going):
        prices = costs[going][..., able]  # (Q, M, T)
        found = gains(expected[going], deviations[going], exits[going], spreads, goal.k, able, goal.logit_scale)
        queries, places, targets = best_looks(found, prices, goal.limit - spent[going], goal.min_gain, ROUND)
        queries, targets = going[queries], able[targets]
        for target in np.unique(targets).tolist():
            these = targets == target
            who, where = queries[these], places[these]
            np.add.at(spent, who, costs[who, where, target])
            seen = run(who, where, target)
            expected[who, where], deviations[who, where] = seen.expected, seen.deviations
            exits[who, where], costs[who, where] = target, onward[target]
        going = np.unique(queries)
    return spent


def _able(costs: np.ndarray, spreads: np.ndarray) -> np.ndarray:
    """(T,) The exits that a look may go to: some candidate can be run there, and none that tells more costs less."""
    found = [k for k in range(len(spreads)) if np.isfinite(costs[..., k]).any()]

    def is_beaten(k: int) -> bool:
        return any(spreads[j] < spreads[k] and (costs[..., j] <= costs[..., k]).all() for j in found)

    return np.array([k for k in found if not is_beaten(k)], np.int64)


def gains(
    expected: np.ndarray,
    deviations: np.ndarray,
    exits: np.ndarray,
    spreads: np.ndarray,
    k: int,
    targets: np.ndarray,
    logit_scale: float,
) -> np.ndarray:
    """By how much a look raises the chance that the photo asked for is on the page, and `FIRST` times that it leads.

    Args:
        expected, deviations, exits, spreads, k, logit_scale: as for `deepen`.
        targets: (T,) exits that are looked at.
    Returns: (Q, M, T); 0 for an exit that the candidate has passed, or that would tell nothing new.
    """
    equivalents = certainty_equivalent(expected, deviations, logit_scale)
    deviations, spreads = (np.minimum(values, FARTHEST / logit_scale) for values in (deviations, spreads))
    logs = logit_scale * (equivalents - equivalents.max(1, keepdims=True))  # of likelihoods, up to a constant a query
    crowd = np.exp(logs).sum(1)[:, None]
    found = np.zeros((*expected.shape, len(targets)))
    for places, weight in ((k, 1.0), (1, FIRST)):
        edges, inside = edge(logs, places)
        for column, target in enumerate(targets.tolist()):
            left = np.minimum(spreads[target], deviations)
            moves = logit_scale * np.sqrt(deviations**2 - left**2)  # of the log of the likelihood, by the look
            price = np.where(target > exits, _exchange(logs, edges, inside, moves), 0)
            found[..., column] += weight * price / crowd
    return found


def edge(scores: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """For each candidate the k-th best score of all the others, and whether it is above it: among the best k.

    Args: (Q, M).  Returns: (Q, M) each; -inf and True where there are no k others.
    """
    if scores.shape[1] <= k:  # room for all
        return np.full(scores.shape, -np.inf), np.full(scores.shape, True)
    best = -np.sort(-scores, axis=1)[:, k - 1 : k + 1]
    inside = scores >= best[:, :1]
    return np.where(inside, best[:, 1:], best[:, :1]), inside


def _exchange(logs: np.ndarray, edges: np.ndarray, inside: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """The mean of what is won where a look shows that a candidate and the one at the edge should change places.

    Args: logs of likelihoods of both; whether the candidate has a place; by how much a look moves its own log;
        (Q, M) each.
    Returns: (Q, M) likelihoods.
    """
    from torch import from_numpy  # there is an encoder where there is something to look at
    from torch.special import ndtr

    own, other, moving = np.exp(logs), np.exp(edges), np.maximum(moves, 1e-9)
    ahead = (logs - edges) / moving + moving / 2
    above, below = (ndtr(from_numpy(z)).numpy() for z in (ahead, ahead - moving))
    call = own * above - other * below
    return np.maximum(np.where(inside, call - own + other, call), 0)
