"""Encodes files on a Ray cluster: tasks decode them, workers encode them, and batches come back as they are finished.

Workers write nothing: they return encodings, and this process alone stores them, keyed by content hash. So when a
worker dies its batch is simply done again, and no photo is lost or stored twice.
"""

import logging
import os
import platform
import re
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.ingest.decode import BATCH, Outcome, decode_batch
from engine.ingest.pipeline import Known, Made, encode_batch
from engine.ingest.upload import Upload
from engine.utils.errors import EngineError
from engine.utils.paths import ROOT

if TYPE_CHECKING:
    from engine.exits.encoder import Encoder, Identity

NOT_SENT = ["/.git", "/docs", "/tests", "/assets/gallery"]
LOCAL = "ray"  # a cluster of this machine alone, started for the run
CORES = 4  # for each worker where there is no GPU
OBJECTS = 512 * 2**20  # bytes of shared memory for batches on their way, on a cluster that is started here
BATCH_COLUMN = "batch"  # the only column of the data set: a row is a batch

Load = Callable[[str], "Encoder"]


class RayUnusable(EngineError):
    """Ray is not installed, no cluster is reached, or its workers cannot go on."""


@dataclass(frozen=True)
class Shares:
    """How the cluster's processors are divided."""

    workers: int  # processes that encode
    cpus: float  # of each
    gpus: int  # of each
    decode_cpus: float  # of a task that decodes a batch


