"""Where models come from: an OpenCLIP folder, a name and a tag, a Hub repository, or a seed."""

import difflib
import hashlib
import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import open_clip
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from engine.clip import hub
from engine.clip.backbone import Backbone
from engine.utils.data_dir import home
from engine.utils.errors import ModelUnreadable
from engine.utils.memory import available_memory, ran_out
from engine.utils.paths import EMBEDDED_MODEL

LOCAL, HUB, RANDOM = "local-dir:", "hf-hub:", "random:"
CONFIG = "open_clip_config.json"
WEIGHTS = ("open_clip_model.safetensors", "open_clip_pytorch_model.safetensors", "model.safetensors")
SEED = 2605  # of random weights
NAMES = "NAME/TAG (as in ViT-B-32/laion2b_s34b_b79k), hf-hub:ORGANISATION/NAME, or a folder as local-dir:PATH"


@dataclass(frozen=True)
class Loaded:
    """A model, and what it is known by."""

    backbone: Backbone
    name: str
    weights: str  # sha256 of all that its embeddings depend on
    folder: Path  # where its exit weights are kept
    repo: str | None = None  # the Hub repository it came from


def load_model(name: str | None = None) -> Loaded:
    """A model by its name; None is the embedded one.

    Args:
        name: NAME/TAG, hf-hub:ORGANISATION/NAME, local-dir:PATH, the path of a folder, or random:NAME for an
            architecture with weights from a fixed seed.
    Raises: ModelUnreadable, HubUnreachable, HubMissing.
    """
    if name is None:
        return _folder(EMBEDDED_MODEL)
    if name.startswith(RANDOM):
        return _random(name.removeprefix(RANDOM))
    if name.startswith(HUB):
        return _repository(name.removeprefix(HUB))
    if name.startswith(LOCAL) or os.path.isdir(name):
        return _folder(Path(os.path.expanduser(name.removeprefix(LOCAL))))  # leaves an unknown user's as it is
    return _tagged(name)


def named(model: str | None, random_weights: bool) -> str | None:
    """The name of a model as two options of a command line give it; raises ModelUnreadable."""
    if not random_weights:
        return model or None
    if not model:
        raise ModelUnreadable("--random-weights needs the name of an architecture, as in --model ViT-B-32.")
    return f"{RANDOM}{model}"


def model_hash(folder: Path) -> str:
    """SHA-256, in hex, of all that a model's embeddings depend on: its weights, its shape and its preprocessing."""
    digest = hashlib.sha256()
    with _weights_file(folder).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    digest.update(json.dumps(config, sort_keys=True).encode())
    return digest.hexdigest()


def exits_folder(weights: str) -> Path:
    """Where exit weights are kept of a model that has no folder of its own: in the data folder, by the model's hash."""
    return home() / "exits" / weights[:32]


