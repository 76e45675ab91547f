"""How a picture of any shape is made the square that a model reads; small enough to be sent to another machine."""

from dataclasses import dataclass

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class Square:
    """The square of a model, as open_clip's own transform makes it."""

    side: int  # px
    mode: str  # "squash", "longest" (padded) or "shortest" (cut)
    fill: int  # grey level of what is padded
    resampling: Image.Resampling

    def picture(self, picture: Image.Image) -> Image.Image:
        """An RGB picture of any shape to (side, side)."""
        side = self.side
        if self.mode == "squash":
            return picture.resize((side, side), self.resampling)
        if self.mode == "longest":
            scale = side / max(picture.size)
            fitted = picture.resize([max(1, round(n * scale)) for n in picture.size], self.resampling)
            square = Image.new("RGB", (side, side), (self.fill,) * 3)
            square.paste(fitted, ((side - fitted.width) // 2, (side - fitted.height) // 2))
            return square
        short = min(picture.size)
        fitted = picture.resize([side if n == short else int(side * n / short) for n in picture.size], self.resampling)
        left, top = (round((n - side) / 2) for n in fitted.size)
        return fitted.crop((left, top, left + side, top + side))

    def pixels(self, picture: Image.Image) -> np.ndarray:
        """An RGB picture of any shape to (3, side, side) uint8."""
        return np.asarray(self.picture(picture)).transpose(2, 0, 1)