def divide_processors(cores: Sequence[float], gpus: int, workers: int | None) -> Shares:
    """A worker for each GPU, or else for every `CORES` cores; a quarter of the cores is left for decoding.

    Args: cores: of each machine.  workers: how many there shall be instead, no more than GPUs where there are some.
    """
    if gpus:
        return Shares(min(workers or gpus, gpus), 1, 1, 1)
    many = workers or max(1, sum(int(n // CORES) for n in cores))
    each = sum(cores) / many if workers or max(cores) < CORES else CORES
    cpus = 0.75 * each
    # Ray takes whole processors, or parts of one.
    return Shares(many, int(cpus) if cpus >= 1 else round(cpus, 4), 0, round(min(1.0, each / 4), 4))


@dataclass(frozen=True)
class RayBatch:
    """A batch in one row of the data set: its uploads, then the decoded photos, then the encoded ones."""

    items: Sequence[Any]
    pixels: Sequence[np.ndarray] = ()  # of the decoded photos, until they are encoded
    began: float = 0.0  # seconds since the epoch, where a worker has encoded it
    ended: float = 0.0
    problem: str = ""  # why it could not be encoded


@dataclass
class Busy:
    """How much of their time workers spend encoding, from the start of the first batch to the end of the last."""

    workers: int
    seconds: float = 0.0  # encoding, all workers together
    began: float = field(default=float("inf"))
    ended: float = 0.0

    def count(self, batch: RayBatch) -> None:
        """Add a batch."""
        self.seconds += batch.ended - batch.began
        self.began, self.ended = min(self.began, batch.began), max(self.ended, batch.ended)

    @property
    def utilisation(self) -> float:
        """The share, 0 to 1; 0 where nothing was encoded. Waiting for batches, deaths and restarts count against it."""
        span = (self.ended - self.began) * self.workers
        return min(1.0, self.seconds / span) if span > 0 else 0.0


class Cluster:
    """Encodes files (see `engine.ingest.pipeline.EncodeFiles`) on a Ray cluster that this process is connected to."""

    def __init__(self, load: Load, shares: Shares) -> None:
        """Args: load: makes a worker's encoder at a precision, the same for all; it is sent to the workers."""
        self._load, self.shares = load, shares
        self.busy = Busy(shares.workers)

    def __call__(
        self, uploads: Sequence[Upload], known: Known, encoder: "Encoder", budget: float | None
    ) -> Iterator[list[Made]]:
        """What became of uploads, in the order in which workers finish.

        Raises: RayUnusable; what was handed back before stays good.
        """
        import ray
        from ray.exceptions import RayError

        if not uploads:
            return
        setup = Setup(self._load, encoder.precision, encoder.identity, encoder.phrases, budget)
        hashes = ray.put(np.sort(np.array(known.all(), "S64")))  # shared by all tasks of a machine, and not copied
        rows = [{BATCH_COLUMN: RayBatch(uploads[start : start + BATCH])} for start in range(0, len(uploads), BATCH)]
        self.busy.workers = min(self.shares.workers, len(rows))  # one more would load an encoder for nothing
        decode: Any = _decode  # Ray's types know of no arguments beside a row,
        worker: Any = Worker  # nor of classes
        photos = (
            ray.data.from_items(rows, override_num_blocks=len(rows))
            .map(decode, fn_args=(hashes, encoder.preprocess), num_cpus=self.shares.decode_cpus)
            .map(
                worker,
                fn_constructor_args=(setup,),
                compute=ray.data.ActorPoolStrategy(size=self.busy.workers),
                num_cpus=self.shares.cpus,
                num_gpus=self.shares.gpus or None,
            )
        )
        try:
            for row in photos.iter_rows():
                batch: RayBatch = row[BATCH_COLUMN]
                if batch.problem:
                    raise RayUnusable(batch.problem)
                if batch.began:
                    self.busy.count(batch)
                yield list(batch.items)
        except RayError as error:
            raise RayUnusable(
                f"The cluster could not go on ({_short(error)}); what is finished is kept: run it again to go on."
            ) from error


@contextmanager
def on_ray(address: str, load: Load, workers: int | None = None) -> Iterator[Cluster]:
    """A cluster to encode on, for as long as the context lasts.

    Args:
        address: "ray" starts one on this machine; ray://HEAD:PORT joins one that runs, as a client of its head.
        load: see `Cluster`.  workers: how many shall encode; by default `divide_processors` says.
    Raises: RayUnusable.
    """
    # Before Ray is imported, and nothing that the user has set is changed.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # all the rest is in Ray's own log files
    # Decoders that have nothing to do for a second would be ended, and starting one takes longer than that.
    os.environ.setdefault("RAY_idle_worker_killing_time_threshold_ms", "60000")
    if address == LOCAL and "RAY_AUTH_MODE" not in os.environ:
        # Ray listens on every network address, and whoever reaches it may run code.
        os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32))
    try:
        import ray
        import ray.data
    except ImportError as error:
        raise RayUnusable(
            "Encoding on Ray needs Ray; install it with `pip install -r requirements-cluster.txt`."
        ) from error
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if address == LOCAL:
            ray.init("local", include_dashboard=False, object_store_memory=OBJECTS, **quiet)
        else:
            # Its machines get this code and the model that comes with it; other models must be at the same place there.
            ray.init(address, runtime_env={"working_dir": str(ROOT), "excludes": NOT_SENT}, **quiet)
    except Exception as error:  # Ray raises many kinds, a bare one where a machine takes long to start
        raise RayUnusable(
            f"No Ray cluster can be used at {address} ({_short(error)}); name one as ray://HEAD:PORT, or start one on "
            "this machine with --on ray."
        ) from error
    try:
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # what goes wrong is raised, and said once
        ray.data.DataContext.get_current().enable_progress_bars = False
        machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        cores = [float(machine.get("CPU", 0)) for machine in machines]
        gpus = int(sum(machine.get("GPU", 0) for machine in machines))
        yield Cluster(load, divide_processors(cores, gpus, workers))
    finally:
        ray.shutdown()


def _short(error: Exception) -> str:
    """What an error says in a line; of a traceback from the cluster, what it ends with."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = [line for line in lines if re.match(r"[\w.]*(Error|Exception): .", line)] or lines
    return (said[0] if said else type(error).__name__)[:160].rstrip(".")


# What runs on the cluster


@dataclass(frozen=True)
class Setup:
    """What a worker is started with."""

    load: Load
    precision: str
    identity: "Identity"  # that its encoder must have
    phrases: tuple[str, ...]
    budget: float | None


def _decode(row: dict[str, RayBatch], known: Any, preprocess: Callable[[Any], np.ndarray]) -> dict[str, RayBatch]:
    import ray

    return decode_row(row, ray.get(known), preprocess)


def decode_row(
    row: dict[str, RayBatch], known: np.ndarray, preprocess: Callable[[Any], np.ndarray]
) -> dict[str, RayBatch]:
    """A task: read, hash and decode a batch.

    Args: known: content hashes of stored photos, (N,) ASCII, sorted.
    """

    def is_known(content_hash: str) -> bool:
        place = int(np.searchsorted(known, content_hash.encode()))
        return place < len(known) and known[place].decode() == content_hash

    return {BATCH_COLUMN: RayBatch(*decode_batch(row[BATCH_COLUMN].items, is_known, set(), preprocess))}


class Worker:
    """A process with an encoder of its own. Ray starts it again when it dies, and gives it its batch again."""

    def __init__(self, setup: Setup) -> None:
        self._budget = setup.budget
        self._encoder, self._problem = _loaded(setup)

    def __call__(self, row: dict[str, RayBatch]) -> dict[str, RayBatch]:
        """Encode a batch."""
        outcomes: Sequence[Outcome] = row[BATCH_COLUMN].items
        pixels = row[BATCH_COLUMN].pixels
        if self._encoder is None:
            return {BATCH_COLUMN: RayBatch((), problem=self._problem)}
        if not pixels:
            return {BATCH_COLUMN: RayBatch(outcomes)}
        began = time.time()
        made = encode_batch(outcomes, self._encoder.send(pixels), self._encoder, self._budget)
        return {BATCH_COLUMN: RayBatch(made, (), began, time.time())}


def _loaded(setup: Setup) -> "tuple[Encoder | None, str]":
    """A worker's encoder, or why there is none: the sentence is for the person who started the run."""
    machine = platform.node()
    try:
        encoder = setup.load(setup.precision)
        if setup.phrases:
            encoder = encoder.looking_for(setup.phrases)
    except EngineError as error:
        return None, f"A worker on {machine} cannot start: {error}"
    if encoder.identity != setup.identity:
        return None, f"A worker on {machine} has another model than this machine; put the same files on both."
    return encoder, ""
