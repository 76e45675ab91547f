"""Names of files that every system takes."""

import re

# What Windows allows in no name; the rest of its rules are below.
_UNSAFE = re.compile(r'[<>:"/\\|?*\x00-\x1f]')
_DEVICES = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
LONGEST = 120  # characters of a name


def safe_name(name: str) -> str:
    """A name that is one on Windows, too; "_" for what leaves nothing of itself."""
    found = _UNSAFE.sub("_", name)[:LONGEST].rstrip(" .") or "_"
    return f"_{found}" if _DEVICES.fullmatch(found) else found
