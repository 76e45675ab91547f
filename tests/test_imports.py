"""What has to be there at once loads nothing heavy, and nobody loads what they do not use."""

import subprocess
import sys

import pytest

USE_SQLITE = """
from engine.storage.collections import open_collection
from engine.storage.database import Database
from engine.storage.images import list_images
database = Database.open(); list_images(database, open_collection(database, 'a', 'gallery', None), 1)
"""


@pytest.mark.parametrize(
    ("code", "unwanted"),
    [
        ("import engine", {"torch", "sqlalchemy"}),
        ("import engine.cli", {"torch", "faiss", "gradio", "sqlalchemy"}),
        ("import engine.storage.encodings, engine.storage.visitors", {"torch", "faiss", "open_clip", "gradio"}),
        (
            "import app.run",
            {"torch", "open_clip", "timm", "transformers"},
        ),  # the page opens before its encoder
        ("import engine.exits.encoder", {"open_clip", "timm", "torchvision", "transformers"}),  # it is given a backbone
        (USE_SQLITE, {"psycopg", "pgvector"}),
    ],
)
def test_what_is_not_needed_is_not_loaded(code: str, unwanted: set[str]) -> None:
    code += f"\nimport sys; print(sorted({unwanted} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
