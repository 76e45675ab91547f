"""Start `python app.py` with an empty data folder on a free port, then search the demo gallery over HTTP.

Three in four of the gallery's first twelve queries must find their photo among the first three. They stand in the
order in which the model does well on them, the page's examples first: this asks whether the whole path works, not how
good the model is, which tests/evaluation/test_demo_gallery.py asks of all of them.
"""

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from gradio_client import Client

PATIENCE = 300.0  # seconds: the first start encodes the demo gallery
ROOT = Path(__file__).parents[1]
QUERIES = json.loads((ROOT / "assets" / "gallery" / "queries.json").read_text(encoding="utf-8"))[:12]


def main(home: str) -> None:
    """Exit with an error unless the page starts and its search endpoint answers rightly."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    page = subprocess.Popen(
        [sys.executable, "app.py"], cwd=ROOT, env={**os.environ, "TGEM_HOME": home, "GRADIO_SERVER_PORT": str(port)}
    )
    try:
        search(connect(page, f"http://127.0.0.1:{port}"))
    finally:
        page.terminate()
        page.wait(timeout=30)


def connect(page: subprocess.Popen[bytes], address: str) -> Client:
    """A client of the page once it serves."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if page.poll() is not None:
            sys.exit(f"app.py stopped with exit code {page.returncode} before it served")
        try:
            return Client(address, verbose=False)
        except Exception:  # whatever the client raises while nothing listens yet
            time.sleep(1)
    sys.exit(f"app.py did not serve within {PATIENCE:.0f} s")


def search(client: Client) -> None:
    """Ask for photos of the demo gallery in words, and count those that come back near the top."""
    found = 0
    for wanted in QUERIES:
        hits = client.predict(wanted["query"], api_name="/search")
        rank = next((hit["rank"] for hit in hits if hit["file"] == wanted["file"]), None)
        found += rank is not None and rank <= 3
        sys.stdout.write(f"{wanted['query']}: {wanted['file']} at rank {rank} of {len(hits)}\n")
    if found < 0.75 * len(QUERIES):
        sys.exit(f"only {found} of {len(QUERIES)} queries found their photo among the first three")
    sys.stdout.write(f"{found} of {len(QUERIES)} queries found their photo among the first three\n")


if __name__ == "__main__":
    main(sys.argv[1])
