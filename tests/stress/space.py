"""Start the page as a Space would: another Python, nothing but requirements.txt, sources and a home that are read-only.

What a Space's own machines do beside that (its proxy, its sleep, a lent GPU) cannot be tried here.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gradio_client import Client, handle_file

from engine.utils.product_files import write_product
from tests.health import free_port, until_ready
from tests.stress.results import keep

ROOT = Path(__file__).parents[2]
NOBODY = 65534
QUERIES = json.loads((ROOT / "assets" / "gallery" / "queries.json").read_text("utf-8"))[:12]
PATIENCE = 600.0  # seconds


def front_matter() -> dict[str, str]:
    """What the README tells a Space, as plain texts."""
    head = (ROOT / "README.md").read_text("utf-8").split("---\n")[1]
    return {key: value.strip('"') for key, value in re.findall(r"^(\w+): (.*)$", head, re.MULTILINE)}


def environment(python: str, folder: Path) -> Path:
    """The interpreter of an environment that has requirements.txt and the README's Gradio, made if it is not there."""
    found = folder / "bin" / "python"
    if not found.is_file():
        subprocess.run([python, "-m", "venv", folder], check=True)
    gradio = f"gradio=={front_matter()['sdk_version']}"
    subprocess.run([found, "-m", "pip", "install", "-q", "-r", ROOT / "requirements.txt", gradio], check=True)
    return found


def source(folder: Path) -> Path:
    """The files that `deploy-space` puts on a Space, read-only and somebody else's."""
    write_product(folder, zerogpu=False)
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    return folder


class Space:
    """Where the page is started, again and again."""

    def __init__(self, python: Path, folder: Path) -> None:
        self._python, self._source = python, source(folder / "source")
        self.home = folder / "home"
        self.home.mkdir()
        self.home.chmod(0o555)
        folder.chmod(0o755)

    def start(self, data: Path | None) -> tuple["subprocess.Popen[str]", str]:
        """The page with its data there (None: where it would keep them by itself), and its address."""
        port = free_port()
        here = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(self.home),
            "SPACE_ID": "me/demo",
            "SYSTEM": "spaces",
            "GRADIO_SERVER_NAME": "127.0.0.1",  # a Space says 0.0.0.0; nobody else is to reach this one
            "GRADIO_SERVER_PORT": str(port),
            "HF_HUB_OFFLINE": "1",
            **({} if data is None else {"TGEM_HOME": str(data), "GRADIO_TEMP_DIR": str(data / "gradio")}),
        }
        other: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        command: list[str | Path] = [self._python, front_matter()["app_file"]]
        page = subprocess.Popen(command, cwd=self._source, env=here, stderr=subprocess.PIPE, text=True, **other)
        return page, f"http://127.0.0.1:{port}"

    @contextmanager
    def awake(self, data: Path) -> Iterator[tuple[str, float]]:
        """The page once its demo gallery is ready. Yields: its address, and the seconds that it took."""
        page, address = self.start(data)
        try:
            yield address, until_ready(page, address, PATIENCE)
        finally:
            page.terminate()
            page.communicate(timeout=60)


def found(client: Client) -> int:
    """How many of the gallery's queries find their photo among the first three."""
    ranks = []
    for wanted in QUERIES:
        hits = client.predict(wanted["query"], api_name="/search")
        ranks.append(next((hit["rank"] for hit in hits if hit["file"] == wanted["file"]), 99))
    return sum(rank <= 3 for rank in ranks)


def run(python: str, folder: Path | None = None) -> dict[str, object]:
    """Install, start, ask, put to sleep and wake up. Returns: what was seen; raises AssertionError."""
    with TemporaryDirectory() as name:
        place = Path(name)
        interpreter = environment(python, folder or place / "environment")
        space = Space(interpreter, place)
        page, _ = space.start(None)
        _, said = page.communicate(timeout=PATIENCE)
        assert page.returncode != 0
        assert "set TGEM_HOME to a folder that can be written to" in said, said
        assert "Traceback" not in said, said

        data = place / "data"
        data.mkdir()
        if os.geteuid() == 0:
            os.chown(data, NOBODY, NOBODY)
        with space.awake(data) as (address, first):
            client = Client(address, verbose=False, httpx_kwargs={"timeout": 120.0})
            right = found(client)
            photo = handle_file(str(ROOT / "assets" / "gallery" / QUERIES[0]["file"]))
            visitor = client.predict(photo, "Mine", "", api_name="/add_photos")["visitor"]
            assert visitor, "a Space is public"
        with space.awake(data) as (address, again):
            hits = Client(address, verbose=False, httpx_kwargs={"timeout": 120.0}).predict(
                "a photo", "Mine", 5, visitor, api_name="/search"
            )
            assert [hit["file"] for hit in hits] == [QUERIES[0]["file"]]
        assert not [*space.home.iterdir()]
        versions = "import platform as p, importlib.metadata as m; print(p.python_version(), *map(m.version, {}))"
        asked = versions.format(("torch", "gradio"))
        told = subprocess.run([interpreter, "-c", asked], check=True, capture_output=True, text=True).stdout.split()
    return {
        "Python": told[0],
        "torch": told[1],
        "Gradio": told[2],
        "first start, s": round(first, 1),
        "start after sleep, s": round(again, 1),
        f"of {len(QUERIES)} queries right": right,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable, help="of the environment that is made")
    parser.add_argument("--environment", type=Path, help="a folder to make it in, and to find it again")
    given = parser.parse_args()
    keep(
        "space",
        "As on a Space",
        "A new environment with nothing but requirements.txt and the README's Gradio; the source and the home folder "
        "cannot be written to, and another user runs it. Without a data folder it ends with a sentence; with one it "
        "serves, answers, and after a restart still has what a visitor added.",
        [run(given.python, given.environment)],
    )
