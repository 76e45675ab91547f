"""The page of a long run says how to run it again."""

import json
import sys
from pathlib import Path

import pytest

from tests.stress import results


def test_a_part_says_the_command_with_its_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    page = results.Page("page", "# Page\n")
    page.figures.write_text(
        json.dumps({"old": {"title": "Old", "sentence": "So.", "machine": "m", "date": "d", "rows": [{"a": 1}]}})
    )
    monkeypatch.setattr(sys, "argv", ["scale.py", "/somewhere/on/this/photos", "--beside", "a build", "--photos", "96"])
    results.keep("scale (bytes)", "Scale", "So.", [{"a": 2}], page)
    text = page.text.read_text(encoding="utf-8")
    assert "`python -m tests.stress.scale photos --beside 'a build' --photos 96`, " in text
    assert "`python -m tests.stress.old`, d, m." in text, "of an older run the options are not known"
    assert "somewhere" not in text
