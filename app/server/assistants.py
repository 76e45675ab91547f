"""What the tools of `--mcp` are given and told: how much a call may bring, how answers read, and what is logged."""

import base64
import inspect
import json
import logging
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradio.mcp import GradioMCPServer

from app.server.bodies import ASSISTANTS

if TYPE_CHECKING:
    from mcp.server import Server
    from mcp.types import ImageContent, TextContent

LONGEST = 500  # characters of a refusal, which would repeat all that was sent


class Tools(GradioMCPServer):
    """Gradio's tools, to which a file comes as a data: address; of the other ways, which it names, none is open."""

    _file_data_tool_description = ""

    def simplify_filedata_schema(self, schema: dict[str, Any]) -> tuple[dict[str, Any], list[list[str | int]]]:
        """What a tool takes, and where files stand in it."""
        simple, files = super().simplify_filedata_schema(schema)
        for (name,) in files:
            for of_other_ways in ("format", "required", "title"):
                simple["properties"][name].pop(of_other_ways, None)
        simple["additionalProperties"] = False  # or Gradio answers, of a part of its page that ours does not have
        return simple, files

    def create_mcp_server(self) -> "Server":
        """Gradio's server, which does not repeat to an assistant what it sent when it refuses that."""
        from mcp.types import CallToolRequest, CallToolResult, ServerResult

        server: Any = super().create_mcp_server()
        answer = server.request_handlers[CallToolRequest]

        async def shortly(request: CallToolRequest) -> ServerResult:
            found: ServerResult = await answer(request)
            if isinstance(found.root, CallToolResult) and found.root.isError:
                for part in found.root.content:
                    if part.type == "text":
                        part.text = shortened(part.text)
            return found

        server.request_handlers[CallToolRequest] = shortly
        return server

    def convert_strings_to_filedata(self, value: Any, filedata_positions: list[list[str | int]]) -> Any:
        """The arguments of a call, their files kept as Gradio does; raises ValueError, which does not repeat them."""
        files = [value[name] for (name,) in filedata_positions if name in value]
        try:
            whole = all(file.startswith("data:") and base64.b64decode(file.partition(",")[2]) for file in files)
        except ValueError:
            whole = False
        if not whole:
            raise ValueError("Send the file as a data: address (data:image/jpeg;base64,...).")
        return super().convert_strings_to_filedata(value, filedata_positions)

    def postprocess_output_data(self, data: Any, root_url: str) -> "list[TextContent | ImageContent]":
        """What a tool gave back, as assistants read it; Gradio would write it as Python does."""
        from mcp.types import TextContent

        return [TextContent(type="text", text=json.dumps(value, ensure_ascii=False)) for value in data]


def shortened(sentence: str) -> str:
    """A refusal, with the middle of what it repeats left out: what it objects to stands at its end."""
    if len(sentence) <= LONGEST:
        return sentence
    half = (LONGEST - 1) // 2
    return f"{sentence[:half]}…{sentence[-half:]}"


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
    setattr(tools, "GradioMCPServer", Tools)  # noqa: B010
    manager: Any = Tools.StreamableHTTPSessionManager
    if "max_request_body_size" in inspect.signature(manager).parameters:  # earlier versions have no bound
        roomy = staticmethod(partial(manager, max_request_body_size=ASSISTANTS.bytes))
        setattr(Tools, "StreamableHTTPSessionManager", roomy)  # noqa: B010
    setattr(tools, "Client", partial(tools.Client, httpx_kwargs={"trust_env": False}))  # noqa: B010
    folder = Path(mcp.__file__).parent
    logging.getLogger("mcp").setLevel(logging.CRITICAL)
    # Some of it goes to the root's log.
    logging.getLogger().addFilter(lambda record: folder not in Path(record.pathname).parents)
