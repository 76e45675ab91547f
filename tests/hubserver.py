"""A Hub on loopback: the part of its HTTP interface that huggingface_hub uses for small model repositories."""

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit


@dataclass
class Hub:
    """Repositories as lists of commits, each a whole set of files."""

    address: str = ""
    commits: dict[str, list[tuple[str, dict[str, bytes]]]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)

    def commit(self, repo: str, files: dict[str, bytes]) -> str:
        """Add files to what a repository holds; returns the commit."""
        history = self.commits.setdefault(repo, [])
        whole = {**(history[-1][1] if history else {}), **files}
        parts = [f"{name}{hashlib.sha256(data).hexdigest()}" for name, data in sorted(whole.items())]
        oid = hashlib.sha1(f"{len(history)}{parts}".encode()).hexdigest()
        history.append((oid, whole))
        return oid

    def find(self, repo: str, revision: str) -> tuple[str, dict[str, bytes]] | None:
        """The commit that a revision names, and its files."""
        history = self.commits.get(repo, [])
        if revision == "main":
            return history[-1] if history else None
        return next((entry for entry in history if entry[0] == revision), None)


@contextmanager
def serve() -> Iterator[Hub]:
    """A Hub that is there until the block ends."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            return

        def do_HEAD(self) -> None:
            self.answer_file(body=False)

        def do_GET(self) -> None:
            parts = self.parts()
            if parts[:2] == ["api", "models"]:
                found = hub.find("/".join(parts[2:4]), parts[5] if len(parts) > 5 else "main")
                if found is None:
                    return self.refuse(404, "RepoNotFound")
                siblings = [{"rfilename": name} for name in found[1]]
                return self.answer({"id": "/".join(parts[2:4]), "sha": found[0], "siblings": siblings})
            self.answer_file(body=True)

        def do_POST(self) -> None:
            parts = self.parts()
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Authorization") != "Bearer hf_right":
                return self.refuse(401, "")
            if parts == ["api", "repos", "create"]:
                asked = json.loads(body)
                name = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]
                hub.commits.setdefault(name, [])
                return self.answer({"url": f"{hub.address}/{name}", "id": name})
            if parts == ["api", "validate-yaml"]:
                return self.answer({"errors": [], "warnings": []})
            repo, action = "/".join(parts[2:4]), parts[4]
            if action == "preupload":
                paths = [file["path"] for file in json.loads(body)["files"]]
                modes = [{"path": path, "uploadMode": "regular", "shouldIgnore": False} for path in paths]
                return self.answer({"files": modes})
            rows = [json.loads(line) for line in body.splitlines()]
            files = {
                row["value"]["path"]: base64.b64decode(row["value"]["content"]) for row in rows if row["key"] == "file"
            }
            oid = hub.commit(repo, files)
            self.answer({"success": True, "commitOid": oid, "commitUrl": f"{hub.address}/{repo}/commit/{oid}"})

        def parts(self) -> list[str]:
            hub.requests.append(f"{self.command} {self.path}")
            return [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]

        def answer_file(self, body: bool) -> None:
            parts = self.parts()
            found = hub.find("/".join(parts[:2]), parts[3]) if len(parts) > 4 else None
            if found is None:
                return self.refuse(
                    404, "RepoNotFound" if not hub.commits.get("/".join(parts[:2])) else "RevisionNotFound"
                )
            name = "/".join(parts[4:])
            if name not in found[1]:
                return self.refuse(404, "EntryNotFound", found[0])
            data = found[1][name]
            self.send_response(200)
            self.send_header("ETag", f'"{hashlib.sha1(data).hexdigest()}"')
            self.send_header("X-Repo-Commit", found[0])
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if body:
                self.wfile.write(data)

        def answer(self, value: dict[str, Any]) -> None:
            data = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def refuse(self, status: int, code: str, commit: str = "") -> None:
            self.send_response(status)
            self.send_header("X-Error-Code", code)
            if commit:
                self.send_header("X-Repo-Commit", commit)
            self.send_header("Content-Length", "0")
            self.end_headers()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.address = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
