"""Photos and texts of a training run in memory, and the batch that each step draws from them."""

import torch
import torch.nn.functional as F
from torch import Tensor

from engine.training.augment import random_views
from engine.training.dataset import Corpus, load_squashed
from engine.training.trainer import SEED

CAPTIONED, LABELLED, TEXTS_PER_PHOTO = 176, 24, 2
STORED_SIZE = 224  # px
SIZE = 256
SMALLER_SIZES = tuple(range(112, 241, 16))  # half of the steps read a smaller input


class TrainingSet:
    """Photos and texts of a run. A step's batch depends on its number alone, so a resumed run draws the same."""

    def __init__(self, corpus: Corpus) -> None:
        """Load a corpus's photos into memory, the captioned ones first."""
        examples = [*corpus.captioned, *corpus.labelled]
        self.pixels = torch.from_numpy(load_squashed(examples, STORED_SIZE))  # (N, 3, S, S) uint8
        self.captioned = len(corpus.captioned)
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

    def views(self, photos: Tensor, generator: torch.Generator) -> Tensor:
        """Random views of photos at a random size, (B,) to (B, 3, S, S) in [0, 1]."""
        draw = torch.rand(2, generator=generator).tolist()
        size = SIZE if draw[0] < 0.5 else SMALLER_SIZES[int(draw[1] * len(SMALLER_SIZES))]
        return random_views(self.pixels[photos], size, generator)

    def _draw(self, step: int, start: int, stop: int, many: int) -> Tensor:
        """The step's slice of an endless run of shuffled epochs; of the step alone, so a resumed run agrees."""
        size = stop - start
        numbers = []
        for position in range(step * many, (step + 1) * many):
            numbers.append(int(self._order(position // size, size)[position % size]) + start)
        return torch.tensor(numbers)

    def _order(self, epoch: int, size: int) -> Tensor:
        return torch.randperm(size, generator=torch.Generator().manual_seed(SEED + epoch * 7919 + size))
