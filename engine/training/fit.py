"""Fits exits to a model: readouts, then gates on photos that the readouts have not seen, then the budgets' prices."""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

from engine.clip.backbone import ModelUnreadable
from engine.exits.budget import BUDGET_GRID
from engine.exits.checkpoint import as_stored, exits_hash, save_exits, unfitted
from engine.exits.encoder import Encoder
from engine.exits.loading import load_encoder
from engine.exits.modules import ExitModules
from engine.ingest.listing import FolderMissing
from engine.ingest.upload import PICTURE_SUFFIXES
from engine.search.metrics import PAGE, best, overlap
from engine.training import gates
from engine.training.dataset import Example, read_captions
from engine.training.features import Features, cached
from engine.training.gates import GatePhotos
from engine.training.readouts import choose_exits, fit_readouts, nearest_texts
from engine.utils.errors import EngineError
from engine.utils.memory import peak_memory

FEWEST = 100  # photos; a tenth of them set the budgets' prices
AFFINITY_WEIGHT = 0.5  # of models that were not tried; the embedded one's was chosen on val

Judge = Callable[[Encoder, Features], list[str]]  # lines about captioned photos that nothing was fitted on


class TooFewPhotos(EngineError):
    """A photo set that is too small to fit exits on."""


@dataclass(frozen=True)
class Splits:
    """Photos for each step of a fit; no photo is in two of them."""

    readouts: list[Example]
    gates: list[Example]
    prices: list[Example]
    curve: list[Example]

    @property
    def all(self) -> list[Example]:
        """Every photo."""
        return [*self.readouts, *self.gates, *self.prices, *self.curve]

    @property
    def captioned(self) -> bool:
        """Whether the photos have captions."""
        return any(example.texts for example in self.readouts)


@dataclass(frozen=True)
class Reporter:
    """Who is told how far a fit is."""

    say: Callable[[str], None] = lambda line: None  # a line for a person
    on_progress: Callable[[str, int, int], object] = lambda what, done, total: None
    began: float = field(default_factory=time.monotonic)

    def seconds(self) -> float:
        """Since the fit began."""
        return time.monotonic() - self.began


def fit(
    data: Path,
    model: str | None = None,
    out: Path | None = None,
    say: Callable[[str], None] = print,
    judge: Judge | None = None,
) -> None:
    """Fit exits to a model from a captioned set.

    Args:
        data: folder with `captions.jsonl` and `images`.
        model: as in `load_encoder`.
        out: where the exit weights are written; by default the model's folder.
        judge: see `fit_exits`.
    Raises: DataMissing, TooFewPhotos, ModelUnreadable.
    """
    encoder = load_encoder(model)
    if encoder.modules.last is not None:
        raise ModelUnreadable(f"The passes of {encoder.identity.model} were trained together; train-mini makes them.")
    fit_captions(encoder, data, out, say, judge)


def fit_captions(
    encoder: Encoder, data: Path, out: Path | None, say: Callable[[str], None], judge: Judge | None = None
) -> Encoder:
    """Fit exits to an encoder that has none, from a captioned set; raises TooFewPhotos, DataMissing."""
    return fit_exits(encoder, split_captions(read_captions(data)), out or encoder.folder, Reporter(say), judge)


