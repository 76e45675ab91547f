"""Retrieval quality against compute, policies side by side on one captioned set. Nothing here trains."""

from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.evaluation import baselines, subjects
from engine.evaluation.query_simulation import IndexSimulation
from engine.exits.budget import BUDGET_GRID, DEFAULT_BUDGET
from engine.exits.checkpoint import FittedExits
from engine.exits.encoder import Encoder
from engine.exits.loading import load_encoder
from engine.exits.modules import HEAD
from engine.exits.query_gate import PAGE
from engine.search.allocation import WORTH
from engine.search.metrics import found_more, own_ranks, recall, recall_of
from engine.training.captions import DataMissing, Example, read_captions
from engine.training.features import Features, collect, pixels_of
from engine.training.rivals import NO_GUIDE_TEXTS, SHUFFLED_GUIDE_TEXTS, Rivals, load_rivals, shuffled

Row = dict[str, Any]
Say = Callable[[str], None]

# fmt: off
POLICIES = (
    "full", "exit", "exit+topm", "small-input", "small-input+topm", "small-model", "small-model+topm",
    "random", *baselines.RULES, "oracle", "tgem", "tgem+deepen", "ablation",
)
# fmt: on
SIZES = (112, 128, 144, 160, 176, 192, 208, 224, 240, 256)  # px, of the smaller inputs that are rivals
SMALL_SIZES = (128, 160, 192, 224, 256, 288)  # px, at which the smaller model reads
TOP_M = (5, 7, 10, 12, 14, 17, 20, 24, 30, 40, 50)  # how many a query runs deeper where rank alone decides
WORTHS = (0.02, 0.014, 0.01, 0.007, 0.005, 0.004, 0.003, 0.002, 0.0014, 0.001)  # what a look must be worth
DEALS = 10  # of random exits
ACCOUNTS = (0.2, 0.35, DEFAULT_BUDGET)  # budgets of the ablations with queries
DEEPEST_INDEX = 0.7  # MACs share above which an index leaves queries little to look at again


class Bench:
    """One encoder on one captioned set: what every policy needs, computed once."""

    def __init__(self, encoder: Encoder, features: Features, val: Features, rivals: Rivals | None = None) -> None:
        """Args: features: of the photos to report on.  val: of the photos that thresholds are tuned on."""
        self.encoder, self.features, self.val, self.rivals = encoder, features, val, rivals or Rivals()
        self.vectors, self.texts = features.vectors.numpy(), features.texts.numpy()
        self._rules: dict[str, baselines.Rule] = {}
        self._first: dict[int, FirstRankings] = {}
        self.owner, self.many = features.owner.numpy(), len(features.vectors)

    def rule(self, name: str) -> baselines.Rule:
        """A rule with its thresholds tuned."""
        if name not in self._rules:
            self._rules[name] = baselines.Rule(name, self.encoder, self.val)
        return self._rules[name]

    def found(self, exits: np.ndarray) -> Row:
        """What an index finds whose photos stand at these exits, (N,) 0-based; no query is read by a T-GEM."""
        return recall_of(IndexSimulation(self.encoder, self.features, exits, plain=True).scores, self.owner)

    def found_by(self, vectors: np.ndarray) -> Row:
        """What an index of these embeddings finds, (N, D)."""
        return recall(vectors, self.texts, self.owner)

    def hits(self, scores: np.ndarray) -> np.ndarray:
        """(T,) whether each caption finds its photo among the first ten of a ranking, (T, N)."""
        return own_ranks(scores, self.owner) < PAGE

    def first_rankings(self, column: int) -> "FirstRankings":
        """What the gates' index of a budget finds, and the same exits dealt to photos at random: the same cost."""
        if column not in self._first:
            dealt = baselines.tgem(self.encoder, self.features, column)
            draw = np.random.default_rng(column)
            mixed = np.ptp(dealt.exits) > 0
            deals = [draw.permutation(dealt.exits) for _ in range(DEALS)]
            found, hits = self._answers(dealt.exits)
            at_random = [self._answers(exits) for exits in deals] if mixed else [(found, hits)]
            self._first[column] = FirstRankings(
                dealt=dealt,
                found=found,
                hits=hits,
                found_at_random=_mean([row for row, _ in at_random]),
                hits_at_random=np.mean([each for _, each in at_random], axis=0),
            )
        return self._first[column]

    def _answers(self, exits: np.ndarray) -> tuple[Row, np.ndarray]:
        index = IndexSimulation(self.encoder, self.features, exits)
        return index.found(), self.hits(index.first)


