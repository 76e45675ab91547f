"""The embedded model's own training: pretrained towers, a contrastive run shaped for early exit, names, exits."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from open_clip.tokenizer import HFTokenizer
from timm.layers.drop import DropPath
from torch import Tensor, nn

from engine.encoder import load_encoder
from engine.exits import as_stored, save_exits, unfitted
from engine.fusion import fold_batch_norms
from engine.memory import keep_freed_memory
from engine.metrics import recall
from engine.sources import model_hash
from engine.tgem import HEAD, Branch, Exit, ExitModules, pool
from engine.training.augment import random_views
from engine.training.captions import Example, gate_photos, load_squashed, read_captions, read_labels
from engine.training.checkpoint import assign, load_checkpoint, save_checkpoint
from engine.training.depthwise import speed_up_depthwise
from engine.training.features import cached
from engine.training.folding import unfold_batch_norms
from engine.training.lower import FIRST_TRAINED_STAGE, Lower
from engine.training.naming import teach_names
from engine.training.objective import contrastive, distil, match_targets
from engine.training.pretrained import CONTEXT, DIM, export, pretrained_model
from engine.training.readouts import fit_readouts
from engine.training.sentences import Sentences

SIZE = 256
SMALLER_SIZES = tuple(range(112, 241, 16))  # half of the steps read a smaller input, so that coarse passes work
SUPERVISED = (  # trunk blocks that are trained to say something themselves, so that there is something to read early
    Exit("blocks.3.3", 512, channels=88, stride=16),
    Exit("blocks.4.1", 512, channels=120, stride=16),
    Exit("blocks.4.3", 512, channels=120, stride=16),
    Exit("blocks.5.1", 768, channels=208, stride=32),
    Exit("blocks.5.3", 768, channels=208, stride=32),
)
EXITS = tuple(exit.stage for exit in SUPERVISED)
# The exits of the model: the ends of passes over smaller inputs, and the last two of those blocks. The blocks before do
# not earn their place: what they find for 0.44 to 0.70 of the MACs, the smallest pass finds for 0.20.
COARSE_SIZES = (128, 144, 160, 176, 192, 224, 256)  # px: 0.20 to 0.79 of the MACs
DEPTH_EXITS = SUPERVISED[3:]
LADDER = (*(Exit(HEAD, DIM, size=size) for size in COARSE_SIZES), *DEPTH_EXITS)
CAPTIONED, LABELLED, TEXTS_PER_PHOTO = 176, 24, 2
RATES = {"trunk": 2e-4, "heads": 1e-3, "text": 3e-5}
WEIGHT_DECAY = 0.05
EXIT_WEIGHT = 0.35
SOFTNESS = 0.2
DROP_PATH = 0.1
DROPOUT = 0.1
AVERAGE_DECAY = 0.997
SEED = 2605


class Student(nn.Module):
    """What is trained: the trunk's upper stages, the heads of all exits, the text tower's top, the temperature."""

    def __init__(self, trunk: Any, sentences: Sentences) -> None:
        """Args: an EfficientNet whose batch norms are folded."""
        super().__init__()
        self.blocks = trunk.blocks[FIRST_TRAINED_STAGE:]
        self.conv_head, self.act = trunk.conv_head, trunk.bn2
        self.head = trunk.classifier
        self.branches, self.projections = nn.ModuleList(), nn.ModuleList()
        seen = 0
        for exit in SUPERVISED:
            seen += exit.pooled
            self.branches.append(Branch(exit.channels, exit.stride))
            self.projections.append(nn.Linear(seen, DIM))
        for stage in self.blocks:
            for block in stage:
                if block.has_skip:
                    block.drop_path = DropPath(DROP_PATH)
        speed_up_depthwise(self)
        self.dropout = nn.Dropout(DROPOUT)
        self.text_layers, self.text_proj = sentences.layers, sentences.proj
        self.logit_scale = nn.Parameter(torch.tensor(1 / 0.07).log())

    def forward(self, features: Tensor) -> list[Tensor]:
        """Feature maps after the frozen stages to unit-length float32 embeddings of all exits, the last one last."""
        vectors: list[Tensor] = []
        pooled: list[Tensor] = []
        for number, stage in enumerate(self.blocks, FIRST_TRAINED_STAGE):
            for position, block in enumerate(stage):
                features = block(features)
                if f"blocks.{number}.{position}" in EXITS:
                    pooled.append(self.branches[len(pooled)](features))
                    vectors.append(self.projections[len(vectors)](self.dropout(torch.cat(pooled, 1))))
        features = self.act(self.conv_head(features))
        vectors.append(self.head(self.dropout(pool(features))))
        return [F.normalize(v.float(), dim=-1) for v in vectors]

    def groups(self) -> list[dict[str, Any]]:
        """Optimizer groups with their peak learning rates."""
        named = {"trunk": [self.blocks, self.conv_head], "text": [self.text_layers]}
        named["heads"] = [self.head, self.branches, self.projections, self.text_proj]
        groups = []
        for name, modules in named.items():
            parameters = [p for m in modules for p in m.parameters()]
            for decay in (WEIGHT_DECAY, 0.0):
                chosen = [p for p in parameters if (p.ndim > 1) == (decay > 0)]
                groups.append({"params": chosen, "peak": RATES[name], "weight_decay": decay})
        groups.append({"params": [self.logit_scale], "peak": RATES["heads"], "weight_decay": 0.0})
        return groups


class TrainingSet:
    """Photos and texts of a run, and the batches that a seed draws from them."""

    def __init__(self, examples: list[Example], captioned: int) -> None:
        """Args: examples, captioned ones first; how many of them are captioned."""
        self.pixels = torch.from_numpy(load_squashed(examples, 224))
        self.captioned = captioned
        counts = torch.tensor([len(e.texts) for e in examples])
        self.texts = [t for e in examples for t in e.texts]
        self.first = torch.cat([torch.zeros(1, dtype=torch.long), counts.cumsum(0)])
        self.counts = counts

    def meanings(self, vectors: Tensor) -> Tensor:
        """Mean text vector of each photo, unit length; (T, W) to (N, W)."""
        owner = torch.repeat_interleave(torch.arange(len(self.counts)), self.counts)
        sums = vectors.new_zeros(len(self.counts), vectors.shape[1]).index_add_(0, owner, vectors)
        return F.normalize(sums, dim=-1)

    def batch(self, step: int) -> tuple[Tensor, Tensor, Tensor, torch.Generator]:
        """Photo numbers (B,), text rows (T,), owner of each text in the batch (T,), and the step's own generator."""
        photos = torch.cat(
            [
                self._draw(step, 0, self.captioned, CAPTIONED),
                self._draw(step, self.captioned, len(self.counts), LABELLED),
            ]
        )
        generator = torch.Generator().manual_seed(SEED * 1_000_003 + step)
        rows, owner = [], []
        for place, photo in enumerate(photos.tolist()):
            picked = torch.randperm(int(self.counts[photo]), generator=generator)[:TEXTS_PER_PHOTO]
            rows.append(self.first[photo] + picked)
            owner += [place] * len(picked)
        return photos, torch.cat(rows), torch.tensor(owner), generator

    def _draw(self, step: int, start: int, stop: int, many: int) -> Tensor:
        """The step's slice of an endless run of shuffled epochs; of the step alone, so a resumed run agrees."""
        size = stop - start
        numbers = []
        for position in range(step * many, (step + 1) * many):
            numbers.append(int(self._order(position // size, size)[position % size]) + start)
        return torch.tensor(numbers)

    def _order(self, epoch: int, size: int) -> Tensor:
        return torch.randperm(size, generator=torch.Generator().manual_seed(SEED + epoch * 7919 + size))


def learning_rate(step: int, steps: int) -> float:
    """Share of the peak rate: a linear rise over the first 5 %, then a half cosine to 0."""
    rise = max(1, steps // 20)
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + float(np.cos(np.pi * (step - rise) / max(1, steps - rise))))


def train(data: Path, out: Path, steps: int = 840, resume: bool = False, say: Callable[[str], None] = print) -> None:
    """Train the embedded model and write it as an OpenCLIP folder, with its exits' branches beside it.

    Args:
        data: folder with `flickr8k` and `imagenet_samples`.
        out: the model's folder; checkpoints and the log go to `out/training`.
        steps: length of the run; a step is 200 photos.
        resume: go on from the last checkpoint, as if the run had never stopped.
    """
    work = out / "training"
    work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(SEED)
    keep_freed_memory(-1)
    captioned = read_captions(data / "flickr8k")
    labelled = read_labels(data / "imagenet_samples")
    training = [e for e in captioned if e.split in ("train", "extra") and e.path.name not in gate_photos()]
    examples = TrainingSet(training + labelled, len(training))
    validation = [e for e in captioned if e.split == "val"]
    val_pixels = torch.from_numpy(load_squashed(validation, SIZE))
    val_texts = [t for e in validation for t in e.texts]

    model = pretrained_model(out)
    tokenize = HFTokenizer(out.as_posix(), context_length=CONTEXT)
    sentences = Sentences(model.text, tokenize(examples.texts))
    val_sentences = Sentences(model.text, tokenize(val_texts))
    meanings = examples.meanings(sentences.frozen_vectors)

    folded: Any = pretrained_model(out).visual.trunk
    fold_batch_norms(folded)
    folded.classifier.load_state_dict(model.visual.trunk.classifier.state_dict())
    folded = folded.to(memory_format=torch.channels_last)
    lower = Lower(folded)
    student = Student(folded, sentences)
    optimizer = torch.optim.AdamW(student.groups(), lr=0.0, betas=(0.9, 0.98), fused=True)
    average = {name: p.detach().clone() for name, p in student.named_parameters()}
    first = load_checkpoint(work, student, optimizer, average) if resume else 0

    def validate() -> dict[str, list[float]]:
        student.eval()
        kept = {name: p.detach().clone() for name, p in student.named_parameters()}
        assign(student, average)
        vectors: list[list[Tensor]] = []
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            for part in val_pixels.split(100):
                vectors.append(student(lower(part.float() / 255)))
            texts = torch.cat([val_sentences(rows) for rows in torch.arange(len(val_texts)).split(500)])
        assign(student, kept)
        student.train()
        owner = np.repeat(np.arange(len(validation)), [len(e.texts) for e in validation])
        found = {}
        for number, name in enumerate([*EXITS, "full"]):
            images = torch.cat([v[number] for v in vectors])
            scores = recall(images.numpy(), texts.numpy(), owner)
            found[name] = [round(scores["t2i"][k], 1) for k in ("r1", "r5", "r10")]
        return found

    student.train()
    began = time.perf_counter()
    losses: list[float] = []
    for step in range(first, steps):
        torch.manual_seed(SEED * 1_000_003 + step)  # for dropout: a resumed run draws the same
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * learning_rate(step, steps)
        photos, rows, owner, generator = examples.batch(step)
        draw = torch.rand(2, generator=generator).tolist()
        size = SIZE if draw[0] < 0.5 else SMALLER_SIZES[int(draw[1] * len(SMALLER_SIZES))]
        views = random_views(examples.pixels[photos], size, generator)
        targets = match_targets(owner, meanings[photos] @ sentences.frozen_vectors[rows].T, SOFTNESS)
        with torch.autocast("cpu", torch.bfloat16):
            vectors = student(lower(views))
            texts = sentences(rows)
        scale = student.logit_scale.exp().clamp(max=100)
        *early, last = [scale * v @ texts.T for v in vectors]
        loss = contrastive(last, targets)
        for logits in early:
            copied = (distil(logits, last) + distil(logits.T, last.T)) / 2
            loss = loss + EXIT_WEIGHT / len(early) * (contrastive(logits, targets) + copied) / 2
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
            row: dict[str, Any] = {"step": step + 1, "of": steps, "loss": round(float(np.mean(losses)), 4)}
            row |= {"scale": round(float(scale.detach()), 1), "seconds": round(time.perf_counter() - began)}
            losses = []
            if (step + 1) % 120 == 0 or step + 1 == steps:
                row["val_t2i"] = validate()
                save_checkpoint(work, step + 1, student, optimizer, average)
            with (work / "log.jsonl").open("a", encoding="utf-8") as log:
                log.write(json.dumps(row) + "\n")
            say(json.dumps(row))

    assign(student, average)
    unfold_batch_norms(lower.with_upper(student.blocks, student.conv_head), model.visual.trunk)
    model.visual.trunk.classifier.load_state_dict(student.head.state_dict())
    with torch.no_grad():
        model.logit_scale.copy_(student.logit_scale)
    export(model, out)
    teach_names(out, training, data, say)
    fit_ladder(dict(zip(EXITS, student.branches, strict=True)), training, out, say)


def fit_ladder(
    branches: Mapping[str, nn.Module], examples: Sequence[Example], out: Path, say: Callable[[str], None]
) -> None:
    """Fit the readouts of the exits along the depth to a written model, and write its ladder of exits.

    Their gates are still to be fitted.

    Args: branches: by the trunk's block.  examples: captioned photos that the model was trained on.
    """
    modules = ExitModules(DEPTH_EXITS, DIM)
    for branch, exit in zip(modules.branches, DEPTH_EXITS, strict=True):
        branch.load_state_dict(branches[exit.stage].state_dict())
    encoder = load_encoder(f"local-dir:{out}", exits=False)
    seer = encoder.with_exits(unfitted(as_stored(modules)))
    seen = cached(out / "training" / "features-readouts", seer, examples, say)
    final = seen.vectors[:, -1].contiguous()
    fitted = fit_readouts(DEPTH_EXITS, seen.pooled, final, seen.texts, seen.owner, encoder.backbone.sharpness)
    ladder = ExitModules(LADDER, DIM)
    for k, (branch, readout) in enumerate(zip(modules.branches, fitted.projections, strict=True), len(COARSE_SIZES)):
        ladder.branches[k].load_state_dict(branch.state_dict())
        ladder.projections[k].load_state_dict(readout.state_dict())
    save_exits(out, unfitted(ladder), model_hash(out))
