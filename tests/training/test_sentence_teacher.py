import shutil
from pathlib import Path
from typing import cast

import pytest
import torch
import torch.nn.functional as F
from transformers import BertConfig, BertModel

from engine.training import sentence_teacher
from engine.training.locked_image import Asked, LockedImageTuning, embedded
from engine.training.pretrained import DIM
from engine.training.sentence_teacher import SHARE, SentenceTeaching, fit_head, meanings, synthetic_captions
from engine.utils.paths import EMBEDDED_MODEL
from tests.training.test_locked_image import MeanOfWords

CAPTIONS = [
    "A black dog runs through the snow .",
    "Two girls in red play on a sunny beach .",
    "A man is climbing through a narrow gap in the wall .",
    "Children sit on the steps of an old house in town .",
]


def test_synthetic_captions_begin_as_one_and_end_as_another() -> None:
    texts = synthetic_captions(CAPTIONS, 8, 0)
    assert len(set(texts)) == 8
    assert not {*texts} & {caption.removesuffix(" .") for caption in CAPTIONS}
    assert "A black dog runs through a narrow gap in the wall" in texts
    starts, ends = [caption[:5] for caption in CAPTIONS], [caption[-6:-2] for caption in CAPTIONS]
    assert all(text[:5] in starts and text[-4:] in ends for text in texts)


def test_parts_of_captions_stand_in_them_and_are_short() -> None:
    parts = synthetic_captions(CAPTIONS, 0, 20)
    assert len(set(parts)) == 20
    assert all(any(part in caption for caption in CAPTIONS) and 2 <= len(part.split()) <= 8 for part in parts)


def test_the_same_captions_give_the_same_texts() -> None:
    assert synthetic_captions(CAPTIONS, 8, 4) == synthetic_captions(CAPTIONS, 8, 4)


def test_what_a_text_means_does_not_depend_on_the_texts_beside_it(tmp_path: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt"):
        shutil.copyfile(EMBEDDED_MODEL / name, tmp_path / name)
    torch.manual_seed(0)
    shape = BertConfig(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
    BertModel(shape, add_pooling_layer=False).save_pretrained(tmp_path)
    said: list[str] = []
    together = meanings(tmp_path, ["a dog", CAPTIONS[2], "a lake", CAPTIONS[2]], said.append)
    alone = torch.cat([meanings(tmp_path, [text], said.append) for text in ("a dog", CAPTIONS[2])])
    torch.testing.assert_close(together[:2], alone, atol=0.02, rtol=0)
    assert not torch.allclose(together[0], together[2], atol=0.02)
    torch.testing.assert_close(together[1], together[3])


class Tuning:
    """A text tower, and photos that stand where something larger knows their texts to be."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.texts, self.scale = CAPTIONS, 10.0
        self.tower = MeanOfWords(DIM)
        self.views = F.normalize(torch.randn(2, 4, 3, DIM), dim=3)
        self.views[1] = self.views[0]

    def asked(self, draw: torch.Generator) -> Asked:
        photos = torch.randperm(4, generator=draw)
        return Asked(photos, photos, self.views[0], F.one_hot(photos, 4).float())


def test_a_head_finds_photos_of_full_depth_by_what_a_larger_encoder_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentence_teacher, "HEAD_STEPS", 40)
    tuning, known = Tuning(), torch.randn(4, 24)
    head = fit_head(cast(LockedImageTuning, tuning), known)
    assert (head(known) @ tuning.views[0, :, -1].T).argmax(1).tolist() == [0, 1, 2, 3]


def test_a_tower_learns_the_mean_of_its_embeddings_and_the_heads(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    words: dict[str, int] = {}

    def tokenize(texts: list[str]) -> torch.Tensor:
        rows = [[1 + words.setdefault(word, len(words)) % 49 for word in text.split()] for text in texts]
        return torch.tensor([row + [0] * (30 - len(row)) for row in rows])

    tuning, said = Tuning(), list[str]()
    of_head = F.normalize(torch.randn(16, DIM), dim=1)
    monkeypatch.setattr(sentence_teacher, "JOINED", 6)
    monkeypatch.setattr(sentence_teacher, "PARTS", 4)
    monkeypatch.setattr(sentence_teacher, "unpack_teacher", lambda folder: folder)
    monkeypatch.setattr(sentence_teacher, "meanings", lambda folder, texts, say: torch.randn(len(texts), 24))
    monkeypatch.setattr(sentence_teacher, "fit_head", lambda tuning, larger: lambda larger: of_head)
    before = embedded(tuning.tower, tokenize(CAPTIONS)).detach()
    teaching = SentenceTeaching(
        cast(LockedImageTuning, tuning), ["a red bus", "a lake"], tokenize, tmp_path, said.append
    )
    assert "16 texts" in said[0]
    optimizer = torch.optim.Adam(tuning.tower.parameters(), 0.02)
    for step in range(40):
        optimizer.zero_grad()
        teaching.loss(step).backward()
        optimizer.step()
    now = embedded(tuning.tower, tokenize(CAPTIONS)).detach()
    mean = F.normalize((1 - SHARE) * before + SHARE * of_head[: len(CAPTIONS)], dim=1)
    to_mean, to_own, to_head = (float((now * each).sum(1).mean()) for each in (mean, before, of_head[: len(CAPTIONS)]))
    assert to_mean > max(to_own, to_head)
    assert to_mean > float((before * mean).sum(1).mean())
    assert teaching.loss(3) == teaching.loss(3), "a step's draws go by its number"
