"""The scout: a smaller image tower that runs a ladder's first passes and speaks to the model's own texts.

Made smaller in all its dimensions at once, a trunk loses less than one that only sees a smaller input (compound
scaling: Tan and Le 2019), so the first steps of a ladder are its.
"""

from open_clip.timm_model import TimmModel

TRUNK = "tf_efficientnet_lite0"
LAST_MAP = 320  # channels of its last block


def scout_tower(dim: int) -> TimmModel:
    """An untrained one; (B, 3, S, S) of any size to (B, dim)."""
    return TimmModel(TRUNK, dim, pool="catavgmax", proj="", pretrained=False)
