"""Fits exits to a model: a first pass where one pays, readouts, then gates on photos that the readouts have not seen,
then the budgets' prices; and certifies what they give on photos that nothing was fitted on.

The shipped model is made by `recipe`.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from engine.exits.certificate import Certificate, write_certificate
from engine.exits.checkpoint import FittedExits, as_stored, exits_hash, remove_exits, save_exits, unfitted
from engine.exits.encoder import Encoder
from engine.exits.loading import load_encoder
from engine.exits.modules import Exit, ExitModules
from engine.training import gates
from engine.training.certificate_page import page
from engine.training.certify import certify, lines_of
from engine.training.dataset import Example
from engine.training.features import Features, cached
from engine.training.first_pass import (
    LEAST_GAIN,
    FirstPass,
    fidelity_at,
    fidelity_for_cost,
    first_pass_for,
    project,
)
from engine.training.gates import GatePhotos
from engine.training.readouts import choose_exits, fit_readouts, nearest_texts
from engine.training.splits import FEWEST, Splits, TooFewPhotos, split_photos
from engine.utils.errors import ModelUnreadable
from engine.utils.memory import peak_memory

AFFINITY_WEIGHT = 0.5  # of models that were not tried; the embedded one's was chosen on val
ALIKE = 1e-5  # how far photos lie from their mean direction, in the mean, below which they are all alike

Judge = Callable[[Encoder, Features], list[str]]  # lines about photos that nothing was fitted on


@dataclass(frozen=True)
class Seen:
    """What exits see of the photos of each step."""

    readouts: Features
    gates: Features
    prices: Features
    curve: Features

    def each(self, change: Callable[[Features], Features]) -> "Seen":
        """The same photos, changed alike."""
        return Seen(*(change(part) for part in vars(self).values()))


@dataclass(frozen=True)
class Reporter:
    """Who is told how far a fit is."""

    say: Callable[[str], None]  # a line for a person
    on_progress: Callable[[str, int, int], object] = lambda what, done, total: None
    began: float = field(default_factory=time.monotonic)

    def seconds(self) -> float:
        """Since the fit began."""
        return time.monotonic() - self.began


def to_fit(model: str | None, precision: str | None = None) -> Encoder:
    """A model as it is before exits are fitted to it: without those it has, unless its passes were trained together.

    Exits that cannot be used are no obstacle: new ones are to take their place.

    Args: model, precision: as in `load_encoder`.
    Raises: ModelUnreadable.
    """
    with suppress(ModelUnreadable):  # a model that cannot be read itself is told of below
        encoder = load_encoder(model, precision=precision)
        if encoder.modules.last is not None or encoder.exits == 1:
            return encoder
    return load_encoder(model, precision=precision, with_exits=False)


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
    """Fit exits to an encoder, write them if they pay, and certify what they give on photos nothing was fitted on.

    Exits that it has are left aside. Those that do not pay are not written: the encoder then runs to full depth.

    Args:
        out: where exit weights, the certificate and the cache of features are written; a fit that was stopped goes on
            from there.
        judge: what is said besides of photos that nothing was fitted on.
    Returns: the encoder as it is to be used.
    Raises: TooFewPhotos.
    """
    say, bare = reporter.say, encoder.with_exits(unfitted(ExitModules([], encoder.dim)))
    exits, first = choose_exits(encoder.backbone), first_pass_for(encoder.backbone)
    looking = ExitModules(exits, encoder.dim) if first is None else first.looking(exits, encoder.dim)
    say(f"{len(exits)} exits: after {', '.join(e.stage for e in exits)}")
    blank = encoder.with_exits(unfitted(looking))
    seen = Seen(*(_features(blank, found, name, out, reporter) for name, found in vars(splits).items()))
    _reject_alike(seen)
    ran = reporter.seconds()
    modules, seen = _ladder(encoder, exits, first, seen, splits.captioned, reporter)
    read = reporter.seconds()
    fitted = _fit_gates(encoder.with_exits(unfitted(modules)), seen, reporter)
    peak = peak_memory()
    say(
        f"{len(splits.all)} photos: {ran:.0f} s to run them, {read - ran:.0f} s for the readouts, "
        f"{reporter.seconds() - read:.0f} s for gates and prices"
        + (f"; at most {peak / 1e9:.1f} GB of memory" if peak is not None else "")
    )
    found = encoder.with_exits(fitted)
    judged = seen.curve.read_by(fitted.modules)
    reporter.on_progress("measuring", 0, 1)
    certificate = certify(found, judged, splits.curve)
    used = _keep(found, certificate, out, reporter) or bare
    for line in [*lines_of(certificate), *(judge(found, judged) if judge else [])]:
        say(line)
    reporter.on_progress("fitted", 1, 1)
    return used


def _ladder(
    encoder: Encoder, exits: list[Exit], first: FirstPass | None, seen: Seen, captioned: bool, reporter: Reporter
) -> tuple[ExitModules, Seen]:
    """Readouts of the better ladder, with a first pass before the model's own exits or without, and what its exits see.

    The two are compared at equal cost, on the photos for the gates: no readout has seen them.
    """
    if first is None:
        reporter.say("no first pass: each costs too much beside this model")
        return _useful_exits(encoder, exits, seen, captioned, reporter)
    alone = seen.each(lambda part: replace(part, seen=part.seen[1:]))
    without, alone = _useful_exits(encoder, exits, alone, captioned, reporter)
    weight, bias, said = project(seen.readouts.seen[0][:, : first.width], seen.readouts.vectors[:, -1])

    def spoken(part: Features) -> Features:
        is_own = part is seen.readouts
        return first.spoken(part, said if is_own else part.seen[0][:, : first.width] @ weight.T + bias)

    behind, both = _useful_exits(encoder, [first.exit, *exits], seen.each(spoken), captioned, reporter)
    behind.towers[0] = first.with_projection(weight, bias)
    found = [_worth(encoder, modules, part.gates) for modules, part in ((without, alone), (behind, both))]
    gain = found[1] - found[0]
    kept = gain >= LEAST_GAIN
    reporter.say(
        f"{first.name}: {gain:+.1f} points of fidelity at equal cost, so it is {'kept' if kept else 'left out'}"
    )
    return (behind, both) if kept else (without, alone)


def _useful_exits(
    encoder: Encoder, exits: Sequence[Exit], seen: Seen, captioned: bool, reporter: Reporter
) -> tuple[ExitModules, Seen]:
    """Readouts of the first exit and of those that say more than all before them, and what those exits see.

    What they say of full depth is measured on the photos for the gates: no readout has seen them.
    """
    modules = _fit_readouts(encoder, exits, seen.readouts, captioned, reporter)
    read = seen.gates.read_by(modules).vectors
    kept, most = list[int](), 0.0
    for k in range(len(exits)):
        found = sum(fidelity_at(read[:, k], read[:, -1], encoder.bank)) / 2
        if not kept or found >= most + LEAST_GAIN:
            kept.append(k)
            most = found
    if len(kept) == len(exits):
        return modules, seen
    reporter.say(f"{len(kept)} of {len(exits)} exits say more than those before them; the others are left out")
    fewer = seen.each(lambda part: replace(part, seen=[part.seen[k] for k in kept]))
    return _fit_readouts(encoder, [exits[k] for k in kept], fewer.readouts, captioned, reporter), fewer


def _worth(encoder: Encoder, modules: ExitModules, photos: Features) -> float:
    """Fidelity for cost of photos that no readout has seen, see `fidelity_for_cost`."""
    tried = encoder.with_exits(unfitted(modules))
    own = sum(encoder.backbone.stage_macs)
    return fidelity_for_cost(photos.read_by(modules), [macs / own for macs in tried.exit_macs], encoder.bank)


def _fit_gates(reading: Encoder, seen: Seen, reporter: Reporter) -> FittedExits:
    """Gates, prices and calibrations of an encoder whose readouts are made."""
    reporter.say(f"gates: on {len(seen.gates.vectors)} photos that the readouts have not seen")
    reporter.on_progress("training gates", 0, 1)
    photos, prices_on = (GatePhotos.of(reading, part.read_by(reading.modules)) for part in (seen.gates, seen.prices))
    return gates.fit_exits(reading, photos, prices_on, AFFINITY_WEIGHT)


def _keep(found: Encoder, certificate: Certificate, out: Path, reporter: Reporter) -> Encoder | None:
    """Write exits that pay, and the certificate; returns the encoder with them, None where they do not pay."""
    kept = None
    if certificate.pays:
        save_exits(out, found.fitted, found.identity.weights, found.identity.model)
        kept = found.with_exits(found.fitted, exits_hash(out, found.bank.texts))
        reporter.say(f"exit weights written to {out}")
    else:
        remove_exits(out)
    write_certificate(out, certificate, page(certificate, sum(found.backbone.stage_macs) / found.full_macs))
    return kept


def _reject_alike(seen: Seen) -> None:
    """Raise TooFewPhotos where photos could not be read, or full depth says nearly the same of all of them."""
    finals = torch.cat([part.vectors[:, -1] for part in vars(seen).values()])
    if len(finals) < FEWEST or not all(len(part.vectors) for part in vars(seen).values()):
        raise TooFewPhotos(f"Only {len(finals)} of the photos can be read: at least {FEWEST} are needed.")
    if 1 - float(finals.mean(0).norm()) < ALIKE:
        raise TooFewPhotos(f"These {len(finals)} photos are all alike to the model; exits need photos that differ.")


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


def _fit_readouts(
    encoder: Encoder, exits: Sequence[Exit], features: Features, captioned: bool, reporter: Reporter
) -> ExitModules:
    """Readouts as they come back from storage."""

    def on_step(done: int, total: int) -> None:
        reporter.on_progress("training readouts", done, total)
        if done % 50 == 0:
            reporter.say(f"readouts: step {done} of {total}")

    texts, owner = (features.texts, features.owner) if captioned else (encoder.bank.background, None)
    final = features.vectors[:, -1].contiguous()
    return as_stored(fit_readouts(exits, features.seen, final, texts, owner, encoder.logit_scale, on_step))