def load_folder(folder: Path, name: str | None = None, tokenizer: str | None = None) -> Backbone:
    """A model from an OpenCLIP folder, with no network; ModelUnreadable says what is missing or damaged.

    The text tower's `hf_model_name` in the folder's config is resolved by open_clip against the working directory, so
    it is given as an absolute path instead.

    Args: tokenizer: open_clip's name for where the tokenizer is, if not in the folder.
    """
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        text = dict(config["model_cfg"]["text_cfg"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelUnreadable(
            f"{folder} is not an OpenCLIP folder: its {CONFIG} cannot be read. A model is named {NAMES}."
        ) from error
    weights = _weights_file(folder)
    _require_image_tower(config["model_cfg"], weights, folder)
    _require_memory(weights, folder.name)
    place, own, known_as = f"{LOCAL}{folder}", {}, name or folder.name
    if "hf_model_name" in text and (folder / "config.json").is_file():
        text |= {"hf_model_name": folder.resolve().as_posix(), "hf_model_pretrained": False}
        own["text_cfg"] = text

    def build() -> nn.Module:
        with _without_warnings():
            model = open_clip.create_model(place, load_weights=False, pretrained_text=False, **own)
        open_clip.load_checkpoint(model, str(weights))  # ours: open_clip might choose one that it has to unpickle
        return model

    model = _built(f"The model in {folder}", build)
    if tokenizer is None:
        tokenize = _built(f"The tokenizer in {folder}", partial(open_clip.get_tokenizer, place))
    else:
        tokenize = _Tokenizer(tokenizer, known_as)
    preprocess = open_clip.get_model_preprocess_cfg(model)
    return _built(f"The model in {folder}", partial(Backbone, model, tokenize, preprocess, known_as))


def _folder(folder: Path) -> Loaded:
    return Loaded(load_folder(folder), folder.name or str(folder), model_hash(folder), folder)


def _repository(repo: str) -> Loaded:
    config = hub.fetch(repo, CONFIG)
    if hub.first_of(repo, WEIGHTS) is None:
        raise ModelUnreadable(f"The Hub repository {repo} has no {WEIGHTS[0]}; only safetensors are read.")
    folder = config.parent
    backbone, weights = load_folder(folder, repo, f"{HUB}{repo}"), model_hash(folder)
    return Loaded(backbone, repo, weights, exits_folder(weights), repo)


def _tagged(name: str) -> Loaded:
    architecture, _, tag = name.partition("/")
    _require_architecture(architecture, name)
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    about = open_clip.get_pretrained_cfg(architecture, tag)
    if not about:
        listed = ", ".join(f"{architecture}/{t}" for t in tags) or "none"
        raise ModelUnreadable(f"{architecture} needs one of its tags ({listed}), or --random-weights.")
    place = about.get("hf_hub", "")
    repo, _, file = place.rpartition("/")
    names = (str(Path(file).with_suffix(".safetensors")),) if file else WEIGHTS
    weights = hub.first_of(repo, names) if repo else None
    if weights is None:
        raise ModelUnreadable(f"The weights of {name} are not there as safetensors, and nothing else is read.")
    _require_memory(weights, name)
    preprocess = {key: about[key] for key in ("mean", "std", "interpolation", "resize_mode") if about.get(key)}
    model = _built(
        name,
        lambda: open_clip.create_model(
            architecture,
            str(weights),
            pretrained_text=False,
            force_quick_gelu=bool(about.get("quick_gelu")),  # OpenAI's weights under a name without it
            force_preprocess_cfg=preprocess,
        ),
    )
    return _named(model, architecture, name)


def _random(name: str) -> Loaded:
    _require_architecture(name, name)

    def build() -> nn.Module:
        with _without_warnings(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED)
            return open_clip.create_model(name, pretrained_text=False)

    return _named(_built(name, build), name, f"{name} (random weights)")


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Drop open_clip's own warnings: it warns of random weights where they were asked for, or others come next."""
    folder = os.path.dirname(open_clip.__file__)

    def keeps(record: logging.LogRecord) -> bool:
        return record.levelno > logging.WARNING or not record.pathname.startswith(folder)

    root = logging.getLogger()  # which open_clip writes to
    root.addFilter(keeps)
    try:
        yield
    finally:
        root.removeFilter(keeps)


def _named(model: nn.Module, architecture: str, name: str) -> Loaded:
    """A model that open_clip built by the name of its architecture."""
    preprocess = open_clip.get_model_preprocess_cfg(model)
    weights = _state_hash(model, {"model": open_clip.get_model_config(architecture), "preprocess": preprocess})
    return Loaded(
        Backbone(model, _Tokenizer(architecture, name), preprocess, name), name, weights, exits_folder(weights)
    )


class _Tokenizer:
    """A tokenizer that is fetched when the first text comes."""

    def __init__(self, place: str, name: str) -> None:
        self._place, self._name = place, name
        self._tokenize: Callable[[list[str]], Tensor] | None = None

    def __call__(self, texts: list[str]) -> Tensor:
        if self._tokenize is None:
            self._tokenize = _built(f"The tokenizer of {self._name}", partial(open_clip.get_tokenizer, self._place))
        return self._tokenize(texts)


def _built(what: str, build: Callable[[], Any]) -> Any:
    try:
        with _without_code():
            return build()
    except ModelUnreadable:
        raise
    except Exception as error:  # open_clip, safetensors and transformers raise many kinds
        if ran_out(error):
            raise ModelUnreadable(f"{what} does not fit into memory; choose a smaller model.") from error
        said = " ".join(str(error).split())[:160] or type(error).__name__
        raise ModelUnreadable(f"{what} cannot be loaded ({said}); restore its files or install it again.") from error


@contextmanager
def _without_code() -> Iterator[None]:
    """Run no Python code that comes with a model: its configuration can ask transformers for that.

    Only for a while: what else this process loads is its own affair.
    """
    from transformers import dynamic_module_utils

    def refuse(*_: object, **__: object) -> NoReturn:
        raise ValueError("it brings Python code of its own, which is not run here")

    # What runs it, whoever asks; and that nobody is asked at the terminal, which is refused with the same words.
    ours = {"get_class_in_module": refuse, "_raise_timeout_error": refuse, "TIME_OUT_REMOTE_CODE": 0}
    known = vars(dynamic_module_utils)
    before = {name: known[name] for name in ours if name in known}
    known.update(ours)
    try:
        yield
    finally:
        known.update(before)


def _require_architecture(architecture: str, name: str) -> None:
    """Raise ModelUnreadable for an architecture that is none; the sentence has the whole name, which may be a path."""
    known = open_clip.list_models()
    if architecture not in known:
        near = difflib.get_close_matches(architecture, known, 3, 0.5)
        hint = f"; did you mean {' or '.join(near)}?" if near else "."
        raise ModelUnreadable(f"{name} is not an OpenCLIP folder and no OpenCLIP model{hint} A model is named {NAMES}.")


def _weights_file(folder: Path) -> Path:
    for file in WEIGHTS:
        if (folder / file).is_file():
            return folder / file
    # open_clip would go on with random weights, or unpickle
    raise ModelUnreadable(f"{folder} has no {WEIGHTS[0]}; restore it or install the model again.")


def _require_image_tower(config: dict[str, Any], weights: Path, folder: Path) -> None:
    """Refuse a text encoder in the form of a CLIP."""
    sizes = _tensor_sizes(weights)
    if not config.get("vision_cfg") or (sizes and not any(name.startswith("visual.") for name in sizes)):
        raise ModelUnreadable(f"The model in {folder} has no image tower; name a CLIP, which reads pictures and texts.")


def _require_memory(weights: Path, name: str) -> None:
    """Refuse a model that would not fit: its tensors in float32, beside the file's own while they are copied."""
    needed, free = 4 * sum(_tensor_sizes(weights).values()) + weights.stat().st_size, available_memory()
    if free is not None and needed > free:
        raise ModelUnreadable(
            f"{name} needs {needed / 1e9:.1f} GB of memory to load and {free / 1e9:.1f} GB are free; "
            "close other programs or choose a smaller model."
        )


def _tensor_sizes(weights: Path) -> dict[str, int]:
    """How many numbers each tensor of a file has; none of a damaged one: loading it says what is wrong."""
    with suppress(OSError, SafetensorError), safe_open(weights, framework="pt") as file:
        return {name: torch.Size(file.get_slice(name).get_shape()).numel() for name in file.keys()}  # noqa: SIM118
    return {}


def _state_hash(model: nn.Module, config: dict[str, Any]) -> str:
    """SHA-256, in hex, of a model's tensors as they are used, and of its shape and preprocessing."""
    digest = hashlib.sha256(json.dumps(config, sort_keys=True, default=list).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()
