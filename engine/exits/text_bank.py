"""Guide texts, their embeddings, and the semantic content distribution of an embedding over them.

T-GEMs (arXiv 2605.17499) derive from texts what an intermediate layer has recognised. Here that is p_k, the softmax of
an embedding's similarities to about a thousand phrases; a gate sees its shape: peak, margin, entropy, how it moved.

The general guide texts' embeddings are kept from one start to the next: a thousand phrases take seconds to encode.
"""

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from engine.utils.atomic_files import write_whole
from engine.utils.data_dir import home
from engine.utils.errors import EngineError
from engine.utils.paths import GUIDE_TEXTS

if TYPE_CHECKING:
    from engine.clip.backbone import Backbone

MOST_PHRASES = 5_000  # of an owner's own; each costs a text encoding once, and a product at every exit of every photo
MOST_TYPED = 50  # phrases, on the page: so many general ones, drawn at random, send 93 % of val's photos deeper
LONGEST_TYPED = 200  # characters of each; the model reads about thirty words
STATISTICS = 5  # how many numbers `statistics` gives per image
# A photo shows what a phrase says if that fits it as well as the best of so many general guide texts do. Chosen on val
# among 10, 20, 35, 50 and 100: where the captions that speak of a subject find most beyond what they find when as many
# photos go deeper at random.
ONE_IN = 20
ROUNDING = 1e-6  # of a cosine: a phrase may be the very general one that it is held against
FOLDER = "guide-texts"  # of their embeddings, in the data folder: one file for each model


class GuideTextsUnusable(EngineError):
    """Guide texts that cannot be read, or that are too few or too many."""


def read_guide_texts(path: Path = GUIDE_TEXTS) -> list[str]:
    """The phrases of a file, one a line; blank lines and lines that start with # are passed over."""
    return _lines(path.read_text(encoding="utf-8"))


def typed_guide_texts(text: str) -> list[str]:
    """The phrases that a gallery's owner has typed, one a line, each one once; raises GuideTextsUnusable."""
    phrases = list(dict.fromkeys(_lines(text)))
    if len(phrases) > MOST_TYPED:
        raise GuideTextsUnusable(f"These are {len(phrases)} phrases; name {MOST_TYPED} at most, one a line.")
    if too_long := [phrase for phrase in phrases if len(phrase) > LONGEST_TYPED]:
        raise GuideTextsUnusable(f'"{too_long[0][:40]}…" is over {LONGEST_TYPED} characters; say it in a few words.')
    return phrases


def own_guide_texts(path: Path) -> list[str]:
    """The phrases of a gallery owner's file, each one once; raises GuideTextsUnusable."""
    try:
        phrases = list(dict.fromkeys(read_guide_texts(path)))
    except (OSError, UnicodeDecodeError) as error:
        raise GuideTextsUnusable(f"{path} cannot be read as guide texts; name a UTF-8 text file.") from error
    if not 2 <= len(phrases) <= MOST_PHRASES:
        raise GuideTextsUnusable(f"{path} has {len(phrases)} phrases; guide texts are 2 to {MOST_PHRASES}, one a line.")
    return phrases


