"""The demo gallery is encoded at the first start, whatever goes wrong on the way."""

from pathlib import Path

import pytest

from app.demo import Demo
from engine.gallery import EngineError, Library, ingest_files


def test_what_went_wrong_is_told_once_and_tried_again(
    folder: Path, library: Library, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("app.demo.RETRY", 0.01)
    wrong = [EngineError("The disk is full."), RuntimeError("secret words"), RuntimeError("secret words")]

    def fails(*given: object, **named: object) -> object:
        if wrong:
            raise wrong.pop(0)
        return ingest_files(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr("app.demo.ingest_files", fails)
    demo = Demo(library, folder)
    demo.start().join(30)
    assert demo.problem is None
    assert not wrong
    said = capsys.readouterr().err
    assert (said.count("The disk is full."), said.count("Traceback")) == (1, 1)
    assert "secret words" not in said
