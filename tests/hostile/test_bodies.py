"""What is sent to the page: too long, too deep, of two lengths, badly cut."""

import json
import threading
import time
from contextlib import suppress

import pytest

from tests.hostile.served_page import Served, call, until

pytestmark = pytest.mark.hostile

JSON = {"content-type": "application/json"}


def exchange(page: Served, request: bytes) -> bytes:
    """All that comes back before the connection ends."""
    with page.connect() as connection:
        with suppress(OSError):  # it is closed meanwhile; what was said before can be read
            connection.sendall(request)
        answer = b""
        with suppress(OSError):
            while part := connection.recv(65536):
                answer += part
        return answer


def test_sixty_megabytes_of_brackets_stall_nobody(page: Served) -> None:
    memory, slowest, over = page.memory(), 0.0, threading.Event()
    refused = []

    def attack() -> None:
        with page.client("198.51.100.2") as stranger:
            for body in (b'{"data":[' + b"[]," * 20_000_000 + b"[]]}", b'{"data":[' + b"[]," * 300_000 + b"[]]}"):
                try:
                    refused.append(stranger.post("/gradio_api/queue/join", content=body, headers=JSON).status_code)
                except Exception:  # closed before all of it was sent
                    refused.append(0)
        over.set()

    thread = threading.Thread(target=attack)
    thread.start()
    with page.client() as visitor:
        while not over.is_set() or not slowest:
            began = time.monotonic()
            assert visitor.get("/health").status_code == 200
            slowest = max(slowest, time.monotonic() - began)
    thread.join()
    assert set(refused) <= {413, 0}
    assert slowest < 5  # it was 78 s
    assert page.memory() - memory < 200 * 2**20  # it was 4 GB


def test_many_values_in_few_bytes_are_counted_before_they_are_parsed(page: Served) -> None:
    body = json.dumps({"data": [[[]] * 30_000], "fn_index": page.event("search"), "session_hash": "many"})
    with page.client() as stranger:
        for path in ("/gradio_api/queue/join", "/gradio_api/call/search"):
            answer = stranger.post(path, content=body, headers=JSON)
            assert (answer.status_code, "values" in answer.text) == (413, True)


@pytest.mark.parametrize(
    "call",
    [
        {"fn_index": -1, "data": [], "session_hash": "a"},
        {"fn_index": 99_999, "data": [], "session_hash": "a"},
        {"fn_index": True, "data": [], "session_hash": "a"},
        {"fn_index": None, "data": [], "session_hash": "a"},
        {"fn_index": 0, "data": {}, "session_hash": "a"},
        {"fn_index": 0, "data": [0] * 99, "session_hash": "a"},
        {"fn_index": 0, "data": []},
        {"fn_index": 0, "data": [], "session_hash": "a" * 5000},
        [],
        "text",
    ],
)
def test_what_is_no_call_of_the_page_is_told_so(page: Served, call: object) -> None:
    with page.client() as stranger:
        answer = stranger.post("/gradio_api/queue/join", json=call)
        assert answer.status_code in (400, 404)
        assert len(answer.text) < 100


SECRET = "anna beach 1987"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("nothing", {"data": [SECRET]}, 404),
        ("v2", {"data": [SECRET]}, 404),
        ("v2/nothing", {"text": SECRET}, 404),
        (f"v2/{SECRET}", {}, 404),
        ("named", {"data": [SECRET]}, 404),  # an event of the page's own
        ("search", {"data": []}, 400),
        ("search", {"data": [SECRET, "", 3, "", SECRET]}, 400),
        ("search", {"data": {"text": SECRET}}, 400),
        ("search", {"data": [SECRET], "session_hash": 5}, 400),
        ("search", [SECRET], 400),
        ("search", SECRET, 400),
        ("explain/", {"data": [SECRET]}, 400),
        ("v2/search", {"k": 1}, 400),
        ("v2/search", {"text": SECRET, SECRET: 1}, 400),
        ("v2/search", [SECRET], 400),
    ],
)
def test_what_is_no_call_of_an_endpoint_is_told_so(page: Served, path: str, body: object, status: int) -> None:
    before = len(page.said)
    with page.client("198.51.100.6") as stranger:
        answer = stranger.post(f"/gradio_api/call/{path}", json=body)
    assert (answer.status_code, len(answer.text.splitlines())) == (status, 1)
    assert answer.text.endswith(".")
    assert not any(SECRET in line or "Traceback" in line for line in page.said[before:])


