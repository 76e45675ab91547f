"""Kill a backup and a restore at random points, again and again, while photos are indexed into the store.

After each death the backup's folder holds the last whole backup or the new one: what is restored from it must be a
whole store, as `tests.stress.kill` looks at one. A killed restore leaves nothing, or what the next one finishes.
"""

import random
import shutil
import signal
import subprocess
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.programs import begun
from tests.stress import kill
from tests.stress.results import keep, whole_numbers

BACKUP = """
import pathlib, sys
from engine.storage.backup import back_up
sys.stdout.write("ready\\n")
sys.stdout.flush()
back_up(pathlib.Path(sys.argv[1]))
"""
RESTORE = BACKUP.replace("back_up", "restore").replace("storage.backup", "storage.restore")


def start(code: str, place: Path, home: Path) -> "subprocess.Popen[str]":
    """A backup or a restore that is about to begin."""
    process = begun(code, home, place)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def finish(code: str, place: Path, home: Path) -> float:
    """Run one to its end; returns the seconds that it took. Raises AssertionError."""
    process = start(code, place, home)
    began = time.monotonic()
    _, said = process.communicate(timeout=600)
    assert process.returncode == 0, said
    return time.monotonic() - began


def killed(code: str, place: Path, home: Path, after: float) -> bool:
    """Begin one and kill it; returns whether it was still running. Raises AssertionError where it failed by itself."""
    process = start(code, place, home)
    time.sleep(after)
    process.send_signal(signal.SIGKILL)
    _, said = process.communicate()
    assert process.returncode in (0, -signal.SIGKILL), said
    return process.returncode != 0


class Indexing:
    """Photos that are indexed into a store from the beginning, again and again."""

    def __init__(self, folder: Path, home: Path) -> None:
        self._folder, self._home = folder, home
        self._process = kill.start(folder, home)

    def goes_on(self) -> None:
        """Have it be at work, some batches in; it begins anew where all are in."""
        while kill.rows(self._home) == 0 or self._process.poll() is not None:
            if self._process.poll() is not None:
                assert self._process.returncode == 0
                shutil.rmtree(self._home)
                self._process = kill.start(self._folder, self._home)
            time.sleep(0.05)

    def stop(self) -> None:
        self._process.kill()
        self._process.communicate()


def run(deaths: int, total: int, seed: int = 0) -> dict[str, int]:
    """Kill so many backups and as many restores. Raises AssertionError where something half passed for whole."""
    draw = random.Random(seed)
    counts = {"backups killed": 0, "restores killed": 0, "whole stores restored": 0, "photos": total}
    with TemporaryDirectory() as name:
        folder, home, place, again = (Path(name, part) for part in ("photos", "home", "backup", "again"))
        folder.mkdir()
        kill.photos(folder, total)
        indexing = Indexing(folder, home)
        try:
            indexing.goes_on()
            lasts = finish(BACKUP, place, home)
            restoring = finish(RESTORE, place, again)
            while counts["backups killed"] < deaths:
                indexing.goes_on()
                counts["backups killed"] += killed(BACKUP, place, home, draw.uniform(0, lasts))
                shutil.rmtree(again)
                if counts["restores killed"] < deaths:
                    counts["restores killed"] += killed(RESTORE, place, again, draw.uniform(0, restoring))
                if not (again / "tgem.db").is_file() or (again / "restoring").exists():
                    finish(RESTORE, place, again)
                kill.check(again, total)
                counts["whole stores restored"] += 1
        finally:
            indexing.stop()
    return counts


if __name__ == "__main__":
    given = whole_numbers(__doc__, deaths=100, photos=1280)
    keep(
        "backup",
        "Backups killed",
        "SIGKILL at random points of a backup, and of a restore of it, while photos are indexed into the store. After "
        "each death the folder holds a whole backup: the restored database passes its check, has whole batches only, "
        "and every photo has its encoding and its picture.",
        [run(given.deaths, given.photos)],
    )