def fit_photos(
    encoder: Encoder,
    pictures: Sequence[Path],
    on_progress: Callable[[str, int, int], object] | None = None,
    out: Path | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Encoder:
    """Fit exits to an encoder that has none, from photos alone: full depth and the text bank are the teachers.

    Args: on_progress: called with what is being done, and how many steps of how many are.
    Raises: TooFewPhotos.
    """
    reporter = Reporter(say) if on_progress is None else Reporter(say, on_progress)
    return fit_exits(encoder, split_photos(pictures), out or encoder.folder, reporter)


def fit_exits(encoder: Encoder, splits: Splits, out: Path, reporter: Reporter, judge: Judge | None = None) -> Encoder:
    """Fit exits to an encoder, write them, and say what they find on photos that nothing was fitted on.

    Exits that it has are left aside.

    Args:
        out: where exit weights and the cache of features are written; a fit that was stopped goes on from there.
        judge: of captioned photos; by default, and without captions, exits are compared with full depth.
    Returns: the encoder with its exits.
    """
    say = reporter.say
    blank = encoder.with_exits(unfitted(ExitModules(choose_exits(encoder.backbone), encoder.dim)))
    say(f"{blank.exits - 1} exits: after {', '.join(e.stage for e in blank.modules.exits)}")
    for_readouts, for_gates, for_prices, for_curve = (
        _features(blank, examples, name, out, reporter)
        for name, examples in vars(splits).items()  # in the order of the steps
    )
    seen = reporter.seconds()
    modules = _fit_readouts(blank, for_readouts, splits.captioned, reporter)
    read = reporter.seconds()
    say(f"gates: on {len(for_gates.vectors)} photos that the readouts have not seen")
    reporter.on_progress("training gates", 0, 1)
    reading = blank.with_exits(unfitted(modules))
    photos, prices_on = (GatePhotos.of(reading, part.read_by(modules)) for part in (for_gates, for_prices))
    fitted = gates.fit_exits(reading, photos, prices_on, AFFINITY_WEIGHT)
    save_exits(out, fitted, encoder.identity.weights, encoder.identity.model)
    say(
        f"{len(splits.all)} photos: {seen:.0f} s to run them, {read - seen:.0f} s for the readouts, "
        f"{reporter.seconds() - read:.0f} s for gates and prices; at most {peak_memory() / 1e9:.1f} GB of memory"
    )
    say(f"exit weights written to {out}")
    found = blank.with_exits(fitted, exits_hash(out, encoder.bank.texts))
    for line in (judge if splits.captioned and judge else curve)(found, for_curve.read_by(fitted.modules)):
        say(line)
    reporter.on_progress("fitted", 1, 1)
    return found


def curve(encoder: Encoder, features: Features) -> list[str]:
    """What each budget costs and finds on photos without captions, as lines for a person.

    That is how many of the ten photos that full depth ranks first for texts of the bank are among the ten that the
    exits rank first.
    """
    exits = encoder.decide(features.trace).numpy()
    vectors, texts = features.vectors.numpy(), encoder.bank.background.numpy()
    shares = np.array(encoder.exit_macs) / encoder.full_macs
    full = best(texts @ vectors[:, -1].T, PAGE)
    lines = ["budget   MACs   of full depth's first ten, found among the first ten"]
    for column, budget in enumerate(BUDGET_GRID):
        chosen = exits[:, column]
        kept = overlap(best(texts @ vectors[np.arange(len(vectors)), chosen].T, PAGE), full)
        lines.append(f"{budget:6.2f}   {shares[chosen].mean():4.0%}   {kept:4.0%}")
    return lines


def split_captions(examples: Sequence[Example]) -> Splits:
    """A captioned set by its own splits; a quarter of train is for the gates. Without a split test, val is halved."""
    train = [e for e in examples if e.split == "train"]
    val = [e for e in examples if e.split == "val"]
    test = [e for e in examples if e.split == "test"]
    if not test:
        val, test = [e for e in val if _place(e) < 0.5], [e for e in val if _place(e) >= 0.5]
    return _checked(Splits([e for e in train if _place(e) < 0.75], [e for e in train if _place(e) >= 0.75], val, test))


def split_photos(paths: Sequence[Path]) -> Splits:
    """Photos without captions: 60 % for the readouts, 20 for the gates, 10 for the prices, 10 to draw the curve on."""
    examples = [Example(path, (), "") for path in paths]
    bounds = (0.0, 0.6, 0.8, 0.9, 1.0)
    return _checked(Splits(*([e for e in examples if low <= _place(e) < high] for low, high in pairwise(bounds))))


def folder_photos(folder: Path) -> list[Path]:
    """The photos below a folder, hidden ones left out; raises FolderMissing."""
    if not folder.is_dir():
        raise FolderMissing(f"{folder} is not a folder; name one that holds photos.")
    found = (p for p in folder.rglob("*") if p.suffix.lower() in PICTURE_SUFFIXES and p.is_file())
    return sorted(p for p in found if not any(part.startswith(".") for part in p.relative_to(folder).parts))


def _features(encoder: Encoder, examples: list[Example], name: str, out: Path, reporter: Reporter) -> Features:
    """What exits see of one split's photos; texts of the bank stand in for captions where there are none."""

    def heard(line: str) -> None:
        reporter.say(line)
        if (done := line.split(" ", 1)[0]).isdigit():
            reporter.on_progress(f"looking at photos for {name}", int(done), len(examples))

    reporter.say(f"features of {len(examples)} photos for {name}")
    found = cached(out / "training" / f"features-{name}", encoder, examples, heard)
    if len(found.texts):
        return found
    return found.described_by(*nearest_texts(found.vectors[:, -1], encoder.bank.vectors))


def _fit_readouts(encoder: Encoder, features: Features, captioned: bool, reporter: Reporter) -> ExitModules:
    """Readouts as they come back from storage."""

    def on_step(done: int, total: int) -> None:
        reporter.on_progress("training readouts", done, total)
        if done % 50 == 0:
            reporter.say(f"readouts: step {done} of {total}")

    texts, owner = (features.texts, features.owner) if captioned else (encoder.bank.background, None)
    final, exits = features.vectors[:, -1].contiguous(), encoder.modules.exits
    return as_stored(fit_readouts(exits, features.seen, final, texts, owner, encoder.logit_scale, on_step))


def _checked(splits: Splits) -> Splits:
    many = len(splits.all)
    if many < FEWEST or not all(vars(splits).values()):
        raise TooFewPhotos(
            f"Exits cannot be fitted on {many} photos: at least {FEWEST} are needed, captioned ones in the splits "
            "train and val."
        )
    return splits


def _place(example: Example) -> float:
    """Where a photo stands between 0 and 1, by its name alone: it lands in the same split every time."""
    return int.from_bytes(hashlib.sha256(example.path.name.encode()).digest()[:4], "big") / 2**32
