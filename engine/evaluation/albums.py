"""Albums measured: accuracy and fidelity against MACs, by margin and otherwise, and what corrections teach.

Fidelity is how often a photo falls into the album that full depth puts it into, none among them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engine.albums.album import Album
from engine.albums.scorer import AlbumScorer
from engine.albums.sorting import AlbumSorting, Ran, look_again
from engine.evaluation import Row
from engine.evaluation.album_tasks import Task, label_tasks, written_tasks
from engine.evaluation.data_sets import names_of, unreadable
from engine.evaluation.named_photos import NamedPhotos
from engine.evaluation.single_towers import Alone, macs_share, smaller_inputs
from engine.exits.encoder import Encoder
from engine.ingest.image import ImageRejected
from engine.training.dataset import DataMissing, Example, read_captions
from engine.training.features import Features, Say, cached, stamp_of
from engine.utils.errors import EngineError
from engine.utils.kept_tensor import kept_tensor

PHRASES = (1, 5, 20, 100)
BUDGETS = (0.2, 0.4, 0.6, 0.8)
GOAL = 0.6  # mean cost that the tables speak of
SIZES = (256, 288)  # px, of the own tower's input where it reads any: what they cost lies around the goal
DEALS = 5  # of the same exits at random
DRAWS = 10  # of photos that are corrected
SHOTS = (1, 3)  # photos of each album that are
LEAST_PHOTOS = 6  # of a label that corrections are measured on


@dataclass(frozen=True, eq=False)
class AlbumPhotos:
    """A set of photos at every exit, and what it can be sorted into."""

    name: str
    encoder: Encoder
    examples: Sequence[Example]
    features: Features
    alone: Sequence[Alone]  # the own tower at smaller inputs, where it reads any

    def tasks(self, phrases: int) -> list[Task]:
        """What is sorted where so many phrases are given in all."""
        if self.examples[0].label is None:
            return written_tasks(self.examples, phrases)
        return label_tasks([example.label or "" for example in self.examples], phrases)


def album_examples(data: Path, split: str) -> list[Example]:
    """A split of a data set; labelled photos where it has some.

    Raises: DataMissing, also where the file of a photo is missing.
    """
    found = [e for e in read_captions(data) if e.split == split]
    found = [e for e in found if e.label is not None] or found
    if not found:
        raise DataMissing(f"{data} has no photos in the split {split!r}.")
    if missing := next((e.path for e in found if not e.path.is_file()), None):
        raise unreadable(ImageRejected(missing.name, "there is no such file"))
    return found


def album_photos(encoder: Encoder, name: str, examples: Sequence[Example], folder: Path, say: Say) -> AlbumPhotos:
    """Photos past every exit, kept in a folder for the next time; raises DataMissing where one cannot be read."""
    say(f"{name}: {len(examples)} photos")
    bare = [replace(example, texts=()) for example in examples]
    try:
        features = cached(folder, encoder, bare, say, skipping=False)
        alone = _kept_alone(encoder, bare, folder, say)
    except ImageRejected as error:
        raise unreadable(error) from error
    return AlbumPhotos(name, encoder, examples, features, alone)


def _kept_alone(encoder: Encoder, examples: Sequence[Example], folder: Path, say: Say) -> list[Alone]:
    own = encoder.backbone
    sizes = [size for size in SIZES if own.reads_any_size and size <= own.size]
    if not sizes:
        return []

    def read() -> Tensor:
        say("at smaller inputs")
        return torch.stack([torch.from_numpy(alone.vectors) for alone in smaller_inputs(encoder, examples, sizes)])

    kept = kept_tensor(folder / "small.safetensors", f"{stamp_of(encoder, examples)} {sizes}", read)
    return [
        Alone("small-input", own.name, size, macs_share(encoder, own, size), vectors)
        for size, vectors in zip(sizes, kept.numpy(), strict=True)
    ]


@dataclass(frozen=True, eq=False)
class _Case:
    """One task, scored at every exit."""

    task: Task
    scorer: AlbumScorer
    vectors: Tensor  # (n, K, D)

    @classmethod
    def of(cls, photos: AlbumPhotos, task: Task, background: bool) -> "_Case":
        scorer = AlbumScorer.of(task.albums, photos.encoder)
        rows = np.arange(len(task.rows)) if background else np.flatnonzero(~task.truth[:, -1])
        if not background:
            scorer = replace(scorer, background=scorer.background[:0])
            task = Task(task.albums, task.rows[rows], task.truth[rows])
        return cls(task, scorer, photos.features.vectors[torch.from_numpy(task.rows)])

    def at(self, exits: np.ndarray) -> np.ndarray:
        """(n,) outcomes of photos that stand at these exits (0-based)."""
        return self.of_vectors(self.vectors[torch.arange(len(exits)), torch.from_numpy(exits)])

    def of_vectors(self, vectors: Tensor) -> np.ndarray:
        """(n,) outcomes by their embeddings alone."""
        return self.scorer.scores(vectors).argmax(1).numpy()

    def by_margin(self, encoder: Encoder, budget: float) -> np.ndarray:
        """(n,) exits (0-based) of photos that all begin at the first and go deeper where in doubt."""
        onward = encoder.ladder.onward[1]  # with their maps
        exits = np.zeros(len(self.vectors), int)
        sorting = AlbumSorting(self.scorer, self.vectors[:, 0], torch.from_numpy(exits), {})
        limit = (budget - encoder.exit_macs[0] / encoder.full_macs) * len(exits)

        def run(rows: np.ndarray, exit: int) -> Ran:
            cost = float(onward[exits[rows], exit].sum())
            exits[rows] = exit
            return Ran(self.vectors[torch.from_numpy(rows), exit], np.ones(len(rows), bool), cost)

        look_again(sorting, onward[exits], onward, limit, run)
        return exits

    def judged(self, outcomes: np.ndarray) -> np.ndarray:
        """(n, 2) whether each is right, and whether it is full depth's."""
        full = self.of_vectors(self.vectors[:, -1])
        return np.stack([self.task.truth[np.arange(len(outcomes)), outcomes], outcomes == full], 1)


