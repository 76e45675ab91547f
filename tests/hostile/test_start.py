"""Starts that cannot go well, and what is said then."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile.served_page import ROOT

pytestmark = pytest.mark.hostile


def said(home: Path, **environment: str) -> str:
    """The one line of a start that fails."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.hostile.served_page"],
        cwd=ROOT,
        env={**os.environ, "TGEM_HOME": str(home), "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize("port", ["abc", "70000", ""])
def test_a_port_that_is_none_is_a_sentence(tmp_path: Path, port: str) -> None:
    assert "set it to a port from 1 to 65535" in said(tmp_path, GRADIO_SERVER_PORT=port)
