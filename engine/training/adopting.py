"""Exits for a backbone that has none: readouts, then gates on photos they have not seen, then the budgets' prices."""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from engine.exits.budget import BUDGET_GRID
from engine.exits.checkpoint import FittedExits, as_stored, exits_hash, save_exits, unfitted
from engine.exits.encoder import Encoder
from engine.exits.loading import load_encoder
from engine.exits.modules import ExitModules
from engine.exits.query_gate import PAGE
from engine.ingest.listing import FolderMissing
from engine.ingest.upload import PICTURE_SUFFIXES
from engine.search.metrics import best, overlap
from engine.training import fitting
from engine.training.captions import Example, read_captions
from engine.training.features import Features, cached
from engine.training.readouts import choose_exits, fit_readouts, nearest_guides
from engine.utils.errors import EngineError
from engine.utils.memory import peak_memory

FEWEST = 100  # photos; a tenth of them is what the budgets' prices are found on
OnProgress = Callable[[str, int, int], object]
Judge = Callable[[Encoder, Features], list[str]]  # lines of what exits find on captioned photos that fitted nothing


class TooFewPhotos(EngineError):
    """A photo set that is too small to fit exits on."""


@dataclass(frozen=True)
class Parts:
    """Photos that must not meet: what readouts saw, gates must not see, and what gates saw, prices must not."""

    readouts: list[Example]
    gates: list[Example]
    prices: list[Example]
    judged: list[Example]  # the curve is drawn on these

    @property
    def all(self) -> list[Example]:
        """Every photo."""
        return [*self.readouts, *self.gates, *self.prices, *self.judged]


def split_captions(examples: Sequence[Example]) -> Parts:
    """A captioned set by its own splits; a quarter of train is for the gates. Without a split test, val is halved."""
    train = [e for e in examples if e.split == "train"]
    val = [e for e in examples if e.split == "val"]
    test = [e for e in examples if e.split == "test"]
    if not test:
        val, test = [e for e in val if _place(e) < 0.5], [e for e in val if _place(e) >= 0.5]
    return _checked(Parts([e for e in train if _place(e) < 0.75], [e for e in train if _place(e) >= 0.75], val, test))


def split_photos(paths: Sequence[Path]) -> Parts:
    """Photos without captions: 60 % for the readouts, 20 for the gates, 10 for the prices, 10 to draw the curve on."""
    examples = [Example(path, (), "") for path in paths]
    bounds = (0.0, 0.6, 0.8, 0.9, 1.0)
    parts = [[e for e in examples if low <= _place(e) < high] for low, high in pairwise(bounds)]
    return _checked(Parts(*parts))


def folder_photos(folder: Path) -> list[Path]:
    """The photos below a folder, hidden ones left out; raises FolderMissing."""
    if not folder.is_dir():
        raise FolderMissing(f"{folder} is not a folder; name one that holds photos.")
    found = (p for p in folder.rglob("*") if p.suffix.lower() in PICTURE_SUFFIXES and p.is_file())
    return sorted(p for p in found if not any(part.startswith(".") for part in p.relative_to(folder).parts))


def adopt(
    encoder: Encoder,
    parts: Parts,
    out: Path,
    say: Callable[[str], None],
    on_progress: OnProgress | None = None,
    judge: Judge | None = None,
) -> Encoder:
    """Fit exits to an encoder, write them, and say what they are worth on photos that nothing was fitted on.

    Exits that it has are left aside.

    Args:
        out: where exit weights and the cache of features are written; a fit that was stopped goes on from there.
        on_progress: told what is being done, and how many of how many steps are.
        judge: of captioned photos; by default, and without captions, exits are held against full depth.
    Returns: the encoder with its exits.
    """
    tell, began = on_progress or (lambda what, done, total: None), time.monotonic()
    logit_scale = encoder.backbone.logit_scale
    seer = encoder.with_exits(unfitted(ExitModules(choose_exits(encoder.backbone), encoder.dim)))
    say(f"{seer.exits - 1} exits: after {', '.join(e.stage for e in seer.modules.exits)}")

    def features(name: str, examples: list[Example]) -> Features:
        say(f"features of {len(examples)} photos for {name}")

        def heard(line: str) -> None:
            say(line)
            if (done := line.split(" ", 1)[0]).isdigit():
                tell(f"looking at photos for {name}", int(done), len(examples))

        found = cached(out / "training" / f"features-{name}", seer, examples, heard)
        if len(found.texts):
            return found
        return found.described_by(*nearest_guides(found.vectors[:, -1], encoder.guides))

    captioned = any(e.texts for e in parts.readouts)
    seen, photos, val, test = (
        features(name, examples)
        for name, examples in (
            ("readouts", parts.readouts),
            ("gates", parts.gates),
            ("prices", parts.prices),
            ("curve", parts.judged),
        )
    )
    looked = time.monotonic()
    texts, owner = (seen.texts, seen.owner) if captioned else (encoder.guides, None)
    final = seen.vectors[:, -1].contiguous()

    def stepped(done: int, total: int) -> None:
        tell("training readouts", done, total)
        if done % 50 == 0:
            say(f"readouts: step {done} of {total}")

    modules = fit_readouts(seer.modules.exits, seen.pooled, final, texts, owner, logit_scale, stepped)
    modules = as_stored(modules)
    read = time.monotonic()
    tell("training gates", 0, 1)
    reader = seer.with_exits(unfitted(modules))
    say(f"gates: on {len(photos.vectors)} photos that the readouts have not seen")
    fitted = _fit_gates(reader, photos.read_by(modules), seen.read_by(modules), val.read_by(modules), captioned)
    save_exits(out, fitted, encoder.identity.weights, encoder.identity.model)
    say(
        f"{len(parts.all)} photos: {looked - began:.0f} s to look at them, {read - looked:.0f} s for the readouts, "
        f"{time.monotonic() - read:.0f} s for gates and prices; at most {peak_memory() / 1e9:.1f} GB of memory"
    )
    say(f"exit weights written to {out}")
    found = seer.with_exits(fitted, exits_hash(out, encoder.guide_texts))
    for line in (judge if captioned and judge else curve)(found, test.read_by(fitted.modules)):
        say(line)
    tell("fitted", 1, 1)
    return found


