"""What the tools of `--mcp` are given and told: how much a call may bring, how answers read, and what is logged."""

import inspect
import json
import logging
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.server.bodies import ASSISTANTS

if TYPE_CHECKING:
    from mcp.types import ImageContent, TextContent


def prepare() -> None:
    """Let a call be as large as ASSISTANTS says, go past proxies, and nothing of it be logged.

    The package's own bound of 4 MB holds hardly a photo. It warns of calls that it does not understand in their own
    words: queries, tokens, or megabytes. Gradio hands calls on to our own server, which a proxy cannot reach. Without
    the package nothing is done.
    """
    try:
        import mcp
        from gradio import mcp as tools
    except ImportError:  # which Gradio tells
        return
    manager: Any = tools.GradioMCPServer.StreamableHTTPSessionManager
    if "max_request_body_size" in inspect.signature(manager).parameters:  # earlier versions have no bound
        roomy = staticmethod(partial(manager, max_request_body_size=ASSISTANTS.bytes))
        setattr(tools.GradioMCPServer, "StreamableHTTPSessionManager", roomy)  # noqa: B010
    setattr(tools, "Client", partial(tools.Client, httpx_kwargs={"trust_env": False}))  # noqa: B010
    folder = Path(mcp.__file__).parent
    logging.getLogger("mcp").setLevel(logging.CRITICAL)
    # Some of it goes to the root's log.
    logging.getLogger().addFilter(lambda record: folder not in Path(record.pathname).parents)


def answer_as_json(data: Any, root_url: str) -> "list[TextContent | ImageContent]":
    """What a tool gave back, as assistants read it; Gradio would write it as Python does."""
    from mcp.types import TextContent

    return [TextContent(type="text", text=json.dumps(value, ensure_ascii=False)) for value in data]
