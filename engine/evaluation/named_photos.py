"""Photos whose captions or labels name things, and what a word holds in an album and finds in a search."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from engine.albums.album import Album
from engine.albums.scorer import AlbumScorer
from engine.evaluation import Row
from engine.evaluation.album_tasks import CAPTIONS
from engine.exits.encoder import Encoder
from engine.exits.naming import kinds_of, names_of_things, texts_naming, wide_words
from engine.search.metrics import average_precision
from engine.search.query_expansion import embed_words
from engine.training.dataset import Example

FEWEST = 10  # photos of a word that is measured


@dataclass(frozen=True, eq=False)
class NamedPhotos:
    """A set of photos at full depth, all labelled or all captioned."""

    encoder: Encoder
    examples: Sequence[Example]
    vectors: Tensor  # (N, D)

    def held(self) -> list[Row]:
        """What an album of each wide word holds, and would by the word alone, in per cent.

        Others are photos whose captions name no such thing; a label that is none of our names tells nothing.
        """
        found = []
        for word in wide_words():
            own, others = self._showing(word)
            if own.sum() < FEWEST:
                continue
            scorer = AlbumScorer.of([Album(word, (word,))], self.encoder)
            alone = replace(scorer, words=replace(scorer.words, wide={}))
            holds = np.stack([by.scores(self.vectors).argmax(1).numpy() == 0 for by in (scorer, alone)])
            row: Row = {"word": word}
            for name, which in (("", own), ("others_", others)):
                shares = 100 * holds[:, which].mean(1) if which.any() else [None] * 2
                rounded = [None if share is None else round(float(share), 1) for share in shares]
                row |= {
                    f"{name}photos": int(which.sum()) or None,
                    f"{name}held": rounded[0],
                    f"{name}alone": rounded[1],
                }
            found.append(row)
        return found

    def found(self) -> Row | None:
        """Mean average precision, in per cent, of searches for a word: as they are, and without query expansion.

        None where no word is shown by enough photos.
        """
        vectors = self.vectors.numpy()
        lowered = self.encoder.scorer.affinity_weight * self.encoder.bank.affinity(self.vectors).numpy()
        precisions = []
        for word in (*wide_words(), *(name for name in names_of_things() if not kinds_of(name))):
            own, _ = self._showing(word)
            if own.sum() >= FEWEST:
                queries = embed_words(self.encoder, [word])[0], self.encoder.encode_text([word])[0]
                precisions.append([average_precision(vectors @ query - lowered, own) for query in queries])
        if not precisions:
            return None
        searched, alone = np.mean(precisions, 0) * 100
        return {"words": len(precisions), "searched": round(float(searched), 1), "alone": round(float(alone), 1)}

    def _showing(self, word: str) -> tuple[np.ndarray, np.ndarray]:
        """(N,) twice: photos that show what a word names, by their label or two captions, and those that do not."""
        labelled = self.examples[0].label is not None
        said = [(e.label or "",) if labelled else e.texts for e in self.examples]
        owner = np.repeat(np.arange(len(said)), [len(texts) for texts in said])
        naming = texts_naming(word, tuple(text for texts in said for text in texts)).numpy()
        many = np.bincount(owner, naming, len(said))
        return many >= (1 if labelled else CAPTIONS), (many == 0) & (not labelled)
