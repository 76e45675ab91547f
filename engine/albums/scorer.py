"""How photos fit albums at whatever exit they stand, how sure that is, and what a deeper look may change.

A photo's outcomes are the albums, and none of them. An album's score sums its phrases up (log-sum-exp); none's score is
the affinity to a background from the text bank: a photo that other texts fit as well is of no album. All are cosines,
so that one logit scale makes a softmax of them. What an exit's scores are still off by is the deviation of its
calibration (`engine.exits.calibration`), which is fitted with the gates. It gives the temperature of its softmax (the
probit approximation: MacKay 1992) and the chance that full depth decides otherwise: the lead of the best outcome over
the second is normal around what it is here. Photos moved by hand are examples of their album, a cache model beside
the text (Tip-Adapter: Zhang et al. 2022): of an album's examples the one most alike counts.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import torch
from numpy.polynomial.hermite_e import hermegauss
from torch import Tensor

from engine.albums.album import Album
from engine.exits.calibration import FARTHEST
from engine.exits.photo_encoder import PhotoEncoder
from engine.exits.text_bank import affinity

TEMPLATES = ("{}", "a photo of {}", "a picture of {}")  # a phrase is the mean of these; chosen on val sets
BACKGROUND = 500  # texts of the bank that albums stand among; chosen on val sets, as the next four are
EXAMPLE_WEIGHT = 0.35  # of how far an example is more alike than ALIKE, beside the text
ALIKE = 0.5  # cosine of two photos above which one speaks for the other's album
AGAINST = -0.1  # and how far below it counts at most: most photos of an album are not like one example
STANDS_BACK = 1.0  # logits that none of them is lower by: who types a word or two means it widely
NODES, WEIGHTS = (torch.tensor(part, dtype=torch.float32) for part in hermegauss(24))
CERTAIN = 1e-6  # a deviation in cosines that is none
ENCODED_AT_ONCE = 8  # phrases; between them others may compute

Embed = Callable[[Sequence[str]], np.ndarray]  # phrases to (P, D), unit length


def embed_phrases(encoder: PhotoEncoder, phrases: Sequence[str]) -> np.ndarray:
    """(P, D) float32, unit length: of each the mean over its templates."""
    found = [torch.zeros(0, encoder.dim)]
    for first in range(0, len(phrases), ENCODED_AT_ONCE):
        some = phrases[first : first + ENCODED_AT_ONCE]
        texts = encoder.encode_text([template.format(phrase) for phrase in some for template in TEMPLATES])
        means = torch.from_numpy(texts).view(len(some), len(TEMPLATES), encoder.dim).mean(1)
        found.append(torch.nn.functional.normalize(means, dim=-1))
    return torch.cat(found).numpy()


@dataclass(frozen=True, eq=False)
class Words:
    """Albums as the text tower reads them."""

    phrases: Tensor  # (P, D), unit length
    owner: Tensor  # (P,) number of the album of each
    unlike: Tensor  # (U, D)
    unlike_owner: Tensor  # (U,)
    many: int  # albums

    @classmethod
    def of(cls, albums: Sequence[Album], embed: Embed) -> "Words":
        """Albums' phrases, embedded all at once."""
        phrases = [(number, phrase) for number, album in enumerate(albums) for phrase in album.phrases]
        unlike = [(number, album.unlike) for number, album in enumerate(albums) if album.unlike]
        vectors = torch.from_numpy(embed([text for _, text in (*phrases, *unlike)]))
        owners = torch.tensor([number for number, _ in (*phrases, *unlike)], dtype=torch.long)
        first = len(phrases)
        return cls(vectors[:first], owners[:first], vectors[first:], owners[first:], len(albums))


