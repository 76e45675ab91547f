"""The text bank: one fixed list of texts, their embeddings, and how they fit an embedding of a photo.

Embeddings of captions that the model was trained on may stand behind those of the list; their texts are not shipped.

T-GEMs (arXiv 2605.17499) derive from texts what an intermediate layer has recognised. Here that is, first, the affinity
a_k: the mean cosine of v_k to its nearest texts. A photo that no text fits well at an exit is one that deeper exits
change most, and one that all texts fit is a hub, which ranks too high for every query (Nearest Neighbor Normalization:
Chowdhury et al. 2024, arXiv 2410.24114). And second, p_k, the softmax of the similarities, whose shape a gate sees.

The embeddings are kept from one start to the next: thousands of texts take a minute to encode.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from engine.exits.phrases import NearestTexts
from engine.utils.data_dir import home
from engine.utils.errors import EngineError
from engine.utils.kept_tensor import kept_tensor

if TYPE_CHECKING:
    from engine.clip.backbone import Backbone

NEAREST = 10  # texts that the affinity is the mean cosine to
STATISTICS = 5  # how many numbers `statistics` gives per photo
BACKGROUND = 500  # texts of the bank that phrases and albums stand among; chosen on val sets, as the next one is
STANDS_BACK = 1.0  # logits that none of them is lower by: who types a word or two means it widely
SHOWN = 3  # texts that are shown of a photo at an exit
FOLDER = "text-bank"  # of the embeddings, in the data folder: one file for each model


class Embeddings:
    """(N, D) float32, unit length: of the bank's texts, and behind them of captions; made when first needed.

    Banks that differ in their phrases alone share them.
    """

    def __init__(self, embed: Callable[[], Tensor], captions: Tensor | None = None) -> None:
        """Args: embed: gives those of the texts.  captions: (C, D), of any precision; their texts are not shipped."""
        self._embed, self.captions = embed, captions
        self._elsewhere: tuple[torch.device, Embeddings] | None = None

    @cached_property
    def vectors(self) -> Tensor:
        """All of them."""
        with torch.inference_mode(False):  # first needed in the middle of encoding, and later trained with
            own = self._embed()
            return own if self.captions is None else torch.cat([own, self.captions.float()])

    @cached_property
    def products(self) -> Callable[[Tensor], Tensor]:
        """Other embeddings (B, D) to their cosines to all of them, (B, N)."""
        from engine.clip.fuse import products_with  # most who read phrases load no model

        return products_with(self.vectors)

    def on(self, device: torch.device) -> "Embeddings":
        """The same on a device."""
        if device == self.vectors.device:
            return self
        if self._elsewhere is None or self._elsewhere[0] != device:
            self._elsewhere = device, Embeddings(partial(self.vectors.to, device))
        return self._elsewhere[1]


@dataclass(frozen=True, eq=False)
class TextBank:
    """The texts of an encoder, and the phrases that a gallery's owner has named; immutable."""

    texts: tuple[str, ...]
    embeddings: Embeddings
    phrases: tuple[str, ...] = ()  # what people will look for
    named: Tensor | None = None  # (P, D) their embeddings

    @property
    def vectors(self) -> Tensor:
        """(N, D) The texts' embeddings and behind them the captions', unit length."""
        return self.embeddings.vectors

    @cached_property
    def background(self) -> Tensor:
        """(B, D) Embeddings of texts from all over the bank."""
        return self.spread(BACKGROUND)

    def spread(self, many: int) -> Tensor:
        """(B, D) Embeddings of about so many texts from all over the bank; of all where it has no more."""
        return self.vectors[: len(self.texts) : self._step(many)]

    def spread_texts(self, many: int) -> tuple[str, ...]:
        """The texts that `spread` gives the embeddings of."""
        return self.texts[:: self._step(many)]

    def looking_for(self, phrases: Sequence[str], encode_text: Callable[[Sequence[str]], Tensor]) -> "TextBank":
        """The same bank with phrases that an owner has named."""
        return replace(self, phrases=tuple(phrases), named=encode_text(phrases))

    def on(self, device: torch.device) -> "TextBank":
        """The same bank with its embeddings on a device."""
        named = None if self.named is None else self.named.to(device)
        return replace(self, embeddings=self.embeddings.on(device), named=named)

    def similarities(self, vectors: Tensor) -> Tensor:
        """Cosines of embeddings (B, D) to all that `vectors` holds, (B, N)."""
        return self.embeddings.products(vectors)

    def affinity(self, vectors: Tensor) -> Tensor:
        """a_k: embeddings (B, D) to (B,)."""
        return affinity(self.similarities(vectors))

    def outcomes(self, vectors: Tensor, logit_scale: float) -> Tensor:
        """Cosines of embeddings (B, D) to the phrases, and last to none of them, (B, P + 1).

        None's is the affinity to a background from the bank: a photo that other texts fit as well shows no phrase.
        """
        assert self.named is not None
        none = affinity(vectors @ self.background.T) - STANDS_BACK / logit_scale
        return torch.cat([vectors @ self.named.T, none[:, None]], 1)

    def best(self, vectors: Tensor, similarities: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines and places of the texts and phrases that fit best, captions left out: they have no words to show.

        Args: vectors: (B, D).  similarities: (B, N) of them to all that `vectors` of the bank holds.
        Returns: (B, 3) twice, or fewer.
        """
        similarities = similarities[:, : len(self.texts)]
        if self.named is not None:
            similarities = torch.cat([similarities, vectors @ self.named.T], 1)
        cosines, places = similarities.topk(min(SHOWN, similarities.shape[-1]), dim=-1)
        return cosines, places

    def worded(self, cosines: Tensor, places: Tensor) -> list[NearestTexts]:
        """What `best` found, in words; (B, n) twice, on the CPU."""
        return [
            tuple((self._words[int(i)], round(cosine, 4)) for cosine, i in zip(row, where, strict=True))
            for row, where in zip(cosines.tolist(), places.tolist(), strict=True)
        ]

    @cached_property
    def _words(self) -> tuple[str, ...]:
        return (*self.texts, *self.phrases)

    def macs(self, dim: int) -> int:
        """MACs of a photo's similarities to all texts and phrases; needs only the width of their embeddings."""
        captions = 0 if self.embeddings.captions is None else len(self.embeddings.captions)
        return (len(self.texts) + captions + len(self.phrases)) * dim

    def outcome_macs(self, dim: int) -> int:
        """MACs of a photo's cosines to the phrases and to the background."""
        return (len(self.phrases) + len(self.texts[:: self._step(BACKGROUND)])) * dim

    def _step(self, many: int) -> int:
        return max(1, len(self.texts) // many)


def affinity(similarities: Tensor) -> Tensor:
    """a_k: the mean of the highest cosines, 0 without texts; similarities (..., N) of embeddings and texts to (...)."""
    if not similarities.shape[-1]:
        return similarities.new_zeros(similarities.shape[:-1])
    return similarities.topk(min(NEAREST, similarities.shape[-1]), dim=-1).values.mean(-1)


def content_distribution(similarities: Tensor, logit_scale: float) -> Tensor:
    """p_k: the softmax over texts of an embedding's similarities, (..., N) to (..., N); rows sum to 1."""
    return (logit_scale * similarities).softmax(-1)


def statistics(vectors: Tensor, before: Tensor | None, similarities: Tensor, logit_scale: float) -> Tensor:
    """How the bank fits embeddings, and how far they moved since the exit before.

    Args:
        vectors: (B, D) v_k.  before: (B, D) v_{k-1}, or None at the first exit.
        similarities: (B, N) cosines of v_k to the texts.
    Returns: (B, 5): affinity, peak and margin of p_k, its entropy over log N, and 1 - cos(v_k, v_{k-1}).
    """
    if not similarities.shape[-1]:
        return vectors.new_zeros(len(vectors), STATISTICS)
    nearest, places = similarities.topk(min(NEAREST, similarities.shape[-1]), dim=-1)
    p = content_distribution(similarities, logit_scale)
    top = p.gather(-1, places[:, :2])
    # H(p) = log Z - E_p[the logits], and the best text's logit less log Z is the logarithm of its share
    expected = torch.linalg.vecdot(p, similarities)
    entropy = logit_scale * (nearest[:, 0] - expected) - top[:, 0].log()
    uniform = torch.log(torch.tensor(float(max(2, p.shape[-1]))))
    moved = torch.zeros_like(entropy) if before is None else 1 - torch.linalg.vecdot(vectors, before)
    return torch.stack([nearest.mean(-1), top[:, 0], top[:, 0] - top[:, -1], entropy / uniform, moved], -1)


def kept_embeddings(backbone: "Backbone", weights: str, texts: Sequence[str]) -> Tensor:
    """(N, D) float32, unit length: what `Backbone.encode_text` gives, read from the data folder where it is kept.

    Args: weights: the model's hash.
    """
    embed = partial(backbone.encode_text, texts)
    try:
        folder = home() / FOLDER
    except EngineError:  # a data folder that cannot be used is said where photos are to be kept
        return embed()
    return kept_tensor(folder / f"{weights[:32]}.safetensors", _key(backbone, weights, texts), embed)


def _key(backbone: "Backbone", weights: str, texts: Sequence[str]) -> str:
    """SHA-256, in hex, of all that the embeddings depend on.

    Texts count as their tokens, for a tokenizer may be replaced beside the same weights; and libraries by their
    versions, for the same weights may be run otherwise by the next one.
    """
    import open_clip  # most who read phrases load no model

    digest = hashlib.sha256(f"{weights} {torch.__version__} {open_clip.__version__}".encode())
    digest.update("\n".join(texts).encode())
    digest.update(backbone.tokenize(list(texts)).numpy().tobytes())
    return digest.hexdigest()
