"""The recipe of the shipped model: from pretrained parts to towers, names and readouts; `fit` adds the gates."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from open_clip.tokenizer import HFTokenizer
from torch import Tensor, nn

from engine.clip.factory import model_hash
from engine.clip.fuse import fold_batch_norms
from engine.clip.small_tower import LAST_MAP
from engine.clip.stages import pool
from engine.exits.checkpoint import as_stored, save_exits, unfitted
from engine.exits.loading import load_encoder
from engine.exits.modules import HEAD, Branch, Exit, ExitModules
from engine.search.metrics import recall
from engine.training.batches import SIZE, TrainingSet
from engine.training.dataset import Corpus, Example, load_squashed, read_corpus
from engine.training.depthwise import speed_up_depthwise
from engine.training.ensemble import train_ensemble
from engine.training.features import cached
from engine.training.folding import unfold_batch_norms
from engine.training.naming import known_kinds, teach_names
from engine.training.objective import SOFTNESS, contrastive, distil, match_targets
from engine.training.pretrained import CONTEXT, DIM, export, pretrained_model
from engine.training.readouts import fit_pass_readouts, fit_readouts
from engine.training.scout import train_scout
from engine.training.text_tower import CachedTexts
from engine.training.trainer import SEED, Trainer, groups
from engine.training.trunk import DROPOUT, FrozenStages, run_trained_blocks, trained_blocks
from engine.utils.memory import keep_freed_memory

SUPERVISED = (  # trunk blocks that are trained to say something themselves, so that there is something to read early
    Exit("blocks.3.3", 512, channels=88, stride=16),
    Exit("blocks.4.1", 512, channels=120, stride=16),
    Exit("blocks.4.3", 512, channels=120, stride=16),
    Exit("blocks.5.1", 768, channels=208, stride=32),
    Exit("blocks.5.3", 768, channels=208, stride=32),
)
EXITS = tuple(exit.stage for exit in SUPERVISED)
# The exits of the model: the ends of the scout's passes, of two of the model's own tower over smaller inputs, and the
# last two of those blocks. The blocks before do not earn their place: what they find for 0.44 to 0.70 of the MACs, the
# scout finds for 0.21. From 0.6 on the model's own tower finds about what the scout does for as much, and ranks photos
# far more as full depth does; up to 0.53 the scout finds more. Sides of its own between multiples of 32 px do not earn
# theirs either: a last map that is cut off costs as much as a whole one and tells less.
SCOUT_SIZES, OWN_SIZES = (160, 192, 224, 256), (224, 256)  # px: 0.21 to 0.53, and 0.61 and 0.79 of the MACs
OWN_MAP = 352  # channels of the last block of the model's own trunk
DEPTH_EXITS = SUPERVISED[3:]
LADDER = (
    *(Exit(HEAD, DIM + 2 * LAST_MAP, size=size, scout=True) for size in SCOUT_SIZES),
    *(Exit(HEAD, DIM + 2 * OWN_MAP, size=size) for size in OWN_SIZES),
    *DEPTH_EXITS,
)
SCOUT_STEPS, ENSEMBLE_STEPS = 520, 440
EXIT_WEIGHT = 0.35


class Student(nn.Module):
    """What is trained: the trunk's upper stages, the heads of all exits, the text tower's top, the temperature."""

    def __init__(self, trunk: Any, sentences: CachedTexts) -> None:
        """Args: an EfficientNet whose batch norms are folded."""
        super().__init__()
        self.blocks = trained_blocks(trunk)
        self.conv_head, self.act = trunk.conv_head, trunk.bn2
        self.head = trunk.classifier
        self.branches, self.projections = nn.ModuleList(), nn.ModuleList()
        seen = 0
        for exit in SUPERVISED:
            seen += exit.pooled
            self.branches.append(Branch(exit.channels, exit.stride))
            self.projections.append(nn.Linear(seen, DIM))
        speed_up_depthwise(self.branches)
        self.dropout = nn.Dropout(DROPOUT)
        self.text_layers, self.text_proj = sentences.layers, sentences.proj
        self.logit_scale = nn.Parameter(torch.tensor(1 / 0.07).log())

    def forward(self, features: Tensor) -> list[Tensor]:
        """Feature maps after the frozen stages to unit-length float32 embeddings of all exits, the last one last."""
        vectors, features = run_trained_blocks(self, EXITS, features)
        features = self.act(self.conv_head(features))
        vectors.append(self.head(self.dropout(pool(features))))
        return [F.normalize(v.float(), dim=-1) for v in vectors]

    def groups(self) -> list[dict[str, Any]]:
        """Optimizer groups with their peak learning rates."""
        heads = [self.head, self.branches, self.projections, self.text_proj]
        return groups(
            {
                "trunk": [*self.blocks.parameters(), *self.conv_head.parameters()],
                "text": [*self.text_layers.parameters()],
                "heads": [*(p for module in heads for p in module.parameters()), self.logit_scale],
            }
        )


def train(data: Path, out: Path, steps: int = 840, resume: bool = False, say: Callable[[str], None] = print) -> None:
    """Train the embedded model and write it as an OpenCLIP folder, with its exits beside it; gates are fitted later.

    Args:
        data: folder with `flickr8k` and `imagenet_samples`.
        out: the model's folder; checkpoints and the log go to `out/training`.
        steps: length of the first stage; a step is 200 photos.
        resume: go on from the last checkpoint, as if the run had never stopped.
    Raises: DataMissing, IngredientMissing.
    """
    work = out / "training"
    work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(SEED)
    keep_freed_memory(-1)
    known_kinds(data / "imagenet_samples")  # missing ones are said now, not after the first stage
    corpus = read_corpus(data)
    branches = train_towers(corpus, out, work, steps, resume, say)
    teach_names(out, corpus.captioned, data, say)
    written = load_encoder(f"local-dir:{out}", exits=False)
    scout_work = work / f"scout-{written.identity.weights[:12]}"  # another model's scout is not gone on with
    scout = train_scout(written, corpus, scout_work, SCOUT_STEPS, resume, say)
    fit_ladder(branches, scout, corpus.captioned, out, say)
    teach_both(out, corpus, resume, say)


def train_towers(
    corpus: Corpus, out: Path, work: Path, steps: int, resume: bool, say: Callable[[str], None]
) -> dict[str, nn.Module]:
    """Train the image tower with its branches and the text tower, and write the model; returns branches by block."""
    examples = TrainingSet(corpus)
    model = pretrained_model(out)
    tokenize = HFTokenizer(out.as_posix(), context_length=CONTEXT)
    sentences = CachedTexts(model.text, tokenize(examples.texts))
    val_texts = CachedTexts(model.text, tokenize([t for e in corpus.validation for t in e.texts]))
    meanings = examples.meanings(sentences.frozen_vectors)
    folded: Any = pretrained_model(out).visual.trunk
    fold_batch_norms(folded)
    folded.classifier.load_state_dict(model.visual.trunk.classifier.state_dict())
    folded = folded.to(memory_format=torch.channels_last)
    lower = FrozenStages(folded)
    student = Student(folded, sentences)
    trainer = Trainer(student, student.groups(), work, resume, say)

    def loss_of(step: int) -> Tensor:
        photos, rows, owner, generator = examples.batch(step)
        views = examples.views(photos, generator)
        targets = match_targets(owner, meanings[photos] @ sentences.frozen_vectors[rows].T, SOFTNESS)
        with torch.autocast("cpu", torch.bfloat16):
            vectors = student(lower(views))
            texts = sentences(rows)
        return exits_loss(vectors, texts, targets, student.logit_scale.exp().clamp(max=100))

    trainer.run(steps, loss_of, _judge(corpus.validation, val_texts, trainer, student, lower))
    unfold_batch_norms(lower.with_upper(student.blocks, student.conv_head), model.visual.trunk)
    model.visual.trunk.classifier.load_state_dict(student.head.state_dict())
    with torch.no_grad():
        model.logit_scale.copy_(student.logit_scale)
    export(model, out)
    return dict(zip(EXITS, student.branches, strict=True))


def exits_loss(vectors: Sequence[Tensor], texts: Tensor, targets: tuple[Tensor, Tensor], logit_scale: Tensor) -> Tensor:
    """The contrastive loss of the last exit, and of each earlier one with its distillation from the last; a scalar.

    Args: vectors: (B, D) of each exit, the last one last.  texts: (T, D).  targets: see `match_targets`.
    """
    *early, last = [logit_scale * v @ texts.T for v in vectors]
    loss = contrastive(last, targets)
    for logits in early:
        copied = (distil(logits, last) + distil(logits.T, last.T)) / 2
        loss = loss + EXIT_WEIGHT / len(early) * (contrastive(logits, targets) + copied) / 2
    return loss


def _judge(
    examples: Sequence[Example], texts: CachedTexts, trainer: Trainer, student: Student, lower: FrozenStages
) -> Callable[[], dict[str, Any]]:
    """What the log says at each checkpoint: recall of every exit on val, by the average weights."""
    pixels = torch.from_numpy(load_squashed(examples, SIZE))
    owner = np.repeat(np.arange(len(examples)), [len(e.texts) for e in examples])

    def judge() -> dict[str, Any]:
        with trainer.averaged(), torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            vectors = [student(lower(part.float() / 255)) for part in pixels.split(100)]
            queries = torch.cat([texts(rows) for rows in torch.arange(len(owner)).split(500)]).numpy()
        found = {}
        for name, parts in zip([*EXITS, "full"], zip(*vectors, strict=True), strict=True):
            t2i = recall(queries @ torch.cat(parts).numpy().T, owner)["t2i"]
            found[name] = [round(t2i[k], 1) for k in ("r1", "r5", "r10")]
        return {"scale": round(float(student.logit_scale.detach().exp()), 1), "val_t2i": found}

    return judge


def teach_both(out: Path, corpus: Corpus, resume: bool, say: Callable[[str], None]) -> None:
    """Teach both towers of a written model what their mean says, and write it and its ladder again; its texts stay."""
    encoder = load_encoder(f"local-dir:{out}")
    work = out / "training" / f"ensemble-{encoder.identity.exits[:12]}"  # other towers' mean is not gone on with
    visual, scout, branches = train_ensemble(encoder, corpus, work, ENSEMBLE_STEPS, resume, say)
    model: Any = encoder.backbone.model
    model.visual.load_state_dict(visual.state_dict())
    export(model, out)
    depth = dict(zip((exit.stage for exit in DEPTH_EXITS), branches, strict=True))
    fit_ladder(depth, scout, corpus.captioned, out, say)


def fit_ladder(
    branches: Mapping[str, nn.Module],
    scout: nn.Module,
    examples: Sequence[Example],
    out: Path,
    say: Callable[[str], None],
) -> None:
    """Fit the readouts of all exits to a written model, and write its ladder of exits.

    Their gates are still to be fitted.

    Args:
        branches: by the trunk's block.  scout: its image tower.
        examples: captioned photos that the model was trained on.
    """
    ladder = ExitModules(LADDER, DIM)
    cast(nn.Module, ladder.scout).load_state_dict(scout.state_dict())
    depth = range(len(LADDER) - len(DEPTH_EXITS), len(LADDER))
    for k in depth:
        ladder.branches[k].load_state_dict(branches[LADDER[k].stage].state_dict())
    encoder = load_encoder(f"local-dir:{out}", exits=False)
    seer = encoder.with_exits(unfitted(as_stored(ladder)))
    seen = cached(out / "training" / "features-readouts", seer, examples, say)
    final = seen.vectors[:, -1].contiguous()
    fit_pass_readouts(ladder, seen.pooled, final)
    pooled = [seen.pooled[k] for k in depth]
    fitted = fit_readouts(DEPTH_EXITS, pooled, final, seen.texts, seen.owner, encoder.backbone.logit_scale)
    for k, readout in zip(depth, fitted.projections, strict=True):
        ladder.projections[k].load_state_dict(readout.state_dict())
    save_exits(out, unfitted(ladder), model_hash(out))
