"""Names of things that no caption uses, taught to the text tower when the rest of the model is done.

Captions of a few thousand photos know "a brown dog" and no otter. But training has not made the image tower forget what
ImageNet taught it: a ridge regression reads the kinds of things off its embeddings, as the untouched classifier sees
them. So only texts need to move: each a little way towards the kinds that it means to the untouched sentence encoder.
"""

import json
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import torch
import torch.nn.functional as F
from open_clip.tokenizer import HFTokenizer
from torch import Tensor, nn

from engine.exits.loading import load_encoder
from engine.exits.text_bank import read_guide_texts
from engine.training.dataset import DataMissing, Example, load_squashed, read_kinds, read_labels
from engine.training.objective import distil
from engine.training.pretrained import CONTEXT, READ_SIZE, classifier, export, pretrained_model
from engine.training.text_tower import CachedTexts
from engine.training.trainer import fit_one_cycle
from engine.utils.paths import UNSEEN_WORDS

KINDS = 1000  # that the classifier knows
WORDS = 12_000  # of the tokenizer's vocabulary: those that come nearest to the name of a kind
SHORTEST = 4  # letters
PHRASES = (
    "a {}",
    "the {}",
    "a photo of {}",
    "a photo of a {}",
    "a picture of a {}",
    "a close view of a {}",
    "a {} outdoors",
    "a {} in the wild",
    "there is a {}",
    "some kind of {}",
    "a large {}",
    "a small {}",
)
PHRASES_EACH = 3
PAIRED = (
    "{} and {}",
    "{} {}",
    "a {} on a {}",
    "{} with {}",
    "a {} near the {}",
    "{} in front of a {}",
    "the {} of a {}",
)
PAIRS = 10_000  # phrases of two words
RIDGE = 0.1  # of the embeddings' mean variance
LIKENESS = 0.06  # temperature of the cosine between a text and the name of a kind
# How far texts move, as a multiple of how a caption's scores differ between photos. Tried exactly, on val captions find
# most at 0.3, and the demo gallery's queries no more from 1 on: those were looked at, and are no measure of it. What a
# text tower learns of the move is not exact: with twice the move, twice the words and the ranking of photos in the loss
# it found two more of them first, and on val as much.
NAMES_MOVE, CAPTIONS_MOVE = 2.0, 0.3
CAPTIONS = 2  # of each photo
STEPS, NAMES_AT_ONCE, CAPTIONS_AT_ONCE = 2800, 384, 128
REORDERED = 50  # steps after which texts of like length stand beside others
RATES = {"layers": 3e-4, "proj": 2e-3}
WEIGHT_DECAY = 0.01
RANKING_WEIGHT, RANKED_AT_ONCE = 0.3, 2048
SEED = 2605


def teach_names(out: Path, captioned: Sequence[Example], data: Path, say: Callable[[str], None]) -> None:
    """Move the texts of a written model towards the kinds of things they mean, and write it again.

    What moves is the text tower's projection and its last layers; no photo's embedding changes.

    Args: captioned: photos that the model was trained on.  data: folder with `imagenet_samples`.
    Raises: DataMissing.
    """
    torch.manual_seed(SEED)
    labels = data / "imagenet_samples"
    kinds = known_kinds(labels)
    encoder = load_encoder(f"local-dir:{out}", exits=False)
    model: Any = encoder.backbone.model
    photos = torch.from_numpy(load_squashed([*captioned, *read_labels(labels)], READ_SIZE))
    say(f"what the classifier sees in {len(photos)} photos")
    vectors = torch.cat([torch.from_numpy(encoder.read_at(part.numpy(), READ_SIZE)) for part in photos.split(32)])
    directions = kind_directions(vectors, _logits(photos))

    tokenize = HFTokenizer(out.as_posix(), context_length=CONTEXT)
    untouched = pretrained_model(out).text
    words = [*kinds, *words_near(kinds, untouched, tokenize, out / "vocab.txt")]
    guides = [text for text in read_guide_texts() if not holds_unseen(text)]
    names = [*in_phrases(words), *in_pairs(words), *guides]
    texts = [*names, *(text for example in captioned for text in example.texts[:CAPTIONS])]
    say(f"{len(names)} names and phrases, {len(texts) - len(names)} captions")
    ids = tokenize(texts)
    meanings = CachedTexts(untouched, ids).frozen_vectors
    meant = (meanings @ meanings[: len(kinds)].T / LIKENESS).softmax(1) @ directions
    sentences = CachedTexts(model.text.requires_grad_(True), ids)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        as_they_were = torch.cat([sentences(rows) for rows in torch.arange(len(texts)).split(512)])
    spread = spreads(as_they_were[len(names) :], torch.cov(vectors.T)).mean()
    moves = torch.full((len(texts), 1), CAPTIONS_MOVE).index_fill_(0, torch.arange(len(names)), NAMES_MOVE)
    wanted = F.normalize(as_they_were + moves * spread * meant, dim=-1)
    _imitate(sentences, wanted, len(names), vectors, encoder.backbone.logit_scale, say)
    export(model, out)


def known_kinds(labels: Path) -> list[str]:
    """What the classifier's kinds are called, in its order; raises DataMissing where a folder lacks some."""
    kinds = read_kinds(labels)
    if len(kinds) != KINDS:
        raise DataMissing(f"{labels}/labels.jsonl names {len(kinds)} kinds of things; ImageNet's {KINDS} are needed.")
    return kinds


