"""Trains the passes of the embedded ladder together: three towers, each reading what the ones before it said.

The embedding at exit k is v_k = unit(own_k + J_k v_{k-1}): the pass's own reading of the photo, and the stored
embedding of everything that ran before. No gradient goes from v_k into earlier passes, so each of them stays as good
as it can be alone, and later ones learn to say what it missed.
"""

import zlib
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from open_clip.timm_model import TimmModel
from open_clip.tokenizer import HFTokenizer
from torch import Tensor, nn

from engine.clip.device import cpu_autocast, cpu_dtype
from engine.clip.fuse import fold_batch_norms, fuse_for_inference
from engine.clip.small_tower import small_tower
from engine.search.metrics import own_ranks, recall_at
from engine.training.augment import random_views, resized
from engine.training.dataset import (
    Example,
    gate_photos,
    load_squashed,
    read_captions,
    read_kinds,
    read_labels,
    require_texts,
)
from engine.training.objective import SOFTNESS, contrastive, distil, match_targets
from engine.training.pretrained import CONTEXT, DIM, PASSES, classifier, load_trunk, pretrained_model
from engine.training.pretrained import SIZES as WHOLE
from engine.training.text_tower import CachedTexts
from engine.training.trainer import SEED, Length, Trainer, groups, run_hash
from engine.training.trunk import DROPOUT, FrozenStages, trained_blocks, unfold_batch_norms

SIZES = ((160,), (192, 224), (224, 256))  # px, of the views that each pass learns on
AT_ONCE = 48  # photos, of the teachers
STORED = 224  # px
MANY = (76, 20, 34, 14)  # captioned, described, labelled photos and kinds of things a step
TEXTS_PER_PHOTO = 2
BLENDED = 0.75  # share of the views that another photo of the batch shines through
NAMED = 384  # kinds of things a step, the likeliest
WITH_TEXTS = ("captioned photos", "described photos", "labelled photos")
KINDS_WEIGHT, CLOSENESS = 0.5, 4.0
TAUGHT = (1.0, 1.0, 0.5)  # weight of the teachers' word at each exit
OWN_WEIGHT = 0.3  # of what a later pass says by itself
TEMPLATES = ("a photo of a {}", "{}", "a {}", "a picture of a {}", "a close-up of a {}", "there is a {} in this photo")


def held_back(example: Example) -> bool:
    """Whether a varied photo is kept from the image towers: one in ten, by its name."""
    return zlib.crc32(example.path.name.encode()) % 10 == 0


@dataclass(frozen=True)
class Photos:
    """Photos of several kinds that towers learn on."""

    captioned: list[Example]
    described: list[Example]
    labelled: list[Example]
    kinds: list[Example]  # of ImageNet, one of each

    @property
    def all(self) -> list[Example]:
        """The captioned ones first."""
        return [*self.captioned, *self.described, *self.labelled, *self.kinds]


def in_templates(name: str) -> tuple[str, ...]:
    """Ways to say that a photo shows a thing."""
    return tuple(template.format(name) for template in TEMPLATES)


def named(example: Example) -> Example:
    """A labelled photo whose texts name what it shows in several ways; a captioned one as it is."""
    return example if example.label is None else replace(example, texts=in_templates(example.label))


def read_photos(data: Path) -> Photos:
    """All photos that image towers learn on, less those kept from them.

    Args: data: folder with `flickr8k`, `more_photos` and `imagenet_samples`.
    Raises: DataMissing, also where a kind of photos or a caption is missing.
    """
    captioned = [e for e in read_captions(data / "flickr8k") if e.split in ("train", "extra")]
    varied = [e for e in read_captions(data / "more_photos") if e.split == "train" and not held_back(e)]
    shown = read_labels(data / "imagenet_samples")
    photos = Photos(
        captioned=[e for e in captioned if e.path.name not in gate_photos()],
        described=[e for e in varied if e.label is None],
        labelled=[named(e) for e in varied if e.label is not None],
        kinds=[named(e) for e in shown],
    )
    for name, part in zip((*WITH_TEXTS, "photos of ImageNet's kinds"), vars(photos).values(), strict=True):
        require_texts(part, f"{name} to train on in {data}")
    return photos


