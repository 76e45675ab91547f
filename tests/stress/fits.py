"""Kill `python -m engine fit` at random points, go on from there, and compare the weights with a fit left alone.

After each death the model's folder must hold no exits or whole ones, and no certificate or a whole one.
"""

import hashlib
import random
import signal
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from engine.clip.factory import load_model
from engine.exits.certificate import REPORT, read_certificate
from engine.exits.checkpoint import load_exits
from tests import tiny_models
from tests.programs import begun
from tests.stress.results import keep, whole_numbers

# The real command on a tiny model, whose exits and first pass are kept whatever they give.
COMMAND = """
import sys
import engine.cli as line
from engine.exits import certificate, loading
from engine.training import features, first_pass, fit, gates, readouts
from tests import tiny_models
features.KEPT = 1
readouts.FEWEST_STEPS, gates.STEPS = 60, 60
certificate.ENOUGH, certificate.SPARED, first_pass.MOST_SHARE, fit.LEAST_GAIN = 0.0, 1e9, 1e9, -100.0
loading.read_texts = lambda: list(tiny_models.BANK)
line.cli(["fit", "--model", sys.argv[1], "--photos", sys.argv[2], "--out", sys.argv[3]], standalone_mode=True)
"""


def _finish(model: Path, photos: Path, out: Path) -> tuple[str, int]:
    """Fit to the end; returns the hash of what was made, and how many lines were said."""
    process = begun(COMMAND, out / "home", model, photos, out)
    _, said = process.communicate()
    assert process.returncode == 0, said
    digest = hashlib.sha256()
    for name in ("tgem.json", "tgem.safetensors"):
        digest.update((out / name).read_bytes())
    assert read_certificate(out) is not None
    return digest.hexdigest(), len(said.splitlines())


def _kill(model: Path, photos: Path, out: Path, line: int, later: float) -> str:
    """Kill a fit soon after it has said so many lines; returns the last of them, "" where it was through before."""
    process = begun(COMMAND, out / "home", model, photos, out)
    assert process.stderr is not None
    said = ""
    for _ in range(line):
        said = process.stderr.readline() or said
    time.sleep(later)
    died = process.poll() is None
    process.send_signal(signal.SIGKILL) if died else None
    process.communicate()
    return said.strip() or "it starts" if died else ""


def _check(model: Path, out: Path) -> None:
    """Raise AssertionError, or ModelUnreadable, where a death has left something half done."""
    loaded = load_model(str(model))
    load_exits(out, loaded.backbone, loaded.weights)
    assert not (out / REPORT).exists() or read_certificate(out) is not None


def run(fits: int, seed: int = 0) -> dict[str, int | str]:
    """Kill so many fits, once or twice each, and let each go on to its end; returns what happened."""
    draw = random.Random(seed)
    with TemporaryDirectory() as name:
        model, photos = Path(name, "model"), Path(name, "photos")
        tiny_models.save_model(model)
        tiny_models.save_pictures(photos, 330, 32)
        whole, lines = _finish(model, photos, Path(name, "whole"))
        deaths, same = list[str](), 0
        for number in range(fits):
            out = Path(name, f"fit-{number}")
            for _ in range(draw.randint(1, 2)):
                deaths.append(_kill(model, photos, out, draw.randint(0, lines - 1), draw.uniform(0, 0.3)))
                _check(model, out)
            same += _finish(model, photos, out)[0] == whole
        killed = [found for found in deaths if found]
        return {"fits": fits, "deaths": len(killed), "the same weights": same, "last words": len(set(killed))}


def main() -> None:
    row = run(whole_numbers(__doc__, fits=10).fits)
    assert row["the same weights"] == row["fits"]
    keep(
        "fits",
        "Killed fits",
        "SIGKILL at random points of `python -m engine fit` (a tiny model with a first pass, 330 photos), once or "
        "twice each, and then on to the end. After each death there are no exits or whole ones; at the end both files "
        "are, byte for byte, those of a fit that was left alone. Last words: how many differ.",
        [row],
    )


if __name__ == "__main__":
    main()
