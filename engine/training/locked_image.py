"""Locked-image tuning: the text tower goes on learning while photos stay where they are (Zhai 2022, arXiv 2111.07991).

While image towers learn too, a step tells a text from the photos of its batch. Here it is told from all photos at once,
at every exit, and all layers of the text tower learn. It costs no MACs of a photo. Photos that no image tower saw take
part: towers fit those that they learned on too well to show what they will say of others. Names that no photo here
shows would be forgotten: texts of the bank are to stay where they were.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from engine.clip.device import cpu_autocast
from engine.exits.encoder import Encoder
from engine.training.augment import random_views
from engine.training.dataset import Example, load_squashed
from engine.training.objective import SOFTNESS
from engine.training.pretrained import WEIGHTS, pretrained_model
from engine.training.text_tower import CachedTexts
from engine.training.trainer import SEED
from engine.utils.atomic_files import write_whole

STEPS = 1000
# Captioned, described and labelled photos, kinds of things, and photos that no image tower saw; each with one text.
MANY = (96, 48, 32, 32, 224)
BANK_TEXTS = 128  # a step
TEMPERATURE = 0.1  # of what texts mean, for the share of a target that goes to photos of nearly the same
EARLIER = 0.5  # weight of each exit, in that of the next one
NEARNESS, BANK_NEARNESS = 0.2, 6.0  # weights of saying what was said before, of photos' texts and of the bank's
AT_ONCE, SAID = 32, 16  # photos, and batches of them between lines for a person
ALIKE = 112  # texts of nearly the same length that are embedded together


@torch.no_grad()
def two_views(encoder: Encoder, examples: Sequence[Example], say: Callable[[str], None]) -> Tensor:
    """(2, N, K, D) float16 of photos as they are and of a random view of each, at every exit."""
    draw = torch.Generator().manual_seed(SEED)
    found = []
    for start in range(0, len(examples), AT_ONCE):
        pixels = torch.from_numpy(load_squashed(examples[start : start + AT_ONCE], encoder.backbone.size))
        changed = (random_views(pixels, encoder.backbone.size, draw) * 255).round().to(torch.uint8)
        views = [encoder.trace(view.contiguous().numpy()).vectors for view in (pixels, changed)]
        found.append(torch.stack([torch.stack(vectors, 1) for vectors in views]).half())
        if len(found) % SAID == 0:
            say(f"{min(len(found) * AT_ONCE, len(examples))} of {len(examples)} photos")
    return torch.cat(found, 1)


def write_text_tower(out: Path, tower: nn.Module) -> None:
    """Write a text tower into a model's folder, whole or not at all, in the place of the one that is there.

    Raises: KeyError for a tower of another make.
    """
    with safe_open(out / WEIGHTS, "pt") as stored:
        about = stored.metadata()
    weights = load_file(out / WEIGHTS)
    for name, p in tower.named_parameters():
        weights[f"text.{name}"] = p.detach().to(weights[f"text.{name}"].dtype).contiguous()
    write_whole(out / WEIGHTS, save(weights, about))


class Asked(NamedTuple):
    """What texts of one step are asked to find."""

    photos: Tensor  # (T,) the photo that each text is of, by number
    texts: Tensor  # (T,) the texts, by number
    vectors: Tensor  # (N, K, D) one view of every photo, at every exit
    wanted: Tensor  # (T, N) which photos each text is to find; rows sum to 1


class LockedImageTuning:
    """A text tower that learns, and photos that do not."""

    def __init__(
        self, encoder: Encoder, examples: Sequence[Example], sizes: Sequence[int], views: Tensor, work: Path
    ) -> None:
        """Args:
            examples: photos with their texts, one kind after another.  sizes: of the kinds.
            views: (V, N, K, D) of the photos.
            work: folder for the files of the untouched tower.
        Attributes:
            tower: the text tower.  texts: of the photos, each once.  views: as they were given.
        Raises: EngineError where a pretrained weight's package is not installed.
        """
        tokenize = encoder.backbone.tokenize
        texts = list(dict.fromkeys(text for e in examples for text in e.texts))
        place = {text: row for row, text in enumerate(texts)}
        self.tower: Any = encoder.backbone.model.text.float()
        for name, p in self.tower.named_parameters():
            p.requires_grad_("embeddings" not in name)
        self.texts = texts
        self._tokens = tokenize(texts)
        self._before = encoder.backbone.encode_text(texts)
        self._bank = tokenize(list(encoder.bank.texts))
        self._bank_before = encoder.bank.vectors[: len(self._bank)]
        self.views, self.scale = views, encoder.logit_scale
        ends = np.cumsum(sizes)
        self._spans = list(zip((ends - sizes).tolist(), ends.tolist(), strict=True))
        self._rows = [[place[text] for text in e.texts] for e in examples]
        self._photos: list[list[int]] = [[] for _ in texts]
        for photo, rows in enumerate(self._rows):
            for row in rows:
                self._photos[row].append(photo)
        untouched = pretrained_model(work).text
        self._meant = CachedTexts(untouched, self._tokens).meanings(untouched)
        self._meanings = torch.stack([F.normalize(self._meant[rows].sum(0), dim=0) for rows in self._rows])

    def loss(self, step: int) -> Tensor:
        """Of one step, whose draws depend on its number alone; a scalar."""
        draw = torch.Generator().manual_seed(SEED * 1_000_003 + step)
        asked = self.asked(draw)
        banked = torch.randperm(len(self._bank), generator=draw)[:BANK_TEXTS]
        said, of_bank = embedded(self.tower, self._tokens[asked.texts]), embedded(self.tower, self._bank[banked])
        found = told_apart(self.scale * said, asked.vectors, asked.wanted, asked.photos)
        loss = found + NEARNESS * apart(said, self._before[asked.texts])
        return loss + BANK_NEARNESS * apart(of_bank, self._bank_before[banked])

    def asked(self, draw: torch.Generator) -> Asked:
        """Photos of each kind, a text of each, a view of every photo, and which of them the texts are to find."""
        photos = torch.cat(
            [
                start + torch.randperm(stop - start, generator=draw)[:many]
                for (start, stop), many in zip(self._spans, MANY, strict=True)
            ]
        )
        texts = [self._rows[photo] for photo in photos.tolist()]
        rows = torch.tensor([of[int(torch.randint(len(of), (), generator=draw))] for of in texts])
        view = torch.randint(len(self.views), (self.views.shape[1],), generator=draw)
        vectors = self.views[view, torch.arange(len(view))].float()
        shown = [self._photos[row] for row in rows.tolist()]
        return Asked(photos, rows, vectors, photos_to_find(self._meant[rows] @ self._meanings.T, shown))


def embedded(tower: Any, tokens: Tensor) -> Tensor:
    """(T, L) to (T, D) float32, unit length; short texts apart from long ones, so that little is padding.

    Args: tower: an open_clip HF text tower.
    """
    lengths = (tokens != tower.config.pad_token_id).sum(1)
    order = lengths.argsort()
    with cpu_autocast():
        parts = [tower(tokens[some, : int(lengths[some].max())]).float() for some in order.split(ALIKE)]
    return F.normalize(torch.cat(parts), dim=1)[order.argsort()]


def apart(said: Tensor, before: Tensor) -> Tensor:
    """How far embeddings, (T, D), unit length, are from what they were: 1 less their cosine; a scalar, the mean."""
    return (1 - (said * before).sum(1)).mean()


def photos_to_find(meaning: Tensor, shown: Sequence[Sequence[int]]) -> Tensor:
    """(T, N) which photos each text is to find; rows sum to 1.

    A text, like that of a label, may be true of many photos; SOFTNESS goes to photos whose texts mean nearly the same.

    Args:
        meaning: (T, N) cosine of each text to each photo's mean text, in an untouched sentence encoder.
        shown: the photos that each text is true of, by number.
    """
    wanted = SOFTNESS * (meaning / TEMPERATURE).softmax(1)
    for target, photos in zip(wanted, shown, strict=True):
        target[list(photos)] += (1 - SOFTNESS) / len(photos)
    return wanted


def told_apart(said: Tensor, vectors: Tensor, wanted: Tensor, asked: Tensor) -> Tensor:
    """Cross-entropy of texts against all photos, and of some photos against the texts, over exits; a scalar.

    Args:
        said: (T, D) of texts, the logit scale in it.  vectors: (N, K, D) of photos.
        wanted: (T, N) which photos each text is to find; rows sum to 1.  asked: (T,) the photo that each text is of.
    """
    among = wanted[:, asked].T  # (T, T), a row a photo
    among = among / among.sum(1, keepdim=True)
    loss, weights = torch.zeros(()), 0.0
    for k, photos in enumerate(vectors.unbind(1)):
        weight = EARLIER ** (vectors.shape[1] - 1 - k)
        logits = said @ photos.T  # (T, N)
        loss = loss + weight * (F.cross_entropy(logits, wanted) + F.cross_entropy(logits[:, asked].T, among))
        weights += weight
    return loss / (2 * weights)