def judged_photos(data: Path) -> dict[str, list[Example]]:
    """Photos of the val splits that the log tells of, by kind; raises DataMissing."""
    varied = [e for e in read_captions(data / "more_photos") if e.split == "val"]
    found = {
        "captions": [e for e in read_captions(data / "flickr8k") if e.split == "val"],
        "described": [e for e in varied if e.label is None],
        "labels": [replace(e, texts=(f"a photo of a {e.label}",)) for e in varied if e.label is not None],
    }
    for name, part in zip(WITH_TEXTS, found.values(), strict=True):
        require_texts([e for e in part if e.texts], f"{name} in the val splits of {data}")
    return found


class Batches:
    """Pixels and text rows in memory; a step's batch depends on its number alone."""

    def __init__(self, photos: Photos, texts: dict[str, int]) -> None:
        """Args: texts: row of each text."""
        self.examples = photos.all
        self.pixels = torch.from_numpy(load_squashed(self.examples, STORED))
        self.rows = [[texts[t] for t in e.texts] for e in self.examples]
        sizes = [len(part) for part in (photos.captioned, photos.described, photos.labelled, photos.kinds)]
        ends = np.cumsum(sizes)
        self._spans = list(zip((ends - sizes).tolist(), ends.tolist(), strict=True))

    def draw(self, step: int) -> tuple[Tensor, Tensor, Tensor, torch.Generator]:
        """Photo numbers (B,), text rows (T,), owner of each text in the batch (T,), and the step's own generator."""
        generator = torch.Generator().manual_seed(SEED * 1_000_003 + step)
        photos: list[int] = []
        taken: set[int] = set()
        for (start, stop), wanted in zip(self._spans, MANY, strict=True):
            picked = 0
            for position in range(step * wanted * 2, (step + 1) * wanted * 2):
                photo = start + int(self._order(position // (stop - start), stop - start)[position % (stop - start)])
                if picked == wanted or self.rows[photo][0] in taken:  # one photo of a label a batch
                    continue
                taken.add(self.rows[photo][0])
                photos.append(photo)
                picked += 1
        rows, owner = [], []
        for place, photo in enumerate(photos):
            for i in torch.randperm(len(self.rows[photo]), generator=generator)[:TEXTS_PER_PHOTO].tolist():
                rows.append(self.rows[photo][i])
                owner.append(place)
        return torch.tensor(photos), torch.tensor(rows), torch.tensor(owner), generator

    def _order(self, epoch: int, size: int) -> Tensor:
        return torch.randperm(size, generator=torch.Generator().manual_seed(SEED + epoch * 7919 + size))


class Upper(nn.Module):
    """What of a tower is trained: the trunk's upper stages and its projection."""

    def __init__(self, trunk: Any) -> None:
        """Args: an EfficientNet whose batch norms are folded; its blocks are changed."""
        super().__init__()
        self.blocks = trained_blocks(trunk)
        self.conv_head, self.act = trunk.conv_head, trunk.bn2
        self.pool, self.head, self.dropout = trunk.global_pool, trunk.classifier, nn.Dropout(DROPOUT)

    def forward(self, features: Tensor) -> Tensor:
        """Feature maps after the frozen stages to what the tower says, (B, D) float32 of any length."""
        for stage in self.blocks:
            features = stage(features)
        features = self.act(self.conv_head(features))
        return self.head(self.dropout(self.pool(features))).float()


class Passes(nn.Module):
    """The passes as they learn: towers, their own heads, and the joins to what was said before."""

    def __init__(self, visuals: Sequence[Any], sentences: CachedTexts, logit_scale: float) -> None:
        """Args: visuals: image towers to start from, which stay as they are.  sentences: the text tower's top."""
        super().__init__()
        uppers, self._lowers = [], []
        for visual in visuals:
            folded = deepcopy(visual.trunk)
            fold_batch_norms(folded)
            folded = folded.to(memory_format=torch.channels_last)
            self._lowers.append(FrozenStages(folded))
            uppers.append(Upper(folded))
        self.uppers = nn.ModuleList(uppers)
        self.joins = nn.ModuleList(nn.Linear(DIM, DIM, bias=False) for _ in uppers[1:])
        for join in self.joins:
            nn.init.eye_(cast(nn.Linear, join).weight)
        self.requires_grad_(True)
        self.text_layers, self.text_proj = sentences.layers, sentences.proj
        self.logit_scale = nn.Parameter(torch.tensor(logit_scale).log())

    def own(self, k: int, views: Tensor) -> Tensor:
        """(B, 3, S, S) in [0, 1] to what pass k says by itself, (B, D) float32 of any length."""
        return self.uppers[k](self._lowers[k](views))

    def joined(self, k: int, own: Tensor, before: Tensor | None) -> Tensor:
        """v_k of unit length, (B, D)."""
        if before is None:
            return F.normalize(own, dim=1)
        return F.normalize(own + self.joins[k - 1](before.detach()).float(), dim=1)

    def forward(self, views: Tensor, sizes: Sequence[int]) -> tuple[list[Tensor], list[Tensor]]:
        """(B, 3, S, S) to v_k of every exit, and what later passes say by themselves, unit length; (B, D) each."""
        vectors: list[Tensor] = []
        apart: list[Tensor] = []
        for k, size in enumerate(sizes):
            own = self.own(k, resized(views, size))
            vectors.append(self.joined(k, own, vectors[-1] if vectors else None))
            if k:
                apart.append(F.normalize(own, dim=1))
        return vectors, apart

    def write_into(self, k: int, visual: Any) -> None:
        """Write the tower of pass k into an image tower of its shape, batch norms restored."""
        upper: Any = self.uppers[k]
        unfold_batch_norms(self._lowers[k].with_upper(upper.blocks, upper.conv_head), visual.trunk)
        visual.trunk.classifier.load_state_dict(upper.head.state_dict())

    def groups(self) -> list[dict[str, Any]]:
        """Optimizer groups with their peak learning rates."""
        uppers: Any = self.uppers
        trunk = [p for u in uppers for p in (*u.blocks.parameters(), *u.conv_head.parameters())]
        heads = [p for u in uppers for p in u.head.parameters()]
        heads += [*self.joins.parameters(), self.logit_scale]
        text = [*self.text_layers.parameters(), *self.text_proj.parameters()]
        return groups({"trunk": trunk, "heads": heads, "text": text})


def blends(many: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Which other photo shines through each of a batch, (B,), and by what share, (B,) (mixup: Zhang 2018)."""
    draw = torch.rand(2, many, generator=generator)
    return torch.randperm(many, generator=generator), (draw[0] < BLENDED) * draw[1] / 2


def blended_targets(targets: tuple[Tensor, Tensor], other: Tensor, share: Tensor) -> tuple[Tensor, Tensor]:
    """`match_targets` of a batch, (B, T) twice, as it is blended."""
    to_texts, to_images = (torch.lerp(part, part[other], share[:, None]) for part in targets)
    return to_texts, to_images / to_images.sum(0, keepdim=True)


def untrained(trunk: str) -> TimmModel:
    """A tower with ImageNet weights and a head that says little as yet; raises EngineError without their package."""
    visual = small_tower(trunk, DIM)
    load_trunk(visual.trunk, trunk)
    head: Any = visual.trunk.classifier
    nn.init.normal_(head.weight, std=0.1 * visual.trunk.num_features**-0.5)
    nn.init.zeros_(head.bias)
    return visual


class Teachers:
    """What passes are taught by: the passes of the stage before, where there was one, and the untouched classifier."""

    def __init__(self, before: "Passes | None") -> None:
        """Raises EngineError where the classifier's package is not installed."""
        self._before = None if before is None else before.eval()
        kinds: Any = classifier()
        self._kinds = kinds.to(memory_format=torch.channels_last)
        self._dtype = cpu_dtype()
        fuse_for_inference(kinds, self._dtype)

    @torch.no_grad()
    def __call__(self, views: Tensor) -> tuple[Tensor | None, Tensor]:
        """(B, 3, S, S) in [0, 1] to embeddings (B, D), if any, and the classifier's logits (B, C)."""
        said, seen = [], []
        for part in views.split(AT_ONCE):
            if self._before is not None:
                said.append(self._before(part, WHOLE)[0][-1])
            seen.append(self._kinds((resized(part, STORED) * 2 - 1).to(self._dtype)).float())
        return torch.cat(said) if said else None, torch.cat(seen)


class Judge:
    """What the log says at each checkpoint, of photos that no tower learns from."""

    def __init__(self, sets: dict[str, list[Example]], sentences: Callable[[list[str]], CachedTexts]) -> None:
        self._sets = {}
        for name, examples in sets.items():
            texts = list(dict.fromkeys(t for e in examples for t in e.texts))
            place = {t: i for i, t in enumerate(texts)}
            pairs = [(place[t], i) for i, e in enumerate(examples) for t in e.texts]
            pixels = torch.from_numpy(load_squashed(examples, max(WHOLE)))
            self._sets[name] = (pixels, sentences(texts), pairs)

    @torch.no_grad()
    def __call__(self, student: Passes) -> dict[str, Any]:
        """For each set a row an exit: R@1, 5 and 10 of captions, or the share of photos with the right label."""
        found: dict[str, Any] = {}
        with cpu_autocast():
            for name, (pixels, texts, pairs) in self._sets.items():
                parts = [student(part.float() / 255, WHOLE)[0] for part in pixels.split(50)]
                queries = torch.cat([texts(r) for r in torch.arange(len(texts.starts) - 1).split(500)]).numpy()
                rows = []
                for vectors in zip(*parts, strict=True):
                    scores = queries @ torch.cat(vectors).float().numpy().T  # (T, N)
                    if name == "labels":
                        right = {(t, i) for t, i in pairs}
                        hits = [(int(t), i) in right for i, t in enumerate(scores.argmax(0))]
                        rows.append([round(100 * float(np.mean(hits)), 1)])
                    else:
                        chosen = np.array([t for t, _ in pairs])
                        found_at = recall_at(own_ranks(scores[chosen], np.array([i for _, i in pairs])))
                        rows.append([round(share, 1) for share in found_at.values()])
                found[name] = rows
        return found


class PassTraining:
    """One stage of training: photos, texts and teachers, and the loss of each step."""

    def __init__(self, data: Path, work: Path, model: Any, before: Passes | None, say: Callable[[str], None]) -> None:
        """Args: model: whose text tower is trained on.  before: passes of the stage before.

        Raises: DataMissing; EngineError where a pretrained weight's package is not installed.
        """
        photos = read_photos(data)
        names = [in_templates(name) for name in read_kinds(data / "imagenet_samples")]
        texts = list(dict.fromkeys([*(t for e in photos.all for t in e.texts), *(t for ways in names for t in ways)]))
        place = {t: i for i, t in enumerate(texts)}
        say(f"{len(photos.all)} photos, and {len(texts)} texts, which are encoded first")
        untouched = pretrained_model(work).text  # and its tokenizer's files
        tokenize = HFTokenizer(work.as_posix(), context_length=CONTEXT)
        text_tower = model.text.requires_grad_(True)
        self.sentences = CachedTexts(text_tower, tokenize(texts), say)
        self._meant = self.sentences.meanings(untouched)
        self.batches, self.texts = Batches(photos, place), texts
        self._meanings = torch.stack([F.normalize(self._meant[rows].sum(0), dim=0) for rows in self.batches.rows])
        self._kinds = torch.tensor([[place[t] for t in ways] for ways in names])  # (C, W)
        self._teach = Teachers(before)
        self.judge = Judge(judged_photos(data), lambda these: CachedTexts(text_tower, tokenize(these)))

    def loss(self, student: Passes, step: int) -> Tensor:
        """Of one step: captions and labels, kinds of things, and what the teachers say, at every exit; a scalar."""
        numbers, rows, owner, generator = self.batches.draw(step)
        other, share = blends(len(numbers), generator)
        clean = random_views(self.batches.pixels[numbers], max(SIZES[-1]), generator)
        views = torch.lerp(clean, clean[other], share[:, None, None, None])
        views = views.contiguous(memory_format=torch.channels_last)
        with cpu_autocast():
            wanted, logits = self._teach(views)
        seen = logits.softmax(1)
        likeliest = seen.mean(0).topk(NAMED).indices
        seen = seen[:, likeliest] / seen[:, likeliest].sum(1, keepdim=True)
        way = int(torch.randint(len(TEMPLATES), (), generator=generator))
        sizes = [s[int(torch.randint(len(s), (), generator=generator))] for s in SIZES]
        targets = match_targets(owner, self._meanings[numbers] @ self._meant[rows].T, SOFTNESS)
        targets = blended_targets(targets, other, share)
        with cpu_autocast():
            vectors, apart = student(views, sizes)
            said = self.sentences(torch.cat([rows, self._kinds[likeliest, way]]))
        captions, names = said[: len(rows)], said[len(rows) :]
        scale = student.logit_scale.exp().clamp(max=100)
        loss = torch.zeros(())
        for k, v in enumerate(vectors):
            loss = loss + contrastive(scale * v @ captions.T, targets)
            loss = loss + KINDS_WEIGHT * F.cross_entropy(scale * v @ names.T, seen)
            teacher = taught_by(wanted, vectors[-1].detach(), k == len(vectors) - 1)
            if teacher is not None:
                loss = loss + TAUGHT[k] * copied(v, teacher, captions.detach(), float(scale.detach()))
        for v in apart:
            loss = loss + OWN_WEIGHT * contrastive(scale * v @ captions.T, targets)
        return loss


def taught_by(wanted: Tensor | None, last: Tensor, is_last: bool) -> Tensor | None:
    """What an exit is to copy: the teachers, and before full depth full depth too, which soon knows more than they."""
    if is_last:
        return wanted
    return last if wanted is None else F.normalize(wanted + last, dim=1)


def copied(vectors: Tensor, teacher: Tensor, texts: Tensor, scale: float) -> Tensor:
    """How far embeddings (B, D) are from a teacher's, among texts (T, D), among photos, and by themselves; a scalar."""
    apart = distil(scale * vectors @ texts.T, scale * teacher @ texts.T)
    apart = apart + distil(scale * vectors @ teacher.T, scale * teacher @ teacher.T)
    return apart / 2 + CLOSENESS * (1 - (vectors * teacher).sum(1)).mean()


def train_passes(
    data: Path, work: Path, model: Any, before: Passes | None, length: Length, say: Callable[[str], None]
) -> Passes:
    """One stage: passes trained by captions, labels, kinds of things and, after the first stage, the stage before.

    Args:
        data: folder with `flickr8k`, `more_photos` and `imagenet_samples`.
        work: folder of checkpoints and log; a run goes on from its last checkpoint.
        model: an OpenCLIP model whose text tower is trained on.
        before: the passes of the stage before, which teach and are gone on from; None: ImageNet's weights are.
    Raises: DataMissing; EngineError where a pretrained weight's package is not installed, or the checkpoint is of
        other photos, texts or steps.
    """
    torch.manual_seed(SEED)
    work.mkdir(parents=True, exist_ok=True)
    training = PassTraining(data, work, model, before, say)
    student = Passes([untrained(trunk) for trunk in PASSES], training.sentences, 1 / 0.07)
    if before is not None:
        student.load_state_dict(before.state_dict())
    run = run_hash(training.batches.examples, training.texts, length.steps)
    trainer = Trainer(student, student.groups(), work, say, run)

    def judged() -> dict[str, Any]:
        return {"scale": round(float(student.logit_scale.detach().exp()), 1)} | training.judge(student)

    trainer.run(length, lambda step: training.loss(student, step), judged)
    return student
