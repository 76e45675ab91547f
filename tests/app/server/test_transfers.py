from collections.abc import Callable

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from app.server.transfers import HOUR, SLOTS, Transfers, Window, address_of
from tests.app.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def visitor(clock: Clock) -> Callable[[str], TestClient]:
    async def length(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(len(await request.body())))

    page = Starlette(routes=[Route("/upload", length, methods=["GET", "POST"])])
    guarded = Transfers(page, limits=((HOUR, 1000), (24 * HOUR, 2000)), clock=clock)
    return lambda address: TestClient(guarded, client=(address, 5), raise_server_exceptions=False)


def test_what_is_too_much_for_an_hour_or_a_day_is_turned_away(
    visitor: Callable[[str], TestClient], clock: Clock
) -> None:
    one, other = visitor("192.0.2.1"), visitor("192.0.2.2")
    assert one.post("/upload", content=b"a" * 900).text == "900"
    refused = one.post("/upload", content=b"a" * 101)
    assert (refused.status_code, "in the last 1 h" in refused.text) == (429, True)
    assert one.post("/upload", content=b"a" * 100).status_code == 200  # what was turned away does not count
    assert other.post("/upload", content=b"a" * 900).status_code == 200
    clock.now += HOUR
    assert one.post("/upload", content=b"a" * 1000).status_code == 200
    clock.now += HOUR
    assert "in the last 24 h" in one.post("/upload", content=b"a").text
    assert one.get("/upload").status_code == 200
    clock.now += 24 * HOUR
    assert one.post("/upload", content=b"a").status_code == 200


def test_what_is_announced_does_not_count_and_what_arrives_does(visitor: Callable[[str], TestClient]) -> None:
    one = visitor("192.0.2.1")
    assert one.post("/upload", content=b"a", headers={"content-length": "5000"}).status_code == 429
    assert one.post("/upload", content=iter([b"a" * 600])).text == "600"
    assert one.post("/upload", content=iter([b"a" * 300, b"a" * 300])).status_code == 429
    assert one.post("/upload", content=b"a" * 100).text == "100"


def test_what_is_kept_of_an_address_stays_small_however_often_it_asks(clock: Clock) -> None:
    window = Window(HOUR)
    for _ in range(3 * 3600):
        clock.now += 1
        window.add(clock.now, 2)
        assert clock.now <= 4600 or abs(window.total(clock.now) - 7200) <= 120
    assert len(window._slots) <= SLOTS
    assert window.total(clock.now + HOUR) == 0


def test_who_has_not_sent_anything_lately_is_forgotten(visitor: Callable[[str], TestClient], clock: Clock) -> None:
    one = visitor("192.0.2.0")
    guarded = one.app
    assert isinstance(guarded, Transfers)
    for number in range(5):
        guarded._count(f"192.0.2.{number}", 9)
    assert len(guarded._sent) == 5
    clock.now += 25 * HOUR
    assert one.post("/upload", content=b"a").status_code == 200
    assert len(guarded._sent) == 1


@pytest.mark.parametrize(
    ("client", "forwarded", "on_a_space", "address"),
    [
        ("192.0.2.1", None, False, "192.0.2.1"),
        ("192.0.2.1", "198.51.100.7", False, "192.0.2.1"),
        ("10.0.0.1", "203.0.113.9, 198.51.100.7", True, "198.51.100.7"),
        ("10.0.0.1", None, True, "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", None, False, "2001:db8:1:2::"),
        ("testclient", None, False, ""),
    ],
)
def test_an_address_is_the_visitors_and_not_one_that_they_made_up(
    monkeypatch: pytest.MonkeyPatch, client: str, forwarded: str | None, on_a_space: bool, address: str
) -> None:
    monkeypatch.delenv("SPACE_ID", raising=False)
    if on_a_space:
        monkeypatch.setenv("SPACE_ID", "me/demo")
    headers = [] if forwarded is None else [(b"x-forwarded-for", forwarded.encode())]
    assert address_of({"client": (client, 1), "headers": headers}) == address
