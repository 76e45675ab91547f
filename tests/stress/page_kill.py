"""Kill the page in the middle of an upload, fill the disk at every point of an index, run two processes on one home.

The page and the command are the real ones with a small encoder in the model's place. What they leave is whole: only
whole batches, each photo with its encoding and its picture; what is missing is added by doing the same again.

Between two sizes of the disk are `--step` bytes.
"""

import json
import random
import signal
import subprocess
import time
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gradio_client import Client, handle_file

from tests.hostile.served_page import served
from tests.stress import kill
from tests.stress.results import keep, whole_numbers

GALLERY = "killed"


def archive(folder: Path, total: int) -> Path:
    """A ZIP archive of so many small photos."""
    kill.photos(folder, total)
    place = folder.with_suffix(".zip")
    with zipfile.ZipFile(place, "w", zipfile.ZIP_STORED) as file:
        for photo in sorted(folder.iterdir()):
            file.write(photo, photo.name)
    return place


def sent(address: str, file: Path) -> Any:
    """An upload on its way."""
    return Client(address, verbose=False).submit(handle_file(str(file)), GALLERY, "", api_name="/add_photos")


def through_the_page(deaths: int, total: int) -> dict[str, int]:
    """Kill the page so often in the middle of an upload; returns what happened."""
    draw = random.Random(0)
    killed = held = 0
    with TemporaryDirectory() as name:
        folder, home = Path(name, "photos"), Path(name, "home")
        folder.mkdir()
        file = archive(folder, total)
        while killed < deaths:
            with served(home) as page:
                before = kill.rows(home)
                on_its_way = sent(page.address, file)
                assert not on_its_way.done()
                began = time.monotonic()
                goal = before + draw.randrange(total // 8 + 1)
                while kill.rows(home) < goal and time.monotonic() - began < 60:
                    time.sleep(0.002)
                time.sleep(draw.uniform(0, 0.1))
                page.process.send_signal(signal.SIGKILL)
                page.process.wait()
            killed += 1
            now = kill.whole_photos(home, total)
            assert now >= held, f"{held} photos were in, and now {now}"
            held = now
        with served(home) as page:
            report = sent(page.address, file).result(timeout=300)
            left = list(page.arriving.rglob("*.zip"))
        assert (report["added"], report["duplicates"]) == (total - held, held), report
        assert kill.whole_photos(home, total) == total
    return {"deaths": killed, "photos": total, "in before the last upload": held, "uploads left": len(left)}


def disk_full(total: int, step: int) -> dict[str, int]:
    """Index onto a disk that is full after so many bytes, then twice, and so on; returns what happened.

    Each time the command ends with a sentence, what it left is whole, and with room it adds the rest. Takes root.
    """
    size = full = 0
    with TemporaryDirectory() as name:
        folder, disk = Path(name, "photos"), Path(name, "disk")
        folder.mkdir()
        disk.mkdir()
        kill.photos(folder, total)
        while True:
            size += step
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk], check=True)
            try:
                process = kill.start(folder, disk)
                _, said = process.communicate(timeout=600)
                assert "Traceback" not in said, said
                if process.returncode == 0:
                    assert kill.check(disk, total) == total
                    return {"sizes tried": size // step, "full": full, "enough, bytes": size, "photos": total}
                assert process.returncode == 2, said
                full += 1
                subprocess.run(["mount", "-o", "remount,size=1g", disk], check=True)
                process = kill.start(folder, disk)
                _, said = process.communicate(timeout=600)
                assert process.returncode == 0, said
                assert kill.check(disk, total) == total
            finally:
                subprocess.run(["umount", "-l", disk], check=True)


def two_on_one_home(rounds: int, total: int) -> dict[str, int]:
    """Index the same photos by two processes at once into one home; returns what happened."""
    added = []
    for _ in range(rounds):
        with TemporaryDirectory() as name:
            folder, home = Path(name, "photos"), Path(name, "home")
            folder.mkdir()
            kill.photos(folder, total)
            processes = [kill.start(folder, home) for _ in range(2)]
            for process in processes:
                out, said = process.communicate(timeout=600)
                assert process.returncode == 0, said
                added.append(json.loads(out)["added"])
            assert sum(added[-2:]) == total, added
            assert kill.whole_photos(home, total) == total
    return {"rounds": rounds, "photos": total, "most added by one of two": max(added), "least": min(added)}


if __name__ == "__main__":
    given = whole_numbers(__doc__, deaths=20, photos=640, rounds=5, step=100_000)
    keep(
        "page_kill",
        "The page killed in an upload",
        "SIGKILL at random points of an upload of an archive through the page (a small encoder in the model's place). "
        "After each death SQLite's check finds nothing, every photo has its encoding and its whole picture, only whole "
        "batches are there; at the end the same archive adds exactly the missing photos.",
        [through_the_page(given.deaths, given.photos)],
    )
    keep(
        "page_kill disk",
        "A disk full at every point",
        "`python -m engine index` onto disks of growing size, each full at a later write. Each time it ends with a "
        "sentence, what is there is whole, and with room the same command adds the rest.",
        [disk_full(given.photos // 4, given.step)],
    )
    keep(
        "page_kill two",
        "Two processes on one home",
        "Two `python -m engine index` of the same photos at once into one data folder: no error, each photo once.",
        [two_on_one_home(given.rounds, given.photos // 2)],
    )
