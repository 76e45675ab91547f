"""Trains both towers once more, with their mean as the teacher: an ensemble distilled into its members.

The model's tower and the scout's have learned the same task, and err on different photos: together they find more than
either. What their mean says can be taught to each (born-again networks: Furlanello 2018; patient and consistent
teachers: Beyer 2022), and so can what the untouched classifier still tells apart.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

import torch
import torch.nn.functional as F
from open_clip.timm_model import TimmModel
from torch import Tensor, nn

from engine.clip.fuse import fold_batch_norms
from engine.clip.stages import Tower
from engine.exits.encoder import Encoder
from engine.exits.modules import HEAD, Exit
from engine.training.augment import random_views, resized
from engine.training.batches import TrainingSet
from engine.training.dataset import Corpus
from engine.training.naming import KINDS, kind_directions
from engine.training.pretrained import TRUNK, classifier
from engine.training.readouts import readout_loss
from engine.training.rival_model import SmallStudent, join_into, joined_tower
from engine.training.trainer import SEED, Trainer, groups
from engine.training.trunk import FrozenStages, run_trained_blocks
from engine.training.validation import Validation

READ_AT = 256  # px, of the views as the teachers read them
SIZES = (208, 224, 240, 256)  # px, of the same views as the model's tower learns on them
SCOUT_SIZES = tuple(range(144, 257, 16))  # px, as the scout does
JUDGED = (160, 224, 288)  # px, of the scout
KINDS_MOVE = 0.5  # how far a photo's embedding moves towards the kinds of things in it; chosen on val
EXIT_WEIGHT = 0.2
BLENDED = 0.5  # share of the views that another photo of the batch shines through
AT_ONCE = 25  # photos


class Upper(SmallStudent):
    """The model's tower as it learns: its upper stages, its projection, and the readouts along the depth."""

    def __init__(self, trunk: Any, exits: Sequence[Exit], branches: nn.ModuleList, projections: nn.ModuleList) -> None:
        """Args: exits: along the depth, in order.  branches, projections: theirs; not changed."""
        super().__init__(trunk)
        self._exits = [exit.stage for exit in exits]
        self.branches, self.projections = branches, projections

    def exits_and_end(self, features: Tensor) -> list[Tensor]:
        """Feature maps after the frozen stages to unit-length embeddings of the exits, the tower's own last."""
        vectors, features = run_trained_blocks(self, self._exits, features)
        features = self.act(self.conv_head(features))
        vectors.append(self.head(self.dropout(self.pool(features))))
        return [F.normalize(v.float(), dim=-1) for v in vectors]

    def groups(self) -> list[dict[str, Any]]:
        """Optimizer groups with their peak learning rates."""
        readouts = [*self.branches.parameters(), *self.projections.parameters()]
        return [*super().groups(), *groups({"heads": readouts})]


class Teachers:
    """Both towers as they are, and the untouched classifier: what a photo's embedding ought to be."""

    def __init__(self, encoder: Encoder) -> None:
        """Args: encoder: with a scout; raises IngredientMissing."""
        kinds = TimmModel(TRUNK, KINDS, pool="avg", proj="", pretrained=False)
        kinds.trunk.load_state_dict(classifier().state_dict())
        visuals = cast(tuple[nn.Module, ...], (encoder.backbone.model.visual, encoder.modules.scout, kinds))
        towers = [encoder.backbone.seeing_through(deepcopy(v), "a teacher").quick_tower() for v in visuals]
        self._full, self._scout, self._kinds = (cast(Tower, tower) for tower in towers)
        self._normalise = encoder.backbone.normalise
        self._directions = torch.zeros(KINDS, encoder.dim)

    def learn_kinds(self, pixels: Tensor) -> None:
        """Find where the kinds of things lie among embeddings; (N, 3, S, S) uint8."""
        parts = [self._read(resized(part.float() / 255, READ_AT)) for part in pixels.split(200)]
        means, logits = (torch.cat(part) for part in zip(*parts, strict=True))
        self._directions = F.normalize(kind_directions(means, logits), dim=1)

    def __call__(self, views: Tensor) -> Tensor:
        """(B, 3, S, S) in [0, 1] to unit-length embeddings (B, D)."""
        mean, logits = self._read(views)
        return F.normalize(mean + KINDS_MOVE * logits.softmax(1) @ self._directions, dim=1)

    @torch.inference_mode()
    def _read(self, views: Tensor) -> tuple[Tensor, Tensor]:
        """(B, D) mean of both towers' embeddings, unit length, and (B, C) the classifier's logits."""
        pixels = (views * 255).round().to(torch.uint8)
        means, logits = [], []
        for part in pixels.split(AT_ONCE):
            full, scout, kinds = (self._run(tower, part) for tower in (self._full, self._scout, self._kinds))
            means.append(F.normalize(F.normalize(full, dim=1) + F.normalize(scout, dim=1), dim=1))
            logits.append(kinds)
        return torch.cat(means).clone(), torch.cat(logits).clone()

    def _run(self, tower: Tower, pixels: Tensor) -> Tensor:
        state = self._normalise(pixels)
        for step in tower.steps:
            state = step.run(state)
        return tower.finish(state).float()


