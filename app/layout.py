"""The page from top to bottom, a function for each row and tab."""

import gradio as gr

from app.access import is_local
from app.blocks import Page
from app.handlers.add_photos import ADD_PHOTOS
from app.handlers.albums import ALBUMS
from app.handlers.api import Api
from app.handlers.comparison import COMPARE
from app.handlers.overview import GALLERY
from app.parts import DELETE, FIT, STOP, Parts
from app.scripts import started
from app.services import Services
from app.session import NEW_GALLERY, Session
from app.views import header, placeholders, upload, viewer
from app.wiring import expose, wire
from engine.gallery import BUDGET_GRID, DEFAULT_BUDGET, LONGEST_NAME, LONGEST_QUERY, Visitors

PICTURES = ["image", ".heic", ".heif", ".hif", ".avif"]  # the last are images, and not every system knows it


def build(services: Services, secret: str) -> gr.Blocks:
    """The page, not yet served.

    Args: secret: what the browser's memory is sealed with; the same over restarts.
    """
    with Page(title="T-GEM search", analytics_enabled=False, fill_width=True) as page:
        wire(page, draw(secret, services.visitors, services.demo.first_query), services)
        expose(Api(services))
    page.queue(api_open=False)  # who skipped the queue would skip the limit of each endpoint, too
    return page


def draw(secret: str, visitors: Visitors | None = None, query: str = "") -> Parts:
    """Create all components, inside the present Gradio page.

    Args: visitors: where strangers come.  query: what is asked at first.
    """
    parts = Parts()
    parts.session = gr.State(Session())
    parts.browser = gr.BrowserState(None, storage_key="tgem", secret=secret)
    head_row(parts)
    search_row(parts, query)
    parts.notice = html("notice")
    parts.arriving = html("arriving", "", "drop")
    parts.adds_to = html("adds-to", upload.field(NEW_GALLERY))
    with gr.Tabs(selected="results", elem_id="tabs") as parts.tabs:
        results_tab(parts)
        albums_tab(parts)
        gallery_tab(parts)
        compare_tab(parts)
        add_photos_tab(parts, visitors)
    parts.screens = html("screens", "", "present")
    parts.viewer = html("viewer", viewer.DIALOG, "viewer")
    parts.timer = gr.Timer(1.0, active=False)
    parts.coming = gr.Timer(2.0, active=False)
    return parts


def html(elem_id: str, value: str = "", *scripts: str) -> gr.HTML:
    """A part of the page that we draw ourselves.

    Args: scripts: names of those that this part needs beside the one of every part (`assets/NAME.js`).
    """
    return gr.HTML(value, elem_id=elem_id, js_on_load=started("page", *scripts), apply_default_css=False)


def head_row(parts: Parts) -> None:
    """Title, present mode and help; the galleries to choose from, and the present one in a line."""
    with gr.Row(elem_id="head"):
        html("intro", header.TITLE)
        parts.tools = html("tools", header.TOOLS, "address")
    with gr.Row(elem_id="which"):
        parts.gallery = gr.Dropdown(
            choices=[], label="Gallery", show_label=False, container=False, interactive=True, elem_id="gallery"
        )
        # Until a session has its list: a page that was open before the server began anew names one that is not in it.
        parts.gallery.preprocess = _number  # type: ignore[assignment, method-assign]
        parts.headline = html("headline")


def _number(gallery: object) -> int | None:
    return gallery if isinstance(gallery, int) else None


def search_row(parts: Parts, query: str) -> None:
    """The search box, and queries to try."""
    with gr.Row(elem_id="ask"):
        parts.chip = html("chip")
        parts.query = gr.Textbox(
            query,
            placeholder=f"{header.PLACEHOLDER}, or 2:mountain + grass - snow",
            label="Search",
            show_label=False,
            container=False,
            submit_btn="Search",
            max_lines=1,
            max_length=LONGEST_QUERY,
            elem_id="query",
        )
        parts.picture = gr.UploadButton("By picture", file_types=PICTURES, elem_id="picture", size="md")
        parts.refine = gr.Checkbox(True, label="Second look where in doubt", container=False, elem_id="refine")
    parts.suggestions = html("suggestions")


def results_tab(parts: Parts) -> None:
    """Photos found, and the selected one beside them."""
    with gr.Tab("Results", id="results"):
        parts.answer = html("answer", "", "typing")
        parts.file = html("file", "", "export")
        parts.arrangement = html("arrangement", "", "arrangement")
        with gr.Row(elem_id="found"):
            with gr.Column(scale=5, min_width=320):
                parts.grid = html("grid", placeholders.SKELETON, "stacks", "glide")
            with gr.Column(scale=3, min_width=320, elem_id="aside"):
                parts.panel = html("panel")


