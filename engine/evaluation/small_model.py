"""The smaller model that evaluation sets beside the embedded one: another trunk, which speaks to the same texts."""

from safetensors import SafetensorError, safe_open

from engine.clip.backbone import ModelUnreadable
from engine.clip.small_tower import TRUNK, scout_tower
from engine.exits.checkpoint import SMALL_MODEL
from engine.exits.encoder import Encoder, Identity


def small_model(beside: Encoder) -> Encoder | None:
    """The smaller model that was trained beside an encoder's, without exits; None where there is none.

    It takes photos as that encoder's `preprocess` gives them.

    Raises: ModelUnreadable where its file is damaged.
    """
    path = beside.folder / SMALL_MODEL
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
