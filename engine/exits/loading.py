"""Loads an encoder: a model, its exits where there are some, and the precision that it runs at."""

import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from torch import Tensor

from engine.clip.backbone import Backbone
from engine.clip.device import best_device, has_native_bfloat16
from engine.clip.factory import Loaded, load_model
from engine.clip.hub import HubMissing, HubUnreachable, fetch_exits
from engine.exits.checkpoint import FittedExits, exits_hash, install_exits, load_exits, texts_hash, unfitted
from engine.exits.encoder import Encoder, Identity
from engine.exits.modules import ExitModules
from engine.exits.phrases import read_texts
from engine.exits.runner import PassRunner
from engine.exits.text_bank import Embeddings, TextBank, kept_embeddings
from engine.utils.memory import explaining_lack, keep_freed_memory

log = logging.getLogger(__name__)


@explaining_lack()
def load_encoder(model: str | None = None, precision: str | None = None, with_exits: bool = True) -> Encoder:
    """The encoder of a model, with its exits where there are some.

    Args:
        model: its name, as `load_model` takes it; None is the embedded one.
        precision: "float32" or "bfloat16", which counts where there is a way to it; None: bfloat16 where the device
            computes in it natively, so that it is the same at every start.
        with_exits: whether to look for exit weights; without them every photo runs to full depth.
    Raises: ModelUnreadable, HubUnreachable, HubMissing; HostProblem where memory runs out.
    """
    keep_freed_memory()
    loaded = load_model(model)
    backbone, texts = loaded.backbone, read_texts()
    backbone.to(best_device())
    found = _exits(loaded) if with_exits else None
    wanted = precision == "bfloat16" if precision else has_native_bfloat16(backbone.device)
    identity = Identity(
        loaded.name,
        loaded.weights,
        exits_hash(loaded.folder, texts) if found else "",
        "bfloat16" if wanted and backbone.has_quick_tower else "float32",
    )
    embed: Callable[[], Tensor] = partial(kept_embeddings, backbone, loaded.weights, texts)
    if found is not None and found.texts is not None and found.texts_hash == texts_hash(texts):
        embed = found.texts.float
    return assembled(backbone, found, identity, texts, loaded.folder, embed)


def assembled(
    backbone: Backbone,
    fitted: FittedExits | None,
    identity: Identity,
    texts: Sequence[str],
    folder: Path,
    embed: Callable[[], Tensor] | None = None,
) -> Encoder:
    """An encoder of its parts.

    Args:
        fitted: None: no exits but full depth.
        embed: as in `Embeddings`; by default the text tower does.
    """
    backbone.compute_in(identity.precision)
    runner = PassRunner(backbone, fitted or unfitted(ExitModules([], backbone.dim)))
    embeddings = Embeddings(embed or partial(backbone.encode_text, texts), runner.fitted.captions)
    return Encoder(runner, TextBank(tuple(texts), embeddings), identity, folder)


def _exits(loaded: Loaded) -> FittedExits | None:
    """The exits of a model: those kept here, or else those in the Hub repository that the model came from."""
    found = load_exits(loaded.folder, loaded.backbone, loaded.weights)
    if found is not None or loaded.repo is None:
        return found
    try:
        snapshot = fetch_exits(loaded.repo)
    except (HubUnreachable, HubMissing) as error:  # a model that is kept here runs without its repository
        log.warning(
            "%s Whether %s has exit weights is not known, so photos run to full depth. Do not encode galleries again "
            "for that: start the program again once the Hub gives them.",
            error,
            loaded.name,
        )
        return None
    return install_exits(snapshot, loaded.folder, loaded.backbone, loaded.weights) if snapshot else None