def rows_of(photos: AlbumPhotos, phrases: int, background: bool) -> list[Row]:
    """The rows of a set: every policy at every budget, mean over its tasks; none where no task has a photo."""
    every = [_Case.of(photos, task, background) for task in photos.tasks(phrases)]
    cases = [case for case in every if len(case.vectors)]  # without a background, photos of no album are left out
    if not cases:
        return []
    shares, encoder, last = photos.encoder.ladder.shares, photos.encoder, photos.encoder.exits - 1

    def row(policy: str, setting: float, judged: list[np.ndarray], costs: list[np.ndarray]) -> Row:
        means = np.concatenate(judged).mean(0) * 100
        return {
            "policy": policy,
            "setting": setting,
            "macs_share": round(float(np.concatenate(costs).mean()), 4),
            "accuracy": round(float(means[0]), 2),
            "fidelity": round(float(means[1]), 2),
        }

    def everyone(k: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
        exits = [np.full(len(case.vectors), k) for case in cases]
        return [c.judged(c.at(e)) for c, e in zip(cases, exits, strict=True)], [shares[e] for e in exits]

    found = [row("full" if k == last else "exit", k + 1, *everyone(k)) for k in range(last + 1)]
    for alone in photos.alone:
        vectors = torch.from_numpy(alone.vectors)
        judged = [c.judged(c.of_vectors(vectors[torch.from_numpy(c.task.rows)])) for c in cases]
        found.append(row("small-input", alone.size, judged, [np.full(len(c.vectors), alone.macs_share) for c in cases]))
    draw = np.random.default_rng(0)
    for budget in BUDGETS:
        exits = [case.by_margin(encoder, budget) for case in cases]
        costs = [shares[e] for e in exits]
        found.append(row("margin", budget, [c.judged(c.at(e)) for c, e in zip(cases, exits, strict=True)], costs))
        dealt = [
            np.mean([c.judged(c.at(draw.permutation(e))) for _ in range(DEALS)], 0)
            for c, e in zip(cases, exits, strict=True)
        ]
        found.append(row("random", budget, dealt, costs))
    return found


def at_cost(rows: Sequence[Row], policy: Callable[[Row], bool], name: str, cost: float) -> float:
    """A figure of a policy's rows, interpolated to a cost."""
    points = sorted((r["macs_share"], r[name]) for r in rows if policy(r))
    return float(np.interp(cost, [share for share, _ in points], [figure for _, figure in points]))


def corrections(photos: AlbumPhotos) -> list[Row]:
    """What photos moved by hand teach: accuracy at full depth on photos that nobody moved, in per cent.

    Args: photos: with labels; those of labels with at least six photos are sorted.
    """
    names = [example.label or "" for example in photos.examples]
    labels = sorted({name for name in names if names.count(name) >= LEAST_PHOTOS})
    rows = np.flatnonzero([name in labels for name in names])
    own = np.array([labels.index(names[row]) for row in rows])
    vectors = photos.features.vectors[torch.from_numpy(rows), -1]
    scorer = AlbumScorer.of([Album(label, (label,)) for label in labels], photos.encoder)
    found = []
    for part in (1.0, 0.25):
        for shots in SHOTS if round(part * len(labels)) else ():  # of few labels a part may be none
            draws = list(_draws(scorer, vectors, own, shots, part))
            before, after = np.mean(draws, 0) * 100
            found.append(
                {
                    "albums": len(labels),
                    "corrected_albums": round(part * len(labels)),
                    "corrections": shots,
                    "before": round(float(before), 2),
                    "after": round(float(after), 2),
                    "gain": round(float(after - before), 2),
                    "deviation": round(float(np.diff(draws, axis=1).std(ddof=1) * 100), 2),
                }
            )
    return found


def _draws(
    scorer: AlbumScorer, vectors: Tensor, own: np.ndarray, shots: int, part: float
) -> Iterator[tuple[float, float]]:
    """Accuracy before and after, of photos that were not drawn; draw by draw."""
    for seed in range(DRAWS):
        draw = np.random.default_rng(seed)
        albums = draw.permutation(scorer.words.many)[: round(part * scorer.words.many)]
        shown = {int(a): draw.permutation(np.flatnonzero(own == a))[:shots] for a in albums}
        rest = np.setdiff1d(np.arange(len(own)), np.concatenate(list(shown.values())))
        examples = {album: vectors[torch.from_numpy(rows)] for album, rows in shown.items()}
        taught = replace(scorer, examples=examples)
        judged = [s.scores(vectors[torch.from_numpy(rest)]).argmax(1).numpy() == own[rest] for s in (scorer, taught)]
        yield float(judged[0].mean()), float(judged[1].mean())


def evaluate_albums(
    sets: Sequence[tuple[Path, str]], encoder: Encoder, cache: Path, say: Say = lambda line: None
) -> Row:
    """What `evaluate-albums` writes; nothing is trained or chosen.

    Args: sets: data folders and splits.  cache: folder for what the exits make of photos.
    Raises: DataMissing; EngineError where a set is named twice.
    """
    folders = list(dict.fromkeys(data for data, _ in sets))
    called = dict(zip(folders, names_of(folders), strict=True))
    if len(set(sets)) < len(sets):
        raise EngineError("One of the sets is named twice; name each once.")  # a folder may be there for two splits
    # All sets are found, and then all photos read, before any is measured: a bad one costs no hour's work.
    found = [album_examples(data, split) for data, split in sets]
    read = [
        album_photos(
            encoder, f"{called[data]} {split}", examples, cache / f"{called[data]}-{split}".replace("/", "-"), say
        )
        for (data, split), examples in zip(sets, found, strict=True)
    ]
    tables, held, searches, taught = [], [], [], []
    for photos in read:
        for background in (True, False):
            for phrases in PHRASES if background else PHRASES[1:]:
                if photos.tasks(phrases):
                    say(f"{photos.name}: {phrases} phrases, {'with' if background else 'without'} background")
                    if rows := rows_of(photos, phrases, background):
                        about = {"data": photos.name, "phrases": phrases, "background": background}
                        tables.append(about | {"rows": rows})
        words = NamedPhotos(photos.encoder, photos.examples, photos.features.vectors[:, -1])
        held += [{"data": photos.name} | row for row in words.held()]
        searches += [{"data": photos.name} | row for row in words.found()]
        if photos.examples[0].split == "unseen" and photos.examples[0].label is not None:
            taught += [{"data": photos.name} | row for row in corrections(photos)]
    return {
        "model": encoder.identity.model,
        "sets": tables,
        "wide_words": held,
        "searches": searches,
        "corrections": taught,
    }
