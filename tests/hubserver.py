"""A Hub on loopback: the part of its HTTP interface that huggingface_hub uses for models and Spaces.

A Space is kept under `spaces/` and its name. Files of `large` bytes go the way of the large-file storage.
"""

import base64
import hashlib
import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any
from urllib.parse import unquote, urlsplit


@dataclass
class Hub:
    """Repositories as lists of commits, each a whole set of files."""

    address: str = ""
    commits: dict[str, list[tuple[str, dict[str, bytes]]]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    stalls: str = ""  # a file that is sent half, and no further
    gone: Event = field(default_factory=Event)  # who waits for the other half
    made: dict[str, dict[str, Any]] = field(default_factory=dict)  # what each repository was made with
    blobs: dict[str, bytes] = field(default_factory=dict)  # large files by hash
    large: int = 10_000_000  # bytes
    hangs_up: bool = False  # in the middle of a large file
    refuses: dict[str, int] = field(default_factory=dict)  # repositories whose files are not given, and the status

    def commit(self, repo: str, files: dict[str, bytes], gone: Collection[str] = ()) -> str:
        """Add files to what a repository holds, and take some away; returns the commit."""
        history = self.commits.setdefault(repo, [])
        whole = {**(history[-1][1] if history else {}), **files}
        whole = {name: data for name, data in whole.items() if name not in gone}
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
            if parts[0] == "api" and parts[1] in ("models", "spaces"):
                repo, action = self.named(parts[1:]), parts[4:]
                if action[:1] == ["tree"]:
                    files = (hub.find(repo, "main") or ("", {}))[1]
                    rows = [{"type": "file", "path": name, "size": len(files[name]), "oid": "0"} for name in files]
                    return self.answer(rows)
                found = hub.find(repo, action[1] if len(action) > 1 else "main")
                if found is None:
                    return self.refuse(404, "RepoNotFound")
                siblings = [{"rfilename": name} for name in found[1]]
                return self.answer({"id": "/".join(parts[2:4]), "sha": found[0], "siblings": siblings})
            self.answer_file(body=True)

        def do_PUT(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]) // (2 if hub.hangs_up else 1))
            if hub.hangs_up:
                self.close_connection = True
                return
            hub.blobs[hashlib.sha256(data).hexdigest()] = data
            self.answer({})

        def do_POST(self) -> None:
            parts = self.parts()
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Authorization") != "Bearer hf_right":
                return self.refuse(401, "")
            if parts == ["api", "repos", "create"]:
                return self.create(json.loads(body))
            if parts == ["api", "validate-yaml"]:
                return self.answer({"errors": [], "warnings": []})
            if parts[-3:] == ["lfs", "objects", "batch"]:
                return self.answer(
                    {"transfer": "basic", "objects": [self.upload(of) for of in json.loads(body)["objects"]]}
                )
            repo, action = self.named(parts[1:]), parts[4]
            if action == "preupload":
                return self.answer({"files": [self.way_of(file) for file in json.loads(body)["files"]]})
            rows = [json.loads(line) for line in body.splitlines()]
            files = {
                row["value"]["path"]: base64.b64decode(row["value"]["content"])
                if row["key"] == "file"
                else hub.blobs[row["value"]["oid"]]
                for row in rows
                if row["key"] in ("file", "lfsFile")
            }
            oid = hub.commit(repo, files, {row["value"]["path"] for row in rows if row["key"] == "deletedFile"})
            self.answer({"success": True, "commitOid": oid, "commitUrl": f"{hub.address}/{repo}/commit/{oid}"})

        def create(self, asked: dict[str, Any]) -> None:
            name = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]
            place = f"spaces/{name}" if asked.get("type") == "space" else name
            status = 409 if place in hub.made else 200
            hub.made.setdefault(place, asked)
            hub.commits.setdefault(place, [])
            self.answer({"url": f"{hub.address}/{place}", "id": name}, status)

        def way_of(self, file: dict[str, Any]) -> dict[str, Any]:
            mode = "lfs" if file["size"] >= hub.large else "regular"
            return {"path": file["path"], "uploadMode": mode, "shouldIgnore": False}

        def upload(self, of: dict[str, Any]) -> dict[str, Any]:
            place = {"upload": {"href": f"{hub.address}/large/{of['oid']}"}}
            return {"oid": of["oid"], "size": of["size"], **({} if of["oid"] in hub.blobs else {"actions": place})}

        def named(self, parts: list[str]) -> str:
            """The repository that the parts of a path name, from its kind on."""
            return "/".join(parts[:3] if parts[0] == "spaces" else parts[1:3])

        def parts(self) -> list[str]:
            hub.requests.append(f"{self.command} {self.path}")
            return [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]

        def answer_file(self, body: bool) -> None:
            parts = self.parts()
            if status := hub.refuses.get("/".join(parts[:2])):
                return self.refuse(status, "")
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
            if body and name == hub.stalls:
                self.wfile.write(data[: len(data) // 2])
                self.wfile.flush()
                hub.gone.wait(30)
            elif body:
                self.wfile.write(data)

        def answer(self, value: dict[str, Any] | list[dict[str, Any]], status: int = 200) -> None:
            data = json.dumps(value).encode()
            self.send_response(status)
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
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)  # seconds until a shutdown is seen
    thread.start()
    try:
        yield hub
    finally:
        hub.gone.set()
        server.shutdown()
        server.server_close()