@dataclass(frozen=True)
class FirstRankings:
    """First rankings from the gates' index of one budget, and from their exits dealt at random."""

    dealt: baselines.Dealt
    found: Row
    hits: np.ndarray  # (T,) whether each caption finds its photo among the first ten
    found_at_random: Row  # the means of several deals
    hits_at_random: np.ndarray


def _mean(found: Sequence[Row]) -> Row:
    return {way: {k: float(np.mean([f[way][k] for f in found])) for k in at} for way, at in found[0].items()}


def rows_of(bench: Bench, wanted: Container[str]) -> Iterator[Row]:
    """The rows of the policies asked for, but for smaller inputs, which need the photos themselves."""
    encoder, last = bench.encoder, bench.encoder.exits - 1
    forced = [macs / encoder.full_macs for macs in encoder.forced_macs]
    if "full" in wanted:
        yield row("full", encoder.exits, 1.0, bench.found(np.full(bench.many, last)))
    for k in range(last):
        everyone = np.full(bench.many, k)
        if "exit" in wanted:
            yield row("exit", k + 1, forced[k], bench.found(everyone))
        index = IndexSimulation(encoder, bench.features, everyone)
        if "exit+topm" in wanted:
            for most in TOP_M:
                yield row("exit+topm", k + 1, forced[k], index.by_rank(most) | {"m": most})
    for column, budget in enumerate(BUDGET_GRID):
        yield from _rows_at(bench, wanted, column, budget)
    if "ablation" in wanted:
        for name, fitted in bench.rivals.gates.items():
            yield from _variant_rows(bench, name, fitted)


def curve(encoder: Encoder, features: Features) -> list[str]:
    """What each budget costs and finds on captioned photos, as lines for a person."""
    rows = rows_of(Bench(encoder, features, features), ("full", "exit", "random", "tgem"))
    return [
        "policy  setting  MACs   text to image, R@1 / 5 / 10",
        *(
            f"{row['policy']:6}  {row['setting']:7g}  {row['macs_share']:4.0%}   "
            + " / ".join(f"{row['t2i'][k]:.1f}" for k in ("r1", "r5", "r10"))
            for row in rows
        ),
    ]


def _rows_at(bench: Bench, wanted: Container[str], column: int, budget: float) -> Iterator[Row]:
    encoder, features = bench.encoder, bench.features
    dealt = baselines.tgem(encoder, features, column)
    if "tgem" in wanted:
        yield row("tgem", budget, dealt.macs_share, bench.first_rankings(column).found)
    if "random" in wanted:
        yield row("random", budget, dealt.macs_share, bench.first_rankings(column).found_at_random)
    for rule in baselines.RULES:
        if rule in wanted:
            other = bench.rule(rule).deal(features, budget)
            yield row(rule, budget, other.macs_share, bench.found(other.exits))
    if "oracle" in wanted:
        other = baselines.oracle(encoder, features, budget)
        yield row("oracle", budget, other.macs_share, bench.found(other.exits))
    if dealt.macs_share > DEEPEST_INDEX:
        return
    index = IndexSimulation(encoder, features, dealt.exits)
    if "tgem+deepen" in wanted:
        for worth in WORTHS:
            yield row("tgem+deepen", budget, dealt.macs_share, index.by_worth(worth) | {"worth": worth})
    if "ablation" in wanted:
        for most in TOP_M:
            yield row("ablation:rank-only", budget, dealt.macs_share, index.by_rank(most) | {"m": most})
    if "ablation" in wanted and budget in ACCOUNTS:
        refined = index.by_worth(WORTH)
        by_rank = index.by_rank(round(refined["deepened_per_query"]))
        yield row("ablation:rank-only", budget, dealt.macs_share, by_rank)
        plain = IndexSimulation(encoder, features, dealt.exits, plain=True).by_worth(WORTH)
        yield row("ablation:plain-reading", budget, dealt.macs_share, plain | {"worth": WORTH})


