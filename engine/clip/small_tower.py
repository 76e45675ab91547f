"""Smaller image towers, which run a ladder's first passes and speak to the model's own texts.

Made smaller in all its dimensions at once, a trunk loses less than one that only sees a smaller input (compound
scaling: Tan and Le 2019), so the first passes of a ladder are theirs.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from open_clip.timm_model import TimmModel  # slow to load: only to build a tower

# By timm's name of the trunk, the channels of its last map.
LAST_MAP = {"tf_efficientnet_lite0": 320, "tf_efficientnet_lite1": 320, "tf_efficientnet_lite2": 352}


def small_tower(trunk: str, dim: int) -> "TimmModel":
    """An untrained one; (B, 3, S, S) of any size to (B, dim)."""
    from open_clip.timm_model import TimmModel

    return TimmModel(trunk, dim, pool="catavgmax", proj="", pretrained=False)
