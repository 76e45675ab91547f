"""From words to ranked photos."""
