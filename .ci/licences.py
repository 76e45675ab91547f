"""Write the licences of what requirements.txt brings, as the installed packages state them: docs/licences.md.

`pip install -r requirements.txt && python .ci/licences.py`; the names of licences are the packages' own.
"""

import re
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
SHORT = 160  # characters: longer ones are whole texts of licences
INSIDE = {  # what a wheel carries of others' work, as its own notices list it
    "faiss-gpu": "its wheel carries OpenBLAS (BSD) and the runtime libraries of GCC",
    "pillow": "its wheel carries libjpeg-turbo, libpng, libtiff, libwebp, libavif, FreeType and others, all permissive",
    "pillow-heif": "the code alone: **its wheel is GPL-2.0**, for x265 in it, beside libheif and libde265 (LGPL-3.0)",
}
HEAD = """# Licences of what is installed

Written by `python .ci/licences.py` from the metadata of what `requirements.txt` brings. It lists what each package says
of itself, not what a lawyer found in it. NVIDIA's libraries, which PyTorch's CUDA build brings on Linux, are left out:
they are under NVIDIA's own licence, and a CPU-only install has none.

| package | licence | note |
| --- | --- | --- |
"""


def installed(name: str, extras: frozenset[str], seen: set[str]) -> Iterator[str]:
    """Names of a package and of all that it needs here, each once."""
    key = re.sub(r"[-_.]+", "-", name).lower()
    if key in seen or key.startswith("nvidia-"):
        return
    try:
        found = distribution(name)
    except PackageNotFoundError:  # for another system
        return
    seen.add(key)
    yield key
    for line in found.requires or ():
        need = Requirement(line)
        if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in (extras or {""})):
            yield from installed(need.name, frozenset(need.extras), seen)


def licence(name: str) -> str:
    """What a package says of its licence: an expression, a short name, or its classifiers."""
    told = distribution(name).metadata
    classified = [of.split(" :: ")[-1] for of in told.get_all("Classifier") or () if of.startswith("License ::")]
    stated = told.get("License-Expression") or told.get("License") or ""
    if stated and len(stated) <= SHORT and "\n" not in stated:
        return stated
    return ", ".join(classified) or "see its files"


def main() -> None:
    """Write the page."""
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    needs = [Requirement(line.partition("#")[0]) for line in lines if line.partition("#")[0].strip()]
    seen: set[str] = set()
    names = sorted(name for need in needs for name in installed(need.name, frozenset(need.extras), seen))
    rows = [f"| {name} | {licence(name)} | {INSIDE.get(name, '')} |\n" for name in names]
    (ROOT / "docs" / "licences.md").write_text(HEAD + "".join(rows), encoding="utf-8")
    sys.stdout.write(f"{len(names)} packages\n")


if __name__ == "__main__":
    main()