@dataclass(frozen=True, eq=False)
class AlbumScorer:
    """Scores of albums and of none, for photos at any exit."""

    words: Words
    background: Tensor  # (B, D), unit length; (0, D): there is no such outcome as none
    deviations: Tensor  # (K,) of the scores at each exit, in cosines
    logit_scale: float
    examples: Mapping[int, Tensor]  # (E, D) embeddings of an album's examples, by its number; `many` stands for none

    @classmethod
    def of(
        cls,
        albums: Sequence[Album],
        encoder: PhotoEncoder,
        examples: Mapping[int, Tensor] | None = None,
        embed: Embed | None = None,
    ) -> "AlbumScorer":
        """The scorer of some albums and an encoder.

        Args: embed: `embed_phrases` of the encoder where that is None, or what remembers some of it.
        """
        deviations = torch.tensor(encoder.scorer.deviations, dtype=torch.float32)
        background = encoder.bank.spread(BACKGROUND).cpu()
        words = Words.of(albums, embed or partial(embed_phrases, encoder))
        return cls(words, background, deviations, encoder.logit_scale, examples or {})

    def scores(self, vectors: Tensor) -> Tensor:
        """Embeddings of photos (N, D) to (N, A + 1) cosines to the albums, and last to none."""
        words, scale = self.words, self.logit_scale
        logits = scale * vectors @ words.phrases.T  # (N, P)
        found = vectors.new_full((len(vectors), words.many + 1), -1.0)
        for number in range(words.many):
            own = logits[:, words.owner == number]
            found[:, number] = (own.logsumexp(1) - math.log(own.shape[1])) / scale
        if words.unlike_owner.numel():  # the chance of being the album rather than what it is not, as a factor
            other = scale * vectors @ words.unlike.T
            own = scale * found[:, words.unlike_owner]
            found[:, words.unlike_owner] += torch.nn.functional.logsigmoid(own - other) / scale
        if len(self.background):
            found[:, -1] = affinity(vectors @ self.background.T) - STANDS_BACK / scale
        for number, examples in self.examples.items():
            alike = (vectors @ examples.T).amax(1)
            found[:, number] += EXAMPLE_WEIGHT * (alike - ALIKE).clamp_min(AGAINST)
        return found

    def probabilities(self, scores: Tensor, exits: Tensor) -> Tensor:
        """Of the outcomes; (N, A + 1) scores and (N,) 0-based exits to (N, A + 1), rows sum to 1."""
        return (self.logit_scale * scores / self.temperatures[exits, None]).softmax(-1)

    @cached_property
    def temperatures(self) -> Tensor:
        """(K,) By which logits are divided at each exit; 1 where nothing is uncertain."""
        return (1 + math.pi / 8 * (self.logit_scale * self.deviations).clamp_max(2 * FARTHEST) ** 2).sqrt()

    def leads(self, scores: Tensor) -> Tensor:
        """(N,) By how many cosines the best outcome leads the second."""
        top = scores.topk(min(2, scores.shape[1]), dim=-1).values
        return top[:, 0] - top[:, -1] if scores.shape[1] > 1 else torch.ones(len(scores))

    def gains(self, leads: Tensor, exits: Tensor) -> Tensor:
        """What a look at each exit takes from the chance that full depth decides otherwise; (N,) each to (N, K), 0 for
        exits that a photo has passed.
        """
        here = self.deviations[exits]
        doubts = _overtaken(leads, here)
        found = torch.zeros(len(leads), len(self.deviations))
        for k, left in enumerate(self.deviations):
            moves = (here**2 - left**2).clamp_min(0).sqrt()
            seen = (leads[:, None] + moves[:, None] * NODES).abs()  # (N, nodes) leads that it may show
            after = _overtaken(seen, left.expand_as(seen)) @ (WEIGHTS / WEIGHTS.sum())
            found[:, k] = torch.where(exits < k, (doubts - after).clamp_min(0), 0)
        return found


def _overtaken(leads: Tensor, deviations: Tensor) -> Tensor:
    """The chance that a lead, normal around what it is, is none in truth."""
    chance = torch.special.ndtr(-leads / deviations.clamp_min(CERTAIN))
    return torch.where(deviations > CERTAIN, chance, 0)


def next_looks(
    gains: np.ndarray, costs: np.ndarray, left: float, many: int, least: float
) -> tuple[np.ndarray, np.ndarray]:
    """The looks that take most doubt away for what they cost.

    Args:
        gains: (N, K) see `AlbumScorer.gains`; 0 for photos whose place is settled.
        costs: (N, K) in full encodings; inf where a photo cannot be run.
        left: to spend, in full encodings.  many: at most so many looks.
        least: doubt that a full encoding must take away.
    Returns: (n,) rows to run deeper at once, and the exit (0-based) that each is to be run to.
    """
    rates = np.where(np.isfinite(costs), gains / np.where(np.isfinite(costs), costs, 1), 0)
    exits = rates.argmax(1)
    rows = np.arange(len(rates))
    best, price = rates[rows, exits], costs[rows, exits]
    order = np.argsort(-best, kind="stable")[:many]
    able = (best[order] >= least) & (np.cumsum(np.where(best[order] >= least, price[order], 0)) <= left + 1e-9)
    return order[able], exits[order][able]
