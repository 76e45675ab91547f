"""Takes in what arrives of an upload, in a thread of its own: it goes on whether anybody looks on or not."""

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from threading import Thread

from app.event_log import where
from app.services import Services
from app.session import Session
from app.uploading.incoming import Incoming
from app.uploading.sent_files import forget, take_in
from app.work import Stopped
from engine.gallery import EngineError, Upload, delete_if_empty

UNFORESEEN = "Something went wrong that nobody foresaw; what was taken in until then is kept. Send the rest again."


def begin(incoming: Incoming, services: Services, session: Session, uploads: Sequence[Upload] | None = None) -> None:
    """Begin to take an upload in. Args: uploads: its files where they are here already; else they will arrive."""
    run = (
        partial(_take_groups, incoming, services, session)
        if uploads is None
        else partial(_take_all, incoming, services, session, uploads)
    )
    Thread(target=copy_context().run, args=(_told, incoming, services, run), name="intake", daemon=True).start()


def _told(incoming: Incoming, services: Services, run: Callable[[], None]) -> None:
    """Do it, and say how it ended."""
    problem = ""
    try:
        run()
    except Stopped:
        pass
    except EngineError as error:
        problem = services.sentence(error)
    except BaseException as error:
        sys.stderr.write(where(error))
        problem = UNFORESEEN
    if incoming.new_gallery and not incoming.added and not services.inbox.others_coming(incoming):
        with suppress(EngineError):
            delete_if_empty(services.library, incoming.gallery)
    forget(incoming.end(problem))


def _take_groups(incoming: Incoming, services: Services, session: Session) -> None:
    with services.access.sole_work(session):
        while group := incoming.group():
            numbers, paths = [number for number, _ in group], [path for _, path in group]
            take_in(paths, lambda listing: services.ingest_group(incoming.gallery, listing, session, incoming.tell))
            incoming.taken(numbers)


def _take_all(incoming: Incoming, services: Services, session: Session, uploads: Sequence[Upload]) -> None:
    services.ingest(incoming.gallery, [list(uploads)], session, incoming.tell)
    incoming.taken(range(len(incoming.files)))
