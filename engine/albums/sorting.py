"""Photos sorted into albums: at once where they stand; those in doubt run deeper first, as far as a budget goes."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from engine.albums.scorer import AlbumScorer
from engine.exits.looks import best_looks

LEAST = 0.01  # chance of another decision that a full encoding must take away to be worth it
AT_ONCE = 32  # photos that are run before it is asked anew whose decision is in doubt


@dataclass(frozen=True, eq=False)
class Ran:
    """What became of photos that were to be run deeper, (n,) each."""

    vectors: Tensor  # (n, D)
    came: np.ndarray  # whether each came there
    cost: float  # of all together, in full encodings


Run = Callable[[np.ndarray, int], Ran]  # (n,) rows and an exit, 0-based


class AlbumSorting:
    """Photos and their outcomes, wherever they stand."""

    def __init__(self, scorer: AlbumScorer, vectors: Tensor, exits: Tensor, fixed: dict[int, int]) -> None:
        """Args: vectors: (N, D).  exits: (N,) 0-based.  fixed: rows whose outcome is known, by hand."""
        self.scorer, self.exits = scorer, exits.clone()
        self.scores = scorer.scores(vectors)
        self.fixed = torch.full((len(vectors),), -1)
        if fixed:
            self.fixed[torch.tensor(list(fixed))] = torch.tensor(list(fixed.values()))
        self.gains = self._gained(torch.arange(len(vectors)))  # (N, K) what a look at each exit takes from the doubts

    @property
    def outcomes(self) -> Tensor:
        """(N,) numbers of albums; one more than the last is none."""
        return torch.where(self.fixed >= 0, self.fixed, self.scores.argmax(1))

    @property
    def probabilities(self) -> Tensor:
        """(N,) of the outcomes; 1 by hand."""
        of_all = self.scorer.probabilities(self.scores, self.exits)
        return torch.where(self.fixed >= 0, 1, of_all.gather(1, self.outcomes[:, None])[:, 0])

    def _gained(self, rows: Tensor) -> Tensor:
        """(n, K) What a look at each exit takes from the doubts of some photos, (n,) rows."""
        found = self.scorer.gains(self.scorer.leads(self.scores[rows]), self.exits[rows])
        found[self.fixed[rows] >= 0] = 0
        return found

    def moved(self, rows: np.ndarray, vectors: Tensor, exit: int) -> None:
        """Some photos, (n,) rows, stand at another exit (0-based) now; vectors (n, D)."""
        where = torch.from_numpy(rows)
        self.scores[where], self.exits[where] = self.scorer.scores(vectors), exit
        self.gains[where] = self._gained(where)


def look_again(sorting: AlbumSorting, costs: np.ndarray, onward: np.ndarray, limit: float, run: Run) -> int:
    """Run photos deeper whose decision is in doubt, those first that gain most for their cost; returns how many were.

    What is run next depends on where photos stand alone, so that a sort that was stopped goes on as if it had not been.

    Args:
        costs: (N, K) full encodings that it takes to run each to each exit; inf where it cannot be run there.
        onward: (K, K) the same from one exit to another.  limit: to spend, in full encodings.
    """
    looked: set[int] = set()
    costs = costs.copy()
    while True:
        _, chosen, exits = best_looks(sorting.gains.numpy()[None], costs[None], np.array([limit]), LEAST, AT_ONCE)
        if not len(chosen):
            return len(looked)
        for exit in np.unique(exits).tolist():
            rows = chosen[exits == exit]
            ran = run(rows, exit)
            limit -= ran.cost
            costs[rows] = np.where(ran.came[:, None], onward[exit], np.inf)
            here = torch.from_numpy(ran.came)
            sorting.moved(rows[ran.came], ran.vectors[here], exit)
            looked |= set(rows[ran.came].tolist())