def curve(encoder: Encoder, features: Features) -> list[str]:
    """What each budget costs and finds on photos, as lines for a person.

    That is how many of the ten photos that full depth ranks first for each guide text are among the ten that the exits
    rank first.
    """
    _, exits = encoder.decide(features.trace)
    vectors, guides = features.vectors.numpy(), encoder.guides.numpy()
    full = best(guides @ vectors[:, -1].T, PAGE)
    lines = ["budget   MACs   of full depth's first ten, found among the first ten"]
    for column, budget in enumerate(BUDGET_GRID):
        chosen = exits[:, column].numpy()
        share = float(np.array(encoder.exit_macs(encoder.plans[column].open))[chosen].mean() / encoder.full_macs)
        kept = overlap(best(guides @ vectors[np.arange(len(vectors)), chosen].T, PAGE), full)
        lines.append(f"{budget:6.2f}   {share:4.0%}   {kept:4.0%}")
    return lines


def _fit_gates(encoder: Encoder, photos: Features, around: Features, val: Features, captioned: bool) -> FittedExits:
    loss = fitting.meaning_lost_without_captions(encoder, photos)
    if captioned:
        crowd = replace(around, vectors=around.vectors[: fitting.POOL])
        loss = fitting.meaning_lost(encoder, photos, crowd)
    return fitting.fit_exits(encoder, photos, val, loss, fitting.SEED, captioned=captioned)


def fit(
    data: Path,
    model: str | None = None,
    out: Path | None = None,
    say: Callable[[str], None] = print,
    judge: Judge | None = None,
) -> None:
    """Fit a model's exits to a captioned set: its gates alone where its readouts were trained with it.

    Args:
        data: folder with `captions.jsonl` and `images`.
        model: as in `load_encoder`.
        out: where the exit weights are written; by default the model's folder.
        judge: see `adopt`; for a model without exits.
    Raises: DataMissing, NothingToFit, TooFewPhotos.
    """
    encoder = load_encoder(model)
    if any(exit.channels for exit in encoder.modules.exits):  # readouts with branches were trained with the model
        fit_again(encoder, data, out or encoder.folder, say)
    else:
        fit_captions(encoder, data, out, say, judge)


def fit_again(encoder: Encoder, data: Path, folder: Path, say: Callable[[str], None]) -> None:
    """Fit the gates of a model's exits to a captioned set, choose how each budget is met, and write both.

    Raises: DataMissing, NothingToFit.
    """
    photos, around, val = fitting.gate_features(encoder, data, folder / "training", say)
    fitted = fitting.fit_exits(encoder, photos, val, fitting.meaning_lost(encoder, photos, around), fitting.SEED)
    for budget, plan in zip(BUDGET_GRID, fitted.plans, strict=True):
        say(f"budget {budget:.2f}: exits {', '.join(str(k + 1) for k in plan.open)}, lambda {plan.price:.4g}")
    save_exits(folder, fitted, encoder.identity.weights)
    say(f"exit weights written to {folder}")


def fit_captions(
    encoder: Encoder, data: Path, out: Path | None, say: Callable[[str], None], judge: Judge | None = None
) -> Encoder:
    """Fit exits to an encoder that has none, from a captioned set; raises TooFewPhotos, DataMissing."""
    return adopt(encoder, split_captions(read_captions(data)), out or encoder.folder, say, judge=judge)


def fit_photos(
    encoder: Encoder,
    pictures: Sequence[Path],
    on_progress: OnProgress | None = None,
    out: Path | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Encoder:
    """Fit exits to an encoder that has none, from photos alone: full depth and the guide texts are the teachers.

    Raises: TooFewPhotos.
    """
    return adopt(encoder, split_photos(pictures), out or encoder.folder, say, on_progress)


def _checked(parts: Parts) -> Parts:
    many = len(parts.all)
    if many < FEWEST or not all((parts.readouts, parts.gates, parts.prices, parts.judged)):
        raise TooFewPhotos(
            f"Exits cannot be fitted on {many} photos: at least {FEWEST} are needed, captioned ones in the splits "
            "train and val."
        )
    return parts


def _place(example: Example) -> float:
    """Where a photo stands between 0 and 1, by its name alone: it lands in the same part every time."""
    return int.from_bytes(hashlib.sha256(example.path.name.encode()).digest()[:4], "big") / 2**32
