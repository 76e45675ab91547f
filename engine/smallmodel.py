"""The smaller model that evaluation sets beside the embedded one: another trunk, which speaks to the same texts."""

from pathlib import Path

from safetensors import SafetensorError, safe_open

from engine.backbone import ModelUnreadable
from engine.encoder import Encoder, Identity
from engine.scout import TRUNK, scout_tower

STORED = Path("rivals") / "small-model.safetensors"


def small_model(beside: Encoder) -> Encoder | None:
    """The smaller model that was trained beside an encoder's, without exits; None where there is none.

    It takes photos as that encoder's `preprocess` gives them.

    Raises: ModelUnreadable where its file is damaged.
    """
    path = beside.folder / STORED
    if not path.is_file():
        return None
    visual = scout_tower(beside.dim)
    try:
        with safe_open(path, framework="pt") as stored:
            if stored.metadata()["weights"] != beside.identity.weights:
                return None
            visual.load_state_dict({name: stored.get_tensor(name).float() for name in stored.keys()})  # noqa: SIM118
    except (OSError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise ModelUnreadable(f"{path} cannot be read; delete it, or train it again with train-small.") from error
    backbone = beside.backbone.seeing_through(visual, f"{beside.backbone.name}, {TRUNK}")
    identity = Identity(backbone.name, beside.identity.weights, "")
    quick = backbone.quick_tower() if beside.precision == "bfloat16" else None
    return Encoder(backbone, None, identity, (), beside.folder, quick)
