"""Which of a query's candidates to look at again, and how deep: those whose place is in doubt, where a look pays.

A candidate's score at full depth is taken to be normal around what is expected of it (`Reading`). How far that stands
from the score at the page's edge says how probably the candidate is on the wrong side of it; how far from the best of
the others, how probably it is wrongly the first, or wrongly not. A look at a deeper exit costs MACs and leaves less
doubt; the one that mends most wrong places per MAC comes first (knowledge gradient: Frazier, Powell and Dayanik 2008).
Nothing here knows of photos, texts or encoders.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

ROUND = 8  # looks taken at once, before the page's edge is found again
FIRST = 2.0  # how many wrong places on the page the wrong first one counts for; chosen on val
WORTH = 0.17  # wrong places that one full encoding must mend to be worth it: lambda at query time; chosen on val

# Gauss-Hermite: the mean of f(z) over a standard normal z is SHARES @ f(NODES).
_ROOTS, _WEIGHTS = np.polynomial.hermite.hermgauss(7)
NODES, SHARES = _ROOTS * math.sqrt(2), _WEIGHTS / math.sqrt(math.pi)


@dataclass(frozen=True)
class Calibration:
    """What a score at an exit foretells of the score at full depth: slope * score + offset, give or take."""

    slope: float
    offset: float
    deviation: float  # standard deviation of the full-depth score around that


EXACT = Calibration(slope=1.0, offset=0.0, deviation=0.0)  # of the last exit
UNFITTED = Calibration(slope=1.0, offset=0.0, deviation=0.06)


def calibrations(exits: int) -> tuple[Calibration, ...]:
    """One for each exit of an encoder, the last one exact, where none have been fitted."""
    return (*(UNFITTED for _ in range(exits - 1)), EXACT)


@dataclass(frozen=True)
class Reading:
    """What is expected of candidates at full depth; arrays of one shape."""

    expected: np.ndarray  # scores
    deviations: np.ndarray  # of the score at full depth around that; 0 where it is known


@dataclass(frozen=True)
class Looks:
    """Candidates that were run deeper, in order; (N,) each."""

    queries: np.ndarray
    places: np.ndarray  # among the query's candidates
    exits: np.ndarray  # 0-based, where they were run to
    costs: np.ndarray  # in full encodings


# Runs candidates, named by (N,) queries and (N,) places, to an exit and reads them there.
Run = Callable[[np.ndarray, np.ndarray, int], Reading]


def pool_size(photos: int, k: int) -> int:
    """How many of the best of a gallery are candidates for a page of k; it grows with the gallery's square root."""
    return max(6 * k, 2 * math.isqrt(photos))


def deepen(
    reading: Reading,
    exits: np.ndarray,
    costs: np.ndarray,
    onward: np.ndarray,
    spreads: np.ndarray,
    k: int,
    limit: float,
    run: Run,
    worth: float = WORTH,
) -> Looks:
    """Look at candidates again, round by round, while a look is worth its cost.

    Several queries go side by side, each for itself; a page has one.

    Args:
        reading: of M candidates of each of Q queries, (Q, M), in any order.
        exits: (Q, M) where each stands, 0-based.
        costs: (Q, M, E) what it costs to run each to each exit, in full encodings; inf where it cannot be run there.
        onward: (E, E) the same from one exit to another for a candidate that has just been run to the first.
        spreads: (E,) typical deviation of a candidate at each exit; the last one's is 0.
        k: page size.
        limit: what all looks of a query together may cost, in full encodings.
        worth: wrong places that a full encoding must mend; the lower, the more is looked at.
    """
    expected, deviations = reading.expected.astype(np.float64), reading.deviations.astype(np.float64)
    exits, costs = exits.copy(), costs.astype(np.float64)
    spent = np.zeros(len(expected))
    taken: list[Looks] = []
    able = _able(costs, spreads)
    going = np.arange(len(expected) if len(able) else 0)  # queries that still look
    while len(going):
        prices = costs[going][..., able]  # (Q, M, T)
        floor = worth * prices.min(2, initial=np.inf)
        mends = mended(expected[going], deviations[going], exits[going], spreads, k, able, floor)
        queries, places, targets = _round(mends / prices, prices, limit - spent[going], worth)
        queries, targets = going[queries], able[targets]
        for target in np.unique(targets).tolist():
            these = targets == target
            who, where = queries[these], places[these]
            price = costs[who, where, target]
            found = run(who, where, target)
            taken.append(Looks(who, where, np.full(len(who), target), price))
            np.add.at(spent, who, price)
            expected[who, where], deviations[who, where] = found.expected, found.deviations
            exits[who, where], costs[who, where] = target, onward[target]
        going = np.unique(queries)
    if not taken:
        none = np.empty(0, int)
        return Looks(none, none, none, np.empty(0))
    return Looks(
        queries=np.concatenate([t.queries for t in taken]),
        places=np.concatenate([t.places for t in taken]),
        exits=np.concatenate([t.exits for t in taken]),
        costs=np.concatenate([t.costs for t in taken]),
    )


