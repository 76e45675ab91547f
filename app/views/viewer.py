"""The viewer: one photo over the whole screen, and what the page tells its script about each photo."""

from html import escape
from pathlib import PurePosixPath

from app.pictures import PictureAddress
from app.views.formatting import button, described, saved, taken
from engine.gallery import Photo


def about(photo: Photo, address: PictureAddress) -> str:
    """Attributes of a photo's button, from which the viewer is filled; a blank stands before each."""
    facts = {
        "large": address(photo, "large"),
        "name": photo.file,
        "save": f"{PurePosixPath(photo.file).stem or 'photo'}.jpg",  # what is kept is a JPEG, whatever came
        "taken": taken(photo),
        "pixels": f"{photo.width} × {photo.height}",
        "saved": saved(photo),
        "original": address(photo, "original"),
    }
    return "".join(f' data-{key}="{escape(value)}"' for key, value in facts.items() if value)


def picture(photo: Photo, address: PictureAddress) -> str:
    """The picture of a photo among others, which comes when it is about to be seen."""
    return (
        f'<img src="{escape(address(photo, "grid"))}" alt="{escape(described(photo.file))}" width="4" height="3"'
        ' loading="lazy" decoding="async">'
    )


def _turn(event: str, label: str, sign: str) -> str:
    return button(event, sign, f' class="{event}" aria-label="{label}"')


DIALOG = (
    '<dialog class="viewer" aria-labelledby="viewed-name">'
    '<div class="stage"><img alt="The photo">'
    f"{_turn('earlier', 'Previous photo', '‹')}{_turn('later', 'Next photo', '›')}{_turn('shut', 'Close', '×')}</div>"
    '<div class="caption"><p class="what" role="status"><b id="viewed-name"></b><span class="facts"></span></p>'
    '<p class="cost"><span class="ran"></span><span class="share"></span></p>'
    '<div class="actions">'
    '<a class="keep" download title="The picture that is kept: 768 pixels at most, a panorama more">Download</a>'
    '<a class="original" download hidden title="The file on this machine, as it was indexed">Original</a>'
    f"{button('alike', 'More like this')}</div></div></dialog>"
)
