"""The demo gallery is encoded at the first start, whatever goes wrong on the way."""

from pathlib import Path

import pytest

from app.demo import Demo
from engine.gallery import EngineError, Library, ingest_files


@pytest.mark.parametrize("error", [RuntimeError("secret words"), EngineError("The disk is full.")])
def test_what_went_wrong_is_tried_again(
    folder: Path,
    library: Library,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
) -> None:
    monkeypatch.setattr("app.demo.RETRY", 0.01)
    tried = []

    def fails_twice(*given: object, **named: object) -> object:
        tried.append(True)
        if len(tried) < 3:
            raise error
        return ingest_files(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr("app.demo.ingest_files", fails_twice)
    demo = Demo(library, folder)
    demo.start().join(30)
    assert demo.problem is None
    assert len(tried) == 3
    said = capsys.readouterr().err
    assert said.count("Traceback" if isinstance(error, RuntimeError) else "The disk is full.") == 1
    assert "secret words" not in said
