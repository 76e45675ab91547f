"""Teaches a small ViT to speak the space of the shipped model, from photos alone: trained weights for depth exits.

`python -m tests.stress.small_vit DATA OUT` writes an OpenCLIP folder with the shipped text tower beside the ViT, and
fits exits along its depth. It is no good model. It is there so that exits are fitted to a transformer that has learned
something.
"""

import argparse
import json
import shutil
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from engine.clip.factory import CONFIG, WEIGHTS
from engine.exits.budget import nearest_budget
from engine.exits.encoder import Encoder, Standing
from engine.exits.loading import load_encoder
from engine.training.augment import random_views
from engine.training.certify import BUDGETS, fidelities
from engine.training.dataset import Example, load_squashed, read_captions
from engine.training.features import Features, cached, first_pixels
from engine.training.fit import Reporter, fit_exits
from engine.training.passes import blends
from engine.training.readouts import readout_loss
from engine.training.splits import split_photos
from engine.training.trainer import SEED, Length, Trainer, groups, run_hash
from engine.utils.errors import EngineError
from engine.utils.paths import EMBEDDED_MODEL

TAUGHT, FITTED = 3000, 900  # photos that teach the ViT, and others that its exits are fitted to
BATCH, STEPS, JUDGED = 64, 480, 200  # photos a step, steps, photos of the first that are only watched
STORED = 144  # px
DEALS = 20  # of the same exits at random
VISION = {"image_size": 128, "layers": 8, "width": 192, "head_width": 64, "patch_size": 32}


def photos_of(data: Path) -> tuple[list[Example], list[Example]]:
    """Photos of the split train without their captions, by their names: those that teach the ViT, and those that
    fit its exits; raises DataMissing.
    """
    train = [replace(e, texts=(), label=None) for e in read_captions(data) if e.split == "train"]
    train.sort(key=lambda e: zlib.crc32(e.path.name.encode()))
    return train[:TAUGHT], train[TAUGHT : TAUGHT + FITTED]


class VitTraining:
    """Photos, what the teacher says of them, and the loss of each step."""

    def __init__(self, teacher: Encoder, examples: list[Example], work: Path, say: Callable[[str], None]) -> None:
        """Args: work: folder that the teacher's embeddings are kept in."""
        self._said = cached(work / "teacher", teacher, examples, say).vectors[:, -1].clone()
        self._pixels = torch.from_numpy(load_squashed(examples, STORED))
        self._texts, self._scale = teacher.bank.background, teacher.logit_scale

    def loss(self, student: Any, step: int) -> Tensor:
        """Of a step's own photos: flipped, cropped, recoloured, and another one shining through half of them."""
        draw = torch.Generator().manual_seed(SEED * 1_000_003 + step)
        rows = torch.randint(JUDGED, len(self._pixels), (BATCH,), generator=draw)
        views = random_views(self._pixels[rows], VISION["image_size"], draw)
        other, share = blends(BATCH, draw)
        views = torch.lerp(views, views[other], share[:, None, None, None])
        wanted = F.normalize(torch.lerp(self._said[rows], self._said[rows][other], share[:, None]), dim=1)
        return readout_loss(F.normalize(student(views * 2 - 1), dim=1), wanted, self._texts, None, self._scale)

    @torch.no_grad()
    def judge(self, student: Any) -> dict[str, float]:
        """The mean cosine to the teacher of photos that the ViT does not learn from."""
        pixels = F.interpolate(self._pixels[:JUDGED].float(), (VISION["image_size"],) * 2, mode="area")
        said = F.normalize(student(pixels / 127.5 - 1), dim=1)
        return {"cosine": round(float((said * self._said[:JUDGED]).sum(1).mean()), 3)}


