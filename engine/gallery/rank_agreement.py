"""How far two rankings of the same photos agree."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Agreement:
    """Two rankings side by side: the one that was shown, and the full encoder's."""

    shown: tuple[int, ...]  # photo ids, best first
    full: tuple[int, ...]
    moves: tuple[int | None, ...]  # of each photo shown: places that the full encoder moves it up; None: off its page

    @property
    def shared(self) -> int:
        """How many photos are on both pages."""
        return len(set(self.shown) & set(self.full))

    @property
    def same_first(self) -> bool:
        """Whether both put the same photo first."""
        return self.shown[:1] == self.full[:1]


def agreement(shown: Sequence[int], full: Sequence[int], k: int = 10) -> Agreement:
    """Compare the first k of two rankings.

    Args:
        shown, full: photo ids, best first, over the same photos.
    """
    first, second = tuple(shown[:k]), tuple(full[:k])
    place = {photo: rank for rank, photo in enumerate(second)}
    moves = tuple(rank - place[photo] if photo in place else None for rank, photo in enumerate(first))
    return Agreement(first, second, moves)