def _variant_rows(bench: Bench, name: str, fitted: FittedExits) -> Iterator[Row]:
    """Gates fitted in another way, at every budget; other seeds count as the policy itself.

    What reads candidates knows guide texts, so gates that see none are on their own.
    """
    encoder = bench.encoder.with_exits(fitted)
    if name == SHUFFLED_GUIDE_TEXTS:
        encoder = encoder.guided_by(shuffled(encoder.guide_texts))
    policy = "tgem" if name.startswith("seed-") else f"ablation:{name}"
    about = {"seed": int(name.removeprefix("seed-"))} if name.startswith("seed-") else {}
    for column, budget in enumerate(BUDGET_GRID):
        dealt = baselines.tgem(encoder, bench.features, column)
        index = IndexSimulation(encoder, bench.features, dealt.exits, plain=name == NO_GUIDE_TEXTS)
        yield row(policy, budget, dealt.macs_share, index.found() | about)
        if budget in ACCOUNTS:
            yield row(f"{policy}+deepen", budget, dealt.macs_share, index.by_worth(WORTH) | about | {"worth": WORTH})


def smaller_inputs(bench: Bench, examples: Sequence[Example], say: Say) -> Iterator[tuple[int, np.ndarray]]:
    """Every photo read at full depth from smaller inputs: their sides in px, and the embeddings, (N, D)."""
    encoder = bench.encoder
    for size in SIZES:
        if size >= encoder.backbone.size or not encoder.backbone.reads_any_size:
            continue
        say(f"smaller inputs: {size} px")
        passes = {e.size: k for k, e in enumerate(encoder.modules.exits) if e.stage == HEAD and not e.scout}
        if (own := passes.get(size)) is not None:  # a pass of the ladder
            vectors = bench.features.pooled[own][:, : encoder.dim].numpy()  # as the model's own projection reads it
        else:
            vectors = np.concatenate([encoder.read_at(batch, size) for batch in pixels_of(encoder, examples)])
        yield size, vectors


def differences(bench: Bench, smaller: Sequence[tuple[int, np.ndarray]]) -> list[Row]:
    """How many more captions T-GEM finds among the first ten than its rivals at the same cost, budget by budget.

    The rivals are the gates' own exits dealt at random, and the line through smaller inputs and full depth.

    Args: smaller: as `smaller_inputs` gives them, smallest first.
    Returns: {"budget", "macs_share", "random": {"r10", "error"}, "small-input": {...}}; error is the standard error.
        A budget that the line does not reach has no "small-input", one that is met as the last was has no row.
    """
    encoder, last = bench.encoder, bench.encoder.exits - 1
    points = [
        (sum(encoder.backbone.measure(size)[0]) / encoder.full_macs, bench.hits(bench.texts @ vectors.T))
        for size, vectors in smaller
    ]
    points.append((1.0, bench.hits(bench.texts @ bench.vectors[:, last].T)))
    shares = [share for share, _ in points]
    rows: list[Row] = []
    for column, budget in enumerate(BUDGET_GRID):
        mine = bench.first_rankings(column)
        dealt = mine.dealt
        if rows and rows[-1]["macs_share"] == round(dealt.macs_share, 4):
            continue
        rivals = {"random": mine.hits_at_random}
        if shares[0] <= dealt.macs_share <= 1:
            above = max(1, int(np.searchsorted(shares, dealt.macs_share)))
            (low, less), (high, more) = points[above - 1], points[above]
            part = (dealt.macs_share - low) / (high - low)
            rivals["small-input"] = (1 - part) * less + part * more
        entry: Row = {"budget": budget, "macs_share": round(dealt.macs_share, 4)}
        for name, theirs in rivals.items():
            more_found, error = found_more(mine.hits, theirs, bench.owner)
            entry[name] = {"r10": round(more_found, 2), "error": round(error, 2)}
        rows.append(entry)
    return rows


