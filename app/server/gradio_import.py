"""Imports Gradio in about half of the time."""

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def without_editor_stubs() -> Iterator[None]:
    """While Gradio is imported, keep it from making stubs for editors, for which it parses all its components anew.

    It makes none for a class whose file is not found, so that is what it is told of its own.
    """
    find = inspect.getfile

    def getfile(object: Any) -> str:
        if str(getattr(object, "__module__", "")).startswith("gradio."):
            raise OSError("no stubs are wanted")
        return find(object)

    inspect.getfile = getfile
    try:
        yield
    finally:
        inspect.getfile = find
