"""The files of this program that a host of the page needs: no tests, no training runs, nothing untracked."""

import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

from engine.utils.errors import EngineError
from engine.utils.paths import ROOT

PARTS = ("app", "engine", "assets", "migrations", "app.py", "requirements.txt", "README.md", "LICENSE")
RESULTS = "docs/results/*.json"  # figures that the page shows
LENT_GPU = "requirements-zerogpu.txt"


def product_files() -> list[str]:
    """Paths below the root of this program, in order; those that git tracks, where this is a checkout."""
    tracked: list[str] = []
    with suppress(OSError, subprocess.CalledProcessError):
        command = ["git", "ls-files", "-z", "--", *PARTS, f":(glob){RESULTS}"]
        done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        tracked = [name for name in os.fsdecode(done.stdout).split("\0") if (ROOT / name).is_file()]
    return sorted(tracked or _found())


def write_product(folder: Path, zerogpu: bool) -> list[str]:
    """Write what a Space needs into a new or empty folder; returns the paths in it.

    Args: zerogpu: for a Space that is lent a GPU, which installs `pre-requirements.txt` first.
    Raises: EngineError where the folder holds something; OSError.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise EngineError(f"{folder} is not an empty folder; name an empty or a new one.")
    sources = {name: name for name in product_files()}
    if zerogpu:
        sources["pre-requirements.txt"] = LENT_GPU
    for name, source in sources.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / source, folder / name)
    return sorted(sources)


def _found() -> list[str]:
    """The same of a folder without git."""
    found = [ROOT / part for part in PARTS] + list(ROOT.glob(RESULTS))
    files = [path for part in found for path in ([part] if part.is_file() else part.rglob("*")) if path.is_file()]
    names = [path.relative_to(ROOT) for path in files]
    return [
        name.as_posix()
        for name in names
        if not any(part.startswith(".") or part == "__pycache__" for part in name.parts)
        and not (name.parts[0] == "assets" and "training" in name.parts)  # a training run's
        and name.suffix not in (".pyc", ".pyi", ".part")
    ]
