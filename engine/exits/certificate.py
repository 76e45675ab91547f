"""What a fit found on photos that nothing was fitted on: `fit-report.json`, beside the exit weights."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from engine.utils.atomic_files import SHARED, write_whole

REPORT, PAGE = "fit-report.json", "fit-report.html"
FULL_DEPTH = "Exits do not pay for this model on these photos: run full depth."
ENOUGH = 70.0  # per cent of full depth's ten best photos, below which an index is another one
SPARED = 0.8  # of the model's own MACs: who costs more spares too little to be worth what it loses


@dataclass(frozen=True)
class Fidelity:
    """How often the early answer is full depth's, in per cent."""

    label: float  # the same best text of the bank
    top10: float  # of full depth's ten best photos that are among the early ten


@dataclass(frozen=True)
class BudgetRow:
    """What one budget gave."""

    budget: float
    macs_share: float  # of full depth's, readouts, gates and first pass included
    fidelity: Fidelity
    images_per_s: float


@dataclass(frozen=True)
class Certificate:
    """What exits give on photos that nothing was fitted on, and what to do about it."""

    model: str
    photos: int
    budgets: tuple[BudgetRow, ...]
    bare_images_per_s: float  # OpenCLIP's own model in the same rounds
    advice: str

    @property
    def pays(self) -> bool:
        """Whether photos are to stop early."""
        return self.advice != FULL_DEPTH


def advice_of(rows: tuple[BudgetRow, ...], whole: float) -> str:
    """What to do: the cheapest budget that keeps enough, or full depth.

    Args: whole: MACs of the model as it is run without exits, as a share of full depth's.
    """
    for row in sorted(rows, key=lambda row: row.macs_share):
        cost = row.macs_share / whole
        if row.fidelity.top10 >= ENOUGH and cost <= SPARED:
            return (
                f"Stop early: at budget {row.budget:g} photos take {cost * 100:.0f} % of the model’s own compute, and "
                f"{row.fidelity.top10:.0f} % of the best photos stay the best."
            )
    return FULL_DEPTH


def write_certificate(folder: Path, certificate: Certificate, page: str) -> None:
    """Put a certificate and its page into a folder, each whole or not at all; raises OSError."""
    write_whole(folder / PAGE, page.encode(), SHARED)
    write_whole(folder / REPORT, (json.dumps(asdict(certificate), indent=2) + "\n").encode(), SHARED)


def read_certificate(folder: Path) -> Certificate | None:
    """The certificate in a folder; None where there is none that can be read."""
    try:
        found: dict[str, Any] = json.loads((folder / REPORT).read_text(encoding="utf-8"))
        rows = tuple(
            BudgetRow(
                float(row["budget"]),
                float(row["macs_share"]),
                Fidelity(float(row["fidelity"]["label"]), float(row["fidelity"]["top10"])),
                float(row["images_per_s"]),
            )
            for row in found["budgets"]
        )
        bare, photos = float(found["bare_images_per_s"]), int(found["photos"])
        return Certificate(str(found["model"]), photos, rows, bare, str(found["advice"]))
    except (OSError, ValueError, LookupError, TypeError):
        return None


def remove_certificate(folder: Path) -> None:
    """Take away a certificate, which other exits have made untrue."""
    for name in (REPORT, PAGE):
        (folder / name).unlink(missing_ok=True)
