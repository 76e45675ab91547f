"""Acceptance: every step of bringing a model, tried in turn on one's own photos, and one report that can be posted.

Nothing outside the report's folder changes, but for the Hub's cache and a repository that is asked for.
"""

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from shutil import copyfile

import torch

from engine.clip.hub import EXITS, fetch_exits, push
from engine.evaluation import Row
from engine.evaluation.acceptance_report import markdown
from engine.evaluation.evaluate import Case, photo_set, sets_of, table_of
from engine.evaluation.speed import device_name, timed
from engine.exits.certificate import PAGE, REPORT, Certificate, read_certificate, write_certificate
from engine.exits.checkpoint import install_exits
from engine.exits.encoder import Encoder
from engine.exits.model_card import card
from engine.exits.runner import own_embedding
from engine.training.certificate_page import page
from engine.training.certify import certify
from engine.training.dataset import Example
from engine.training.features import cached, first_pixels
from engine.training.fit import fit_photos, to_fit
from engine.training.splits import TooFewPhotos, folder_photos
from engine.utils.errors import EngineError
from engine.utils.result_files import require_writable, write_result

DONE, SKIPPED, FAILED = "done", "skipped", "failed"
COMPARED = 8  # photos whose embeddings are compared with OpenCLIP's own
BATCHES = (8, 32)
MODES = ("bare", "full", "tgem")
POLICIES = ("full", "exit", "random", "tgem")


class NotDone(Exception):
    """A step that has no reason to run; the message says why."""


@dataclass(frozen=True)
class Asked:
    """What is tried, and on what."""

    model: str | None  # as `load_encoder` takes it
    photos: Path  # folder
    out: Path  # folder of the report
    data: Path | None  # a captioned set
    split: str
    push: str | None  # Hub repository, made private where it is not there


@dataclass(frozen=True)
class Step:
    """What became of one step."""

    step: str
    status: str  # DONE, SKIPPED or FAILED
    why: str
    seconds: float
    found: Row = field(default_factory=dict)


def accept(asked: Asked, say: Callable[[str], None]) -> list[Step]:
    """Try every step, and write `acceptance.json` and `acceptance.md`; a failed one stops only those that need it.

    Raises: FolderMissing, where there is no folder of photos; TooFewPhotos; HostProblem, where `out` takes no file.
    """
    if not folder_photos(asked.photos):
        raise TooFewPhotos(f"There is no photo in {asked.photos}, nor in any folder below it.")
    require_writable(asked.out / "acceptance.json")
    run, steps = _Acceptance(asked, say), list[Step]()
    about = {"date": time.strftime("%Y-%m-%d"), "torch": torch.__version__, "threads": torch.get_num_threads()}
    for name, needs, work in run.plan():
        lost = next((step for step in steps if step.step in needs and step.status != DONE), None)
        step = _tried(name, work) if lost is None else Step(name, SKIPPED, f"{lost.step} was {lost.status}", 0.0)
        steps.append(step)
        say(f"{name}: {step.status}" + (f", {step.why}" if step.why else ""))
        report = about | run.about() | {"steps": [asdict(step) for step in steps]}
        write_result(asked.out / "acceptance.json", (json.dumps(report, indent=2) + "\n").encode())
        write_result(asked.out / "acceptance.md", markdown(report).encode())
    return steps


def _tried(name: str, work: Callable[[], tuple[str, Row]]) -> Step:
    began = time.monotonic()
    status, found = DONE, Row()
    try:
        why, found = work()
    except NotDone as reason:
        status, why = SKIPPED, str(reason)
    except EngineError as error:
        status, why = FAILED, str(error)
    except Exception as error:  # a report that says so is worth more than a traceback, and the other steps still run
        line = next(iter(str(error).splitlines()), "")
        status, why = FAILED, f"{type(error).__name__}: {line[:300]}"
    return Step(name, status, why, round(time.monotonic() - began, 1), found)


def _load() -> list[float]:
    """Processes that ran or waited over 1, 5 and 15 minutes; none where the system does not count them."""
    try:
        return [round(mean, 1) for mean in os.getloadavg()]
    except (AttributeError, OSError):  # Windows has no such call
        return []


