"""A query's candidates on their way deeper, from where they stand: what has run already is not run again.

A photo goes on from its stored embedding and, inside a pass, from the feature map that it left with. Where that map is
gone it runs from its picture.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engine.exits.budget import BUDGET_GRID
from engine.exits.calibration import Estimate
from engine.ingest.kept_picture import kept_pixels
from engine.search.allocation import Goal, deepen
from engine.search.query_parser import Query
from engine.search.second_looks import Key, SecondLooks
from engine.storage.encodings import Candidate
from engine.storage.feature_map_files import FeatureMapFiles

if TYPE_CHECKING:
    from torch import Tensor

    from engine.exits.batch import Encoding
    from engine.exits.encoder import Encoder, Standing

LIMIT = 20.0  # what one query may spend, in full encodings
LEAST, PART = 3.0, 0.1  # in a small gallery: no more than a tenth of its photos, but three
BATCH = 16  # photos that run together
DECODERS = 4  # threads that decode pictures; Pillow lets go of the interpreter while it does


def spending_limit(photos: int) -> float:
    """What one query may spend on a gallery of so many photos, in full encodings."""
    return min(LIMIT, max(LEAST, PART * photos))


def decide(deepening: "Deepening", estimate: Estimate, query: Query, k: int, limit: float) -> None:
    """Look again at candidates where that may change the first k.

    Args: estimate: of the candidates.  limit: what it may cost, in full encodings; see `spending_limit`.
    """
    encoder, scorer, costs = deepening.encoder, deepening.encoder.scorer, deepening.costs()
    # One that cannot be run keeps its place: its score is taken as known.
    runs = np.isfinite(costs).any(1)
    scores = estimate.expected if query.picture else scorer.rank_scores(estimate)

    def as_ranked(found: Estimate) -> Estimate:
        """With what is expected lowered by what doubt adds to it, where the page ranks without that: for pictures."""
        return Estimate(2 * found.expected - scorer.rank_scores(found), found.deviations) if query.picture else found

    expected = np.where(runs, as_ranked(estimate).expected, scores)
    deviations = np.where(runs, estimate.deviations, 0)

    def run(_: np.ndarray, places: np.ndarray, target: int) -> Estimate:
        came = deepening.run(places.tolist(), target + 1)
        seen = as_ranked(deepening.estimate(query, places))
        return Estimate(np.where(came, seen.expected, scores[places]), np.where(came, seen.deviations, 0))

    if np.isfinite(costs).any():  # some are not at full depth
        deepen(
            Estimate(expected[None], deviations[None]),
            deepening.exits[None] - 1,
            costs[None],
            encoder.ladder.onward[1],  # with the map that it has just left with
            scorer.deviations,
            Goal(k, encoder.logit_scale, limit),
            run,
        )


class Deepening:
    """Runs candidates from where they stand to later exits; keeps what became of them and what it cost."""

    def __init__(
        self,
        encoder: "Encoder",
        candidates: Sequence[Candidate],
        picture_path: Callable[[str], Path],
        maps: FeatureMapFiles,
        memory: SecondLooks | None = None,
    ) -> None:
        """Args: memory: of what ran before; it is used as if it ran now, and costs the same."""
        self.encoder, self.candidates, self._memory = encoder, candidates, memory
        self.ran = 0  # MACs that ran here and now, and were not remembered
        self._picture_path, self._maps = picture_path, maps
        self._reached = [before_any_run(candidate) for candidate in candidates]  # where each is, and what that took
        self._pixels: dict[int, np.ndarray] = {}  # of the candidates whose picture was needed

    @property
    def exits(self) -> np.ndarray:
        """(M,) where each candidate stands, 1-based."""
        return np.array([reached.exit for reached in self._reached], np.int64)

    @property
    def macs(self) -> int:
        """Spent so far."""
        return sum(reached.macs for reached in self._reached)

    def estimate(self, query: Query, places: np.ndarray) -> Estimate:
        """What candidates are expected to score where they stand."""
        reached = [self._reached[place] for place in places]
        cosines = np.array([r.vector @ query.vector for r in reached], np.float64)
        exits, affinity = np.array([r.exit - 1 for r in reached]), np.array([r.affinity for r in reached])
        return self.encoder.scorer.estimate(cosines, exits, affinity, query.picture)

    def costs(self) -> np.ndarray:
        """(M, E) full encodings that it takes to run each candidate to each exit; inf where it cannot be run there."""
        ladder = self.encoder.ladder
        mapped = [c.map is not None and self._maps.has(c.map) for c in self.candidates]
        found = ladder.onward[np.array(mapped, int), self.exits - 1]
        for row, (candidate, from_map) in enumerate(zip(self.candidates, mapped, strict=True)):
            needs_picture = ladder.needs_picture(candidate.exit, from_map)
            if needs_picture and not os.path.isfile(self._picture_path(candidate.content_hash)):
                found[row] = np.inf
        return found

    def run(self, places: Sequence[int], to_exit: int) -> np.ndarray:
        """Run candidates to an exit (1-based), together.

        Returns: (N,) whether each came there; one that needs its picture, which is gone, stays where it is.
        """
        for start in range(0, len(places), BATCH):
            self._run(list(places[start : start + BATCH]), to_exit)
        return np.array([self._reached[place].exit == to_exit for place in places])

    def deeper(self) -> "dict[int, Encoding]":
        """What became of the candidates that were run, by the ids of their images."""
        pairs = zip(self.candidates, self._reached, strict=True)
        return {candidate.image_id: reached for candidate, reached in pairs if reached.exit > candidate.exit}

    def _run(self, places: Sequence[int], to_exit: int) -> None:
        going = [place for place in places if not self._remembered(place, to_exit)]
        for place in going:
            self._take_map(place)
        reached = {place: self._reached[place] for place in going}
        needs = self.encoder.ladder.needs_picture
        by_picture = {place for place, photo in reached.items() if needs(photo.exit, photo.map is not None)}
        self._decode(sorted(by_picture))
        able = {place: photo for place, photo in reached.items() if place not in by_picture or place in self._pixels}
        for group, standing in standing_alike(self.encoder, able):
            pixels = np.stack([self._pixels[place] for place in group]) if group[0] in by_picture else None
            for place, found in zip(group, self.encoder.deepen(pixels, to_exit, standing), strict=True):
                self.ran += found.macs
                if self._memory is not None:
                    self._memory.put(self._key(place, to_exit), found)
                self._reached[place] = _joined(self._reached[place], found)

    def _remembered(self, place: int, to_exit: int) -> bool:
        """Whether a candidate came to an exit by what ran before."""
        found = self._memory.get(self._key(place, to_exit)) if self._memory is not None else None
        if found is not None:
            self._reached[place] = _joined(self._reached[place], found)
        return found is not None

    def _key(self, place: int, to_exit: int) -> Key:
        return self.encoder.identity, self.candidates[place].content_hash, self._reached[place].exit, to_exit

    def _take_map(self, place: int) -> None:
        """Read a candidate's kept map."""
        reached, candidate = self._reached[place], self.candidates[place]
        if reached.map is None and reached.exit == candidate.exit:
            self._reached[place] = replace(reached, map=kept_map(self.encoder, self._maps, candidate))

    def _decode(self, places: Sequence[int]) -> None:
        wanted = [place for place in places if place not in self._pixels]
        paths = [self._picture_path(self.candidates[place].content_hash) for place in wanted]
        with ThreadPoolExecutor(DECODERS, "decode") as threads:
            for place, pixels in zip(
                wanted, threads.map(lambda path: kept_pixels(path, self.encoder.preprocess), paths), strict=True
            ):
                if pixels is not None:
                    self._pixels[place] = pixels