def albums_tab(parts: Parts) -> None:
    """Words for albums, and the photos that fall into them."""
    with gr.Tab(ALBUMS, id="albums") as parts.albums_tab:
        with gr.Row(elem_id="album-row"):
            parts.album_words = gr.Textbox(
                placeholder="An album: receipts   or   dogs: a dog, a puppy, not a wolf",
                label="A new album",
                show_label=False,
                container=False,
                submit_btn="Sort",
                max_lines=1,
                max_length=LONGEST_QUERY,
                elem_id="album-words",
            )
            parts.stop_albums = gr.Button(STOP, visible=False, elem_id="stop-albums")
        parts.album_proposals = html("album-proposals", "", "albums")
        parts.album_line = html("album-line", "", "albums")
        parts.album_board = html("albums-board", "", "albums")


def gallery_tab(parts: Parts) -> None:
    """The gallery as a whole, its budget, and what its owner may set."""
    with gr.Tab(GALLERY, id="gallery") as parts.gallery_tab:
        parts.figures = html("figures", placeholders.COMING)
        with gr.Row(elem_id="whole"):
            with gr.Column(scale=5, min_width=320):
                parts.histogram = html("histogram")
            with gr.Column(scale=3, min_width=320):
                parts.curve = html("curve")
        parts.map = html("map", "", "map")
        parts.no_exits = html("offer")
        with gr.Row(elem_id="fit-row"):
            parts.fit = gr.Button(FIT, visible=False, variant="primary", elem_id="fit")
            parts.stop_fit = gr.Button(STOP, visible=False, elem_id="stop-fit")
        with gr.Row(elem_id="manage"):
            budget_column(parts)
            owner_column(parts)


def budget_column(parts: Parts) -> None:
    """Another budget, and what people will look for."""
    with gr.Column(scale=5, min_width=320, elem_id="knob"):
        html(
            "knob-title",
            placeholders.note("How deep photos go", "One choice for the whole gallery; new photos go by it, too."),
        )
        parts.budget_preview = html("prospect")
        with gr.Accordion("More", open=False, elem_id="fine"):
            parts.budget = gr.Slider(
                BUDGET_GRID[0],
                BUDGET_GRID[-1],
                DEFAULT_BUDGET,
                step=0.05,
                label="Budget",
                info="The share of the full encoder’s compute that a photo takes on average: 0.6 is 60 %.",
                elem_id="budget",
            )
            parts.looked_for = gr.Textbox(
                label="What people will look for",
                info="A phrase a line. The encoder goes deeper on photos where these are hard to tell apart.",
                lines=2,
                max_lines=6,
                elem_id="looked-for",
            )
        with gr.Row(elem_id="apply-row"):
            parts.apply = gr.Button("Encode again", variant="primary", elem_id="apply")
            parts.stop_apply = gr.Button(STOP, visible=False, elem_id="stop-apply")
        parts.applied = html("applied")


def owner_column(parts: Parts) -> None:
    """A gallery's name, its link, and the button that deletes it."""
    with gr.Column(scale=3, min_width=320, elem_id="keep"):
        html("keep-title", placeholders.note("This gallery", "Its name, and who sees it."))
        parts.rename = gr.Textbox(label="Name", max_length=LONGEST_NAME, submit_btn="Rename", elem_id="title")
        parts.public = gr.Checkbox(False, label="Everyone with the link may look at it", elem_id="public")
        parts.link = html("link")
        parts.delete = gr.Button(DELETE, variant="stop", elem_id="delete")
        parts.renamed = html("done")


def compare_tab(parts: Parts) -> None:
    """The full encoder beside the one that stops early."""
    with gr.Tab(COMPARE, id="compare") as parts.compare_tab:
        parts.race = html("race")
        with gr.Row(elem_id="race-row"):
            parts.start_race = gr.Button("Race on this machine", variant="primary", elem_id="start")
            parts.stop_race = gr.Button(STOP, visible=False, elem_id="stop-race")
        parts.rankings = html("sides", placeholders.COMING)


def add_photos_tab(parts: Parts, visitors: Visitors | None) -> None:
    """Files, folders and archives into a gallery."""
    with gr.Tab(ADD_PHOTOS, id="add", elem_id="add-tab"):
        html(
            "add",
            placeholders.note(ADD_PHOTOS, f"Many at once, folders, ZIP archives. {upload.keeping(visitors)}")
            + (upload.NOTHING_KEPT if visitors else ""),
        )
        parts.add_to = gr.Textbox(
            NEW_GALLERY,
            label="To the gallery",
            info="A new name makes a new gallery.",
            max_length=LONGEST_NAME,
            elem_id="name",
        )
        html("files", upload.DROP_ZONE)
        with gr.Row(visible=is_local()):
            parts.server_folder = gr.Textbox(
                label="Or a folder of this machine",
                placeholder="/home/me/Pictures",
                submit_btn="Read it",
                elem_id="server",
            )
        parts.stop_upload = gr.Button(STOP, visible=False, elem_id="stop")
        parts.report = html("account", "", "coming")
