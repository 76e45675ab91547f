"""The page as Gradio serves it, less what Gradio would fetch or touch for whoever names it."""

from typing import Any

import gradio as gr
from gradio_client.utils import is_file_obj_with_meta, traverse

from app.uploads import NotUploaded, sent


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
        return await super().preprocess_data(block_fn, inputs, *rest, **options)
