"""The page from top to bottom, and what is wired to what."""

from typing import Any

import gradio as gr

from app.access import is_local
from app.handlers.add_photos import AddPhotos
from app.handlers.api import Api
from app.handlers.budget import Budget
from app.handlers.comparison import Compare
from app.handlers.fitting import Fitting
from app.handlers.galleries import GALLERY, LONGEST_NAME, NEW_GALLERY, Galleries
from app.handlers.photo import Selection
from app.handlers.search import COMPARE, Search
from app.health import health_route
from app.page import Page
from app.pictures import Pictures
from app.server.arrivals import FILE_BYTES
from app.services import Services
from app.session import Session
from app.theme import theme
from app.views import head, notes
from engine.gallery import ASSETS, BUDGET_GRID, DEFAULT_BUDGET, LONGEST_QUERY

SCRIPT, GLIDE, SCREENS = ((ASSETS / name).read_text("utf-8") for name in ("page.js", "glide.js", "present.js"))
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
# A new question does not wait until the last one has been looked at again.
MANY: dict[str, Any] = {**PRIVATE, "concurrency_limit": 8, "trigger_mode": "multiple"}
# Long work waits in a line of our own, where its place is told (app/work.py), and not unseen in Gradio's.
LONG: dict[str, Any] = {**PRIVATE, "concurrency_limit": 40}
THREADS = 200  # for events that run or wait at once: one that waits costs next to nothing
LATEST: dict[str, Any] = {**MANY, "trigger_mode": "always_last"}


def ours(elem_id: str, value: str = "", script: str = "") -> gr.HTML:
    """A part of the page that we draw ourselves."""
    return gr.HTML(value, elem_id=elem_id, js_on_load=SCRIPT + script, apply_default_css=False)


