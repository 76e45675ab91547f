"""The guide texts that fit a photo best at an exit."""

Phrases = tuple[tuple[str, float], ...]  # text and its share of the exit's content distribution, best first
