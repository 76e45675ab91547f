"""Assistants are told of the one way in which a file can come, and hear a short sentence where it comes in another."""

import base64
import re

import pytest

from app.layout import build
from app.server.assistants import Tools
from app.services import Services
from tests.pictures import MakePng

SENTENCE = rf"^{re.escape('Send the file as a data: address (data:image/jpeg;base64,...).')}$"


@pytest.fixture
def tools(services: Services) -> Tools:
    return Tools(build(services, "a secret"))


def test_the_tools_name_no_way_that_is_closed(tools: Tools) -> None:
    function = tools.get_block_fn_from_endpoint_name("/add_photos")
    assert function is not None
    description, parameters = tools.get_fn_description(function, "add_photos")
    schema, files = tools.get_input_schema("add_photos", parameters)
    assert "upload_file_to_gradio" not in description
    assert "keep them in a gallery. Returns: gallery, added" in description
    assert files == [["file"]]
    assert schema["properties"]["file"].keys() == {"type", "description"}
    assert schema["required"] == ["file", "gallery"]


def test_a_file_that_is_no_data_address_or_holds_nothing_is_a_short_sentence(tools: Tools, png: MakePng) -> None:
    bare = base64.b64encode(png("red")).decode()
    sent = tools.convert_strings_to_filedata({"file": f"data:image/png;base64,{bare}", "gallery": bare}, [["file"]])
    assert (sent["file"]["orig_name"], sent["gallery"]) == ("file.png", bare)
    begin = "data:image/png;base64,"
    for file in ("", bare, "https://example.com/a.png", "/tmp/a.png", begin, f"{begin}AAA", f"{begin}@@@@", "data:"):
        with pytest.raises(ValueError, match=SENTENCE):
            tools.convert_strings_to_filedata({"file": file, "gallery": "Mine"}, [["file"]])
