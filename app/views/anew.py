"""What makes an answer differ from the last one, though it says the same."""

import secrets


def anew() -> str:
    """An attribute that no answer had before: Gradio draws a part, and calls its scripts, only if its HTML changed."""
    return f' data-anew="{secrets.token_hex(4)}"'
