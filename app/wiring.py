"""Which handler answers which event."""

from collections.abc import Callable, Iterator
from functools import partial, wraps
from inspect import isgeneratorfunction
from typing import Any, NamedTuple

import gradio as gr
from gradio.events import Dependency

from app.handlers.add_photos import AddPhotos
from app.handlers.albums import Albums
from app.handlers.api import Api
from app.handlers.budget import Budget
from app.handlers.comparison import Compare
from app.handlers.export import Export
from app.handlers.fitting import Fitting
from app.handlers.galleries import Galleries
from app.handlers.overview import Overview
from app.handlers.photo import Selection
from app.handlers.picture_search import PictureSearch
from app.handlers.present import Present
from app.handlers.search import Search
from app.parts import STOPPING, Parts, Updates
from app.server.order import arrival
from app.services import Services
from app.session import Session, Work

PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
# A new question does not wait until the second look of the last one is over.
SHORT: dict[str, Any] = {**PRIVATE, "concurrency_limit": 8, "trigger_mode": "multiple"}
LATEST: dict[str, Any] = {**SHORT, "trigger_mode": "always_last"}
# Long work waits in a line of our own, where its place is told (app/work.py), and not unseen in Gradio's.
LONG: dict[str, Any] = {**PRIVATE, "concurrency_limit": 40}
# The gallery box says which: a name, and how many photos. Gradio asks Python nothing where this throws.
CONFIRM_DELETE = """async (...given) => {
  const name = document.querySelector("#gallery input").value.replace(/ · [^·]*$/, "");
  if (!(await tgem.ask(`Delete the gallery “${name}” and all its photos?`, "Delete"))) throw "kept";
  tgem.openTab("results");
  return given;
}"""
# In the browser: by the time of an answer another tab may have been opened. The comparison shows it, too.
OPEN_RESULTS = """(...given) => {
  if (!document.querySelector("#tabs [data-tab-id=compare][aria-selected=true]"))
    document.querySelector("#tabs [data-tab-id=results][aria-selected=false]")?.click();
  return given;
}"""
# The same: by then the next words may be typed.
EMPTY_ALBUM_WORDS = """(...given) => {
  const box = document.querySelector("#album-words input, #album-words textarea");
  box.value = "";
  box.dispatchEvent(new Event("input", { bubbles: true }));
  return given;
}"""
# The same: Apply may be pressed before an answer would come.
CHOSEN_PRESET = "() => Number(document.querySelector('#prospect [aria-pressed=true]').dataset.budget)"


class Tabs(NamedTuple):
    """Who draws the tabs that show the gallery on show."""

    compare: Compare
    overview: Overview
    albums: Albums


def wire(page: gr.Blocks, parts: Parts, services: Services) -> None:
    """Connect the page's events with their handlers."""
    search = Search(services, parts)
    galleries = Galleries(services, parts, search)
    add_photos = AddPhotos(services, parts, search, galleries)
    tabs = Tabs(Compare(services, parts), Overview(services, parts, search), Albums(services, parts))
    wire_opening(page, parts, galleries, add_photos)
    wire_search(parts, search, PictureSearch(services, parts, search), tabs)
    wire_results(parts, Selection(services, parts, search), galleries, Export(services, parts, search))
    wire_albums(parts, tabs.albums)
    wire_galleries(parts, galleries, add_photos, tabs)
    wire_overview(parts, galleries, tabs.overview, Fitting(services, parts))
    wire_budget(parts, Budget(services, parts), tabs.overview, search)
    wire_comparison(parts, tabs.compare, Present(services, parts))
    wire_add_photos(parts, add_photos, tabs)
    wire_stops(parts, services)
    for event in page.fns.values():
        if isgeneratorfunction(event.fn):
            event.fn = once(event.fn)


