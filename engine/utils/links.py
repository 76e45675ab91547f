"""Links to files, where the system lets us make them."""

import os
import shutil
from contextlib import suppress
from pathlib import Path


def link(place: Path, file: Path) -> None:
    """Make a file be found at another place too: by a symbolic link, else a hard link, else a copy.

    Windows lets only some users make symbolic links, and hard links only within one drive. Raises: OSError.
    """
    for make in (os.symlink, os.link):
        with suppress(OSError, NotImplementedError):
            make(file.resolve(), place)
            return
    shutil.copyfile(file, place)