def teach(data: Path, out: Path, say: Callable[[str], None] = print) -> None:
    """Teach the ViT, or go on where it was stopped, and write its folder; raises DataMissing."""
    work = out / "training"
    work.mkdir(parents=True, exist_ok=True)
    config = _config()
    torch.manual_seed(SEED)
    student: nn.Module = open_clip.CLIP(
        config["model_cfg"]["embed_dim"], VISION, {"layers": 1, "width": 64, "heads": 1}
    ).visual
    examples = photos_of(data)[0]
    training = VitTraining(load_encoder(), examples, work, say)
    rates = groups({"heads": [*student.parameters()]})
    trainer = Trainer(student, rates, work, say, run_hash(examples, (), STEPS))

    trainer.run(Length(STEPS), lambda step: training.loss(student, step), lambda: training.judge(student))
    weights = load_file(EMBEDDED_MODEL / WEIGHTS[0])
    kept = {name: t for name, t in weights.items() if not name.startswith("visual.")}
    kept |= {f"visual.{name}": t.half().contiguous() for name, t in student.state_dict().items()}
    save_file(kept, out / WEIGHTS[0], {"format": "pt"})
    for file in EMBEDDED_MODEL.glob("*.txt"):
        shutil.copy(file, out)
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(EMBEDDED_MODEL / name, out)
    (out / CONFIG).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def _config() -> dict[str, Any]:
    """The shipped model's, with the ViT in the place of its image tower."""
    found: dict[str, Any] = json.loads((EMBEDDED_MODEL / CONFIG).read_text(encoding="utf-8"))
    found["model_cfg"]["vision_cfg"] = VISION
    return found


def over_chance(encoder: Encoder, features: Features) -> list[str]:
    """The fidelity that gates give beside that of the same exits dealt at random among the photos, a line a budget.

    Args: features: of photos that nothing was fitted on, as the encoder's readouts read them.
    """
    exits, draw = encoder.decide(features.trace).numpy(), np.random.default_rng(SEED)
    columns = [exits[:, nearest_budget(budget)] for budget in BUDGETS]
    own = fidelities(encoder, features, columns)
    dealt = [fidelities(encoder, features, [draw.permutation(c) for c in columns]) for _ in range(DEALS)]
    lines = ["budget   label / top10: gates   the same exits dealt at random"]
    for number, (budget, gates) in enumerate(zip(BUDGETS, own, strict=True)):
        label, top10 = (np.mean([getattr(deal[number], kind) for deal in dealt]) for kind in ("label", "top10"))
        lines.append(f"{budget:6.2f}   {gates.label:5.1f} / {gates.top10:5.1f}   {label:5.1f} / {top10:5.1f}")
    return lines


def resumed(encoder: Encoder, pixels: np.ndarray) -> str:
    """How far photos that left at the first exit and went on end from those that never stopped, in a line.

    Args: pixels: (B, 3, S, S) uint8.
    """
    left = encoder.deepen(pixels, 1)
    vectors, maps = np.stack([e.vector for e in left]), [e.map for e in left if e.map is not None]
    ways = encoder.deepen(None, encoder.exits, Standing(1, vectors, maps)), encoder.deepen(pixels, encoder.exits)
    went_on, straight = (np.stack([e.vector for e in way]) for way in ways)
    return f"resumed against straight, {len(pixels)} photos: embeddings differ by {np.abs(went_on - straight).max():g}"


def main(words: Sequence[str] | None = None) -> None:
    """Teach, then fit exits on photos that the ViT has not seen.

    Args: words: the command line's, by default this process's.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with captions.jsonl and images/")
    parser.add_argument("out", type=Path, help="folder of the model that is taught")
    asked = parser.parse_args(words)
    try:
        _teach_and_fit(asked.data, asked.out)
    except EngineError as error:
        parser.exit(2, f"{error}\n")


def _teach_and_fit(data: Path, out: Path) -> None:
    examples = photos_of(data)[1]  # first: a folder that is none costs no work
    teach(data, out)
    encoder = load_encoder(f"local-dir:{out}", with_exits=False)

    def judge(found: Encoder, features: Features) -> list[str]:
        return [*over_chance(found, features), resumed(found, first_pixels(found, examples, 32))]

    splits = split_photos([example.path for example in examples])
    fit_exits(encoder, splits, encoder.folder, Reporter(print), judge)


if __name__ == "__main__":
    main()