def once(handler: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    """Have each change come once, and a handler that ends without an answer change nothing.

    Gradio would empty all that it may change; and it sends the end again, when the visitor may have gone on.
    """

    @wraps(handler)
    def answers(*given: Any) -> Iterator[Any]:
        told = handler(*given)
        yield next(told, gr.skip())
        yield from told
        yield gr.skip()

    return answers


def newest(handler: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
    """Have a handler, which asks when it is called and answers later, not ask where the visitor has asked since.

    Two threads may begin in another order than their events came in; the later question is the one to be answered.
    """

    @wraps(handler)
    def answers(*given: Any) -> Iterator[Any]:
        session, number = given[-1], arrival()
        with session.turn:
            if number < session.arrival:
                return
            asking, told = session.asking, handler(*given)
            if session.asking is not asking:  # the gallery box tells of the one on show, too, and asks nothing then
                session.arrival = number
        yield from told

    return answers


def wire_opening(page: gr.Blocks, parts: Parts, galleries: Galleries, add_photos: AddPhotos) -> None:
    """The page is opened; at the first start it waits for the demo gallery."""
    p, session = parts, parts.session
    changes = [*p.another_gallery, p.timer]
    told = [p.report, p.arriving, p.stop_upload, p.coming, p.gallery, p.headline]
    page.load(galleries.opened, [p.browser, p.refine, session], changes, **SHORT).then(
        add_photos.resumed, session, [*told, *p.offering], **SHORT
    )
    p.coming.tick(add_photos.followed, session, told, **SHORT)
    p.timer.tick(galleries.waited, [p.refine, session], changes, **SHORT)


def wire_search(parts: Parts, search: Search, pictures: PictureSearch, tabs: Tabs) -> None:
    """Words or a picture are given, and what follows from that in the other tabs."""
    p, session = parts, parts.session
    p.tabs.select(search.tab_selected, session, None, **SHORT)
    for listen, answer, given, changed in (
        (p.query.submit, search.searched, [p.query], [p.query]),
        (p.suggestions.again, search.suggestion_chosen, [], [p.query]),
        (p.picture.upload, pictures.picture_given, [p.picture], [p.picture, p.notice, p.query]),
        (p.panel.alike, pictures.more_like_this, [], [p.notice, p.query]),
        (p.viewer.alike, pictures.more_like_this, [], [p.notice, p.query]),
        (p.chip.unlike, pictures.unliked, [], []),
    ):
        inputs, outputs = [*given, p.refine, session], [*changed, *p.results]
        answered = listen(newest(answer), inputs, outputs, js=OPEN_RESULTS, **SHORT)
        answered.then(tabs.compare.shown_if_open, session, p.comparison, **SHORT)
        answered.then(tabs.overview.shown_if_open, [p.budget, p.looked_for, session], p.overview, **SHORT)
    p.refine.input(newest(search.asked_again), [p.refine, session], p.results, **SHORT)
    p.grid.more(search.more, session, p.grid, **SHORT)


def wire_results(parts: Parts, selection: Selection, galleries: Galleries, export: Export) -> None:
    """What is on show stands in another order, or is taken away; a photo is selected, and more is asked about it."""
    p, session = parts, parts.session
    p.arrangement.arrange(newest(galleries.arranged), [p.refine, session], p.results, **SHORT)
    p.answer.export(export.exported, session, [p.file, p.notice], **SHORT)
    selects = [part.select for part in (p.grid, p.tools, p.report, p.histogram, p.applied, p.map)]
    gr.on(selects, selection.selected, session, p.panel, **SHORT)
    p.panel.explain(selection.explained, session, p.panel, **SHORT)
    p.panel.deepen(selection.deepened, session, [p.answer, p.grid, p.panel], **SHORT)
    for part in (p.answer, p.panel):
        part.discard(galleries.photos_deleted, session, [p.gallery, *p.results], **SHORT)


def wire_albums(parts: Parts, albums: Albums) -> None:
    """Albums are made and changed."""
    p, session = parts, parts.session
    p.albums_tab.select(albums.shown, session, p.album_parts, **SHORT)
    several = {**LONG, "trigger_mode": "multiple"}  # the next words do not wait for the second looks of the last
    words = [p.album_words, session]
    p.album_words.submit(albums.added, words, p.album_parts, js=EMPTY_ALBUM_WORDS, **several)
    board = p.album_board
    for listen, answer in (
        (p.album_proposals.propose, albums.proposed),
        (board.propose, albums.proposed),
        (board.move, albums.moved),
        (board.merge, albums.merged),
        (board.remove, albums.deleted),
        (board.rename, albums.renamed),
        (p.album_line.undo, albums.undone),
    ):
        listen(answer, session, p.album_parts, **several)
    board.seek(albums.sought, session, p.album_parts, **SHORT)
    board.unfold(albums.unfolded, session, p.album_parts, **SHORT)
    board.pack(albums.packed, session, [p.file, p.album_line], **SHORT)


def redraw_open_tab(event: Dependency, parts: Parts, tabs: Tabs) -> None:
    """After an event that may bring another gallery on show: the tab that is open shows that one."""
    p, session = parts, parts.session
    event.then(tabs.compare.shown_if_open, session, p.comparison, **SHORT)
    event.then(tabs.overview.shown_if_open, [p.budget, p.looked_for, session], p.overview, **SHORT)
    event.then(tabs.albums.shown_if_open, session, p.album_parts, **SHORT)


def wire_galleries(parts: Parts, galleries: Galleries, add_photos: AddPhotos, tabs: Tabs) -> None:
    """Another gallery is picked, or Back or Forward leads to one; its owner changes it."""
    p, session = parts, parts.session
    gone = p.tools.go(newest(galleries.gone_to), [p.refine, session], p.another_gallery, **SHORT)
    redraw_open_tab(gone, parts, tabs)
    p.gallery.change(galleries.settings, [p.gallery, session], p.settings, **SHORT)
    picked = p.gallery.input(
        newest(galleries.chosen),
        [p.gallery, p.refine, session],
        [p.notice, p.query, *p.offering, p.browser, *p.results],
        **SHORT,
    )
    redraw_open_tab(picked, parts, tabs)
    p.gallery.focus(galleries.listed, session, [p.gallery, p.notice], **SHORT)
    told = [p.report, p.arriving, p.stop_upload]
    p.rename.submit(
        galleries.renamed, [p.rename, p.gallery, session], [p.gallery, *p.offering, p.renamed], **SHORT
    ).then(add_photos.told, session, told, **SHORT)
    # Each click at once: one that waited for the last one's answer would be lost where another gallery comes on show.
    p.public.input(galleries.published, [p.public, p.gallery, session], [p.link, p.public], **SHORT)
    p.delete.click(
        galleries.deleted, [p.gallery, p.refine, session], p.another_gallery, js=CONFIRM_DELETE, **SHORT
    ).then(add_photos.told, session, told, **SHORT)


def wire_budget(parts: Parts, budget: Budget, overview: Overview, search: Search) -> None:
    """Another budget is tried, and applied."""
    p, session = parts, parts.session
    for changed in (p.budget.change, p.looked_for.change):
        changed(budget.previewed, [p.budget, p.looked_for, session], [p.budget_preview, p.apply], **LATEST)
    p.budget_preview.preset(None, None, p.budget, js=CHOSEN_PRESET, **SHORT)
    changes = [p.applied, p.stop_apply, p.apply]
    applied = p.apply.click(budget.applied, [p.budget, p.looked_for, session], changes, **LONG)
    applied.then(overview.shown, [p.budget, p.looked_for, session], p.overview, **SHORT).then(
        search.gallery_changed, session, p.results, **SHORT
    )
    applied.then(overview.map_if_open, session, p.map, **SHORT)


def wire_overview(parts: Parts, galleries: Galleries, overview: Overview, fitting: Fitting) -> None:
    """The gallery's tab is opened, where a model without exits can be given some."""
    p, session = parts, parts.session
    p.gallery_tab.select(overview.map, session, p.map, **SHORT)
    p.gallery.change(overview.map_if_open, session, p.map, **SHORT)
    boxes = [p.budget, p.looked_for]
    p.gallery_tab.select(galleries.shared, [*boxes, p.public, session], [*boxes, p.public, p.link], **SHORT).then(
        overview.shown, [*boxes, session], p.overview, **SHORT
    ).then(fitting.offered, None, [p.no_exits, p.fit, p.stop_fit], **SHORT)
    p.fit.click(fitting.fitted, session, [p.no_exits, p.fit, p.stop_fit], **LONG).then(
        overview.shown, [p.budget, p.looked_for, session], p.overview, **SHORT
    )


def wire_comparison(parts: Parts, compare: Compare, present: Present) -> None:
    """Both encoders race; present mode is opened."""
    p, session = parts, parts.session
    races = [*p.comparison, p.stop_race, p.headline]
    p.compare_tab.select(compare.shown, session, p.comparison, **SHORT).then(compare.followed, session, races, **LONG)
    # A click right after a stop does not wait for the end of what was stopped; one race at a time runs all the same.
    p.start_race.click(compare.raced, session, races, **{**LONG, "trigger_mode": "multiple"})
    p.tools.present(present.presented, session, [p.screens, p.notice], **SHORT)


def wire_add_photos(parts: Parts, add_photos: AddPhotos, tabs: Tabs) -> None:
    """Photos come in; their gallery comes on show when they are there, to who has waited for it."""
    p, session = parts, parts.session
    told = [p.report, p.arriving, p.stop_upload]
    changes = [*told, p.gallery, p.query, *p.offering, p.browser, p.tabs, *p.results]
    p.arriving.drop(add_photos.dropped, [p.add_to, session], None, **SHORT)
    p.arriving.cut(add_photos.cut_short, session, p.notice, **SHORT)
    for added in (
        p.arriving.begin(add_photos.begun, [p.add_to, session], changes, **{**LONG, "trigger_mode": "multiple"}),
        p.server_folder.submit(add_photos.from_folder, [p.server_folder, p.add_to, session], changes, **LONG),
    ):
        redraw_open_tab(added, parts, tabs)
    p.add_to.change(add_photos.named, [p.add_to, session], p.adds_to, **LATEST)
    p.stop_upload.click(add_photos.stopped, session, None, **SHORT)
    for part in (p.report, p.arriving):
        part.dismiss(add_photos.dismissed, session, told, **SHORT)
        part.show(newest(add_photos.shown), session, [*told, *p.another_gallery], **SHORT)


def wire_stops(parts: Parts, services: Services) -> None:
    """Long work is stopped; uploads, which others of the visitor's pages see too, have a button of their own."""
    kinds: dict[Work, gr.Button] = {
        "albums": parts.stop_albums,
        "budget": parts.stop_apply,
        "fit": parts.stop_fit,
        "race": parts.stop_race,
    }

    def stop(kind: Work, button: gr.Button, session: Session) -> Updates:
        services.stop(kind, session)
        return {button: gr.update(value=STOPPING, interactive=False)}  # a batch that has begun is finished first

    for kind, button in kinds.items():
        button.click(partial(stop, kind, button), parts.session, button, **SHORT)


def expose(api: Api) -> None:
    """The named endpoints; all other events are private."""
    for name in ("search", "galleries", "explain"):
        gr.api(getattr(api, name), api_name=name, concurrency_limit=8)
    for name in ("compare", "sort"):  # they wait in a line of our own
        gr.api(getattr(api, name), api_name=name, concurrency_limit=40)
    with gr.Row(visible=False):  # the part that checks where files come from; one, for assistants cannot send a list
        file = gr.File(label="file")
        gallery, visitor, report = (
            gr.Textbox(label="gallery"),  # no value: a call must name one
            gr.Textbox("", label="visitor"),
            gr.JSON(label="report"),
        )
        gr.Button().click(api.add_photos, [file, gallery, visitor], report, api_name="add_photos", concurrency_limit=40)