class Students(nn.Module):
    """Both towers as they learn."""

    def __init__(self, encoder: Encoder) -> None:
        """Args: encoder: with a scout; it is left as it is."""
        super().__init__()
        modules = encoder.modules
        depth = [k for k, exit in enumerate(modules.exits) if exit.stage != HEAD]
        readouts = [nn.ModuleList(deepcopy(part[k]) for k in depth) for part in (modules.branches, modules.projections)]
        self._lower, folded = _split(encoder.backbone.model.visual)
        self.full_upper = Upper(folded, [modules.exits[k] for k in depth], *readouts)
        self._scout_lower, folded = _split(modules.scout)
        self.scout_upper = SmallStudent(folded)
        self.requires_grad_(True)

    def full(self, views: Tensor) -> list[Tensor]:
        """(B, 3, S, S) in [0, 1] to what the exits along the model's depth and its end say, (B, D) each."""
        return self.full_upper.exits_and_end(self._lower(views))

    def scout(self, views: Tensor) -> Tensor:
        """(B, 3, S, S) in [0, 1] to what the scout says, (B, D)."""
        return self.scout_upper(self._scout_lower(views))

    def finished(self, encoder: Encoder) -> tuple[nn.Module, nn.Module, list[nn.Module]]:
        """The model's image tower, the scout's, and the branches along the depth, as those of an encoder."""
        visual = deepcopy(encoder.backbone.model.visual)
        join_into(self._lower, self.full_upper, visual)
        return visual, joined_tower(self._scout_lower, self.scout_upper, encoder.dim), [*self.full_upper.branches]


def _split(visual: Any) -> tuple[FrozenStages, Any]:
    """A tower's stages that stay as they are, and its trunk, batch norms folded."""
    folded = deepcopy(visual.trunk)
    fold_batch_norms(folded)
    folded = folded.to(memory_format=torch.channels_last)
    return FrozenStages(folded), folded


def train_ensemble(
    encoder: Encoder,
    corpus: Corpus,
    work: Path,
    steps: int,
    resume: bool = False,
    say: Callable[[str], None] = print,
) -> tuple[nn.Module, nn.Module, list[nn.Module]]:
    """The model's image tower, its scout's and the branches along its depth, all taught what the towers' mean says.

    Args:
        encoder: the model with its exits; its texts stay as they are.
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
    teach = Teachers(encoder)
    say(f"what the towers and the classifier see in {len(examples.pixels)} photos")
    teach.learn_kinds(examples.pixels)
    student = Students(encoder)

    def judge() -> dict[str, Any]:
        with trainer.averaged(), torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            of_scout = {f"scout {size}": held_back.recall(student.scout, size) for size in JUDGED}
            full = held_back.recall(lambda views: student.full(views)[-1], backbone.size)
        return {"val_t2i": {"full": full, **of_scout}}

    def loss_of(step: int) -> Tensor:
        photos, rows, _, generator = examples.batch(step)
        views = blended(random_views(examples.pixels[photos], READ_AT, generator), generator)
        wanted = teach(views)
        sizes = [int(torch.randint(len(s), (), generator=generator)) for s in (SIZES, SCOUT_SIZES)]
        with torch.autocast("cpu", torch.bfloat16):
            *early, full = student.full(resized(views, SIZES[sizes[0]]))
            scout = student.scout(resized(views, SCOUT_SIZES[sizes[1]]))

        def apart(vectors: Tensor) -> Tensor:
            return readout_loss(vectors, wanted, texts[rows], None, backbone.logit_scale)

        return torch.stack([apart(full), apart(scout), *(EXIT_WEIGHT * apart(v) for v in early)]).sum()

    say(f"the teachers on val, R@1, 5 and 10: {held_back.recall(teach, backbone.size)}")
    rates = [*student.full_upper.groups(), *student.scout_upper.groups()]
    trainer = Trainer(student, rates, work, resume, say)
    trainer.run(steps, loss_of, judge)
    return student.finished(encoder)


def blended(views: Tensor, generator: torch.Generator) -> Tensor:
    """Views (B, 3, S, S), some of which another one shines through, by up to a half (mixup: Zhang 2018).

    Of such a picture towers that have learned the photos by heart say what they would say of new ones.
    """
    draw = torch.rand(2, len(views), 1, 1, 1, generator=generator)
    share = (draw[0] < BLENDED) * draw[1] / 2
    other = views[torch.randperm(len(views), generator=generator)]
    return torch.lerp(views, other, share).contiguous(memory_format=torch.channels_last)
