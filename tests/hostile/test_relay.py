"""No URL in any input is fetched, tried where a fetch would be seen: in a network namespace of its own.

`relay.py` says what is asked for. The address is a public one, since what refuses private ones only would fetch it.
"""

import json
import os
import shutil
import subprocess
import sys

import pytest

from tests.hostile.relay import ADDRESS
from tests.hostile.served_page import ROOT

pytestmark = pytest.mark.hostile

NETWORK = f"ip link set lo up && ip addr add {ADDRESS}/32 dev lo"
APART = ["unshare", "--net", "bash", "-c"]


@pytest.fixture(scope="module")
def apart() -> None:
    """A network namespace can be made here."""
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        pytest.skip("a network namespace takes unshare and ip (Debian: util-linux, iproute2)")
    if subprocess.run([*APART, NETWORK], check=False, capture_output=True).returncode:
        pytest.skip("only root may make a network namespace")


@pytest.mark.usefixtures("apart")
@pytest.mark.parametrize("public", ["1", "0"])
def test_no_url_is_fetched_for_anybody(public: str) -> None:
    code = f'{NETWORK} && exec "$0" -m tests.hostile.relay {public}'
    here = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*APART, code, sys.executable], cwd=ROOT, env=here, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["asked"] == ["GET /control"]
    assert told["events"] > 50 or public == "0"
    assert set(told["files"]) <= {200, 404}, told["files"]
    assert told["tools"]["add_photos"].startswith("refused: "), told["tools"]
    assert len(told["tools"]) >= 5
