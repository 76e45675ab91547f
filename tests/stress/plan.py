"""The tables of docs/scale.md: what a million photos and more would take, from measured rates and stated prices.

`python -m tests.stress.plan` writes them anew from docs/results/scale.json; nothing is run.
"""

from dataclasses import dataclass
from pathlib import Path

from tests.stress.results import SCALE, read

PAPER = Path(__file__).parents[2] / "docs" / "scale.md"
START, END = "<!-- written by tests.stress.plan -->", "<!-- /written by tests.stress.plan -->"

COUNTS = {"1 M": 10**6, "100 M": 10**8, "10 G": 10**10}
MACHINE_CORES = 64
MACHINES = {"1 M": 1, "100 M": 16, "10 G": 256}  # that encode
INDEX_MACHINE = 512 * 2**30  # bytes of memory
FILLED = 0.75  # of which vectors may take so much


@dataclass(frozen=True)
class Prices:
    """In US dollars: round figures of large clouds, assumed and not quoted."""

    stated: str = "2026-11"
    core_hour: float = 0.04  # on demand; a third of it where machines may be taken away
    object_month: float = 0.023  # a GB of object storage
    disk_month: float = 0.08  # a GB of solid-state disk
    memory_month: float = 3.0  # a GB, in a machine that is rented for it


@dataclass(frozen=True)
class Measured:
    """What a photo costs and takes, as measured."""

    decode: float  # core-seconds
    full: float
    tgem: float
    tgem_share: float  # MACs
    picture: int  # bytes
    rows: int
    vector: int  # float32


def measured() -> Measured:
    """The figures of docs/results/scale.json."""
    parts = read(SCALE)
    decode, full, tgem = parts["scale (steps)"]["rows"]
    picture, rows, vector = (row["bytes"] for row in parts["scale (bytes)"]["rows"])
    cost = "core-seconds a photo"
    return Measured(decode[cost], full[cost], tgem[cost], float(tgem["MACs share"]), picture, rows, vector)


def encoding(photos: int, core_seconds: float, machines: int, prices: Prices) -> dict[str, float]:
    """Core-hours, hours on so many machines, and dollars, of all and of a million."""
    core_hours = photos * core_seconds / 3600
    dollars = core_hours * prices.core_hour
    return {
        "core-hours": core_hours,
        "hours": core_hours / (machines * MACHINE_CORES),
        "dollars": dollars,
        "dollars a million": dollars / photos * 1e6,
    }


def keeping(photos: int, found: Measured, prices: Prices) -> dict[str, float]:
    """Bytes of pictures, rows and a graph over half-precision vectors, machines that hold it, and dollars a month."""
    # An HNSW graph of 16 neighbours: 32 links at the ground and a few above, 8 bytes each, beside each vector.
    graph = photos * (found.vector / 2 + 34 * 8)
    pictures, rows = photos * found.picture, photos * found.rows
    dollars = (pictures * prices.object_month + rows * prices.disk_month + graph * prices.memory_month) / 1e9
    return {
        "pictures": pictures,
        "rows": rows,
        "graph": graph,
        "machines": max(1, -(-graph // (FILLED * INDEX_MACHINE))),
        "dollars": dollars,
        "dollars a million": dollars / photos * 1e6,
    }


ENGINES = {
    "1 M": "SQLite and FAISS, in cells; or PostgreSQL",
    "100 M": "PostgreSQL, partitioned, a graph for each partition",
    "10 G": "a sharded vector database",
}


def tables(found: Measured, prices: Prices) -> str:
    """The plan, as Markdown."""
    ways = {"all of the encoder": found.full, f"T-GEM ({found.tgem_share:.2f} of the MACs)": found.tgem}
    lines = [
        f"Measured, in core-seconds a photo: decode {found.decode:.4f}, encode {found.full:.4f} with all of the "
        f"encoder and {found.tgem:.4f} with T-GEM at {found.tgem_share:.2f} of the MACs. A machine below has "
        f"{MACHINE_CORES} cores, each as fast as the one measured and busy all the time.",
        f"Assumed ({prices.stated}): ${prices.core_hour:g} a core-hour, ${prices.object_month:g} a GB-month of object "
        f"storage, ${prices.disk_month:g} of disk, ${prices.memory_month:g} of memory.",
        "",
        "| photos | encoder | core-hours | machines | hours | cost | cost a million |",
        "|" + " --- |" * 7,
    ]
    for count, photos in COUNTS.items():
        for way, seconds in ways.items():
            row = encoding(photos, found.decode + seconds, MACHINES[count], prices)
            lines.append(
                f"| {count} | {way} | {row['core-hours']:,.0f} | {MACHINES[count]} | {row['hours']:,.1f} | "
                f"${row['dollars']:,.2f} | ${row['dollars a million']:,.2f} |"
            )
    lines += [
        "",
        "Kept afterwards, the same for both encoders:",
        "",
        "| photos | pictures | rows | graph in memory | machines of 512 GiB | a month | a month, a million | search |",
        "|" + " --- |" * 8,
    ]
    for count, photos in COUNTS.items():
        row = keeping(photos, found, prices)
        lines.append(
            f"| {count} | {_bytes(row['pictures'])} | {_bytes(row['rows'])} | {_bytes(row['graph'])} | "
            f"{row['machines']:.0f} | ${row['dollars']:,.0f} | ${row['dollars a million']:,.2f} | {ENGINES[count]} |"
        )
    return "\n".join(lines) + "\n"


def _bytes(number: float) -> str:
    for unit in ("GB", "TB"):
        number /= 1e9 if unit == "GB" else 1e3
        if number < 1000:
            break
    return f"{number:,.1f} {unit}" if number < 100 else f"{number:,.0f} {unit}"


def put(page: Path, text: str) -> None:
    """Replace what stands between the markers of a page."""
    before, start, rest = page.read_text(encoding="utf-8").partition(START)
    _, end, after = rest.partition(END)
    assert start, f"{page} has no place for the tables"
    assert end, f"{page} has no end of the tables"
    page.write_text(f"{before}{START}\n{text}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    put(PAPER, tables(measured(), Prices()))
