"""A server on loopback that speaks the Hub's file protocol, with the faults that the Hub has."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit


@dataclass
class Hub:
    """Repositories by kind and name (`models/org/name`), each a folder by revision.

    `fault` is one of "", "gated", "missing", "broken" (500) and "cut" (a file ends in its middle).
    """

    repositories: dict[str, dict[str, Path]] = field(default_factory=dict)
    fault: str = ""
    url: str = ""
    served: list[str] = field(default_factory=list)

    def add(self, name: str, folder: Path, revision: str = "main") -> str:
        """Offer a folder; return its commit."""
        commit = hashlib.sha1(f"{name}{folder}".encode()).hexdigest()
        self.repositories.setdefault(name, {}).update({revision: folder, commit: folder})
        return commit

    def commit(self, name: str, revision: str) -> str:
        folders = self.repositories[name]
        return next(c for c, f in folders.items() if len(c) == 40 and f == folders[revision])


@contextmanager
def serving(hub: Hub) -> Iterator[Hub]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def _answer(self, with_body: bool) -> None:
            path = unquote(urlsplit(self.path).path).strip("/")
            if hub.fault == "broken":
                return self._refuse(500)
            if path.startswith("api/"):
                if path.count("/") < 5:
                    return self._refuse(404)
                kind, owner, name, verb, revision = path.removeprefix("api/").split("/", 4)
                repository = f"{kind}/{owner}/{name}"
            elif "/resolve/" not in path:
                return self._refuse(404)
            else:
                kind = "datasets" if path.startswith("datasets/") else "models"
                rest = path.removeprefix("datasets/")
                owner, name, verb, revision, file = rest.split("/", 4)
                repository = f"{kind}/{owner}/{name}"
            if hub.fault == "missing" or repository not in hub.repositories:
                return self._refuse(404, "RepoNotFound")
            if hub.fault == "gated":
                return self._refuse(403, "GatedRepo")
            if revision not in hub.repositories[repository]:
                return self._refuse(404, "RevisionNotFound")
            folder, commit = (
                hub.repositories[repository][revision],
                hub.commit(repository, revision),
            )
            if verb == "resolve":
                return self._file(folder, file, commit, with_body)
            files = sorted(f for f in folder.rglob("*") if f.is_file())
            names = [str(f.relative_to(folder)) for f in files]
            if verb == "tree":
                listed = [
                    {"type": "file", "path": n, "size": f.stat().st_size, "oid": _etag(f)}
                    for n, f in zip(names, files, strict=True)
                ]
                return self._json(listed)
            siblings = [{"rfilename": n} for n in names]
            return self._json({"id": f"{owner}/{name}", "sha": commit, "siblings": siblings})

        def _file(self, folder: Path, name: str, commit: str, with_body: bool) -> None:
            path = folder / name
            if not path.is_file():
                return self._refuse(404, "EntryNotFound")
            data, start = path.read_bytes(), 0
            if with_body:
                hub.served.append(name)
            if (asked := self.headers.get("Range")) and with_body:
                start = int(asked.removeprefix("bytes=").split("-")[0])
            self.send_response(206 if start else 200)
            self.send_header("ETag", f'"{_etag(path)}"')
            self.send_header("X-Repo-Commit", commit)
            self.send_header("Content-Length", str(len(data) - start))
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            self.end_headers()
            if with_body:
                cut = hub.fault == "cut" and len(data) > 20_000
                self.wfile.write(data[start : (start + len(data)) // 2] if cut else data[start:])
                if cut:
                    self.wfile.flush()
                    self.close_connection = True

        def _json(self, value: Any) -> None:
            data = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def _refuse(self, status: int, code: str = "") -> None:
            self.send_response(status)
            if code:
                self.send_header("X-Error-Code", code)
                self.send_header("X-Error-Message", code)
            self.send_header("Content-Length", "0")
            self.end_headers()

    return Handler


def _etag(path: Path) -> str:
    return hashlib.sha1(path.read_bytes()).hexdigest()
