"""Parts that have nothing to show: empty, loading, failed."""

from html import escape

from app.views.formatting import anew, button, waiting

NO_SUCH_LINK = (
    "There is no gallery at this address: its owner has closed it, or the address is incomplete. Ask for a new link; "
    "meanwhile here is the demo gallery."
)
GONE_SINCE = (
    "The gallery that you left is not there any more: it was deleted, or its owner has closed it. Here is the demo "
    "gallery; choose another one in the list."
)

CUT_SHORT = (
    "The page was started anew in the middle of your upload. What had come until then is in its gallery: name that one "
    "under “Add photos” and drop the same files again, and the rest is sent."
)


def note(title: str, sentence: str) -> str:
    """A part that has nothing to show yet, and what to do about it."""
    return f'<div class="note"><h2>{escape(title)}</h2><p>{escape(sentence)}</p></div>'


COMING = '<p class="answer busy" role="status">One moment: it is on its way …</p>'

EMPTY_GALLERY = note("An empty gallery", "Add photos first, then type what to look for.")


def problem(sentence: str, reload: bool = False) -> str:
    """Something went wrong, in a sentence.

    Args: reload: to load the page again helps.
    """
    again = f'<p class="actions">{button("reload", "Load it again")}</p>' if reload else ""
    return f'<div class="note problem" role="alert"><h2>That did not work</h2><p>{escape(sentence)}</p>{again}</div>'


EARLIER_MODEL = "Indexed by an earlier model"
ENCODE_AGAIN = (
    "Its photos have to be encoded again, in the Gallery tab. Nothing is lost; each is found once its turn has come."
)
ASK_OWNER = "Ask the owner to encode the photos again."
RECODE = f'<p class="actions">{button("recode", "Open the Gallery tab")}</p>'


def outdated(model: str, may_encode: bool) -> str:
    """A gallery that another model has encoded, with the way to the button that has the present one do it."""
    since = f"It was indexed with {model}, and the model has changed since."
    if not may_encode:
        return note(EARLIER_MODEL, f"{since} {ASK_OWNER}")
    return f'<div class="note"><h2>{EARLIER_MODEL}</h2><p>{escape(since)} {ENCODE_AGAIN}</p>{RECODE}</div>'


def unencoded(photos: int, may_encode: bool) -> str:
    """A gallery whose photos all wait, as its encoding anew has stopped before the first or still goes on."""
    if not may_encode:
        return note(waiting(photos), "Each is found once it is encoded. If that takes long, ask the owner.")
    way = (
        "Each is found once it is encoded, in the Gallery tab. Those whose kept picture is gone are named there: add "
        "their files again."
    )
    return f'<div class="note"><h2>{waiting(photos)}</h2><p>{way}</p>{RECODE}</div>'


GONE = "This photo is not there any more; search again."
PHOTO_GONE = problem(GONE)


def missed(sentence: str) -> str:
    """What a visitor came for and is not there, over what they see in its place, until they put it away."""
    return f'<p class="arriving" role="alert"{anew()}><span>{escape(sentence)}</span>{button("hush", "Dismiss")}</p>'


def said(sentence: str) -> str:
    """A line about what has just been done."""
    return f'<p class="said" role="status">{escape(sentence)}</p>'


# The grid before anything is known.
SKELETON = f'<div class="grid skeleton" aria-hidden="true">{"<span><i></i><i></i></span>" * 12}</div>'
