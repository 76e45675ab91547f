"""Trains the scout: a smaller tower that learns, on smaller inputs, the model's embedding of the whole input."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from engine.exits.encoder import Encoder
from engine.training.augment import random_views
from engine.training.batches import TrainingSet
from engine.training.dataset import Corpus
from engine.training.readouts import readout_loss
from engine.training.rival_model import joined_tower, untrained_parts
from engine.training.trainer import SEED, Trainer
from engine.training.validation import Validation

SIZES = tuple(range(112, 225, 16))  # px, of the inputs that it learns on
TAUGHT_AT = 256  # px, of the same views as the model reads them
AT_ONCE = 25  # photos, of the model's reading
JUDGED = (160, 192, 224)  # px


def train_scout(
    encoder: Encoder,
    corpus: Corpus,
    work: Path,
    steps: int,
    resume: bool = False,
    say: Callable[[str], None] = print,
) -> nn.Module:
    """Train a scout's image tower on views of its own sizes; its targets are the model's embeddings of the same views.

    Args:
        encoder: the model, its exits left aside; its texts stay as they are.
        corpus: what the model was trained on.
        work: folder of checkpoints and log.  steps: of 200 photos.
        resume: go on from the last checkpoint.
    Raises: IngredientMissing.
    """
    work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(SEED)
    backbone = encoder.backbone
    examples = TrainingSet(corpus)
    texts = torch.from_numpy(encoder.encode_text(examples.texts))
    held_back = Validation(encoder, corpus.validation)

    lower, student = untrained_parts(encoder.dim)

    def judge() -> dict[str, Any]:
        with trainer.averaged(), torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            return {"val_t2i": {str(size): held_back.recall(lambda v: student(lower(v)), size) for size in JUDGED}}

    def loss_of(step: int) -> Tensor:
        photos, rows, owner, generator = examples.batch(step)
        size = SIZES[int(torch.randint(len(SIZES), (), generator=generator))]
        same = generator.get_state()
        views = random_views(examples.pixels[photos], size, generator)
        taught = random_views(examples.pixels[photos], TAUGHT_AT, generator.set_state(same))
        pixels = (taught * 255).round().to(torch.uint8).numpy()
        parts = [encoder.read_at(pixels[i : i + AT_ONCE], TAUGHT_AT) for i in range(0, len(pixels), AT_ONCE)]
        final = torch.from_numpy(np.concatenate(parts))
        with torch.autocast("cpu", torch.bfloat16):
            vectors = student(lower(views))
        own = owner == torch.arange(len(photos))[:, None]  # (B, T)
        return readout_loss(vectors, final, texts[rows], own, backbone.logit_scale)

    trainer = Trainer(student, student.groups(), work, resume, say)
    trainer.run(steps, loss_of, judge)
    return joined_tower(lower, student, encoder.dim)
