"""Text-to-image search that pays only for the encoder depth a photo needs; everything that is not a page."""