@pytest.mark.parametrize(
    ("path", "body"), [("search", {"data": ["a dog"]}), ("galleries/", {"data": []}), ("v2/search", {"text": "a dog"})]
)
def test_a_call_that_leaves_defaults_away_is_answered(page: Served, path: str, body: object) -> None:
    with page.client("198.51.100.6") as stranger:
        event = stranger.post(f"/gradio_api/call/{path}", json=body).json()["event_id"]
        assert "event: complete" in stranger.get(f"/gradio_api/call/{path.strip('/')}/{event}").text


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("search", [SECRET]),  # too few values
        ("add_photos", [{"path": 5, "orig_name": SECRET, "meta": {"_type": "gradio.FileData"}}, "", ""]),
        ("add_photos", [{"path": "x", "orig_name": [SECRET], "meta": {"_type": "gradio.FileData"}}, "", SECRET]),
        ("add_photos", [SECRET, "", ""]),
    ],
)
def test_the_terminal_is_told_nothing_of_what_was_sent(page: Served, name: str, data: list[object]) -> None:
    with page.client("198.51.100.6") as stranger:
        assert '"success":false' in call(stranger, page.event(name), data, "secret").replace(" ", "")
    assert not any(SECRET in line for line in page.said)


def test_two_lengths_are_refused(page: Served) -> None:
    for path in ("upload", "queue/join"):
        answer = exchange(
            page,
            f"POST /gradio_api/{path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 22\r\n".encode()
            + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        )
        assert answer.startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize(
    "chunk", [b"5\r\nhelloXX0\r\n\r\n", b"xyz\r\nhello\r\n", b"-5\r\nhello\r\n", b"FFFFFFFFFFFFFFFFFFFFFF\r\na"]
)
def test_bad_chunks_end_the_connection(page: Served, chunk: bytes) -> None:
    head = (
        b"POST /gradio_api/upload HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
        b"Content-Type: multipart/form-data; boundary=x\r\n\r\n"
    )
    before, said = page.arrived(), len(page.said)
    answer = exchange(page, head + chunk)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400")
    until(lambda: page.arrived() == before)
    assert not page.tracebacks(said)


def test_who_is_still_sending_hears_why_that_is_refused(page: Served) -> None:
    with page.connect() as connection:
        connection.sendall(
            b"POST /gradio_api/queue/join HTTP/1.1\r\nHost: localhost\r\nContent-Length: 30000000\r\n\r\n"
        )
        for _ in range(8):  # of what nobody wants, after the answer is there
            time.sleep(0.05)
            connection.sendall(b"a" * 100_000)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    assert answer.startswith(b"HTTP/1.1 413")
    assert answer.endswith(b"may be sent here.")


def test_a_refused_announcement_costs_its_address_nothing(page: Served) -> None:
    with page.client("198.51.100.3") as visitor:
        for _ in range(43):
            with page.connect() as connection:
                connection.sendall(
                    b"POST /gradio_api/upload HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 198.51.100.3\r\n"
                    b"Content-Length: 3000000000\r\n\r\n"
                )
                assert connection.recv(12) == b"HTTP/1.1 429"
        assert visitor.post("/gradio_api/upload", files={"files": ("a.png", b"a")}).status_code == 200


def test_a_field_that_is_no_file_is_not_kept_in_memory(page: Served) -> None:
    said = len(page.said)
    with page.client("198.51.100.4") as stranger:
        answer = stranger.post("/gradio_api/upload", files={"files": (None, b"a" * 10_000_000)})
        assert answer.status_code == 400
    assert not page.tracebacks(said)


@pytest.mark.parametrize("data", [[], [5, {}, "many", ["x"]], [None] * 4])
def test_a_call_that_makes_no_sense_is_answered_with_a_sentence(page: Served, data: list[object]) -> None:
    with page.client("198.51.100.5") as stranger:
        told = call(stranger, page.event("search"), data, "nonsense")
        error = json.loads(next(line for line in told.splitlines() if "process_completed" in line)[6:])
        assert error["success"] is False
        assert error["output"]["error"].endswith(".")