@dataclass(frozen=True)
class Interest:
    """What people will look for in a gallery, by its owner's phrases: photos that show it are not let go early."""

    phrases: Tensor  # (P, D), unit length
    general: Tensor  # (G, D) the general guide texts, which tell how well a phrase that says nothing fits

    def shown_by(self, vectors: Tensor) -> Tensor:
        """Whether photos show it, as far as their exit can tell: unit-length embeddings (B, D) to (B,) bool."""
        many = max(1, len(self.general) // ONE_IN)
        usual = (vectors @ self.general.T).topk(many, dim=-1).values[:, -1]
        return (vectors @ self.phrases.T).amax(-1) >= usual - ROUNDING

    @property
    def macs(self) -> int:
        """MACs of asking that of one photo."""
        return self.phrases.numel() + self.general.numel()

    def to(self, device: torch.device) -> "Interest":
        """The same on another device."""
        return Interest(self.phrases.to(device), self.general.to(device))


@dataclass(frozen=True, eq=False)
class TextBank:
    """The guide texts of an encoder, and which of them its gallery's owner has named; immutable."""

    texts: tuple[str, ...]
    embed: Callable[[Sequence[str]], Tensor]  # texts to (N, D) float32, unit length
    owner_texts: tuple[str, ...] = ()
    interest: Interest | None = None  # in the owner's texts

    @cached_property
    def vectors(self) -> Tensor:
        """(G, D) The texts' embeddings, unit length; made when they are first needed."""
        with torch.inference_mode(False):  # first needed in the middle of encoding, and later trained with
            return self.embed(self.texts)

    def replaced(
        self, texts: Sequence[str], owner_texts: Sequence[str], encode_text: Callable[[Sequence[str]], Tensor]
    ) -> "TextBank":
        """A bank of other texts; these texts, where all are among them, are not encoded again.

        Args: owner_texts: those of them that the owner has named; how well they fit is held against these texts.
        """
        known: dict[str, Tensor] = {}
        if owner_texts or set(self.texts) <= set(texts):  # else none are made for a few of them
            known = dict(zip(self.texts, self.vectors, strict=True))
        fresh = [text for text in dict.fromkeys(texts) if text not in known]
        if fresh:
            known |= dict(zip(fresh, encode_text(fresh), strict=True))
        vectors = torch.stack([known[text] for text in texts])
        interest = Interest(torch.stack([known[t] for t in owner_texts]), self.vectors) if owner_texts else None
        return TextBank(tuple(texts), lambda _: vectors, tuple(owner_texts), interest)

    def on(self, device: torch.device) -> "TextBank":
        """The same bank with its embeddings on a device."""
        vectors = self.vectors.to(device)
        return replace(self, embed=lambda _: vectors, interest=self.interest and self.interest.to(device))


def content_distribution(vectors: Tensor, guides: Tensor, logit_scale: float) -> Tensor:
    """p_k: softmax over the guide texts of the similarity of an exit's embedding to each.

    Args:
        vectors: (B, D) unit length.  guides: (G, D) unit length.  logit_scale: what the cosine is multiplied by.
    Returns: (B, G), rows sum to 1.
    """
    return (logit_scale * vectors @ guides.T).softmax(-1)


def divergence(p: Tensor, q: Tensor) -> Tensor:
    """KL(p || q) of distributions in the last dimension, in nats; (B, G) twice to (B,)."""
    tiny = torch.finfo(p.dtype).tiny
    return (p * (p.clamp_min(tiny) / q.clamp_min(tiny)).log()).sum(-1)


def statistics(p: Tensor, before: Tensor | None) -> Tensor:
    """The shape of p_k and its change since the exit before.

    Args:
        p: (B, G).  before: (B, G) at the exit before, or None at the first.
    Returns: (B, 5): peak, margin to the second, entropy over log G, divergence from before (0 at the first exit),
        whether the top phrase changed (1 at the first).
    """
    top, places = p.topk(2, dim=-1)
    entropy = torch.special.entr(p).sum(-1) / torch.log(torch.tensor(float(p.shape[-1])))
    if before is None:
        moved, changed = torch.zeros_like(entropy), torch.ones_like(entropy)
    else:
        moved = divergence(p, before)
        changed = (before.argmax(-1) != places[:, 0]).to(p.dtype)
    return torch.stack([top[:, 0], top[:, 0] - top[:, 1], entropy, moved, changed], -1)


def _lines(text: str) -> list[str]:
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def kept_embeddings(backbone: "Backbone", weights: str, texts: Sequence[str]) -> Tensor:
    """(G, D) float32, unit length: what `Backbone.encode_text` gives, read from the data folder where it is kept.

    Args: weights: the model's hash.
    """
    key = _key(backbone, weights, texts)
    path: Path | None = None
    with suppress(EngineError):  # a data folder that cannot be used is said where photos are to be kept
        path = home() / FOLDER / f"{weights[:32]}.safetensors"
    kept = _read(path, key) if path is not None else None
    if kept is not None and kept.shape == (len(texts), backbone.dim):
        return kept
    vectors = backbone.encode_text(texts)
    if path is not None:
        with suppress(OSError):  # a full disk, say: the next start is as slow as this one
            write_whole(path, save({"vectors": vectors.contiguous()}, {"key": key}))
    return vectors


def _key(backbone: "Backbone", weights: str, texts: Sequence[str]) -> str:
    """SHA-256, in hex, of all that the embeddings depend on.

    Texts count as their tokens, for a tokenizer may be replaced beside the same weights; and libraries by their
    versions, for the same weights may be run otherwise by the next one.
    """
    import open_clip  # most who read guide texts load no model

    digest = hashlib.sha256(f"{weights} {torch.__version__} {open_clip.__version__}".encode())
    digest.update("\n".join(texts).encode())
    digest.update(backbone.tokenize(list(texts)).numpy().tobytes())
    return digest.hexdigest()


def _read(path: Path, key: str) -> Tensor | None:
    try:
        with safe_open(path, framework="pt") as file:
            if (file.metadata() or {}).get("key") != key:
                return None
            found: Tensor = file.get_tensor("vectors")
    except (OSError, SafetensorError):
        return None
    return found
