import re

from gradio.routes import templates
from starlette.applications import Starlette
from starlette.testclient import TestClient

from app import scripts
from app.index_page import with_ours
from engine.gallery import ASSETS


def test_every_script_is_served_once_and_named_by_its_content() -> None:
    served = TestClient(Starlette(routes=[scripts.scripts_route()])).get(f"/{scripts.address()}").text
    assert sorted(re.findall(r"^tgem\.scripts\.(\w+) = ", served, re.M)) == sorted(p.stem for p in ASSETS.glob("*.js"))
    assert re.fullmatch(r"scripts/[0-9a-f]{16}\.js", scripts.address())


def test_a_part_names_the_events_that_python_may_listen_to() -> None:
    assert '"select"' in scripts.started("page")
    assert '"go"' not in scripts.started("page")
    assert '"go"' in scripts.started("page", "address")


def test_the_first_document_has_our_head_in_place_of_gradios() -> None:
    assert templates.env.loader is not None
    gradios = '<meta property="og:title" content="Gradio" /><link rel="manifest" href="/manifest.json" />'
    document = with_ours(f"<html><head>{gradios}</head></html>")
    assert document.count("og:title") == 1
    assert "manifest" not in document
    assert 'content="T-GEM search"' in document
    assert scripts.address() in document
