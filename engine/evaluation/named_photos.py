"""Photos whose captions or labels name things, and what a word holds in an album and finds in a search."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from torch import Tensor

from engine.albums.album import Album
from engine.albums.scorer import AlbumScorer
from engine.evaluation import Row
from engine.evaluation.album_tasks import CAPTIONS
from engine.exits.encoder import Encoder
from engine.exits.naming import kinds_of, names_of_things, telling_words, texts_naming, wide_words
from engine.search.metrics import average_precision
from engine.search.query_expansion import embed_words
from engine.training.dataset import Example

FEWEST, FEWEST_OF_TWO = 10, 5  # photos of a word that is measured, and of two


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

    def found(self) -> Iterator[Row]:
        """Mean average precision, in per cent, of searches for a word, and of those for two that stand side by side in
        captions: as they are, and without query expansion. What few photos show is left out.
        """
        words = [*wide_words(), *(name for name in names_of_things() if not kinds_of(name))]
        captions = [telling_words(text) for e in self.examples if e.label is None for text in e.texts]
        pairs = Counter(pair for said in captions for pair in pairwise(said))
        vectors = self.vectors.numpy()
        lowered = self.encoder.scorer.affinity_weight * self.encoder.bank.affinity(self.vectors).numpy()
        two = [" ".join(pair) for pair, many in pairs.items() if many >= FEWEST_OF_TWO]
        for name, sought, fewest in (("a word", words, FEWEST), ("two", two, FEWEST_OF_TWO)):
            precisions, before = [], set[bytes]()
            for phrase in sought:
                own, _ = self._showing(phrase)
                if own.sum() >= fewest and own.tobytes() not in before:  # a brown dog, and brown dogs
                    before.add(own.tobytes())
                    queries = embed_words(self.encoder, [phrase])[0], self.encoder.encode_text([phrase])[0]
                    precisions.append([average_precision(vectors @ query - lowered, own) for query in queries])
            if precisions:
                searched, alone = (round(100 * float(mean), 1) for mean in np.mean(precisions, 0))
                yield {"sought": name, "searches": len(precisions), "searched": searched, "alone": alone}

    def _showing(self, phrase: str) -> tuple[np.ndarray, np.ndarray]:
        """(N,) twice: photos that show what a phrase names, by their label or two captions, and those that do not."""
        labelled = self.examples[0].label is not None
        said = [(e.label or "",) if labelled else e.texts for e in self.examples]
        owner = np.repeat(np.arange(len(said)), [len(texts) for texts in said])
        naming = texts_naming(phrase, tuple(text for texts in said for text in texts)).numpy()
        many = np.bincount(owner, naming, len(said))
        return many >= (1 if labelled else CAPTIONS), (many == 0) & (not labelled)
