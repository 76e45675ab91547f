"""Recall against compute, policies side by side on one captioned set. Nothing here trains.

`POLICIES` is the table of what is measured: each entry makes rows from the arrays of a `CaptionedSet`.
"""

from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from engine.evaluation import Row
from engine.evaluation.baselines import BUDGETED, Dealt, Policy, tgem
from engine.evaluation.captioned_set import CaptionedSet, OtherInput
from engine.evaluation.query_simulation import IndexSimulation
from engine.evaluation.subjects import looked_for
from engine.exits.budget import BUDGET_GRID, DEFAULT_BUDGET
from engine.exits.checkpoint import FittedExits
from engine.exits.encoder import Encoder
from engine.exits.loading import load_encoder
from engine.search.allocation import MIN_GAIN
from engine.search.metrics import paired_difference
from engine.training.dataset import DataMissing, read_captions
from engine.training.features import Features, collect
from engine.training.rivals import NO_GUIDE_TEXTS, SHUFFLED_GUIDE_TEXTS, Rivals, load_rivals, shuffled

Rows = Callable[[CaptionedSet], Iterator[Row]]

OTHERS = ("small-input", "small-model")
TOP_M = (5, 7, 10, 12, 14, 17, 20, 24, 30, 40, 50)  # how many a query runs deeper where rank alone decides
MIN_GAINS = (0.02, 0.014, 0.01, 0.007, 0.005, 0.004, 0.003, 0.002, 0.0014, 0.001)  # least gains of a second look
DEALS = 10  # of random exits
ABLATED = (0.2, 0.35, DEFAULT_BUDGET)  # budgets of the ablations of second looks
DEEPEST_INDEX = 0.7  # MACs share above which an index leaves second looks little to do


@dataclass(frozen=True)
class FirstRankings:
    """Rankings before second looks: from the gates' exits at a budget, and from the same exits dealt at random."""

    dealt: Dealt
    recall: Row
    hits: np.ndarray  # (T,) whether each caption finds its photo among the first ten
    random_recall: Row  # means of several deals
    random_hits: np.ndarray


@lru_cache(maxsize=2 * len(BUDGET_GRID))
def first_rankings(case: CaptionedSet, budget: float) -> FirstRankings:
    """Rank by the gates' exits, and by the same exits dealt to other photos: the same cost."""
    dealt = tgem(case.encoder, case.features, budget)
    draw = np.random.default_rng(BUDGET_GRID.index(budget))
    deals = [draw.permutation(dealt.exits) for _ in range(DEALS)]

    def ranked(exits: np.ndarray) -> tuple[Row, np.ndarray]:
        index = IndexSimulation(case.encoder, case.features, exits)
        return index.recall(), case.hits(index.first)

    recall, hits = ranked(dealt.exits)
    mixed = np.ptp(dealt.exits) > 0
    at_random = [ranked(exits) for exits in deals] if mixed else [(recall, hits)]
    rows = [row for row, _ in at_random]
    mean = {way: {k: float(np.mean([row[way][k] for row in rows])) for k in at} for way, at in recall.items()}
    return FirstRankings(dealt, recall, hits, mean, np.mean([each for _, each in at_random], axis=0))


def full_rows(case: CaptionedSet) -> Iterator[Row]:
    """Every photo runs to full depth."""
    yield row("full", case.encoder.exits, 1.0, case.recall_of(case.full))


def exit_rows(case: CaptionedSet) -> Iterator[Row]:
    """Every photo leaves at one exit."""
    for k in range(case.encoder.exits - 1):
        yield row("exit", k + 1, case.shares[k], case.recall_at(case.everyone_at(k)))


def exit_look_rows(case: CaptionedSet) -> Iterator[Row]:
    """Every photo leaves at one exit, and each query runs its best M to full depth."""
    for k in range(case.encoder.exits - 1):
        index = IndexSimulation(case.encoder, case.features, case.everyone_at(k))
        for most in TOP_M:
            yield row("exit+topm", k + 1, case.shares[k], index.by_rank(most) | {"m": most})


def tgem_rows(case: CaptionedSet) -> Iterator[Row]:
    """The gates' exits, at every budget."""
    for budget in BUDGET_GRID:
        first = first_rankings(case, budget)
        yield row("tgem", budget, first.dealt.macs_share, first.recall)


def random_rows(case: CaptionedSet) -> Iterator[Row]:
    """The gates' exits, dealt at random among the photos."""
    for budget in BUDGET_GRID:
        first = first_rankings(case, budget)
        yield row("random", budget, first.dealt.macs_share, first.random_recall)


