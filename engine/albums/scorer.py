"""How photos fit albums at whatever exit they stand, how sure that is, and what a deeper look may change.

A photo's outcomes are the albums, and none of them. An album's score sums its phrases up (log-sum-exp); one that was
merged of others is as likely as they were together. None's score is the affinity to a background from the text bank: a
photo that other texts fit as well is of no album. All are cosines, so that one logit scale makes a softmax of them. A
wide word also leads none by the log-odds that a softmax over the bank is at texts that it stands for
(`engine.exits.naming`); what is higher counts.

What an exit's scores are still off by is the deviation of its calibration (`engine.exits.calibration`), which is fitted
with the gates. It gives the temperature of its softmax (the probit approximation: MacKay 1992) and the chance that full
depth decides otherwise: the lead of the best outcome over the second is normal around what it is here. Photos moved by
hand are examples of their album, a cache model beside the text (Tip-Adapter: Zhang et al. 2022): of an album's examples
the one most alike counts.
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
from engine.exits.encoder import Encoder
from engine.exits.naming import kinds_of, texts_naming
from engine.exits.phrase_gate import CERTAIN, leads
from engine.exits.text_bank import STANDS_BACK, affinity

TEMPLATES = ("{}", "a photo of {}", "a picture of {}")  # a phrase is the mean of these; chosen on val sets
COMPARED = 4_800  # texts of the bank that wide words are odds of; twice as many take twice as long, for a point or so
EXAMPLE_WEIGHT = 0.35  # of how far an example is more alike than ALIKE, beside the text; chosen on val sets
ALIKE = 0.5  # cosine of two photos above which one speaks for the other's album; it never speaks against it
NARROWER = 0.8  # of the texts of a narrower phrase that a wide one stands for, too; any share from a half does on val
NODES, WEIGHTS = (torch.tensor(part, dtype=torch.float32) for part in hermegauss(24))
ENCODED_AT_ONCE = 8  # phrases; between them others may compute
COMPARED_AT_ONCE = 512  # photos
PLACED_AT_ONCE = 2_048  # photos, and half of that at least: a product of one row alone rounds otherwise
SURE = 1e-6  # what is as likely, or unlikely, counts no further

Embed = Callable[[Sequence[str]], np.ndarray]  # phrases to (P, D), unit length


def embed_phrases(encoder: Encoder, phrases: Sequence[str]) -> np.ndarray:
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

    vectors: Tensor  # (P, D) of phrases, unit length, and behind them of what albums are unlike
    owner: Tensor  # (P,) number of the album of each
    part: Tensor  # (P,) and which of the albums that it was merged of
    unlike: Tensor  # (P,) bool
    wide: Mapping[int, Tensor]  # (N,) bool: those of the compared texts that a wide phrase stands for, by its number
    many: int  # albums

    @classmethod
    def of(cls, albums: Sequence[Album], embed: Embed, texts: tuple[str, ...]) -> "Words":
        """Albums' phrases, embedded all at once.  Args: texts: that wide ones are compared with."""
        phrases = [
            (number, part, phrase)
            for number, album in enumerate(albums)
            for part, some in enumerate(album.parts)
            for phrase in some
        ]
        unlike = [(number, 0, album.unlike) for number, album in enumerate(albums) if album.unlike]
        owners, parts, said = zip(*phrases, *unlike, strict=True) if phrases else ((), (), ())
        vectors, owner = torch.from_numpy(embed(said)), torch.tensor(owners, dtype=torch.long)
        is_unlike = torch.arange(len(said)) >= len(phrases)
        sides = (owner + len(albums) * is_unlike).tolist()
        part = torch.tensor(parts, dtype=torch.long)
        return cls(vectors, owner, part, is_unlike, _apart(said, sides, texts), len(albums))


def _apart(said: Sequence[str], sides: Sequence[int], texts: tuple[str, ...]) -> dict[int, Tensor]:
    """The texts of each wide phrase, by its number, less those that narrower phrases on other sides name: who has an
    album of cats, too, looks for other animals in that of animals. Snow is no narrower word for people in the snow.
    """
    wide, found = [number for number, phrase in enumerate(said) if kinds_of(phrase)], {}
    named = [texts_naming(phrase, texts) for phrase in said] if wide else []
    for number in wide:
        own = named[number]
        others = (o for n, o in enumerate(named) if sides[n] != sides[number] and o.sum() < own.sum())
        narrower = [o for o in others if (o & own).sum() >= NARROWER * o.sum()]
        found[number] = own & ~torch.stack([*narrower, torch.zeros_like(own)]).any(0)
    return {number: own for number, own in found.items() if own.any() and not own.all()}