def smaller_models(bench: Bench, examples: Sequence[Example], wanted: Container[str], say: Say) -> Iterator[Row]:
    """The same of the smaller model that was trained beside the encoder, where there is one, at several input sizes."""
    small = bench.rivals.small_model
    if small is None:
        return
    for size in SMALL_SIZES:
        say(f"a smaller model: {size} px")
        vectors = np.concatenate([small.read_at(batch, size) for batch in pixels_of(bench.encoder, examples)])
        yield from _read_otherwise(bench, wanted, "small-model", size, small, vectors)


def _read_otherwise(
    bench: Bench, wanted: Container[str], policy: str, size: int, by: Encoder, vectors: np.ndarray
) -> Iterator[Row]:
    """Rows of embeddings (N, D) that an encoder makes of an input of some size, at its end."""
    share = sum(by.backbone.measure(size)[0]) / bench.encoder.full_macs
    found = bench.found_by(vectors)
    if policy in wanted:
        yield row(policy, size, share, found)
    if f"{policy}+topm" in wanted:
        index = IndexSimulation(bench.encoder, bench.features, np.zeros(bench.many, int))
        for most in TOP_M:
            refined = index.by_rank_of(bench.texts @ vectors.T, most)
            yield row(f"{policy}+topm", size, share, refined | {"i2t": found["i2t"], "m": most})


def row(policy: str, setting: float, macs_share: float, found: Row) -> Row:
    """One row of the table, rounded."""
    ways = {way: {k: round(v, 2) for k, v in found[way].items()} for way in ("t2i", "i2t")}
    return {"policy": policy, "setting": setting, "macs_share": round(macs_share, 4), **found, **ways}


def evaluate(
    data: Path,
    split: str = "test",
    model: str | None = None,
    wanted: Container[str] = POLICIES,
    rivals: Path | None = None,
    say: Say = lambda line: None,
) -> Row:
    """Retrieval on a captioned set, as the machine-readable table that `evaluate --json` prints; trains nothing.

    Args:
        data: folder with `captions.jsonl` and `images`; thresholds of rivals are tuned on its split "val".
        split: which part of it to report on.  model: as in `load_encoder`.  wanted: policies, of POLICIES.
        rivals: folder that `train-rivals` wrote; without it there are no rows of what is in it.
    Raises: DataMissing, ModelUnreadable.
    """
    encoder = load_encoder(model)
    everything = read_captions(data)
    examples, tuning = ([e for e in everything if e.split == part] for part in (split, "val"))
    if not examples:
        raise DataMissing(f"{data} has no photos in the split {split!r}.")
    others = Rivals() if rivals is None else load_rivals(rivals, encoder)
    say(f"{len(examples)} photos past every exit")
    features = collect(encoder, examples, say)
    val = features
    if split != "val" and tuning and any(rule in wanted for rule in baselines.RULES):
        say(f"{len(tuning)} photos of val, for the rivals' thresholds")
        val = collect(encoder, tuning, say)
    bench = Bench(encoder, features, val, others)
    rows = list(rows_of(bench, wanted))
    smaller: list[tuple[int, np.ndarray]] = []
    if "small-input" in wanted or "small-input+topm" in wanted:
        smaller = list(smaller_inputs(bench, examples, say))
        for size, vectors in smaller:
            rows += _read_otherwise(bench, wanted, "small-input", size, encoder, vectors)
    if "small-model" in wanted or "small-model+topm" in wanted:
        rows += smaller_models(bench, examples, wanted, say)
    return {
        "model": encoder.identity.model,
        "data": data.name,
        "split": split,
        "images": len(examples),
        "captions": len(features.texts),
        "rows": rows,
        "differences": differences(bench, smaller) if smaller and "tgem" in wanted else [],
        "subjects": _subjects(bench, examples) if "ablation" in wanted else [],
    }


def _subjects(bench: Bench, examples: Sequence[Example]) -> list[Row]:
    captions = [text for example in examples for text in example.texts]
    return subjects.looked_for(bench.encoder, bench.features, captions, BUDGET_GRID.index(DEFAULT_BUDGET))
