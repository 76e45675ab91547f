"""What a browser may fetch for the page, and who may show it in a frame."""

import pytest

from app.server.headers import policy


def rules() -> dict[str, list[str]]:
    return {name: sources for name, *sources in (rule.split() for rule in policy().split("; "))}


def test_the_hub_frames_a_space_and_is_asked_how_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPACE_ID", raising=False)
    assert rules()["frame-ancestors"] == ["'self'"]
    assert rules()["connect-src"] == ["'self'", "data:", "blob:"]
    monkeypatch.setenv("SPACE_ID", "me/photos")
    assert "https://huggingface.co" in rules()["frame-ancestors"]
    assert "https://huggingface.co" in rules()["connect-src"]