def kept_map(encoder: "Encoder", maps: FeatureMapFiles, candidate: Candidate) -> "Tensor | None":
    """The feature map that an image left its exit with, where it is kept."""
    data = maps.read(candidate.map) if candidate.map is not None else None
    return encoder.unpack_map(data, candidate.exit) if data is not None else None


def standing_alike(
    encoder: "Encoder", photos: "Mapping[int, Encoding]"
) -> "Iterator[tuple[list[int], Standing | None]]":
    """Photos that go on together, and where they stand; None: they are run from their pictures."""
    from engine.exits.encoder import Standing

    groups: dict[tuple[int, bool], list[int]] = {}  # by the exit that they go on from, and whether they have maps
    for number, photo in photos.items():
        from_map = photo.map is not None
        start = photo.exit if encoder.ladder.goes_on(photo.exit, from_map) else 0
        groups.setdefault((start, from_map), []).append(number)
    for (start, _), numbers in groups.items():
        vectors = [photos[number].vector for number in numbers]
        maps = [found for number in numbers if (found := photos[number].map) is not None]
        yield numbers, Standing(start, np.stack(vectors), maps or None) if start else None


def before_any_run(candidate: Candidate, kept: "Tensor | None" = None) -> "Encoding":
    """A photo where it stands, with its map or without, as the beginning of a run."""
    from engine.exits.batch import Encoding

    no_gates = np.empty((0, len(BUDGET_GRID)), np.float32)
    vector = np.frombuffer(candidate.vector, np.float32)
    return Encoding(vector, candidate.exit, candidate.affinity, no_gates, (), 0, 0.0, None, kept)


def _joined(before: "Encoding", found: "Encoding") -> "Encoding":
    """What a run has made of a candidate, with what came before it."""
    gates, nearest_texts = found.gates, found.nearest_texts
    if found.start:  # else it ran from its picture, and came to every exit again
        gates, nearest_texts = np.concatenate([before.gates, gates]), before.nearest_texts + nearest_texts
    macs, milliseconds = before.macs + found.macs, before.milliseconds + found.milliseconds
    return replace(found, gates=gates, nearest_texts=nearest_texts, macs=macs, milliseconds=milliseconds)
