"""Names of files that every system takes, and names as they can be stored."""

import os
import re
import unicodedata
from pathlib import PurePosixPath

# What Windows allows in no name; the rest of its rules are below.
_UNSAFE = re.compile(r'[<>:"/\\|?*\x00-\x1f]')
_DEVICES = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\..*)?", re.IGNORECASE)
LONGEST, LONGEST_SUFFIX = 200, 20  # bytes in UTF-8: file systems take 255, and a number may come behind the name


def utf8_name(name: str) -> str:
    """A name as it can be stored and shown: what is not UTF-8 in it is replaced."""
    return os.fsencode(name).decode("utf-8", "replace")


def folded(name: str) -> str:
    """What a name has in common with those that Windows or macOS takes for the same: capitals and spelling aside."""
    return unicodedata.normalize("NFC", name.casefold())


def safe_name(name: str) -> str:
    """A name that is one on Windows, too, its suffix kept where it is long; "_" for what leaves nothing of itself."""
    found = _UNSAFE.sub("_", name.encode(errors="ignore").decode()).rstrip(" .")  # less what UTF-8 cannot hold
    suffix = PurePosixPath(found).suffix
    if len(suffix.encode()) > LONGEST_SUFFIX:  # a sentence with a dot in it
        suffix = ""
    stem = found.removesuffix(suffix).encode()[: LONGEST - len(suffix.encode())].decode(errors="ignore")
    found = (stem + suffix).rstrip(" .") or "_"
    return f"_{found}" if _DEVICES.fullmatch(found) else found
