"""Ask a page for a public address in every way that there is, from inside a network namespace of its own.

`test_relay.py` runs it there: the address is on the namespace's loopback, where nothing else listens and nothing leads
out. Prints as JSON what was fetched from that address, and what the page answered.
"""

import asyncio
import http.server
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client

from tests.hostile.served_page import Served, served

ADDRESS = "9.9.9.9"  # any that is public: pages often refuse to fetch from private ones only
URL = f"http://{ADDRESS}/photo.jpg"
FILE = {"path": URL, "url": URL, "orig_name": "photo.jpg", "meta": {"_type": "gradio.FileData"}}
PATIENCE = 1.0  # seconds for one event: a fetch is over by then


@contextmanager
def elsewhere(host: str, port: int) -> Iterator[tuple[str, list[str]]]:
    """A server that would be fetched from. Yields: its address, and what it was asked for."""
    asked: list[str] = []

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.command} {self.path}")
            self.send_response(200)
            self.end_headers()

        do_HEAD = do_POST = do_PUT = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer((host, port), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://{host}:{server.server_port}", asked
    server.shutdown()


def get_files(page: Served) -> list[int]:
    """Ask for the address as a file, a proxy's target, and a redirect's; returns the answers' states."""
    paths = [f"/gradio_api/{way}{URL}" for way in ("file=", "file/", "proxy=", "stream/", "custom_component/")]
    paths += [f"/file={URL}", f"/proxy={URL}", f"/?url={URL}", f"/?__theme={URL}", f"/photo/{URL}", f"/{URL}"]
    with page.client() as stranger:
        return [stranger.get(path).status_code for path in paths]


def send_events(page: Served) -> int:
    """Begin every event of the page with the address in all its inputs; returns how many were begun."""
    events = httpx.get(f"{page.address}/config", timeout=30).json()["dependencies"]
    begun = 0
    for number, event in enumerate(events):
        for form in (FILE, [FILE]) if event["inputs"] else ():
            session = f"relay{number}-{begun}"
            body = {"fn_index": event["id"], "data": [form] * len(event["inputs"]), "session_hash": session}
            with page.client(f"198.51.{number % 200}.{begun % 200}", timeout=PATIENCE) as stranger:
                try:
                    stranger.post("/gradio_api/queue/join", json=body)
                    stranger.get("/gradio_api/queue/data", params={"session_hash": session})
                except httpx.TimeoutException:  # a stream that goes on
                    pass
            begun += 1
    return begun


def call_endpoints(page: Served) -> list[str]:
    """Call every named endpoint so, as plain HTTP; returns what came of it."""
    told = []
    for name, about in httpx.get(f"{page.address}/gradio_api/info", timeout=30).json()["named_endpoints"].items():
        data = [FILE if part["parameter_name"] == "file" else URL for part in about["parameters"]]
        named = {part["parameter_name"]: URL for part in about["parameters"]}
        with page.client(timeout=30) as stranger:
            begun = stranger.post(f"/gradio_api/call{name}", json={"data": data})
            if begun.status_code == 200:
                told.append(stranger.get(f"/gradio_api/call{name}/{begun.json()['event_id']}").text)
        with page.client(timeout=30) as stranger:
            stranger.post(f"/gradio_api/call/v2{name}", json={**named, "file": FILE})
    return told


async def use_tools(page: Served, headers: dict[str, str]) -> dict[str, str]:
    """Call every tool over MCP with the address in each text; returns what each one answered."""
    told = {}
    address = f"{page.address}/gradio_api/mcp/"
    async with (
        streamablehttp_client(address, headers=headers) as (incoming, outgoing, _),
        ClientSession(incoming, outgoing) as session,
    ):
        await session.initialize()
        for tool in (await session.list_tools()).tools:
            parts = tool.inputSchema["properties"]
            given = {name: URL for name, part in parts.items() if part.get("type") == "string"}
            answer: Any = await session.call_tool(tool.name, given)
            told[tool.name] = f"{'refused: ' if answer.isError else ''}{answer.content[0].text}"
    return told


def main(public: str) -> None:
    """Ask in every way, and print what came of it."""
    with (
        TemporaryDirectory() as name,
        elsewhere(ADDRESS, 80) as (_, asked),
        served(Path(name, "home"), options=("--mcp",), TGEM_PUBLIC=public) as page,
    ):
        httpx.get(f"http://{ADDRESS}/control")
        told = {
            "files": get_files(page),
            "events": send_events(page) if public == "1" else 0,  # the same for both
            "endpoints": call_endpoints(page),
            "tools": asyncio.run(use_tools(page, {})),
        }
        if public == "1":  # it answers to any name then
            told["tools by another name"] = asyncio.run(use_tools(page, {"Host": ADDRESS}))
        sys.stdout.write(json.dumps({"asked": asked, **told}))


if __name__ == "__main__":
    main(sys.argv[1])
