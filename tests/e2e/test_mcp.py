"""`python app.py --mcp`, started for real, and its tools called as an assistant calls them."""

import asyncio
import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.health import ready_page
from tests.pictures import MakePng, encoded

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    proxy = "http://127.0.0.1:9"  # nobody listens there, as no proxy of a company reaches this machine
    with ready_page(ROOT, tmp_path_factory.mktemp("home"), "app.py", "--mcp", http_proxy=proxy) as address:
        yield address


@pytest.mark.slow
def test_an_assistant_finds_the_tools_and_uses_them(address: str) -> None:
    from mcp import ClientSession
    from mcp.client.streamable_http import streamablehttp_client

    noise = Image.effect_noise((3000, 2000), 100)  # 5 MB: as large as the photos of a camera
    picture = "data:image/png;base64," + base64.b64encode(encoded(noise, "PNG")).decode()

    assert len(picture) > 5 * 2**20

    calls: list[tuple[str, dict[str, Any]]] = [
        ("search", {"text": "a dog", "gallery": "", "k": 3, "visitor": ""}),
        ("add_photos", {"file": picture, "gallery": "From an assistant", "visitor": ""}),
        ("galleries", {"visitor": ""}),
        ("sort", {"albums": "a dog\nfood", "gallery": "From an assistant", "budget": 1.0, "visitor": ""}),
        ("search", {"text": "a dog", "gallery": "nowhere", "k": 3, "visitor": ""}),
        ("add_photos", {"file": picture.rpartition(",")[-1], "gallery": "From an assistant", "visitor": ""}),
        ("search", {"text": "a dog", "gallery": "", "most": 3}),
        ("search", {"text": [picture], "gallery": ""}),
    ]

    async def talk() -> tuple[Any, list[Any]]:
        async with (
            streamablehttp_client(f"{address}/gradio_api/mcp/") as (incoming, outgoing, _),
            ClientSession(incoming, outgoing) as session,
        ):
            await session.initialize()
            tools = {tool.name: tool for tool in (await session.list_tools()).tools}
            return tools, [await session.call_tool(name, given) for name, given in calls]

    tools, (found, added, galleries, in_albums, refused, bare, unknown, large) = asyncio.run(talk())
    assert sorted(tools) == ["add_photos", "compare", "explain", "galleries", "search", "sort"]
    for name, answered in [
        ("search", "rank, file, score, exit, exits and macs_share of each, fits (whether"),
        ("galleries", "Returns: name, photos, saved_share"),
        ("explain", "Returns: file, exit, exits, macs"),
        ("sort", "Returns: albums (name and number of photos of each), none"),
        ("compare", "Returns: early and full"),
        ("add_photos", "Returns: gallery, added, duplicates"),
    ]:
        assert answered in tools[name].description
    assert tools["add_photos"].inputSchema["required"] == ["file", "gallery"]
    assert set(tools["search"].inputSchema["properties"]) == {"text", "gallery", "k", "visitor"}
    assert tools["search"].inputSchema["properties"]["text"]["description"].startswith("what the photo shows")
    assert [hit["rank"] for hit in told(found)] == [1, 2, 3]
    assert (told(added)["added"], told(added)["skipped"]) == (1, [])
    assert "From an assistant" in [gallery["name"] for gallery in told(galleries)]
    assert len(told(in_albums)["photos"]) == 1
    assert refused.isError
    assert 'There is no gallery "nowhere"' in refused.content[0].text
    assert bare.isError
    assert bare.content[0].text == "Send the file as a data: address (data:image/jpeg;base64,...)."
    assert unknown.isError
    assert "'most' was unexpected" in unknown.content[0].text
    assert large.isError
    assert large.content[0].text.endswith("is not of type 'string'")
    assert len(large.content[0].text) <= 500


@pytest.mark.slow
def test_the_example_of_the_documentation_runs(address: str, png: MakePng) -> None:
    (example,) = re.findall(r"```py3\n(.*?)```", (ROOT / "docs" / "api.md").read_text("utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec(example, names)
    added, found = asyncio.run(names["tools"](address, png("yellow")))
    assert json.loads(added)["added"] == 1
    assert [hit["rank"] for hit in json.loads(found)] == [1]


def told(answer: Any) -> Any:
    """What a tool gave back."""
    assert not answer.isError, answer
    return json.loads(answer.content[0].text)