def budgeted_rows(name: str, policy: Policy, case: CaptionedSet) -> Iterator[Row]:
    """Another policy's exits, at every budget."""
    for budget in BUDGET_GRID:
        dealt = policy(case, budget)
        yield row(name, budget, dealt.macs_share, case.recall_at(dealt.exits))


def tgem_look_rows(case: CaptionedSet) -> Iterator[Row]:
    """The gates' exits, and second looks by value of information per MAC, at several least gains."""
    for budget, dealt, index in _indexes(case):
        for min_gain in MIN_GAINS:
            yield row("tgem+deepen", budget, dealt.macs_share, index.by_gain(min_gain) | {"worth": min_gain})


def ablation_rows(case: CaptionedSet) -> Iterator[Row]:
    """Second looks in the ranking's own order, second looks without query gates, and gates fitted in other ways."""
    for budget, dealt, index in _indexes(case):
        name, share = "ablation:rank-only", dealt.macs_share
        for most in TOP_M:
            yield row(name, budget, share, index.by_rank(most) | {"m": most})
        if budget in ABLATED:
            yield row(name, budget, share, index.by_rank(round(index.by_gain(MIN_GAIN)["deepened_per_query"])))
            plain = IndexSimulation(case.encoder, case.features, dealt.exits, plain=True)
            yield row("ablation:plain-reading", budget, share, plain.by_gain(MIN_GAIN) | {"worth": MIN_GAIN})
    for name, gates in case.rivals.gates.items():
        yield from _other_gates(case, name, gates)


def other_rows(policy: str, case: CaptionedSet) -> Iterator[Row]:
    """Every photo runs to the end on a smaller input, or by a smaller model."""
    for other in _others(policy, case):
        yield row(policy, other.size, other.macs_share, case.recall_of(other.vectors))


def other_look_rows(policy: str, case: CaptionedSet) -> Iterator[Row]:
    """The same, and each query then runs its best M to full depth of the model itself."""
    index = IndexSimulation(case.encoder, case.features, case.everyone_at(0))
    for other in _others(policy, case):
        backwards = case.recall_of(other.vectors)["i2t"]
        for most in TOP_M:
            refined = index.by_rank_of(case.texts @ other.vectors.T, most)
            yield row(f"{policy}+topm", other.size, other.macs_share, refined | {"i2t": backwards, "m": most})


POLICIES: dict[str, Rows] = {
    "full": full_rows,
    "exit": exit_rows,
    "exit+topm": exit_look_rows,
    **{name: partial(other_rows, name) for name in OTHERS},
    **{f"{name}+topm": partial(other_look_rows, name) for name in OTHERS},
    "random": random_rows,
    **{name: partial(budgeted_rows, name, policy) for name, policy in BUDGETED.items()},
    "tgem": tgem_rows,
    "tgem+deepen": tgem_look_rows,
    "ablation": ablation_rows,
}