def build(services: Services, secret: str) -> gr.Blocks:
    """The page, not yet served.

    Args: secret: what the browser's memory is sealed with; the same over restarts.
    """
    search = Search(services)
    selection, galleries = Selection(services), Galleries(services, search)
    add_photos, budgets, compare = AddPhotos(services, search, galleries), Budget(services), Compare(services)
    fitting = Fitting(services)
    with Page(title="T-GEM search", analytics_enabled=False, fill_width=True) as page:
        session = gr.State(Session())
        browser = gr.BrowserState(None, storage_key="tgem", secret=secret)
        with gr.Row(elem_id="head"):
            gallery = gr.Dropdown(
                choices=[], label="Gallery", show_label=False, container=False, interactive=True, elem_id="gallery"
            )
            headline = ours("headline")
            tools = ours("tools", head.TOOLS)
        with gr.Row(elem_id="ask"):
            query = gr.Textbox(
                placeholder="What are you looking for?   2:dog + beach - people",
                label="Search",
                show_label=False,
                container=False,
                submit_btn="Search",
                max_lines=1,
                max_length=LONGEST_QUERY,
                elem_id="query",
            )
            picture = gr.UploadButton("By picture", file_types=["image"], elem_id="picture", size="md")
            refine = gr.Checkbox(True, label="Look again where in doubt", container=False, elem_id="refine")
        suggestions = ours("suggestions")
        with gr.Tabs(selected="results", elem_id="tabs") as tabs:
            with gr.Tab("Results", id="results"):
                answer = ours("answer")
                with gr.Row(elem_id="found"):
                    with gr.Column(scale=5, min_width=320):
                        grid = ours("grid", notes.skeleton(), GLIDE)
                    with gr.Column(scale=3, min_width=320, elem_id="aside"):
                        panel = ours("panel")
            with gr.Tab(GALLERY, id="gallery") as gallery_tab:
                figures = ours("figures")
                with gr.Row(elem_id="whole"):
                    with gr.Column(scale=5, min_width=320):
                        histogram = ours("histogram")
                    with gr.Column(scale=3, min_width=320):
                        curve = ours("curve")
                offer = ours("offer")
                with gr.Row(elem_id="fit-row"):
                    fit = gr.Button("Fit exit modules on this gallery", visible=False, variant="primary", elem_id="fit")
                    stop_fit = gr.Button("Stop", visible=False, elem_id="stop-fit")
                with gr.Row(elem_id="manage"):
                    with gr.Column(scale=5, min_width=320, elem_id="knob"):
                        ours(
                            "knob-title",
                            notes.note(
                                "Another budget", "How much of the full encoder’s work a photo may take on average."
                            ),
                        )
                        budget = gr.Slider(
                            BUDGET_GRID[0], BUDGET_GRID[-1], DEFAULT_BUDGET, step=0.05, label="Budget", elem_id="budget"
                        )
                        prospect = ours("prospect")
                        looked_for = gr.Textbox(
                            label="What people will look for",
                            info="If you know it, a phrase a line. Photos that show it go deeper than the budget asks.",
                            lines=2,
                            max_lines=6,
                            elem_id="looked-for",
                        )
                        with gr.Row(elem_id="apply-row"):
                            apply = gr.Button("Encode again", variant="primary", elem_id="apply")
                            stop_apply = gr.Button("Stop", visible=False, elem_id="stop-apply")
                        applied = ours("applied")
                    with gr.Column(scale=3, min_width=320, elem_id="keep"):
                        ours("keep-title", notes.note("This gallery", "Its name, and who sees it."))
                        title = gr.Textbox(label="Name", max_length=LONGEST_NAME, submit_btn="Rename", elem_id="title")
                        public = gr.Checkbox(False, label="Everyone with the link may look at it", elem_id="public")
                        link = ours("link")
                        delete = gr.Button("Delete this gallery", variant="stop", elem_id="delete")
                        done = ours("done")
            with gr.Tab(COMPARE, id="compare") as compare_tab:
                race = ours("race")
                with gr.Row(elem_id="race-row"):
                    start = gr.Button("Race against the full encoder", variant="primary", elem_id="start")
                    stop_race = gr.Button("Stop", visible=False, elem_id="stop-race")
                sides = ours("sides")
            with gr.Tab("Add photos", id="add"):
                ours(
                    "add",
                    notes.note("Add photos", "Many at once, folders, ZIP archives. They stay on this machine."),
                )
                name = gr.Textbox(
                    NEW_GALLERY,
                    label="To the gallery",
                    info="A new name makes a new gallery.",
                    max_length=LONGEST_NAME,
                    elem_id="name",
                )
                with gr.Row(elem_id="drop-row"):
                    files = gr.File(file_count="multiple", label="Photos or archives", height=150, elem_id="files")
                    folder = gr.UploadButton("Choose a folder", file_count="directory", elem_id="folder", size="md")
                with gr.Row(visible=is_local(), elem_id="server-row"):
                    server = gr.Textbox(
                        label="Or a folder of this machine",
                        placeholder="/home/me/Pictures",
                        submit_btn="Read it",
                        elem_id="server",
                    )
                stop = gr.Button("Stop", visible=False, elem_id="stop")
                account = ours("account")
        screens = ours("screens", script=SCREENS)
        timer = gr.Timer(1.0, active=False)

        found = [headline, suggestions, answer, grid, panel]
        whole = [figures, histogram, curve, prospect]
        taken = [gallery, query, browser, *found]

        page.load(galleries.opened, [browser, refine, session], [gallery, query, timer, browser, *found], **MANY)
        timer.tick(galleries.waited, [refine, session], [gallery, query, timer, browser, *found], **MANY)

        tabs.select(search.turned, session, None, **MANY)
        for listen in (query.submit, suggestions.again, picture.upload, panel.alike):
            listen(search.seen, session, tabs, **MANY)
        asked = query.submit(search.searched, [query, refine, session], found, **MANY)
        again = suggestions.again(search.again, [refine, session], [query, *found], **MANY)
        pictured = picture.upload(search.pictured, [picture, refine, session], [picture, query, *found], **MANY)
        alike = panel.alike(search.alike, [refine, session], [query, *found], **MANY)
        grid.more(search.more, session, grid, **MANY)
        for event in (asked, again, pictured, alike):
            event.then(compare.stirred, session, [race, sides], **MANY)
            event.then(galleries.stirred, [budget, session], whole, **MANY)

        gr.on(
            [grid.select, account.select, histogram.select, applied.select], selection.selected, session, panel, **MANY
        )
        panel.explain(selection.explained, session, panel, **MANY)
        panel.deepen(selection.deepened, session, panel, **MANY)
        for part in (answer, panel):
            part.discard(galleries.discarded, session, [gallery, *found], **MANY)
        account.show(lambda: gr.update(selected="results"), None, tabs, **MANY)

        gallery.change(
            galleries.settings, [gallery, session], [budget, looked_for, title, public, link, delete], **MANY
        )
        gallery.input(galleries.picked, [gallery, refine, session], [query, name, browser, *found], **MANY).then(
            galleries.whole, [budget, session], whole, **MANY
        ).then(compare.stirred, session, [race, sides], **MANY)
        gallery_tab.select(galleries.whole, [budget, session], whole, **MANY).then(
            fitting.offered, session, [offer, fit], **MANY
        )
        fit.click(fitting.fitted, session, [offer, fit, stop_fit], **LONG).then(
            galleries.whole, [budget, session], whole, **MANY
        )
        compare_tab.select(compare.shown, session, [race, sides], **MANY)
        budget.change(galleries.prospect, [budget, session], prospect, **LATEST)
        apply.click(budgets.applied, [budget, looked_for, session], [applied, stop_apply], **LONG).then(
            galleries.whole, [budget, session], whole, **MANY
        ).then(search.refreshed, session, found, **MANY)
        title.submit(galleries.renamed, [title, session], [gallery, done], **MANY)
        public.input(galleries.published, [public, session], link, **MANY)
        delete.click(
            galleries.deleted,
            [refine, session],
            [gallery, query, browser, tabs, *found],
            js="(...given) => { if (!confirm('Delete this gallery and all its photos?')) throw 'kept'; return given; }",
            **MANY,
        )
        start.click(compare.raced, session, [race, sides, start, stop_race], **LONG)

        files.upload(add_photos.uploaded, [files, name, session], [files, account, stop, *taken], **LONG)
        folder.upload(add_photos.uploaded, [folder, name, session], [folder, account, stop, *taken], **LONG)
        server.submit(add_photos.from_folder, [server, name, session], [files, account, stop, *taken], **LONG)
        for button, doing in ((stop, add_photos), (stop_apply, budgets), (stop_fit, fitting), (stop_race, compare)):
            button.click(doing.stopped, session, None, **MANY)

        tools.present(compare.presented, session, screens, **MANY)
        doors(Api(services))
    page.queue(api_open=False)  # who skipped the queue would skip the limit of each endpoint, too
    return page


def doors(api: Api) -> None:
    """The named endpoints; all other events are private."""
    for name in ("search", "galleries", "explain"):
        gr.api(getattr(api, name), api_name=name, concurrency_limit=8)
    gr.api(api.compare, api_name="compare", concurrency_limit=1)
    with gr.Row(visible=False):  # the part that checks where files come from; one, for assistants cannot send a list
        file = gr.File(label="file")
        gallery, visitor, report = (
            gr.Textbox("", label="gallery"),
            gr.Textbox("", label="visitor"),
            gr.JSON(label="report"),
        )
        gr.Button().click(api.add_photos, [file, gallery, visitor], report, api_name="add_photos", concurrency_limit=40)


def launch_options(services: Services, pictures: Pictures) -> dict[str, Any]:
    """How the page is served; host and port are Gradio's own environment variables."""
    return {
        "theme": theme(),
        "css_paths": ASSETS / "style.css",
        "app_kwargs": {"routes": [*pictures.routes(), health_route(services)]},
        "footer_links": [],
        "run_history": False,
        "ssr_mode": False,
        "share": False,
        "max_threads": THREADS,
        "max_file_size": FILE_BYTES,
        "enable_monitoring": False,
        "quiet": True,
    }