def _imitate(
    sentences: CachedTexts, wanted: Tensor, names: int, photos: Tensor, logit_scale: float, say: Callable[[str], None]
) -> None:
    """Train the text tower's top to say what is wanted of each text, (T, D), and to rank photos (N, D) as that does.

    The first so many texts are names. Those of like length are learned at once, so that little is padded.
    """
    covariance, lengths = torch.cov(photos.T), sentences.starts.diff()
    trained = nn.ModuleDict({"layers": sentences.layers, "proj": sentences.proj})
    rates = [{"params": [*part.parameters()], "lr": RATES[name]} for name, part in trained.items()]
    parts = ((0, names, NAMES_AT_ONCE), (names, len(wanted), CAPTIONS_AT_ONCE))
    orders: list[Tensor] = []

    def loss_of(step: int) -> Tensor:
        if step % REORDERED == 0:
            orders[:] = [first + (lengths[first:last] + torch.rand(last - first)).argsort() for first, last, _ in parts]
        loss = torch.zeros(())
        for order, (_, _, many) in zip(orders, parts, strict=True):
            start = int(torch.randint(max(1, len(order) - many + 1), ()))
            rows = order[start : start + many]
            with torch.autocast("cpu", torch.bfloat16):
                said = sentences(rows)
            some = photos[torch.randperm(len(photos))[:RANKED_AT_ONCE]]
            otherwise = distil(logit_scale * said @ some.T, logit_scale * wanted[rows] @ some.T)
            loss = loss + apart(said, wanted[rows], covariance) + RANKING_WEIGHT * otherwise
        return loss

    def on_step(done: int, loss: float) -> None:
        if done % 50 == 0:
            say(f"names, step {done} of {STEPS}: {loss:.4f}")

    fit_one_cycle(trained, rates, STEPS, loss_of, WEIGHT_DECAY, clip=1.0, on_step=on_step)


def apart(said: Tensor, wanted: Tensor, covariance: Tensor) -> Tensor:
    """How differently texts (B, D) and what is wanted of them rank photos, and how far they are apart; a scalar.

    One less the correlation of their scores over photos whose embeddings have this covariance (D, D), and one less
    their cosine.
    """
    together = (said @ covariance * wanted).sum(1)
    correlation = together / (spreads(said, covariance) * spreads(wanted, covariance))
    return (1 - correlation).mean() + (1 - (said * wanted).sum(1)).mean()


def spreads(texts: Tensor, covariance: Tensor) -> Tensor:
    """Standard deviation of each text's scores over photos whose embeddings have this covariance; (T, D) to (T,)."""
    return (texts @ covariance * texts).sum(1).clamp_min(1e-12).sqrt()


def kind_directions(vectors: Tensor, logits: Tensor) -> Tensor:
    """Where each kind of thing lies among embeddings, by ridge regression on how a classifier sees the same photos.

    Args: vectors: (N, D) unit length.  logits: (N, C).
    Returns: (C, D); the photos' scores along each have a spread of 1.
    """
    centred = vectors - vectors.mean(0)
    ridge = RIDGE * centred.var(0).mean() * len(vectors)
    within = centred.T @ centred + ridge * torch.eye(centred.shape[1])
    directions = torch.linalg.solve(within, centred.T @ (logits - logits.mean(0)))  # (D, C)
    return (directions / (centred @ directions).std(0)).T


def words_near(
    kinds: Sequence[str], text_tower: Any, tokenize: Callable[[list[str]], Tensor], vocabulary: Path
) -> list[str]:
    """Words of the tokenizer's vocabulary that come nearest to the names of kinds, but for those kept unseen."""
    known = vocabulary.read_text(encoding="utf-8").split()
    words = [w for w in known if w.isascii() and w.isalpha() and len(w) >= SHORTEST and not holds_unseen(w)]
    vectors = CachedTexts(text_tower, tokenize([*kinds, *words])).frozen_vectors
    nearness = (vectors[len(kinds) :] @ vectors[: len(kinds)].T).amax(1)
    return [words[i] for i in nearness.topk(min(WORDS, len(words))).indices.sort().values.tolist()]


@cache
def _unseen_stems() -> tuple[str, ...]:
    """The words kept unseen, short of an ending that other forms of them change."""
    words = [row["word"] for row in json.loads(UNSEEN_WORDS.read_text(encoding="utf-8"))]
    return tuple(word[:-1] if word[-1] in "eys" else word for word in words)


def holds_unseen(text: str) -> bool:
    """Whether a text has one of the words that a check needs untaught, in the plural or another form too."""
    return any(word.startswith(_unseen_stems()) for word in text.lower().split())


def in_phrases(words: Sequence[str]) -> list[str]:
    """The words, then each in one phrase, then each in another, and so on."""
    numbered, many = list(enumerate(words)), len(PHRASES)
    turns = [
        [PHRASES[(i * (5 if turn else 1) + 3 * turn) % many].format(w) for i, w in numbered]
        for turn in range(PHRASES_EACH)
    ]
    return [*words, *(phrase for turn in turns for phrase in turn)]


def in_pairs(words: Sequence[str]) -> list[str]:
    """Phrases of two of the words each, drawn alike every time."""
    draw = Random(SEED)
    return [PAIRED[i % len(PAIRED)].format(*draw.sample(words, 2)) for i in range(PAIRS)]


@torch.no_grad()
def _logits(photos: Tensor) -> Tensor:
    """What the untouched classifier sees; (N, 3, S, S) uint8 to (N, C)."""
    model: Any = classifier()
    model = model.to(memory_format=torch.channels_last)
    found = []
    with torch.autocast("cpu", torch.bfloat16):
        for part in photos.split(50):
            pixels = (part.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last)
            found.append(model(pixels).float())
    return torch.cat(found)
