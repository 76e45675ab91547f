"""Where files of this program lie."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
MIGRATIONS = ROOT / "migrations"
RESULTS = ROOT / "docs" / "results"  # measured tables and figures
ASSETS = ROOT / "assets"
TEXT_BANK = ASSETS / "text_bank.txt"
ALBUM_WORDS = ASSETS / "album_words.txt"  # that people sort photos by
THINGS = ASSETS / "things.txt"  # by kind
WIDE_WORDS = ASSETS / "wide_words.txt"  # that stand for kinds of things
EMBEDDED_MODEL = ASSETS / "models" / "tgem-mini"
SHIPPED_RACE = EMBEDDED_MODEL / "race.json"
DEMO_GALLERY = ASSETS / "gallery"
TRAINING = ROOT / "engine" / "training"
GATE_PHOTOS = TRAINING / "gate_photos.txt"