def evaluate(
    data: Path,
    split: str = "test",
    model: str | None = None,
    wanted: Container[str] = tuple(POLICIES),
    rivals: Path | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Row:
    """Retrieval on a captioned set, as the machine-readable table that `evaluate --json` prints; trains nothing.

    Args:
        data: folder with `captions.jsonl` and `images`; thresholds of rivals are tuned on its split "val".
        split: which part of it to report on.  model: as in `load_encoder`.  wanted: policies, of POLICIES.
        rivals: folder that `train-rivals` wrote; without it there are no rows of what is in it.
    Raises: DataMissing, ModelUnreadable.
    """
    encoder = load_encoder(model)
    examples, tuning = ([e for e in read_captions(data) if e.split == part] for part in (split, "val"))
    if not examples:
        raise DataMissing(f"{data} has no photos in the split {split!r}.")
    others = Rivals() if rivals is None else load_rivals(rivals, encoder)
    say(f"{len(examples)} photos past every exit")
    features = val = collect(encoder, examples, say)
    if split != "val" and tuning and any(name in wanted for name in BUDGETED):
        say(f"{len(tuning)} photos of val, for the rivals' thresholds")
        val = collect(encoder, tuning, say)
    case = CaptionedSet(encoder, features, val, others, examples, say)
    captions = [text for example in examples for text in example.texts]
    return {
        "model": encoder.identity.model,
        "data": data.name,
        "split": split,
        "images": len(examples),
        "captions": len(captions),
        "rows": rows_of(case, wanted),
        "differences": differences(case) if "small-input" in wanted and "tgem" in wanted else [],
        "subjects": looked_for(encoder, features, captions, DEFAULT_BUDGET) if "ablation" in wanted else [],
    }


def rows_of(case: CaptionedSet, wanted: Container[str]) -> list[Row]:
    """The rows of the policies asked for."""
    return [entry for name, rows in POLICIES.items() if name in wanted for entry in rows(case)]


def differences(case: CaptionedSet) -> list[Row]:
    """How many more captions T-GEM finds among the first ten than its rivals at the same cost, budget by budget.

    The rivals are the gates' own exits dealt at random, and the line through smaller inputs and full depth.

    Returns: {"budget", "macs_share", "random": {"r10", "error"}, "small-input": {...}}; error is the standard error.
        A budget that the line does not reach has no "small-input", one that is met as the last was has no row.
    """
    points = [*((other.macs_share, other.vectors) for other in case.smaller_inputs), (1.0, case.full)]
    line = [(share, case.hits(case.texts @ vectors.T)) for share, vectors in points]
    rows: list[Row] = []
    for budget in BUDGET_GRID:
        first = first_rankings(case, budget)
        share = first.dealt.macs_share
        if rows and rows[-1]["macs_share"] == round(share, 4):
            continue
        entry: Row = {"budget": budget, "macs_share": round(share, 4)}
        for name, hits in (("random", first.random_hits), ("small-input", _on_the_line(line, share))):
            if hits is not None:
                more, error = paired_difference(first.hits, hits, case.owner)
                entry[name] = {"r10": round(more, 2), "error": round(error, 2)}
        rows.append(entry)
    return rows


def curve(encoder: Encoder, features: Features) -> list[str]:
    """What each budget costs and finds on captioned photos, as lines for a person."""
    rows = rows_of(CaptionedSet(encoder, features, features), ("full", "exit", "random", "tgem"))
    return [
        "policy  setting  MACs   text to image, R@1 / 5 / 10",
        *(
            f"{row['policy']:6}  {row['setting']:7g}  {row['macs_share']:4.0%}   "
            + " / ".join(f"{row['t2i'][k]:.1f}" for k in ("r1", "r5", "r10"))
            for row in rows
        ),
    ]


def row(policy: str, setting: float, macs_share: float, found: Row) -> Row:
    """One row of the table, rounded."""
    ways = {way: {k: round(v, 2) for k, v in found[way].items()} for way in ("t2i", "i2t")}
    return {"policy": policy, "setting": setting, "macs_share": round(float(macs_share), 4), **found, **ways}


def _indexes(case: CaptionedSet) -> Iterator[tuple[float, Dealt, IndexSimulation]]:
    """The gates' index at every budget that leaves second looks something to do."""
    for budget in BUDGET_GRID:
        dealt = tgem(case.encoder, case.features, budget)
        if dealt.macs_share <= DEEPEST_INDEX:
            yield budget, dealt, IndexSimulation(case.encoder, case.features, dealt.exits)


def _other_gates(case: CaptionedSet, name: str, gates: FittedExits) -> Iterator[Row]:
    """Gates fitted in another way, at every budget, and second looks at some; other seeds count as the policy itself.

    Query gates read guide texts, so gates that see none go without.
    """
    encoder = case.encoder.with_exits(gates)
    if name == SHUFFLED_GUIDE_TEXTS:
        encoder = encoder.guided_by(shuffled(encoder.guide_texts))
    is_seed = name.startswith("seed-")
    policy = "tgem" if is_seed else f"ablation:{name}"
    about = {"seed": int(name.removeprefix("seed-"))} if is_seed else {}
    for budget in BUDGET_GRID:
        dealt = tgem(encoder, case.features, budget)
        index = IndexSimulation(encoder, case.features, dealt.exits, plain=name == NO_GUIDE_TEXTS)
        yield row(policy, budget, dealt.macs_share, index.recall() | about)
        if budget in ABLATED:
            yield row(
                f"{policy}+deepen", budget, dealt.macs_share, index.by_gain(MIN_GAIN) | about | {"worth": MIN_GAIN}
            )


def _others(policy: str, case: CaptionedSet) -> list[OtherInput]:
    return case.smaller_inputs if policy == "small-input" else case.smaller_models


def _on_the_line(points: Sequence[tuple[float, np.ndarray]], share: float) -> np.ndarray | None:
    """Hits (T,) at a MACs share, on the line through points (share, hits), cheapest first; None off its ends."""
    shares = [at for at, _ in points]
    if len(points) < 2 or not shares[0] <= share <= shares[-1]:
        return None
    above = max(1, int(np.searchsorted(shares, share)))
    (low, less), (high, more) = points[above - 1], points[above]
    part = (share - low) / (high - low)
    return (1 - part) * less + part * more
