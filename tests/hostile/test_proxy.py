"""The settings of docs/hosting.md in front of the page, by the real nginx and the real Caddy."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.health import free_port
from tests.hostile.served_page import ROOT, Served, call, served, until
from tests.pictures import MakePng

pytestmark = pytest.mark.hostile

NGINX = "daemon off; pid nginx.pid; error_log stderr; events {{}} http {{ access_log off; {temp} {server} }}"
TEMP = " ".join(f"{kind}_temp_path {kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))


def settings(language: str) -> str:
    """A code block of the documentation."""
    found = re.search(rf"```{language}\n(.*?)```", (ROOT / "docs" / "hosting.md").read_text("utf-8"), re.S)
    assert found
    return found[1]


@pytest.fixture(scope="module")
def hosted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("hosted") / "home", TGEM_PUBLIC="1", TGEM_HOSTS="photos.example") as page:
        yield page


@pytest.fixture(params=["nginx", "caddy"])
def proxy(request: pytest.FixtureRequest, hosted: Served, tmp_path: Path) -> Iterator[int]:
    """The port that a proxy listens on."""
    program = shutil.which(request.param, path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.fail(f"{request.param} is missing") if "CI" in os.environ else pytest.skip(
            f"there is no {request.param}"
        )
    port = free_port()
    told = settings(request.param).replace("127.0.0.1:7860", f"127.0.0.1:{hosted.port}")
    file = tmp_path / "settings"
    if request.param == "nginx":
        file.write_text(NGINX.format(temp=TEMP, server=told.replace("listen 80;", f"listen {port};")))
        command = [program, "-p", str(tmp_path), "-c", str(file)]
    else:
        told = told.replace("http://photos.example", f"http://photos.example:{port}")
        file.write_text("{\n    admin off\n}\n" + told)
        command = [program, "run", "--adapter", "caddyfile", "--config", str(file)]
    with (tmp_path / "log").open("w") as log:
        home = {**os.environ, "HOME": str(tmp_path)}
        process = subprocess.Popen(command, stderr=log, stdout=log, env=home, start_new_session=True)
    try:
        until(lambda: answers(port), 20)
        yield port
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # it would wait for event streams, and its workers outlive it
        process.wait(20)


def answers(port: int) -> bool:
    try:
        return visitor(port).get("/health").status_code == 200
    except httpx.TransportError:
        return False


def visitor(port: int, address: str = "127.0.0.1", claims: str = "") -> httpx.Client:
    """Somebody who comes from an address of this machine's own network, and what they claim to be."""
    name = f"photos.example:{port}"
    headers = {"Host": name, "Origin": f"http://{name}", **({"X-Forwarded-For": claims} if claims else {})}
    way = httpx.HTTPTransport(local_address=address)
    return httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=headers, transport=way, timeout=60)


def test_photos_go_in_and_events_come_as_they_happen(proxy: int, hosted: Served, png: MakePng) -> None:
    with visitor(proxy) as client:
        (path,) = client.post("/gradio_api/upload", files={"files": ("red.png", png("red"))}).json()
        file = {"path": path, "meta": {"_type": "gradio.FileData"}}
        told = call(client, hosted.event("add_photos"), [file, "Proxied", ""], f"proxied-{proxy}")
        assert '"added":1' in told.replace(" ", "")
        began = time.monotonic()
        with client.stream("GET", f"/gradio_api/heartbeat/proxied-{proxy}") as beats:
            assert b"ALIVE" in next(beats.iter_bytes())
        assert time.monotonic() - began < 5
        assert client.post("/gradio_api/upload", files={"files": ("a", b"a" * 30_000_000)}).status_code == 200


def test_events_follow_each_other_at_once(proxy: int, hosted: Served) -> None:
    galleries, session = hosted.event("galleries"), f"quick-{proxy}"
    with visitor(proxy) as client:
        call(client, galleries, [""], session)
        began = time.monotonic()
        for _ in range(3):
            call(client, galleries, [""], session)
        assert time.monotonic() - began < 2


def test_limits_are_those_of_the_visitors_own_address(proxy: int, hosted: Served) -> None:
    load, more = hosted.listener("", "load", 3), hosted.listener("grid", "more", 1)
    with visitor(proxy, "127.0.0.2") as one, visitor(proxy, "127.0.0.3", claims="127.0.0.2") as other:
        call(one, load, [None, False, None], f"one-{proxy}")
        for number in range(70):  # who claims to be another makes sessions of their own
            call(other, hosted.event("galleries"), [""], f"for-nothing-{proxy}-{number}")
        assert "data-photo" in call(one, more, [None], f"one-{proxy}")


def test_another_name_and_another_site_are_turned_away(proxy: int) -> None:
    with visitor(proxy) as client:
        assert client.get("/config", headers={"Origin": "https://evil.example"}).status_code == 200
        assert client.get("/gradio_api/info", headers={"Origin": "https://evil.example"}).status_code == 403