def _round(gains: np.ndarray, costs: np.ndarray, left: np.ndarray, worth: float) -> tuple[np.ndarray, ...]:
    """The best looks of each query, `ROUND` at most: (N,) queries, places and targets."""
    targets = gains.argmax(2)  # (Q, M)
    gain, cost = (np.take_along_axis(a, targets[..., None], 2)[..., 0] for a in (gains, costs))
    order = np.argsort(-gain, axis=1, kind="stable")[:, :ROUND]
    best, price = np.take_along_axis(gain, order, 1), np.take_along_axis(cost, order, 1)
    good = (best >= worth) & (np.where(np.isfinite(price), price, 0).cumsum(1) <= left[:, None] + 1e-9)
    queries, ranks = np.nonzero(good)
    places = order[queries, ranks]
    return queries, places, targets[queries, places]


def _able(costs: np.ndarray, spreads: np.ndarray) -> np.ndarray:
    """(T,) The exits that a look may go to: some candidate can be run there, and none that tells more costs less."""
    found = [k for k in range(len(spreads)) if np.isfinite(costs[..., k]).any()]

    def is_beaten(k: int) -> bool:
        return any(spreads[j] < spreads[k] and (costs[..., j] <= costs[..., k]).all() for j in found)

    return np.array([k for k in found if not is_beaten(k)], np.int64)


def mended(
    expected: np.ndarray,
    deviations: np.ndarray,
    exits: np.ndarray,
    spreads: np.ndarray,
    k: int,
    targets: np.ndarray,
    floor: np.ndarray,
) -> np.ndarray:
    """How many wrong places a look at each candidate at each exit would mend, the first place counted `FIRST` times.

    Args:
        expected, deviations, exits, spreads, k: as for `deepen`.
        targets: (T,) exits that are looked at.
        floor: (Q, M) wrong places; a candidate on which no more than that hang is passed over.
    Returns: (Q, M, T); 0 for an exit that the candidate has passed, or that would tell nothing new.
    """
    wrong = []  # for the page and for its first place: weight, gaps, doubts, probability of a wrong place as it is
    for best, weight in ((k, 1.0), (1, FIRST)):
        edges, doubts = edge(expected, deviations, best)
        gaps = np.abs(expected - edges)
        wrong.append((weight, gaps, doubts, _tail(gaps, np.hypot(deviations, doubts))))
    open = np.nonzero(sum(weight * before for weight, _, _, before in wrong) > floor)
    deeper = targets > exits[open][:, None]
    own = deviations[open]
    left = np.where(deeper, np.minimum(spreads[targets], own[:, None]), own[:, None])  # (N, T)
    total = np.zeros(left.shape)
    for weight, gaps, doubts, before in wrong:
        total += weight * (before[open][:, None] - _wrong_after(gaps[open], own, left, doubts[open]))
    found = np.zeros((*expected.shape, len(targets)))
    found[open] = np.maximum(total, 0)
    return found


def edge(expected: np.ndarray, deviations: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """For each candidate the k-th best score of all the others, and its deviation; above it, it is among the best k.

    Args: (Q, M) each.  Returns: (Q, M) each; -inf and 0 where there are no k others.
    """
    many = expected.shape[1]
    order = np.argsort(-expected, axis=1, kind="stable")[:, : k + 1]
    best, doubt = np.take_along_axis(expected, order, 1), np.take_along_axis(deviations, order, 1)
    if many <= k:  # room for all
        none = np.full((len(expected), k + 1 - many), -np.inf)
        best, doubt = np.hstack([best, none]), np.hstack([doubt, np.zeros(none.shape)])
    inside, next_one, last_one = expected >= best[:, k - 1 : k], slice(k, k + 1), slice(k - 1, k)
    return (
        np.where(inside, best[:, next_one], best[:, last_one]),
        np.where(inside, doubt[:, next_one], doubt[:, last_one]),
    )


def _wrong_after(gaps: np.ndarray, deviations: np.ndarray, left: np.ndarray, doubts: np.ndarray) -> np.ndarray:
    """(..., T) Probability of a wrong place after a look that leaves a deviation, the mean over what it may show."""
    moves = np.sqrt(np.maximum(deviations[..., None] ** 2 - left**2, 0))  # of the expected score, by the look
    remaining = np.hypot(left, doubts[..., None])
    return sum(
        share * _tail(np.abs(gaps[..., None] + node * moves), remaining)
        for node, share in zip(NODES.tolist(), SHARES.tolist(), strict=True)
    )


def _tail(gaps: np.ndarray, deviations: np.ndarray) -> np.ndarray:
    """P(Z > gap / deviation) for a standard normal Z, to about 0.0002; 0 where the deviation is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        sigmas = np.minimum(np.where(deviations > 0, gaps / deviations, np.inf), 6.0)
    return 0.5 * (1 - np.tanh(math.sqrt(2 / math.pi) * (sigmas + 0.044715 * sigmas**3)))
