"""Recall and fidelity against compute, policies side by side on sets of photos. Nothing here trains.

`POLICIES` is the table of what is measured: each entry makes rows of the arrays of a `PhotoSet`.
"""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, partial
from pathlib import Path

import numpy as np
import torch
from timm.data import ImageNetInfo

from engine.evaluation import Row
from engine.evaluation.data_sets import names_of, unreadable
from engine.evaluation.photo_set import Outcome, PhotoSet
from engine.evaluation.policies import BY_PRICE, oracle_drift, patience, within
from engine.evaluation.query_simulation import IndexSimulation, Looked
from engine.evaluation.single_towers import Alone, towers_alone
from engine.evaluation.subjects import known_labels, named_subjects
from engine.exits.budget import BUDGET_GRID
from engine.exits.checkpoint import FittedExits
from engine.exits.encoder import Encoder
from engine.exits.loading import load_encoder
from engine.ingest.image import ImageRejected
from engine.search.metrics import PAGE, paired_difference
from engine.training.dataset import DataMissing, Example, read_captions
from engine.training.features import Features, Say, collect
from engine.training.rivals import RANDOM_BANK, load_rivals, with_random_bank
from engine.training.splits import folder_photos

ALONE = ("small-input", "single")
TOP_M = (5, 10, 20, 50)  # how many a query runs deeper where rank alone decides
MIN_GAINS = (0.02, 0.01, 0.005, 0.003, 0.002, 0.001, 0.0007)  # least gains of a second look
LOOKED_AT = (0.2, 0.3, 0.4, 0.5, 0.6)  # budgets of an index that leave second looks something to do
DEALS = 10  # of random exits
LABELLED = "a photo of a {}"


@dataclass(frozen=True, eq=False)
class Case:
    """A set of photos, and what a model is compared with on it."""

    name: str
    photos: PhotoSet
    examples: Sequence[Example] = ()  # the photos themselves, for other towers and other sizes
    rivals: Mapping[str, FittedExits] = field(default_factory=dict)  # gates, by name

    @cached_property
    def alone(self) -> list[Alone]:
        """Its photos, read by one tower alone."""
        return towers_alone(self.photos, self.examples)


@lru_cache(maxsize=2 * len(BUDGET_GRID))
def gates_at(photos: PhotoSet, budget: float) -> tuple[np.ndarray, Outcome]:
    """The exits that the gates choose at a budget of the grid, (N,), and how that index answers."""
    exits = photos.decided[:, BUDGET_GRID.index(budget)]
    return exits, photos.at(exits)


@lru_cache(maxsize=2 * len(BUDGET_GRID))
def random_at(photos: PhotoSet, budget: float) -> Outcome:
    """The same exits dealt at random among the photos: the mean of several deals."""
    exits, own = gates_at(photos, budget)
    if len(exits) == 0 or np.ptp(exits) == 0:
        return own
    draw = np.random.default_rng(BUDGET_GRID.index(budget))
    return Outcome.mean([photos.at(draw.permutation(exits)) for _ in range(DEALS)])


def full_rows(case: Case) -> Iterator[Row]:
    """Every photo runs to full depth."""
    yield case.photos.row("full", case.photos.encoder.exits, case.photos.at(case.photos.full), 1.0)


def exit_rows(case: Case) -> Iterator[Row]:
    """Every photo leaves at one exit."""
    for k, share in enumerate(case.photos.shares[:-1]):
        yield case.photos.row("exit", k + 1, case.photos.at(case.photos.everyone_at(k)), share)


def tgem_rows(case: Case) -> Iterator[Row]:
    """The gates' exits, at every budget, and how many photos left at each."""
    photos = case.photos
    for budget in BUDGET_GRID:
        exits, outcome = gates_at(photos, budget)
        yield photos.row("tgem", budget, outcome, photos.shares[exits]) | {"exits": _counts(photos, exits)}


def random_rows(case: Case) -> Iterator[Row]:
    """The gates' exits, dealt at random among the photos."""
    for budget in BUDGET_GRID:
        costs = case.photos.shares[gates_at(case.photos, budget)[0]]
        yield case.photos.row("random", budget, random_at(case.photos, budget), costs)


