"""The texts and phrases that are nearest to a photo at an exit."""

Phrases = tuple[tuple[str, float], ...]  # text and its cosine to the photo, best first
