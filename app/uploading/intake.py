"""Takes in what arrives of an upload, in a thread of its own: it goes on whether anybody looks on or not."""

import sys
from collections.abc import Sequence
from contextvars import copy_context
from threading import Thread

from app.event_log import where
from app.services import Services
from app.session import Session
from app.uploading.incoming import Incoming, name_of
from app.uploading.sent_files import forget, in_hand
from app.work import Stopped
from engine.gallery import EngineError, Upload, uploads_of

UNFORESEEN = "Something went wrong that nobody foresaw; what was taken in until then is kept. Send the rest again."


def begin(incoming: Incoming, services: Services, session: Session, uploads: Sequence[Upload] | None = None) -> None:
    """Begin to take an upload in. Args: uploads: its files where they are here already; else they will arrive."""
    told = (_told, incoming, services, session, uploads)
    Thread(target=copy_context().run, args=told, name="intake", daemon=True).start()


def _told(incoming: Incoming, services: Services, session: Session, uploads: Sequence[Upload] | None) -> None:
    """Take it in, and say how that ended."""
    problem = ""
    try:
        made_for_it = services.library.filling(incoming.gallery, incoming.new_gallery)
        with made_for_it, services.access.sole_work(session):
            _take(incoming, services, session, uploads)
    except Stopped:
        pass
    except EngineError as error:
        problem = services.sentence(error)
    except BaseException as error:
        sys.stderr.write(where(error))
        problem = UNFORESEEN
    forget(incoming.end(problem))


def _take(incoming: Incoming, services: Services, session: Session, uploads: Sequence[Upload] | None) -> None:
    if uploads is not None:
        services.ingest(incoming.gallery, [list(uploads)], session, incoming.tell)
        incoming.taken(range(len(incoming.files)))
        return
    while group := incoming.group():
        numbers, paths = [number for number, _ in group], [path for _, path in group]
        names = [name_of(incoming.files[number]) for number in numbers]
        with in_hand(paths):
            services.ingest(incoming.gallery, map(uploads_of, paths, names), session, incoming.tell)
        incoming.taken(numbers)
