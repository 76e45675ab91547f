"""Adding photos: dropped files and folders, or a folder of the server's own."""

import time
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

import gradio as gr

from app.access import asking_address, is_local
from app.handlers.events import sent_along
from app.handlers.galleries import Galleries, gallery_name
from app.handlers.search import Search
from app.parts import STOP, Parts, Updates, button
from app.server.upload_folders import FILE_BYTES
from app.services import Services
from app.session import DROPS, NEW_GALLERY, Session
from app.uploading import intake
from app.uploading.incoming import Incoming, name_of, size_of
from app.views import placeholders, upload
from engine.gallery import EngineError, Skipped, TooMuch, Upload, delete_gallery, find_gallery, folder_uploads

ADD_PHOTOS = "Add photos"  # the title of the tab
REDRAWN = 0.7  # seconds between two pictures of how far it is
NONCE = 64  # characters


class AddPhotos:
    """Photos into a gallery, told of as they go, and stopped with what is done kept."""

    def __init__(self, services: Services, parts: Parts, search: Search, galleries: Galleries) -> None:
        self._services, self._parts = services, parts
        self._search, self._galleries = search, galleries

    def named(self, name: str, session: Session) -> Updates:
        """Another name stands in the box: the visitor's, unless the page has put it there."""
        session.named = name != session.offered
        return {self._parts.adds_to: upload.field(gallery_name(name) or NEW_GALLERY)}

    def dropped(self, event: gr.EventData, name: str, session: Session) -> None:
        """Files were dropped: all of them go to the gallery that is named now, however long they wait to be sent."""
        session.drops[sent_along(event, "drop")[:NONCE]] = gallery_name(self._galleries.accepted(name, session))
        if all(incoming.over for incoming in self._services.inbox.unread(session.owner)):
            session.tab = ADD_PHOTOS  # which opens when they are announced: at once

    def begun(self, event: gr.EventData, name: str, session: Session) -> Iterator[Updates]:
        """Files are announced by the page's script, which sends them once it is told under which name."""
        name = session.drops.get(sent_along(event, "drop"), name)
        nonce = sent_along(event, "nonce")[:NONCE]
        files = [line for line in sent_along(event, "files").split("\n") if line]
        if not files:
            return
        try:
            self._services.inbox.supersede(session.owner, files)
            incoming = self._announced(name, files, session)
        except EngineError as error:
            told = self._refused(error, session)
            line = upload.refused(self._services.sentence(error), nonce)
            yield {**told, self._parts.arriving: line + told[self._parts.arriving]}
            return
        incoming.nonce = nonce
        for number, line in enumerate(incoming.files):
            if size_of(line) > FILE_BYTES:
                incoming.settle([number], [Skipped(name_of(line), f"too large: over {FILE_BYTES >> 20} MB")])
        intake.begin(incoming, self._services, session)
        yield from self._watched(incoming, session)

    def from_folder(self, folder: str, name: str, session: Session) -> Iterator[Updates]:
        """A folder of this machine was named; refused where strangers come."""
        name, session.tab = self._galleries.accepted(name, session), ADD_PHOTOS
        try:
            uploads = self._listed(folder)
            incoming = self._announced(name, [f"//{found.name}" for found in uploads], session)
        except EngineError as error:
            yield self._refused(error, session)
            return
        intake.begin(incoming, self._services, session, uploads)
        yield from self._watched(incoming, session)

    def resumed(self, session: Session) -> Updates:
        """The page was loaded again, or in another tab: what is on its way, or was not read yet, is told of."""
        unread = self._services.inbox.unread(session.owner)
        if not unread:
            return {self._parts.coming: gr.update(active=False)}
        # What is dropped again goes where the rest is.
        offered = self._galleries.offered(session, unread[0].name) if unread[0].missing() else {}
        return {**self.followed(session), **offered}

    def followed(self, session: Session) -> Updates:
        """What another tab sends is asked after now and then: a stream for it would take a connection of the browser's.

        A browser has six to a host, for all its tabs. At the end, how many photos there are now is told, too.
        """
        coming = any(not one.over for one in self._services.inbox.unread(session.owner))  # it may end meanwhile
        counts = {} if coming else {**self._galleries.choices(session), **self._search.headline(session)}
        return {**self.told(session), **counts, self._parts.coming: gr.update(active=coming)}

    def stopped(self, session: Session) -> None:
        """Stop was pressed."""
        for incoming in self._services.inbox.unread(session.owner):
            incoming.stop()

    def dismissed(self, session: Session) -> Updates:
        """The report of an upload was read."""
        for incoming in self._services.inbox.unread(session.owner):
            incoming.read = incoming.over
        return self.told(session)

    def shown(self, event: gr.EventData, session: Session) -> Iterator[Updates]:
        """The gallery that a report tells of is to be seen; it tells of nothing more then where all of it came in."""
        number = sent_along(event, "gallery")
        gallery = int(number) if number.isdecimal() else 0
        for incoming in self._services.inbox.unread(session.owner):
            if incoming.gallery == gallery and incoming.whole:
                incoming.read = True
        answers = self._galleries.picked(gallery, False, session)
        return chain([{**self._galleries.choice(session), **self.told(session)}], answers)

    def cut_short(self, event: gr.EventData, session: Session) -> Updates:
        """The page's script, loaded anew, asks after its uploads: it is told where nothing is known of one of them."""
        nonces = sent_along(event, "nonces").split()[:DROPS]
        known = all(self._services.inbox.is_known(session.owner, nonce) for nonce in nonces)
        return {self._parts.notice: gr.skip() if known else placeholders.missed(placeholders.CUT_SHORT)}

    def told(self, session: Session) -> Updates:
        """All uploads of the visitor that are not read; a line for each, for the page that sends looks for its own."""
        services, parts = self._services, self._parts
        unread = services.inbox.unread(session.owner)
        drawing = services.drawing if any(incoming.latest for incoming in unread) else None
        blocks = [upload.report(one) if one.over else upload.coming(one, drawing, services.address) for one in unread]
        return {
            parts.report: "".join(blocks),
            parts.arriving: "".join(map(upload.line, unread)),
            parts.stop_upload: button(STOP, any(not one.over for one in unread)),
        }

    def _refused(self, error: EngineError, session: Session) -> Updates:
        """Why an upload was not begun, above what is told of the others."""
        told = self.told(session)
        return {**told, self._parts.report: self._services.problem(error) + told[self._parts.report]}

    def _announced(self, name: str, files: Sequence[str], session: Session) -> Incoming:
        """An upload into the gallery of that name, which is made where there is none; raises NotYours, TooMuch."""
        services, name = self._services, gallery_name(name) or NEW_GALLERY
        new = find_gallery(services.library, name, session.owner) is None
        gallery = services.access.make(name, session)
        address = "" if services.access.alone else asking_address()
        try:
            incoming = services.inbox.begin(session.owner, gallery, name, files, address)
        except TooMuch:
            if new:
                delete_gallery(services.library, gallery)
            raise
        incoming.new_gallery = new
        return incoming

    def _listed(self, folder: str) -> list[Upload]:
        """The photos in a folder of this machine; raises EngineError."""
        if not is_local():
            raise EngineError("Folders of the server can be read only on the machine itself.")
        if not folder.strip():
            raise EngineError("Name a folder of this machine, as /home/me/Pictures.")
        try:
            uploads = folder_uploads(Path(folder.strip()).expanduser())
        except (OSError, RuntimeError, ValueError) as error:  # ~ and a name that nobody has; no name of a file at all
            raise EngineError(f"{folder} cannot be read ({error}); name a folder that holds photos.") from error
        if not uploads:
            raise EngineError("There is no picture in that folder, nor in any below it.")
        return uploads

    def _watched(self, incoming: Incoming, session: Session) -> Iterator[Updates]:
        """An upload on its way until it is over; then the gallery, to a visitor who waits for it and nothing else."""
        asking = session.asking
        opened: Updates = {self._parts.tabs: gr.update(selected="add")} if session.tab == ADD_PHOTOS else {}
        yield {**self.told(session), **opened}
        while not incoming.over:
            incoming.wait(2 * REDRAWN)
            yield self.told(session)
            time.sleep(REDRAWN if not incoming.over else 0)
        incoming.seen = session.tab == ADD_PHOTOS and incoming.whole
        told = self.told(session)
        if not incoming.added or session.tab != ADD_PHOTOS or session.asking is not asking:
            on_show = self._search.headline(session) if incoming.gallery == session.gallery else {}
            yield {**told, **self._galleries.choices(session), **on_show}
            return
        try:
            session.gallery = self._services.access.gallery(incoming.gallery, session).id
        except EngineError:  # deleted meanwhile, in another tab: the report says so
            yield {**told, **self._galleries.choices(session)}
            return
        # The box holds what was asked last, or at first the demo gallery's query; else what the visitor is typing.
        emptied: Updates = {self._parts.query: ""} if session.words or not session.welcomed else {}
        session.ask("")
        first = {
            **told,
            **self._galleries.choice(session),
            **self._galleries.offered(session, incoming.name),
            **emptied,
            **self._galleries.remembered(session),
        }
        yield from self._search.answers(False, session, first=first)
