"""Training the smaller model that `evaluate` sets beside the embedded one: the same recipe, the texts as they are."""

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


def begun(dim: int) -> tuple[FrozenStages, SmallStudent]:
    """A smaller trunk as it comes: the stages that stay so, and the rest; raises IngredientMissing."""
    folded: Any = scout_tower(dim).trunk
    load_trunk(folded, TRUNK)
    fold_batch_norms(folded)
    folded = folded.to(memory_format=torch.channels_last)
    return FrozenStages(folded), SmallStudent(folded)


def finished(lower: FrozenStages, student: SmallStudent, dim: int) -> nn.Module:
    """The image tower put together again, its batch norms restored."""
    found = scout_tower(dim)
    put_together(lower, student, found)
    return found.eval().requires_grad_(False)


def put_together(lower: FrozenStages, student: SmallStudent, visual: Any) -> None:
    """Write what has been trained into an image tower of its shape, batch norms restored."""
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

    lower, student = begun(encoder.dim)

    def loss_of(step: int) -> Tensor:
        photos, rows, owner, generator = examples.batch(step)
        views = examples.views(photos, generator)
        targets = match_targets(owner, meanings[photos] @ meant[rows].T, SOFTNESS)
        with torch.autocast("cpu", torch.bfloat16):
            vectors = student(lower(views))
        return contrastive(encoder.backbone.logit_scale * vectors @ texts[rows].T, targets)

    Trainer(student, student.groups(), work, resume, say).run(steps, loss_of)
    return finished(lower, student, encoder.dim)
