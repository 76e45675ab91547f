"""Python programs in processes of their own."""

import os
import subprocess
import sys
from pathlib import Path

# The real command with a small encoder in the model's place.
INDEX = """
import sys, engine.cli as line
from tests.fake_encoder import FakeEncoder
line.library.chosen_encoder = lambda *_: FakeEncoder()
line.cli(["index", sys.argv[1]])
"""


def begun(code: str, home: Path, *words: object) -> "subprocess.Popen[str]":
    """A program that has just begun over a data folder. Args: words: of its command line."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, words)],
        cwd=Path(__file__).parents[1],
        env={**os.environ, "TGEM_HOME": str(home), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