def priced_rows(name: str, case: Case) -> Iterator[Row]:
    """Another policy that answers to a price, at every budget."""
    photos = case.photos
    asks = BY_PRICE[name](photos)
    for budget in BUDGET_GRID:
        exits = within(asks, photos.shares, budget)
        yield photos.row(name, budget, photos.at(exits), photos.shares[exits])


def patience_rows(case: Case) -> Iterator[Row]:
    """Photos leave where the best text of the bank has stayed the same for so many exits."""
    for stayed in range(1, case.photos.encoder.exits - 1):
        exits = patience(case.photos, stayed)
        yield case.photos.row("patience", stayed, case.photos.at(exits), case.photos.shares[exits])


def alone_rows(policy: str, case: Case) -> Iterator[Row]:
    """Every photo is read by one tower alone; of single towers also the cheapest that finds what full depth finds."""
    photos = case.photos

    def row(policy: str, alone: Alone) -> Row:
        return photos.row(policy, alone.size, photos.of(alone.vectors), alone.macs_share) | {"tower": alone.tower}

    yield from (row(policy, alone) for alone in case.alone if alone.policy == policy)
    if policy == "single":
        wanted = photos.paired(photos.at(photos.full))[0][0]
        able = (a for a in sorted(case.alone, key=lambda a: a.macs_share))
        cheapest = next((a for a in able if photos.paired(photos.of(a.vectors))[0][0] >= wanted), None)
        if cheapest:
            yield row("single-cheapest", cheapest)


def look_rows(case: Case) -> Iterator[Row]:
    """The gates' exits, and second looks by value of information per MAC, at several least gains."""
    for budget in LOOKED_AT if case.photos.labels is None else ():
        exits, _ = gates_at(case.photos, budget)
        index = IndexSimulation(case.photos, exits)
        for min_gain in MIN_GAINS:
            yield _look_row(case, "tgem+deepen", budget, index, index.by_gain(min_gain))


def exit_look_rows(case: Case) -> Iterator[Row]:
    """Every photo leaves at one exit, and each query runs its best M to full depth."""
    for k in range(case.photos.encoder.exits - 1) if case.photos.labels is None else ():
        index = IndexSimulation(case.photos, case.photos.everyone_at(k))
        for most in TOP_M:
            yield _look_row(case, "exit+topm", k + 1, index, index.by_rank(most))


def _look_row(case: Case, policy: str, setting: float, index: IndexSimulation, looked: Looked) -> Row:
    """Its MACs share is the index's: queries pay for themselves."""
    photos = case.photos
    row = photos.row(policy, setting, looked.outcome, photos.shares[index.exits])
    return row | {"max_macs_share": round(float(looked.costs.max()), 4)} | looked.about


def ablation_rows(case: Case) -> Iterator[Row]:
    """Gates fitted in other ways, at every budget; gates of other seeds count as the policy itself."""
    photos = case.photos
    for stem, gates in case.rivals.items():
        name, _, seed = stem.rpartition("-")
        encoder = with_random_bank(photos.encoder) if name == RANDOM_BANK else photos.encoder
        decided = encoder.with_exits(gates).decide(photos.features.trace).numpy()
        policy = "tgem" if name == "seed" else f"ablation:{name}"
        for budget, exits in zip(BUDGET_GRID, decided.T, strict=True):
            yield photos.row(policy, budget, photos.at(exits), photos.shares[exits], int(seed))


POLICIES: dict[str, Callable[[Case], Iterator[Row]]] = {
    "full": full_rows,
    "exit": exit_rows,
    **{name: partial(alone_rows, name) for name in ALONE},
    "random": random_rows,
    **{name: partial(priced_rows, name) for name in BY_PRICE},
    "patience": patience_rows,
    "tgem": tgem_rows,
    "tgem+deepen": look_rows,
    "exit+topm": exit_look_rows,
    "ablation": ablation_rows,
}


