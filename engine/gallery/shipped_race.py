"""The race that ships with the embedded model: what is shown until this machine has measured, and named as such.

`python -m engine race` writes it.
"""

import json
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from engine.gallery.speed_race import Race
from engine.utils.errors import EngineError
from engine.utils.paths import SHIPPED_RACE
from engine.utils.result_files import write_result


@dataclass(frozen=True)
class Measured:
    """A race, and where it was run."""

    race: Race
    machine: str = ""  # empty: this one


@dataclass(frozen=True)
class ShippedRace:
    """A race over the demo gallery, and how far its rankings were the full encoder's."""

    race: Race
    machine: str  # device and threads
    model: str
    weights: str  # of the model that raced
    queries: int  # the demo gallery's own
    shared: float  # of full depth's ten best photos, how many are among the early ten: the mean over the queries
    same_first: int  # queries that find the same photo first

    @property
    def measured(self) -> Measured:
        """The race as one of another machine."""
        return Measured(self.race, self.machine)


def write_race(found: ShippedRace, path: Path) -> None:
    """Write a measurement; raises HostProblem where the place takes no file."""
    write_result(path, (json.dumps(asdict(found), indent=2) + "\n").encode())


@cache
def shipped_race(path: Path = SHIPPED_RACE) -> ShippedRace:
    """The measurement that ships; raises EngineError where it is missing, or is none."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        return ShippedRace(**{**kept, "race": Race(**kept["race"])})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise EngineError(f"{path} holds no measured race; `python -m engine race --out {path}` writes it.") from error
