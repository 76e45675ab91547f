"""Measures recall against compute, and speed."""

from typing import Any

Row = dict[str, Any]  # of a table that is written as JSON
