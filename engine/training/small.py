"""Training the smaller model that `evaluate` sets beside the embedded one: the same recipe, the texts as they are."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from open_clip.tokenizer import HFTokenizer
from safetensors.torch import save_file
from timm.layers.drop import DropPath
from torch import Tensor, nn

from engine.encoder import load_encoder
from engine.fusion import fold_batch_norms
from engine.memory import keep_freed_memory
from engine.smallmodel import SMALL_TRUNK, STORED, ImagesOnly
from engine.training.augment import random_views
from engine.training.captions import gate_photos, read_captions, read_labels
from engine.training.checkpoint import assign, load_checkpoint, save_checkpoint
from engine.training.depthwise import speed_up_depthwise
from engine.training.folding import unfold_batch_norms
from engine.training.lower import FIRST_TRAINED_STAGE, Lower
from engine.training.mini import (
    AVERAGE_DECAY,
    DROP_PATH,
    DROPOUT,
    RATES,
    SEED,
    SIZE,
    SMALLER_SIZES,
    SOFTNESS,
    WEIGHT_DECAY,
    TrainingSet,
    learning_rate,
)
from engine.training.objective import contrastive, match_targets
from engine.training.pretrained import CONTEXT, load_trunk, pretrained_model
from engine.training.sentences import Sentences


class SmallStudent(nn.Module):
    """What is trained: the trunk's upper stages and its projection."""

    def __init__(self, trunk: Any) -> None:
        """Args: an EfficientNet whose batch norms are folded."""
        super().__init__()
        self.blocks = trunk.blocks[FIRST_TRAINED_STAGE:]
        self.conv_head, self.act = trunk.conv_head, trunk.bn2
        self.pool, self.head, self.dropout = trunk.global_pool, trunk.classifier, nn.Dropout(DROPOUT)
        for stage in self.blocks:
            for block in stage:
                if block.has_skip:
                    block.drop_path = DropPath(DROP_PATH)
        speed_up_depthwise(self)

    def forward(self, features: Tensor) -> Tensor:
        """Feature maps after the frozen stages to unit-length float32 embeddings."""
        for stage in self.blocks:
            features = stage(features)
        features = self.act(self.conv_head(features))
        return F.normalize(self.head(self.dropout(self.pool(features))).float(), dim=-1)

    def groups(self) -> list[dict[str, Any]]:
        """Optimizer groups with their peak learning rates."""
        trunk = [*self.blocks.parameters(), *self.conv_head.parameters()]
        return [
            {"params": [p for p in parameters if (p.ndim > 1) == (decay > 0)], "peak": rate, "weight_decay": decay}
            for parameters, rate in ((trunk, RATES["trunk"]), ([*self.head.parameters()], RATES["heads"]))
            for decay in (WEIGHT_DECAY, 0.0)
        ]


def train_small(
    data: Path, model: str | None = None, steps: int = 840, resume: bool = False, say: Callable[[str], None] = print
) -> None:
    """Train the smaller model beside a model, whose text tower it is trained to and stays with.

    Args:
        data: folder with `flickr8k` and `imagenet_samples`.
        model: as in `load_encoder`; checkpoints and the log go to `training/small` in its folder.
        steps: length of the run; a step is 200 photos.
        resume: go on from the last checkpoint.
    """
    keep_freed_memory(-1)
    encoder = load_encoder(model)
    work = encoder.folder / "training" / "small"
    work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(SEED)
    captioned = [e for e in read_captions(data / "flickr8k") if e.split in ("train", "extra")]
    captioned = [e for e in captioned if e.path.name not in gate_photos()]
    examples = TrainingSet(captioned + read_labels(data / "imagenet_samples"), len(captioned))
    texts = torch.from_numpy(encoder.encode_text(examples.texts))
    untouched = pretrained_model(work).text
    tokenize = HFTokenizer(work.as_posix(), context_length=CONTEXT)
    meant = Sentences(untouched, tokenize(examples.texts)).frozen_vectors
    meanings = examples.meanings(meant)

    written = ImagesOnly(encoder.dim, encoder.backbone.size, encoder.backbone.model.logit_scale)
    folded: Any = ImagesOnly(encoder.dim, encoder.backbone.size, encoder.backbone.model.logit_scale).visual.trunk
    load_trunk(folded, SMALL_TRUNK)
    fold_batch_norms(folded)
    folded = folded.to(memory_format=torch.channels_last)
    lower, student = Lower(folded), SmallStudent(folded)
    optimizer = torch.optim.AdamW(student.groups(), lr=0.0, betas=(0.9, 0.98), fused=True)
    average = {name: p.detach().clone() for name, p in student.named_parameters()}
    first = load_checkpoint(work, student, optimizer, average) if resume else 0

    student.train()
    began, losses = time.perf_counter(), []
    for step in range(first, steps):
        torch.manual_seed(SEED * 1_000_003 + step)
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * learning_rate(step, steps)
        photos, rows, owner, generator = examples.batch(step)
        draw = torch.rand(2, generator=generator).tolist()
        size = SIZE if draw[0] < 0.5 else SMALLER_SIZES[int(draw[1] * len(SMALLER_SIZES))]
        views = random_views(examples.pixels[photos], size, generator)
        targets = match_targets(owner, meanings[photos] @ meant[rows].T, SOFTNESS)
        with torch.autocast("cpu", torch.bfloat16):
            vectors = student(lower(views))
        loss = contrastive(encoder.backbone.sharpness * vectors @ texts[rows].T, targets)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(student.parameters(), 5.0)
        optimizer.step()
        decay = min(AVERAGE_DECAY, (step + 1) / (step + 10))
        with torch.no_grad():
            for name, p in student.named_parameters():
                average[name].lerp_(p, 1 - decay)
        losses.append(float(loss.detach()))
        if (step + 1) % 20 == 0 or step + 1 == steps:
            row = {"step": step + 1, "of": steps, "loss": round(float(np.mean(losses)), 4)}
            losses = []
            say(json.dumps(row | {"seconds": round(time.perf_counter() - began)}))
        if (step + 1) % 120 == 0 or step + 1 == steps:
            save_checkpoint(work, step + 1, student, optimizer, average)

    assign(student, average)
    unfold_batch_norms(lower.with_upper(student.blocks, student.conv_head), written.visual.trunk)
    written.visual.trunk.classifier.load_state_dict(student.head.state_dict())
    weights = {n: t.half() if t.is_floating_point() else t for n, t in written.visual.state_dict().items()}
    path = encoder.folder / STORED
    path.parent.mkdir(exist_ok=True)
    save_file({n: t.contiguous() for n, t in weights.items()}, path, {"weights": encoder.identity.weights})
    say(f"{path} written")