def evaluate(
    data: Sequence[Path],
    split: str = "test",
    model: str | None = None,
    wanted: Container[str] = tuple(POLICIES),
    rivals: Path | None = None,
    say: Say = lambda line: None,
) -> Row:
    """What `evaluate --json` prints; trains nothing.

    Args:
        data: folders with `captions.jsonl` and `images/`, or of photos alone: of those, where they leave.
        split: which part of them to report on.  model: as in `load_encoder`.  wanted: policies, of POLICIES.
        rivals: folder that `train-rivals` wrote; without it there are no rows of what is in it.
    Returns: a table, or {"sets": tables} where there are several.
    Raises: DataMissing, ModelUnreadable, ImageRejected; EngineError where a set is named twice.
    """
    encoder = load_encoder(model)
    others = {} if rivals is None else load_rivals(rivals, encoder)
    tables = []
    # All sets are found before any is measured: a folder without photos costs no hour's work.
    named = zip(data, names_of(data), strict=True)
    sets = [found for folder, name in named for found in sets_of(folder, split, say, name)]
    if not sets:
        raise DataMissing(f"There is nothing to measure: a kind of photos needs more than {PAGE} beside another kind.")
    for name, examples in sets:
        say(f"{name}: {len(examples)} photos past every exit")
        if examples[0].texts or examples[0].label is not None:
            try:
                case = Case(name, photo_set(encoder, examples, say), examples, others)
            except ImageRejected as error:
                raise unreadable(error) from error
            tables.append({"split": split} | table_of(case, wanted, say))
        else:
            tables.append(histogram(encoder, name, collect(encoder, examples, say, skipping=True)))
    return tables[0] if len(tables) == 1 else {"sets": tables}


def sets_of(folder: Path, split: str, say: Say, name: str) -> Iterator[tuple[str, list[Example]]]:
    """The sets in a folder: captioned photos, labelled ones, or photos alone; raises DataMissing.

    Args: name: what the folder is called.
    """
    there: list[Example] = []
    if not (folder / "captions.jsonl").is_file():
        found = [Example(path, (), "") for path in folder_photos(folder)]
        kinds = {name: found}
    else:
        there = read_captions(folder)
        found = [example for example in there if example.split == split]
        captioned = [e for e in found if e.label is None and e.texts]
        labelled = [e for e in found if e.label is not None]
        labels = f"{name} labels" if captioned else name
        kinds = {name: captioned, labels: labelled} if captioned or labelled else {name: found}
        if bare := len(found) - sum(map(len, kinds.values())):
            say(f"{name}: {bare} photos in the split {split!r} have no captions, and are left out")
    if not found:
        splits = ", ".join(sorted({example.split for example in there})) or "none"
        raise DataMissing(f"{folder} has no photos in the split {split!r}; its splits: {splits}.")
    for called, examples in kinds.items():
        if len(examples) > PAGE or len(found) == len(examples):
            yield called, examples
        elif examples:
            say(f"{called}: {len(examples)} photos in the split {split!r} are too few, and left out")


def photo_set(encoder: Encoder, examples: Sequence[Example], say: Say) -> PhotoSet:
    """Examples as an encoder sees them; all have captions, or all have labels."""
    if examples[0].label is None:
        return PhotoSet(encoder, collect(encoder, examples, say), [text for e in examples for text in e.texts])
    labels = sorted({example.label or "" for example in examples})
    texts = [LABELLED.format(label) for label in labels]
    features = collect(encoder, [replace(example, texts=()) for example in examples], say)
    features = features.described_by(encoder.backbone.encode_text(texts), torch.arange(len(labels)))
    own = np.array([labels.index(example.label or "") for example in examples])
    return PhotoSet(encoder, features, texts, own)


def table_of(case: Case, wanted: Container[str], say: Say) -> Row:
    """The table of one set."""
    photos = case.photos
    by_phrases = "ablation" in wanted and photos.encoder.fitted.reference is not None
    return {
        "model": photos.encoder.identity.model,
        "precision": photos.encoder.precision,
        "data": case.name,
        "images": photos.many,
        "captions": len(photos.queries) if photos.labels is None else 0,
        "full_gmacs": round(photos.encoder.full_macs / 1e9, 4),
        "rows": rows_of(case, wanted, say),
        "differences": differences(photos) if "random" in wanted and "tgem" in wanted else [],
        "subjects": named_subjects(photos) if by_phrases and photos.labels is None else [],
        "known_labels": known_labels(photos) if by_phrases and photos.labels is not None else [],
        "new_labels": new_labels(photos) if photos.labels is not None else None,
    }


