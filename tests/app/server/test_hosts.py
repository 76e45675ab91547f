"""Names that the page's keeper lists."""

import pytest

from app.server.hosts import hosts
from app.server.settings import BadSetting


@pytest.mark.parametrize(
    "listed",
    [
        "https://photos.example/",
        "photos.example www.photos.example",
        "photos.example;www.photos.example",
        "localhost,*.photos.example",
        "photos.example/page",
        "me@photos.example",
        "photos..example",
    ],
)
def test_what_can_be_no_name_is_a_sentence(monkeypatch: pytest.MonkeyPatch, listed: str) -> None:
    monkeypatch.setenv("TGEM_HOSTS", listed)
    with pytest.raises(BadSetting, match=r"TGEM_HOSTS lists .*list names alone"):
        hosts(public=True)


@pytest.mark.parametrize(
    ("listed", "sent"),
    [
        ("Photos.Example, www.photos.example,", "www.photos.example"),
        ("photos.example:8443", "photos.example:8443"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("my_photos.example", "my_photos.example"),
        ("[::1]", "[::1]"),
    ],
)
def test_a_listed_name_is_known_as_browsers_send_it(monkeypatch: pytest.MonkeyPatch, listed: str, sent: str) -> None:
    monkeypatch.setenv("TGEM_HOSTS", listed)
    names = hosts(public=True)
    assert names.known(sent)
    assert names.own(f"https://{sent}", "127.0.0.1:7860")
    assert not names.known("evil.example")
