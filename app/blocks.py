"""The page as Gradio serves it, less what Gradio would fetch or touch for whoever names it."""

import sys
from typing import Any

import gradio as gr
from gradio.exceptions import ComponentProcessingError
from gradio_client.utils import is_file_obj_with_meta, traverse
from pydantic import ValidationError

from app import index_page
from app.event_log import where
from app.health import health_route
from app.pictures import Pictures
from app.scripts import scripts_route
from app.server.upload_folders import FILE_BYTES
from app.services import Services
from app.theme import theme
from app.uploading.sent_files import NotUploaded, sent
from engine.gallery import ASSETS

THREADS = 200  # for events that run or wait at once: one that waits costs next to nothing

NOT_A_FILE = "An argument is no file that was sent; send it along, from Python with `handle_file`."
UNFORESEEN = "This did not work; load the page again, and check what was sent."


class Page(gr.Blocks):
    """A page whose every input, a text or a number too, may name files that were sent, and nothing else.

    Gradio would download an address past all limits, and forget its cache's upkeep over a folder that it cannot delete.
    """

    async def preprocess_data(self, block_fn: Any, inputs: list[Any], *rest: Any, **options: Any) -> Any:
        """Refuse what was not sent before Gradio looks for it."""
        try:
            traverse(inputs, lambda file: sent(file["path"]), is_file_obj_with_meta)
        except NotUploaded as error:
            raise gr.Error(str(error), print_exception=False) from error
        try:
            return await super().preprocess_data(block_fn, inputs, *rest, **options)
        except ValidationError as error:  # a program has sent a path, say, and not the file
            raise gr.Error(NOT_A_FILE, print_exception=False) from error
        except ComponentProcessingError as error:  # it has sent what no page sends: nothing for the log
            raise gr.Error(UNFORESEEN, print_exception=False) from error

    def handle_streaming_diffs(
        self,
        block_fn: Any,
        data: list[Any],
        session_hash: str | None,
        run: str | None,
        final: bool,
        *rest: Any,
        **options: Any,
    ) -> list[Any]:
        """Send what has changed whole, not how it differs.

        Gradio's page turns the value before into the new one in its place. Where both come at once, as on a slow line,
        the one before is gone by the time it is drawn: a button would stay as it was.
        """
        told = self.pending_diff_streams.get(session_hash, {}).get(run, [])
        if not final:
            for place, (before, now) in enumerate(zip(told, data, strict=False)):
                if isinstance(before, dict | list) and before != now:
                    told[place] = None
        return super().handle_streaming_diffs(block_fn, data, session_hash, run, final, *rest, **options)

    async def process_api(self, *given: Any, **options: Any) -> dict[str, Any]:
        """Answer what nobody foresaw with a sentence; the terminal is told of which kind it was, and where."""
        try:
            return await super().process_api(*given, **options)
        except gr.Error as error:  # Gradio's own name what was sent, which is nothing for the log
            error.print_exception = False
            raise
        except Exception as error:  # Gradio would tell the visitor nothing, and print all that came in
            sys.stderr.write(where(error))
            raise gr.Error(UNFORESEEN, print_exception=False) from error


def launch_options(services: Services, pictures: Pictures) -> dict[str, Any]:
    """How the page is served; host and port are Gradio's own environment variables."""
    return {
        "theme": theme(),
        "css_paths": ASSETS / "style.css",
        "favicon_path": ASSETS / "favicon.svg",
        "app_kwargs": {
            "routes": [*pictures.routes(), *index_page.files_routes(), scripts_route(), health_route(services)]
        },
        "footer_links": [],
        "run_history": False,
        "ssr_mode": False,
        "share": False,
        "max_threads": THREADS,
        "max_file_size": FILE_BYTES,
        "enable_monitoring": False,
        "quiet": True,
    }