def rows_of(case: Case, wanted: Container[str], say: Say = lambda line: None) -> list[Row]:
    """The rows of the policies asked for; says the name of each as it begins, as some take minutes."""
    found: list[Row] = []
    for name, rows in POLICIES.items():
        if name in wanted:
            say(f"{case.name}: {name}")
            found += rows(case)
    return found


def differences(photos: PhotoSet) -> list[Row]:
    """How much better the gates choose than chance, and what gates that know the drift would gain, at the same cost.

    Returns: for each budget {"budget", "macs_share"}, and in per cent, with paired standard errors by photo, "random":
        the gates less the same exits at random, "oracle-drift": the gates less the oracle, and "gain": the oracle less
        random. A budget that is met as the last one was has no row.
    """
    found: list[Row] = []
    asks, names = oracle_drift(photos), ("right" if photos.labels is not None else "r10", "label", "top10")
    for budget in BUDGET_GRID:
        exits, own = gates_at(photos, budget)
        share = float(photos.shares[exits].mean())
        if found and found[-1]["macs_share"] == round(share, 4):
            continue
        chance, best = random_at(photos, budget), photos.at(within(asks, photos.shares, share))
        pairs = {"random": (own, chance), "oracle-drift": (own, best), "gain": (best, chance)}
        cells = {
            way: {
                name: {"more": round(more, 2), "error": round(error, 2)}
                for name, (more, error) in zip(names, photos.paired(*pair), strict=True)
            }
            for way, pair in pairs.items()
        }
        found.append({"budget": budget, "macs_share": round(share, 4)} | cells)
    return found


def new_labels(photos: PhotoSet) -> Row | None:
    """How often full depth finds labels that no class of ImageNet has, which most trunks have learned; None for none.

    Returns: {"labels", "photos", "right", "error"}, the last two in per cent.
    """
    assert photos.labels is not None
    classes = ImageNetInfo().label_descriptions(detailed=False)
    known = {LABELLED.format(name).casefold() for names in classes for name in names.split(", ")}
    new = np.flatnonzero([text.casefold() not in known for text in photos.texts])
    rows = np.isin(photos.labels, new)
    if not rows.any():
        return None
    right = photos.at(photos.full).found[rows, 0]
    share, error = paired_difference(right, np.zeros(len(right)), photos.labels[rows])
    return {
        "labels": len(np.unique(photos.labels[rows])),
        "photos": int(rows.sum()),
        "right": round(share, 2),
        "error": round(error, 2),
    }


def histogram(encoder: Encoder, name: str, features: Features) -> Row:
    """Where photos without captions leave at each budget."""
    photos = PhotoSet(encoder, features)
    rows = [
        {
            "policy": "tgem",
            "setting": budget,
            "exits": _counts(photos, exits),
            "macs_share": round(float(photos.shares[exits].mean()), 4),
        }
        for budget, exits in zip(BUDGET_GRID, photos.decided.T, strict=True)
    ]
    about = {"model": encoder.identity.model, "data": name, "split": None, "images": photos.many, "captions": 0}
    return about | {"rows": rows}


def lines_of(rows: Sequence[Row]) -> list[str]:
    """Rows of a captioned or labelled set for a person."""
    right = "R@1 / 5 / 10" if any("t2i" in row for row in rows) else "label found"
    lines = [f"{'policy':18} {'setting':>7}   MACs   most   {right:21}   fidelity: label, top10"]
    for row in rows:
        found = row.get("t2i") or row["top1"]
        shares = " / ".join(f"{value:.1f}" for name, value in found.items() if name != "error")
        kept = f"{row['fidelity']['label']:.1f}, {row['fidelity']['top10']:.1f}"
        spent = f"   {row['macs_per_query']:.1f} encodings a query" if "macs_per_query" in row else ""
        costs = f"{row['macs_share']:5.0%}  {row['max_macs_share']:5.0%}"
        lines.append(f"{row['policy']:18} {row['setting']:7g}  {costs}   {shares:21}   {kept}{spent}")
    return lines


def _counts(photos: PhotoSet, exits: np.ndarray) -> list[int]:
    return np.bincount(exits, minlength=photos.encoder.exits).tolist()