@dataclass(frozen=True, eq=False)
class AlbumScorer:
    """Scores of albums and of none, for photos at any exit."""

    words: Words
    background: Tensor  # (B, D), unit length; (0, D): there is no such outcome as none
    compared: Tensor  # (N, D) of the bank's texts those that wide words are odds of, unit length
    deviations: Tensor  # (K,) of the scores at each exit, in cosines
    logit_scale: float
    examples: Mapping[int, Tensor]  # (E, D) embeddings of an album's examples, by its number; `many` stands for none

    @classmethod
    def of(
        cls,
        albums: Sequence[Album],
        encoder: Encoder,
        examples: Mapping[int, Tensor] | None = None,
        embed: Embed | None = None,
    ) -> "AlbumScorer":
        """The scorer of some albums and an encoder.

        Args: embed: `embed_phrases` of the encoder where that is None, or what remembers some of it.
        """
        deviations = torch.tensor(encoder.scorer.deviations, dtype=torch.float32)
        words = Words.of(albums, embed or partial(embed_phrases, encoder), encoder.bank.spread_texts(COMPARED))
        background, compared = encoder.bank.background.cpu(), encoder.bank.spread(COMPARED).cpu()
        return cls(words, background, compared, deviations, encoder.logit_scale, examples or {})

    def scores(self, vectors: Tensor) -> Tensor:
        """Embeddings of photos (N, D) to (N, A + 1) cosines to the albums, and last to none."""
        words, scale = self.words, self.logit_scale
        none = self._unplaced(vectors)
        logits = self._widened(scale * vectors @ words.vectors.T, vectors, scale * none)  # (N, P)
        found = vectors.new_full((len(vectors), words.many + 1), -1.0)
        for number in range(words.many):
            own = (words.owner == number) & ~words.unlike
            parts = [logits[:, own & (words.part == part)] for part in words.part[own].unique()]
            means = torch.stack([part.logsumexp(1) - math.log(part.shape[1]) for part in parts])
            found[:, number] = means.logsumexp(0) / scale
        if words.unlike.any():  # the chance of being the album rather than what it is not, as a factor
            owners, other = words.owner[words.unlike], logits[:, words.unlike]
            found[:, owners] += torch.nn.functional.logsigmoid(scale * found[:, owners] - other) / scale
        if len(self.background):
            found[:, -1] = none - STANDS_BACK / scale
        for number, examples in self.examples.items():
            alike = (vectors @ examples.T).amax(1)
            found[:, number] += EXAMPLE_WEIGHT * (alike - ALIKE).clamp_min(0)
        return found

    def _unplaced(self, vectors: Tensor) -> Tensor:
        """(N,) affinities of photos (N, D) to the background, which are all cosines to it for a part of them only."""
        parts = vectors.tensor_split(max(1, math.ceil(len(vectors) / PLACED_AT_ONCE)))
        return torch.cat([affinity(part @ self.background.T) for part in parts])

    def _widened(self, logits: Tensor, vectors: Tensor, none: Tensor) -> Tensor:
        """(N, P) logits of photos (N, D), wide phrases' raised to none's, (N,), and how far the bank is for them."""
        if not (self.words.wide and len(self.background)):
            return logits
        for rows in torch.arange(len(vectors)).split(COMPARED_AT_ONCE):
            likely = (self.logit_scale * vectors[rows] @ self.compared.T).softmax(1)
            for number, own in self.words.wide.items():
                odds = likely[:, own].sum(1).logit(SURE)
                logits[rows, number] = torch.maximum(logits[rows, number], none[rows] + odds)
        return logits

    def probabilities(self, scores: Tensor, exits: Tensor) -> Tensor:
        """Of the outcomes; (N, A + 1) scores and (N,) 0-based exits to (N, A + 1), rows sum to 1."""
        return (self.logit_scale * scores / self.temperatures[exits, None]).softmax(-1)

    @cached_property
    def temperatures(self) -> Tensor:
        """(K,) By which logits are divided at each exit; 1 where nothing is uncertain."""
        return (1 + math.pi / 8 * (self.logit_scale * self.deviations).clamp_max(2 * FARTHEST) ** 2).sqrt()

    def leads(self, scores: Tensor) -> Tensor:
        """(N,) By how many cosines the best outcome leads the second."""
        return leads(scores) if scores.shape[1] > 1 else torch.ones(len(scores))

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
