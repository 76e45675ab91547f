"""Hostile files again, steered by what code they reach: Atheris (`pip install atheris`) at the doors of fuzz.py.

It sees which lines of ours and of Pillow's Python run, and keeps what reaches new ones; Pillow's C it does not see.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
DOORS = ("pictures", "archives")
SLOW = 10  # seconds that a case may take at most
MEMORY = 2048  # MB


def look(door: str, folder: Path, corpus: Path, seconds: int) -> None:
    """Look at one case after the other; never returns, and exits with an error where a case raised one."""
    import atheris

    with atheris.instrument_imports(include=["engine", "PIL", "zipfile"]):
        import engine.ingest.archives
        import engine.ingest.image  # noqa: F401
    from tests.stress.fuzz import ARCHIVES, PICTURES, look_at_archive, look_at_picture

    def one(data: bytes) -> None:
        if door == "pictures":
            look_at_picture(data)
        else:
            look_at_archive(folder, "a.zip", data)

    seeds = PICTURES if door == "pictures" else [data for _, data in ARCHIVES]
    for number, seed in enumerate(seeds):
        (corpus / f"{number:03}").write_bytes(seed)
    limits = [f"-max_total_time={seconds}", f"-timeout={SLOW}", f"-rss_limit_mb={MEMORY}", "-max_len=20000"]
    atheris.Setup([sys.argv[0], *limits, f"-artifact_prefix={corpus.parent}/", str(corpus)], one)
    atheris.Fuzz()


def run(seconds: int) -> list[dict[str, object]]:
    """So many seconds at each door, each in a process of its own; raises AssertionError with what it said."""
    rows: list[dict[str, object]] = []
    for door in DOORS:
        with TemporaryDirectory() as name:
            folder, corpus = Path(name, "folder"), Path(name, "corpus")
            folder.mkdir()
            corpus.mkdir()
            command = [sys.executable, "-m", "tests.stress.steered", "--seconds", str(seconds), "--look", door, name]
            done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr[-4000:]
            cases = re.findall(r"^Done (\d+) runs in", done.stderr, re.MULTILINE)
            reached = re.findall(r"cov: (\d+)", done.stderr)
            rows.append(
                {
                    "door": door,
                    "seconds": seconds,
                    "cases": int(cases[-1]),
                    "branches reached, at first": int(reached[0]),
                    "at last": int(reached[-1]),
                }
            )
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--look", nargs=2, metavar=("DOOR", "FOLDER"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.look:
        door, place = given.look
        look(door, Path(place, "folder"), Path(place, "corpus"), given.seconds)
    from tests.stress.results import keep

    keep(
        "steered",
        "Hostile files, steered by coverage",
        "The same doors and the same conditions, with cases that Atheris grows from the good files by what they reach "
        f"in our code and in Pillow's Python; at most {SLOW} s and {MEMORY} MB a case.",
        run(given.seconds),
    )
