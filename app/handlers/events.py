"""What the page's script sends along with an event."""

import gradio as gr


def sent_along(event: gr.EventData, name: str) -> str:
    """A value as text; empty where an event that was made by hand lacks it."""
    try:
        return str(getattr(event, name))
    except (AttributeError, TypeError):  # the latter where nothing at all was sent along
        return ""
