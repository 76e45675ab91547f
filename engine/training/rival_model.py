"""Trains the smaller model that `evaluate` compares with the embedded one: the same recipe, with fixed texts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from open_clip.tokenizer import HFTokenizer
from torch import Tensor, nn

from engine.clip.fuse import fold_batch_norms
from engine.clip.small_tower import TRUNK, scout_tower
from engine.exits.encoder import Encoder
from engine.training.batches import TrainingSet
from engine.training.dataset import read_corpus
from engine.training.folding import unfold_batch_norms
from engine.training.objective import SOFTNESS, contrastive, match_targets
from engine.training.pretrained import CONTEXT, load_trunk, pretrained_model
from engine.training.text_tower import CachedTexts
from engine.training.trainer import SEED, Trainer, groups
from engine.training.trunk import DROPOUT, FrozenStages, trained_blocks
from engine.utils.memory import keep_freed_memory


class SmallStudent(nn.Module):
    """What is trained: the trunk's upper stages and its projection."""

    def __init__(self, trunk: Any) -> None:
        """Args: an EfficientNet whose batch norms are folded."""
        super().__init__()
        self.blocks = trained_blocks(trunk)
        self.conv_head, self.act = trunk.conv_head, trunk.bn2
        self.pool, self.head, self.dropout = trunk.global_pool, trunk.classifier, nn.Dropout(DROPOUT)

    def forward(self, features: Tensor) -> Tensor:
        """Feature maps after the frozen stages to unit-length float32 embeddings."""
        for stage in self.blocks:
            features = stage(features)
        features = self.act(self.conv_head(features))
        return F.normalize(self.head(self.dropout(self.pool(features))).float(), dim=-1)

    def groups(self) -> list[dict[str, Any]]:
        """Optimizer groups with their peak learning rates."""
        trunk = [*self.blocks.parameters(), *self.conv_head.parameters()]
        return groups({"trunk": trunk, "heads": [*self.head.parameters()]})


def untrained_parts(dim: int) -> tuple[FrozenStages, SmallStudent]:
    """The smaller tower with ImageNet weights: its frozen stages, and what is trained; raises IngredientMissing."""
    folded: Any = scout_tower(dim).trunk
    load_trunk(folded, TRUNK)
    fold_batch_norms(folded)
    folded = folded.to(memory_format=torch.channels_last)
    return FrozenStages(folded), SmallStudent(folded)


def joined_tower(lower: FrozenStages, student: SmallStudent, dim: int) -> nn.Module:
    """The smaller tower as one module again, its batch norms restored."""
    found = scout_tower(dim)
    join_into(lower, student, found)
    return found.eval().requires_grad_(False)


def join_into(lower: FrozenStages, student: SmallStudent, visual: Any) -> None:
    """Write frozen and trained weights into an image tower of their shape, batch norms restored."""
    unfold_batch_norms(lower.with_upper(student.blocks, student.conv_head), visual.trunk)
    visual.trunk.classifier.load_state_dict(student.head.state_dict())


def train_small(
    encoder: Encoder, data: Path, work: Path, steps: int, resume: bool = False, say: Callable[[str], None] = print
) -> nn.Module:
    """The image tower of a smaller model, trained to a model's text tower, which stays as it is.

    Args:
        data: folder with `flickr8k` and `imagenet_samples`.
        work: folder of checkpoints and log.
        steps: length of the run; a step is 200 photos.
        resume: go on from the last checkpoint.
    Raises: DataMissing, IngredientMissing.
    """
    keep_freed_memory(-1)
    torch.manual_seed(SEED)
    examples = TrainingSet(read_corpus(data))
    texts = torch.from_numpy(encoder.encode_text(examples.texts))
    untouched = pretrained_model(work).text
    tokenize = HFTokenizer(work.as_posix(), context_length=CONTEXT)
    meant = CachedTexts(untouched, tokenize(examples.texts)).frozen_vectors
    meanings = examples.meanings(meant)

    lower, student = untrained_parts(encoder.dim)

    def loss_of(step: int) -> Tensor:
        photos, rows, owner, generator = examples.batch(step)
        views = examples.views(photos, generator)
        targets = match_targets(owner, meanings[photos] @ meant[rows].T, SOFTNESS)
        with torch.autocast("cpu", torch.bfloat16):
            vectors = student(lower(views))
        return contrastive(encoder.backbone.logit_scale * vectors @ texts[rows].T, targets)

    Trainer(student, student.groups(), work, resume, say).run(steps, loss_of)
    return joined_tower(lower, student, encoder.dim)
