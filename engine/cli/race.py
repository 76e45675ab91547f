"""`race`: measure the race that ships with the model."""

from pathlib import Path
from typing import Annotated

import typer

from engine.cli.output import say
from engine.utils.paths import SHIPPED_RACE


def race(
    out: Annotated[Path, typer.Option(dir_okay=False, help="Where to write the measurement.")] = SHIPPED_RACE,
    rounds: Annotated[int, typer.Option(min=1, help="Races; the one of middle speed-up counts.")] = 5,
) -> None:
    """Race the shipped model over the demo gallery, and write what the page shows until it has measured by itself.

    Run it on a machine with nothing else to do.
    """
    from engine.evaluation.demo_race import race_demo
    from engine.exits.loading import load_encoder
    from engine.gallery.shipped_race import write_race
    from engine.utils.result_files import require_writable

    require_writable(out)
    found = race_demo(load_encoder(), rounds, say)
    write_race(found, out)
    say(
        f"{found.race.early_per_second:.1f} against {found.race.full_per_second:.1f} photos a second on "
        f"{found.machine}; {found.shared:.1f} of ten photos shared over {found.queries} queries, "
        f"{found.same_first} with the same first. {out} written."
    )
