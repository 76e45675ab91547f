"""The page from top to bottom, and what is wired to what."""

from pathlib import Path
from typing import Any

import gradio as gr

from app import views
from app.handlers import LONGEST_QUERY, NEW_GALLERY, Handlers
from app.pictures import Pictures
from app.theme import theme
from app.uploads import DAY

ASSETS = Path(__file__).parents[1] / "assets"
SCRIPT = (ASSETS / "page.js").read_text("utf-8")
PRIVATE: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
OURS: dict[str, Any] = {"js_on_load": SCRIPT, "apply_default_css": False}


def build(handlers: Handlers) -> gr.Blocks:
    """The page, not yet served."""
    # What an interrupted upload leaves in Gradio's cache is gone after a day.
    with gr.Blocks(title="T-GEM search", analytics_enabled=False, fill_width=True, delete_cache=(DAY, DAY)) as page:
        with gr.Row(elem_id="head"):
            gallery = gr.Dropdown(
                choices=[], label="Gallery", show_label=False, container=False, interactive=True, elem_id="gallery"
            )
            headline = gr.HTML(elem_id="headline", **OURS)
        query = gr.Textbox(
            placeholder="What are you looking for?",
            label="Search",
            show_label=False,
            container=False,
            submit_btn="Search",
            max_lines=1,
            max_length=LONGEST_QUERY,
            elem_id="query",
        )
        examples = gr.HTML(elem_id="examples", **OURS)
        with gr.Row(elem_id="found"):
            with gr.Column(scale=5, min_width=320):
                grid = gr.HTML(views.skeleton(), elem_id="grid", **OURS)
            with gr.Column(scale=3, min_width=320, elem_id="aside"):
                panel = gr.HTML(elem_id="panel", **OURS)
        with gr.Row(elem_id="foot"):
            with gr.Column(scale=5, min_width=320):
                gr.HTML(views.note("Add photos", "Many at once. They stay on this machine."), elem_id="add", **OURS)
                name = gr.Textbox(
                    NEW_GALLERY,
                    label="To the gallery",
                    info="A new name makes a new gallery.",
                    max_length=80,
                    elem_id="name",
                )
                files = gr.File(file_count="multiple", label="Photos", height=150, elem_id="files")
                account = gr.HTML(elem_id="account", **OURS)
            with gr.Column(scale=3, min_width=320):
                histogram = gr.HTML(elem_id="histogram", **OURS)
        timer = gr.Timer(1.0, active=False)

        shown = [headline, examples, grid, panel, histogram]
        page.load(handlers.opened, None, [gallery, query, timer, *shown], **PRIVATE)
        timer.tick(handlers.waited, gallery, [gallery, query, timer, *shown], **PRIVATE)
        query.submit(handlers.searched, [query, gallery], [grid, panel], concurrency_limit=8, **PRIVATE)
        examples.select(handlers.tried, gallery, [query, grid, panel], concurrency_limit=8, **PRIVATE)
        gr.on([grid.select, account.select], handlers.selected, None, panel, concurrency_limit=8, **PRIVATE)
        gallery.input(handlers.picked, gallery, [query, name, *shown], concurrency_limit=8, **PRIVATE)
        files.upload(
            handlers.uploaded, [files, name], [files, account, gallery, query, *shown], concurrency_limit=4, **PRIVATE
        )
        gr.api(handlers.search, api_name="search", concurrency_limit=8)
    return page


def launch_options(pictures: Pictures) -> dict[str, Any]:
    """How the page is served; host and port are Gradio's own environment variables."""
    return {
        "theme": theme(),
        "css_paths": ASSETS / "style.css",
        "app_kwargs": {"routes": pictures.routes()},
        "footer_links": [],
        "run_history": False,
        "ssr_mode": False,
        "share": False,
        "max_file_size": "200mb",  # per file; what is over the engine's own limit is named in the account
        "quiet": True,
    }
