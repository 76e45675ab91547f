"""The picture in the search box: what is searched with, shown as what it is and never as a code."""

import base64
from html import escape


def chip(source: str) -> str:
    """A thumbnail, and a button that takes it out of the search. Empty without a picture."""
    if not source:
        return ""
    return (
        f'<span class="chip"><img src="{escape(source)}" alt="The picture that is searched with"'
        ' width="46" height="46"><span>Like this</span>'
        '<button type="button" data-event="unlike" aria-label="Search without this picture">×</button></span>'
    )


def inline(jpeg: bytes) -> str:
    """A small picture as an address that holds it: it is kept nowhere."""
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}"
