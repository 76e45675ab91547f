"""Sends files as the page's script does: announced first, then put where the upload waits for them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import gradio as gr

from app.handlers.add_photos import AddPhotos
from app.parts import Updates
from app.services import Services
from app.session import Session
from app.uploading.incoming import Incoming
from app.uploading.sent_files import forget


class Event(gr.EventData):
    """What the page's script sends along."""

    def __init__(self, **sent: str) -> None:
        super().__init__(None, sent)


def line(path: Path) -> str:
    """A file as it is announced."""
    kept = path.stat()
    return f"{kept.st_size}/{kept.st_mtime_ns // 10**6}/{path.name}"


def announced(
    add_photos: AddPhotos, services: Services, files: Sequence[str], name: str, session: Session
) -> tuple[Iterator[Updates], Incoming | None]:
    """What is told of an upload from its announcement on, and the upload; None where it was refused."""
    lines = "\n".join(line(Path(file)) for file in files)
    add_photos.dropped(Event(drop="d"), name, session)
    events = add_photos.begun(Event(drop="d", nonce="n", files=lines), name, session)
    before = set(services.inbox.unread(session.owner))
    first = next(events)
    new = [one for one in services.inbox.unread(session.owner) if one not in before]

    def told() -> Iterator[Updates]:
        yield first
        yield from events

    return told(), new[0] if new else None


def uploaded(
    add_photos: AddPhotos, services: Services, files: Sequence[str], name: str, session: Session
) -> Iterator[Updates]:
    """What is told of an upload all of whose files arrive at once."""
    told, incoming = announced(add_photos, services, files, name, session)
    if incoming is not None:
        settled = set(incoming.settled())
        sent = {number: Path(file) for number, file in enumerate(files) if number not in settled}
        if incoming.put(sent) is None:  # refused meanwhile
            forget(list(sent.values()))
    return told
