"""The recipe of the shipped model: from pretrained parts to passes, then gates, prices and calibrations.

Passes are trained three times: first by captions and labels, then, from where they are, also by what all of them
together said after the time before, which is more than any one of them knows (born-again networks: Furlanello 2018).
Of the last two times the mean is taken: on val it finds as much on Flickr8k as the time before, where the last alone
finds less, and more of other kinds (Wortsman 2022, arXiv 2109.01903). Then readouts are aligned with texts on photos
that no image tower saw, the text tower is tuned by itself, on those too, and taught by a larger one, and gates are
fitted.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engine.clip.factory import model_hash
from engine.clip.small_tower import LAST_MAP
from engine.exits.checkpoint import as_stored, save_exits, texts_hash, unfitted
from engine.exits.encoder import Encoder
from engine.exits.loading import load_encoder
from engine.exits.modules import HEAD, Exit, ExitModules
from engine.exits.text_bank import Embeddings
from engine.training import gates
from engine.training.alignment import align, recalling
from engine.training.dataset import Example, gate_photos, load_squashed, read_captions, require_texts
from engine.training.features import cached
from engine.training.gates import GatePhotos
from engine.training.locked_image import STEPS as TEXT_STEPS
from engine.training.locked_image import LockedImageTuning, two_views, write_text_tower
from engine.training.passes import WITH_TEXTS, Passes, held_back, judged_photos, named, read_photos, train_passes
from engine.training.pretrained import DIM, PASSES, SIZES, export, pretrained_model, unpack_teacher
from engine.training.sentence_teacher import STEPS as TAUGHT_STEPS
from engine.training.sentence_teacher import SentenceTeaching
from engine.training.trainer import SEED, Length, Trainer, groups, run_hash
from engine.utils.memory import keep_freed_memory

STEPS = (900, 640, 300)  # of the stages of passes; a step is 144 photos
AFFINITY_WEIGHT = 0.5  # chosen on val


def train(data: Path, out: Path, stop_after: int | None = None, say: Callable[[str], None] = print) -> None:
    """Train the embedded model and write it as an OpenCLIP folder, with its exits beside it.

    A run that was stopped goes on from its last checkpoint, as if it had never stopped.

    Args:
        data: folder with `flickr8k`, `more_photos` and `imagenet_samples`.
        out: the model's folder; checkpoints, features and the logs go to `out/training`.
        stop_after: steps of the first stage after which to stop; the schedule is that of all.
    Raises: DataMissing; EngineError where a pretrained weight's package is not installed.
    """
    require_photos(data)
    work = out / "training"
    work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(SEED)
    keep_freed_memory(2**31)
    model: Any = pretrained_model(out)
    unpack_teacher(work)  # at once, since its packages may be missing
    passes: Passes | None = None
    before: dict[str, Tensor] = {}
    for number, steps in enumerate(STEPS, start=1):
        if passes is not None:
            before = {name: p.detach().clone() for name, p in passes.named_parameters()}
        length = Length(steps, stop_after)
        passes = train_passes(data, work / f"passes-{number}", model, passes, length, say)
        if stop_after is not None:
            return
    assert passes is not None
    with torch.no_grad():
        for name, p in passes.named_parameters():
            p.lerp_(before[name], 0.5)
    write_model(out, model, passes)
    align_readouts(out, data, say)
    tune_text(out, data, say)
    fit_gates(out, data, say)


def require_photos(data: Path) -> None:
    """Refuse at the start data that would end a run after hours; raises DataMissing.

    Every kind of photos is there, what is learned from has captions, and photos that no image tower sees can be read.
    """
    read_photos(data)
    judged_photos(data)
    unseen = unseen_photos(data)
    for kind, name in enumerate(WITH_TEXTS):
        require_texts([e for e in unseen if _kind(e) == kind], f"{name} in {data} that no image tower is to see")
    load_squashed(unseen, 1)  # decoded whole: the header of a file that was cut short is sound


def write_model(out: Path, model: Any, passes: Passes) -> None:
    """Write trained passes as a model and its ladder, whose gates are still to be fitted.

    Args: model: an OpenCLIP model of the last pass's shape, whose text tower was trained with them.
    """
    passes.write_into(len(PASSES) - 1, model.visual)
    with torch.no_grad():
        model.logit_scale.copy_(passes.logit_scale)
    export(model, out)
    exits = [Exit(HEAD, DIM + 2 * LAST_MAP[t], t, size) for t, size in zip(PASSES[:-1], SIZES[:-1], strict=True)]
    ladder = ExitModules(exits, DIM, joined=True)
    for k in range(len(exits)):
        passes.write_into(k, ladder.towers[k])
    for readout, join in zip([*ladder.readouts[1:], ladder.last], passes.joins, strict=True):
        assert isinstance(readout, nn.Linear)
        assert isinstance(join, nn.Linear)
        readout.weight.data[:, :DIM] = join.weight.data  # before what the tower says by itself
    save_exits(out, unfitted(as_stored(ladder.eval())), model_hash(out))


def align_readouts(out: Path, data: Path, say: Callable[[str], None]) -> None:
    """Align the readouts of a written model with texts, and write its ladder again, whose gates are still to be fitted.

    Raises: DataMissing.
    """
    encoder = load_encoder(f"local-dir:{out}")
    examples = unseen_photos(data)
    say(f"readouts: features of {len(examples)} photos that no image tower saw")
    features = cached(out / "training" / "features-readouts", encoder, examples, say)
    aligned = as_stored(recalling(align(encoder.modules, features, encoder.logit_scale)))
    save_exits(out, unfitted(aligned), encoder.identity.weights)


def tune_text(out: Path, data: Path, say: Callable[[str], None]) -> None:
    """Tune the text tower of a written model, have a larger one teach it, and write it, and the ladder, again.

    Gates are still to be fitted. Checkpoints and logs go to `out/training`.

    Raises: DataMissing; EngineError where a pretrained weight's package is not installed.
    """
    encoder = load_encoder(f"local-dir:{out}")
    photos = read_photos(data)
    unseen = [named(e) for e in unseen_photos(data)]
    parts = [photos.captioned, photos.described, photos.labelled, photos.kinds, unseen]
    examples = [example for part in parts for example in part]
    work = out / "training"
    say(f"text tower: two views of {len(examples)} photos at every exit")
    views = two_views(encoder, examples, say)
    tuning = LockedImageTuning(encoder, examples, [len(part) for part in parts], views, work)
    tower, bank = tuning.tower, encoder.bank.texts
    learned = [p for p in tower.parameters() if p.requires_grad]

    def learn(name: str, rate: str, steps: int, loss: Callable[[int], Tensor]) -> None:
        folder = work / name
        folder.mkdir(exist_ok=True)
        run = run_hash(examples, bank, steps)
        Trainer(tower, groups({rate: learned}), folder, say, run).run(Length(steps), loss)

    learn("text", "whole text", TEXT_STEPS, tuning.loss)
    teaching = SentenceTeaching(tuning, bank, encoder.backbone.tokenize, work, say)
    learn("taught", "taught text", TAUGHT_STEPS, teaching.loss)
    write_text_tower(out, tower)
    save_exits(out, unfitted(as_stored(encoder.modules)), model_hash(out))


def fit_gates(out: Path, data: Path, say: Callable[[str], None]) -> None:
    """Fit the gates of a written model, its prices and calibrations, and write its ladder again.

    Raises: DataMissing.
    """
    encoder = load_encoder(f"local-dir:{out}")
    trained_on = read_photos(data)
    captioned = (*trained_on.captioned, *trained_on.described)
    captions = encoder.backbone.encode_text([e.texts[0] for e in captioned])
    texts = encoder.bank.texts
    own = encoder.bank.vectors[: len(texts)]
    encoder = encoder.reading(replace(encoder.bank, embeddings=Embeddings(lambda: own, captions.half().float())))
    photos, prices_on = gate_photo_sets(encoder, data, out / "training", say)
    fitted = gates.fit_exits(encoder, photos, prices_on, AFFINITY_WEIGHT)
    shipped = replace(fitted, texts=own, texts_hash=texts_hash(texts))
    save_exits(out, shipped, encoder.identity.weights)
    say(f"exit weights written to {out}")


def gate_photo_sets(
    encoder: Encoder, data: Path, cache: Path, say: Callable[[str], None]
) -> tuple[GatePhotos, GatePhotos]:
    """Photos that no image tower saw: those that gates are fitted on, and the val splits, that prices are found on.

    Args: data: folder with `flickr8k` and `more_photos`.  cache: folder that features are kept in.
    """
    examples, others = unseen_photos(data), val_photos(data)
    say(f"gates: features of {len(examples)} photos that no image tower saw, and {len(others)} for the prices")
    kinds = torch.tensor([_kind(e) for e in examples])
    photos = GatePhotos.of(encoder, cached(cache / "features-gates", encoder, examples, say), kinds)
    return photos, GatePhotos.of(encoder, cached(cache / "features-prices", encoder, others, say))


def unseen_photos(data: Path) -> list[Example]:
    """Captioned snapshots, textbook pictures and things by name that no image tower saw; raises DataMissing."""
    held = [e for e in read_captions(data / "flickr8k") if e.path.name in gate_photos()]
    return [*held, *(e for e in read_captions(data / "more_photos") if e.split == "train" and held_back(e))]


def val_photos(data: Path) -> list[Example]:
    """Photos of the val splits; raises DataMissing."""
    return [e for name in ("flickr8k", "more_photos") for e in read_captions(data / name) if e.split == "val"]


def _kind(example: Example) -> int:
    """Captioned snapshots, textbook pictures, and things by name."""
    if example.path.name in gate_photos():
        return 0
    return 1 if example.label is None else 2
