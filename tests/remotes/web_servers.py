"""Servers on loopback: a folder as any web server shows it, and as the Hub of Hugging Face does."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest


class Files(http.server.SimpleHTTPRequestHandler):
    """What `python -m http.server` does, without its log; it knows no ranges."""

    asked: list[str]

    def log_message(self, format: str, *args: Any) -> None:
        self.server.asked.append(self.requestline)  # type: ignore[attr-defined]

    def log_error(self, format: str, *args: Any) -> None:
        """Says nothing more: the request is noted already."""


class FilesByRange(Files):
    """The same as larger servers have it: with ranges, and without pages of folders."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        data = path.read_bytes() if path.is_file() else b"nothing here"
        status = HTTPStatus.OK if path.is_file() else HTTPStatus.NOT_FOUND
        wanted = self.headers.get("Range")
        headers = {}
        if wanted and path.is_file():
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            start, end = int(first), min(int(last or len(data) - 1), len(data) - 1)
            status = HTTPStatus.PARTIAL_CONTENT
            if start >= len(data):
                status, data = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, b""
            else:
                headers["Content-Range"] = f"bytes {start}-{end}/{len(data)}"
                data = data[start : end + 1]
        answer(self, status, data, headers)


class Hub(http.server.BaseHTTPRequestHandler):
    """What of the Hub's protocol reading a dataset takes, with the files of a folder."""

    protocol_version = "HTTP/1.1"
    dataset = "team/birds"

    def __init__(self, *args: Any, directory: str):
        self.folder = Path(directory)
        super().__init__(*args)

    def log_message(self, format: str, *args: Any) -> None:
        self.server.asked.append(self.requestline)  # type: ignore[attr-defined]

    def do_GET(self) -> None:
        path = urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)
        api, files = f"/api/datasets/{self.dataset}", f"/datasets/{self.dataset}/resolve/main/"
        if path == api:
            said = {"_id": "1", "id": self.dataset, "sha": "a" * 40, "private": False}
            return self._say({**said, "tags": [], "downloads": 0, "likes": 0, "siblings": []})
        if path.startswith(f"{api}/tree/main"):
            folder = self.folder / path.removeprefix(f"{api}/tree/main").strip("/")
            if folder.is_dir():
                found = folder.rglob("*") if "recursive=true" in self.path else folder.iterdir()
                return self._say([self._told(each) for each in found])
        file = self.folder / path.removeprefix(files)
        if path.startswith(files) and file.is_file():
            data, status = file.read_bytes(), HTTPStatus.OK
            if wanted := self.headers.get("Range"):
                first, _, last = wanted.removeprefix("bytes=").partition("-")
                data, status = data[int(first) : int(last) + 1], HTTPStatus.PARTIAL_CONTENT
            return answer(self, status, data, {"ETag": '"x"', "X-Repo-Commit": "a" * 40})
        self._say({"error": "no"}, HTTPStatus.NOT_FOUND)
        return None

    do_HEAD = do_GET

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.headers["Content-Type"] == "application/json":
            names = json.loads(body)["paths"]
        else:
            names = urllib.parse.parse_qs(body)["paths"]
        self._say([self._told(self.folder / n) for n in names if (self.folder / n).exists()])

    def _told(self, path: Path) -> dict[str, Any]:
        kind = "directory" if path.is_dir() else "file"
        size = path.stat().st_size if path.is_file() else 0
        name = path.relative_to(self.folder).as_posix()
        oid = hashlib.sha1(path.read_bytes() if path.is_file() else b"").hexdigest()
        return {"type": kind, "oid": oid, "size": size, "path": name}

    def _say(self, told: object, status: HTTPStatus = HTTPStatus.OK) -> None:
        headers = {"Content-Type": "application/json", "X-Error-Code": "EntryNotFound"}
        answer(self, status, json.dumps(told).encode(), headers)


def answer(
    handler: http.server.BaseHTTPRequestHandler, status: HTTPStatus, data: bytes,
    headers: dict[str, str],
) -> None:  # fmt: skip
    """Sends one whole answer."""
    handler.send_response(status)
    for key, value in {**headers, "Content-Length": str(len(data))}.items():
        handler.send_header(key, value)
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(data)


@contextmanager
def serving(handler: Any, folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Serves a folder; yields the server's address, and the requests that were made so far."""
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(handler, directory=str(folder))
    )
    server.asked = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", server.asked  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        server.server_close()


def on_hub(patch: pytest.MonkeyPatch, address: str) -> None:
    """Has the Hub's library ask a server here; skips the test without it."""
    why = "dsm-datasets[hf] is not installed"
    constants = pytest.importorskip("huggingface_hub.constants", reason=why)
    files = pytest.importorskip("huggingface_hub.hf_file_system", reason=why)
    template = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    patch.setattr(constants, "ENDPOINT", address)
    patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    files.HfFileSystem.clear_instance_cache()
