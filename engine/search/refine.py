"""A query's candidates on their way deeper: from kept feature maps where there are any, else from their pictures."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engine.exits.calibration import Estimate
from engine.exits.phrases import Phrases
from engine.ingest.kept_picture import kept_pixels
from engine.search.allocation import Goal, deepen
from engine.storage.encodings import Candidate, DeeperEncoding

if TYPE_CHECKING:
    from engine.exits.batch import DeeperRun
    from engine.exits.feature_map import FeatureMap
    from engine.exits.photo_encoder import PhotoEncoder

LIMIT = 20.0  # what one query may spend, in full encodings
LEAST, PART = 3.0, 0.1  # in a small gallery: no more than a tenth of its photos, but three
SPENDABLE = 0.5  # of what indexing saved; queries spend no more, so a gallery that is asked a lot still saves the rest
BATCH = 16  # photos that run together
DECODERS = 4  # threads that decode pictures; Pillow lets go of the interpreter while it does


@dataclass
class _Way:
    """How far one candidate has come, and what that took."""

    exit: int  # 1-based
    vector: np.ndarray
    phrases: dict[int, Phrases] = field(default_factory=dict)
    macs: int = 0
    milliseconds: float = 0.0
    map: "FeatureMap | None" = None
    pixels: np.ndarray | None = None


def affordable(photos: int, indexed: float, asked: float) -> float:
    """What one query may spend, in full encodings.

    Args: photos: in the gallery.  indexed, asked: spent on it so far by indexing and by queries, in full encodings.
    """
    return max(0.0, min(LIMIT, max(LEAST, PART * photos), SPENDABLE * (photos - indexed) - asked))


def decide(deepening: "Deepening", estimate: Estimate, query: np.ndarray, k: int, limit: float) -> bool:
    """Look again at candidates where that may change the first k.

    Args: estimate: of the candidates.  limit: what it may cost, in full encodings; see `affordable`.
    Returns: False where even the cheapest look would cost more.
    """
    encoder, scorer, costs = deepening.encoder, deepening.encoder.scorer, deepening.costs()
    cheapest = costs.min(initial=np.inf)
    if cheapest == np.inf:  # all are at full depth
        return True
    if limit < cheapest:
        return False
    # One that cannot be run keeps its place: its score is taken as known.
    runs, scores = np.isfinite(costs).any(1), scorer.rank_scores(estimate)
    expected = np.where(runs, estimate.expected, scores)
    deviations = np.where(runs, estimate.deviations, 0)

    def run(_: np.ndarray, places: np.ndarray, target: int) -> Estimate:
        came = deepening.run(places.tolist(), target + 1)
        cosines = (deepening.vectors[places] * query).sum(1)
        seen = scorer.calibrated(cosines, deepening.exits[places] - 1)
        return Estimate(np.where(came, seen.expected, scores[places]), np.where(came, seen.deviations, 0))

    deepen(
        Estimate(expected[None], deviations[None]),
        deepening.exits[None] - 1,
        costs[None],
        encoder.ladder.onward(from_map=True),
        scorer.deviations,
        Goal(k, encoder.logit_scale, limit),
        run,
    )
    return True


class Deepening:
    """Runs candidates from where they stand to later exits; keeps what became of them and what it cost."""

    def __init__(
        self,
        encoder: "PhotoEncoder",
        candidates: Sequence[Candidate],
        picture_path: Callable[[str], Path],
        kept_map: Callable[[str], bytes | None],
    ) -> None:
        self.encoder, self.candidates = encoder, candidates
        self._picture_path, self._kept_map = picture_path, kept_map
        self._ways = [_Way(c.exit, np.frombuffer(c.vector, np.float32)) for c in candidates]

    @property
    def exits(self) -> np.ndarray:
        """(M,) where each candidate stands, 1-based."""
        return np.array([way.exit for way in self._ways], np.int64)

    @property
    def vectors(self) -> np.ndarray:
        """(M, D) their embeddings there."""
        return np.stack([way.vector for way in self._ways])

    @property
    def macs(self) -> int:
        """Spent so far."""
        return sum(way.macs for way in self._ways)

    def costs(self) -> np.ndarray:
        """(M, E) full encodings that it takes to run each candidate to each exit; inf where it cannot be run there."""
        ladder, exits = self.encoder.ladder, range(1, self.encoder.exits + 1)
        table = np.stack([ladder.onward(from_map) for from_map in (False, True)])  # (2, E, E)
        found = table[[int(c.map is not None) for c in self.candidates], self.exits - 1]
        for row, candidate in enumerate(self.candidates):
            if not self._picture_path(candidate.content_hash).is_file():
                goes_on = candidate.map is not None and [ladder.resumes(candidate.exit, end) for end in exits]
                found[row] = np.where(goes_on, found[row], np.inf)
        return found

    def run(self, places: Sequence[int], to_exit: int) -> np.ndarray:
        """Run candidates to an exit (1-based), together.

        Returns: (N,) whether each came there; one without a map, whose picture is gone, stays where it is.
        """
        for start in range(0, len(places), BATCH):
            self._run(list(places[start : start + BATCH]), to_exit)
        return np.array([self._ways[place].exit == to_exit for place in places])

    def deeper(self) -> list[DeeperEncoding]:
        """What became of the candidates that were run."""
        return [
            DeeperEncoding(
                image_id=candidate.image_id,
                exit=way.exit,
                vector=np.asarray(way.vector, np.float32).tobytes(),
                phrases=way.phrases,
                macs=way.macs,
                milliseconds=way.milliseconds,
                map=way.map.pack() if way.map is not None else None,
            )
            for candidate, way in zip(self.candidates, self._ways, strict=True)
            if way.exit > candidate.exit
        ]

    def _run(self, places: list[int], to_exit: int) -> None:
        groups: dict[int, list[int]] = {}  # exit that a map is of -> those that run on from there
        anew: list[int] = []
        for place in places:
            way = self._ways[place]
            self._take_map(place, to_exit)
            if way.map is not None and self.encoder.ladder.resumes(way.exit, to_exit):
                groups.setdefault(way.exit, []).append(place)
            else:
                anew.append(place)
        for exit, group in groups.items():
            maps = [way.map for place in group if (way := self._ways[place]).map is not None]
            self._note(group, self.encoder.resume(maps, exit, to_exit))
        self._decode(anew)
        anew = [place for place in anew if self._ways[place].pixels is not None]
        if anew:
            pixels = [p for place in anew if (p := self._ways[place].pixels) is not None]
            self._note(anew, self.encoder.run_to(np.stack(pixels), to_exit))

    def _take_map(self, place: int, to_exit: int) -> None:
        """Read a candidate's kept map where it leads to the exit."""
        way, candidate = self._ways[place], self.candidates[place]
        unread = way.map is None and way.exit == candidate.exit
        if unread and candidate.map is not None and self.encoder.ladder.resumes(way.exit, to_exit):
            data = self._kept_map(candidate.map)
            way.map = None if data is None else self.encoder.unpack_map(data, way.exit)

    def _decode(self, places: Sequence[int]) -> None:
        wanted = [place for place in places if self._ways[place].pixels is None]
        paths = [self._picture_path(self.candidates[place].content_hash) for place in wanted]
        with ThreadPoolExecutor(DECODERS, "decode") as threads:
            for place, pixels in zip(
                wanted, threads.map(lambda path: kept_pixels(path, self.encoder.preprocess), paths), strict=True
            ):
                self._ways[place].pixels = pixels

    def _note(self, places: Sequence[int], runs: "Sequence[DeeperRun]") -> None:
        for place, run in zip(places, runs, strict=True):
            way = self._ways[place]
            way.exit, way.vector, way.map = run.exit, run.vector, run.map
            way.phrases[run.exit] = run.phrases
            way.macs += run.macs
            way.milliseconds += run.milliseconds