class _Acceptance:
    """One model on its way through the steps."""

    def __init__(self, asked: Asked, say: Callable[[str], None]) -> None:
        self._asked, self._say = asked, say
        self._encoder: Encoder | None = None
        self._fitted = False  # in this run, and not in an earlier one into the same folder
        self._commit = ""

    def plan(self) -> list[tuple[str, Sequence[str], Callable[[], tuple[str, Row]]]]:
        """Steps in order: name, what must be done before, and what does it."""
        return [
            ("fetch", (), self._fetch),
            ("equality", ("fetch",), self._equality),
            ("fit", ("fetch",), self._fit),
            ("certificate", ("fetch",), self._certify),
            ("evaluate", ("fetch",), self._evaluate),
            ("bench", ("fetch",), self._bench),
            ("push", ("fetch",), self._push),
            ("pull", ("push",), self._pull),
        ]

    def about(self) -> Row:
        """The model and the machine, as far as they are known."""
        found: Row = {"model": self._asked.model or "the shipped model", "load": _load()}
        if self._encoder is not None:
            found |= {"model": self._encoder.identity.model, "device": device_name(self._encoder)}
        return found

    @property
    def _ready(self) -> Encoder:
        assert self._encoder is not None  # fetched: every step but the first needs that
        return self._encoder

    @property
    def _joined(self) -> bool:
        """Whether the model's passes were trained together."""
        return self._ready.modules.last is not None

    @property
    def _exits(self) -> Path:
        """Where the exit weights are."""
        return self._ready.folder if self._joined else self._asked.out / "exits"

    @cached_property
    def _examples(self) -> list[Example]:
        return [Example(path, (), "") for path in folder_photos(self._asked.photos)]

    def _fetch(self) -> tuple[str, Row]:
        self._encoder = to_fit(self._asked.model, precision="float32")
        own = sum(self._encoder.backbone.stage_macs)
        sentence = f"{self._encoder.identity.model}, {own / 1e9:.2f} GMACs a photo, {self._encoder.backbone.size} px"
        return sentence, {"weights": self._encoder.identity.weights, "macs": own, "dim": self._encoder.dim}

    @torch.inference_mode()
    def _equality(self) -> tuple[str, Row]:
        """The stages one after another against `encode_image`, and full depth, where it is the model's own."""
        backbone = self._ready.backbone
        pixels = first_pixels(self._ready, self._examples, COMPARED)
        own = backbone.encode_image(pixels)
        ready = backbone.normalise(torch.from_numpy(pixels).to(backbone.device))
        staged = own_embedding(backbone.tower, ready).cpu()
        off = float((staged - own).abs().max())
        if off:
            raise EngineError(f"The stages differ from open_clip's encode_image by up to {off:.2g}.")
        if not self._joined:
            full = torch.stack([torch.from_numpy(e.vector) for e in self._ready.deepen(pixels, self._ready.exits)])
            if not torch.equal(full, own):
                off = float((full - own).abs().max())
                raise EngineError(f"Full depth differs from encode_image by up to {off:.2g}.")
        same = "its own tower's stages" if self._joined else "stages and full depth"
        return f"{same} equal open_clip's encode_image to the last bit on {len(pixels)} photos", {"largest": off}

    def _fit(self) -> tuple[str, Row]:
        if self._joined:
            raise NotDone("its passes were trained together, and it has exits of its own")
        said: list[str] = []

        def heard(line: str) -> None:
            said.append(line)
            self._say(line)

        paths = [example.path for example in self._examples]
        self._encoder = fit_photos(self._ready, paths, out=self._exits, say=heard)
        self._fitted = True
        about = next((line for line in said if line.startswith("a first pass of")), "no first pass")
        return f"{self._encoder.exits - 1} exits in use; {about}", {"said": said}

    def _certify(self) -> tuple[str, Row]:
        out = self._asked.out
        if self._joined:
            found = self._of_own_exits()
        else:
            kept = read_certificate(self._exits) if self._fitted else None
            if kept is None:
                raise NotDone("there are no exits to certify")
            found = kept
            for name in (REPORT, PAGE):
                copyfile(self._exits / name, out / name)
        return found.advice, asdict(found)

    def _of_own_exits(self) -> Certificate:
        """Of exits that came with the model; none of the photos, we trust, was one that they were made on."""
        encoder, out = self._ready, self._asked.out
        features = cached(out / "training" / "features", encoder, self._examples, self._say)
        found = certify(encoder, features, self._examples)
        write_certificate(out, found, page(found, sum(encoder.backbone.stage_macs) / encoder.full_macs))
        return found

    def _evaluate(self) -> tuple[str, Row]:
        data = self._asked.data
        if data is None:
            raise NotDone("no captioned set was given (--data)")
        tables = []
        for name, examples in sets_of(data, self._asked.split, self._say, data.name):
            if not examples[0].texts and examples[0].label is None:
                raise NotDone(f"{name} has no captions")
            case = Case(name, photo_set(self._ready, examples, self._say), examples)
            tables.append(table_of(case, POLICIES, self._say))
        return f"split {self._asked.split} of {', '.join(table['data'] for table in tables)}", {"sets": tables}

    def _bench(self) -> tuple[str, Row]:
        modes = MODES if self._ready.exits > 1 else MODES[:2]
        rows = [row for batch in BATCHES for row, _ in timed(self._ready, batch, modes)[1]]
        return f"{', '.join(modes)} in turns, batches of {' and '.join(map(str, BATCHES))}", {"rows": rows}

    def _push(self) -> tuple[str, Row]:
        from huggingface_hub import get_token

        repo = self._asked.push
        if repo is None:
            raise NotDone("no repository was named (--push)")
        if not get_token():
            raise NotDone("there is no token; log in with `hf auth login`, or set HF_TOKEN")
        if self._ready.exits == 1:
            raise NotDone("the model runs to full depth: there are no exit weights")
        files = {name: (self._exits / name).read_bytes() for name in EXITS}
        files["README.md"] = card(self._ready, repo).encode()
        self._commit = push(repo, files, f"Exits for {self._ready.identity.model}", private=True)
        return f"{repo}@{self._commit}", {"commit": self._commit}

    def _pull(self) -> tuple[str, Row]:
        repo, encoder = self._asked.push, self._ready
        assert repo is not None  # it was pushed to
        snapshot = fetch_exits(repo, self._commit)
        if snapshot is None:
            raise EngineError(f"{repo} has no exit weights, which were just pushed there.")
        into = self._asked.out / "pulled"
        install_exits(snapshot, into, encoder.backbone, encoder.identity.weights)
        if any((into / name).read_bytes() != (self._exits / name).read_bytes() for name in EXITS):
            raise EngineError(f"What {repo} gives is not what was pushed there.")
        return "the same files came back, and fit the model", {}
