"""Stacks of photos that are nearly the same, for the page's script to fold."""

import json
from collections.abc import Sequence


def folded(stacks: Sequence[Sequence[int]]) -> str:
    """Which photos on show lie in stacks, the first of each on top; nothing where there are none."""
    return f'<div hidden data-stacks="{json.dumps(stacks)}"></div>' if stacks else ""
