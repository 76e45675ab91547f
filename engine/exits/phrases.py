"""The texts and phrases that fit a photo best at an exit."""

Phrases = tuple[tuple[str, float], ...]  # text and its share of a softmax over all of them, best first
