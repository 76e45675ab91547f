"""The smaller model that evaluation sets beside the embedded one: another trunk, which speaks to the same texts."""

from pathlib import Path

from open_clip.timm_model import TimmModel
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from engine.backbone import Backbone, ModelUnreadable
from engine.encoder import Encoder, Identity

SMALL_TRUNK = "tf_efficientnet_lite0"
STORED = Path("rivals") / "small-model.safetensors"


class ImagesOnly(nn.Module):
    """As much of an open_clip model as encodes photos."""

    def __init__(self, dim: int, size: int, logit_scale: Tensor) -> None:
        super().__init__()
        self.visual = TimmModel(SMALL_TRUNK, dim, size, pool="catavgmax", proj="", pretrained=False)
        self.logit_scale = nn.Parameter(logit_scale.detach().clone())


def small_model(beside: Encoder) -> Encoder | None:
    """The smaller model that was trained beside an encoder's, without exits; None where there is none.

    It takes photos as that encoder's `preprocess` gives them.

    Raises: ModelUnreadable where its file is damaged.
    """
    path, own = beside.folder / STORED, beside.backbone
    if not path.is_file():
        return None
    model = ImagesOnly(beside.dim, own.size, own.model.logit_scale)
    try:
        with safe_open(path, framework="pt") as stored:
            if stored.metadata()["weights"] != beside.identity.weights:
                return None
            model.visual.load_state_dict({name: stored.get_tensor(name).float() for name in stored.keys()})  # noqa: SIM118
    except (OSError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise ModelUnreadable(f"{path} cannot be read; delete it, or train it again with train-small.") from error
    about = {"size": own.size, "mean": own.mean.flatten().tolist(), "std": own.std.flatten().tolist()}
    backbone = Backbone(model, own.tokenize, about, f"{own.name}, {SMALL_TRUNK}")
    identity = Identity(backbone.name, beside.identity.weights, "")
    return Encoder(backbone, None, identity, (), beside.folder, quick=beside.precision == "bfloat16")
