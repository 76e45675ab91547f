"""What commands print: results on stdout, everything else on stderr."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from engine.gallery.types import IngestReport


def print_report(
    report: IngestReport,
    as_json: bool,
    counts: str,
    sentence: str = "",
    more: dict[str, float] | None = None,
) -> None:
    """Print what became of photos, with the speed and the compute of encoding them: the skipped ones on stderr.

    Args: sentence: behind the rest.  more: figures for programs, beside those of the report.
    """
    say_skipped(report)
    rate = ""
    if report.added:
        rate = (
            f" in {report.seconds:.1f} s ({report.images_per_second:.1f} photos a second), "
            f"for {report.mean_macs_share:.0%} of a full encoding each"
        )
    if as_json:
        write_json(asdict(report) | (more or {}))
    else:
        typer.echo(f"{counts}{rate}.{sentence}")


def say_skipped(report: IngestReport) -> None:
    """The files that were left out, each with its reason."""
    for skipped in report.skipped:
        say(f"skipping {printable(skipped.file)}: {skipped.reason}")


def say(line: str) -> None:
    """A line for a person on stderr."""
    typer.echo(line, err=True)


def write_json(value: Any) -> None:
    """A JSON document on stdout."""
    typer.echo(json.dumps(value, indent=2))


def printable(name: str) -> str:
    """A file name that cannot move the cursor, recolour the terminal or fail to encode."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)
