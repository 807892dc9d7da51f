"""A server on loopback for tests of what is sent to servers."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

SECRET = "T0KEN-c2a8"


class Receiver:
    """A server on loopback that keeps what it is sent, and answers with a status."""

    def __init__(self) -> None:
        self.taken: list[Any] = []
        self.status = 200
        self.at_first: list[int] = []  # the statuses of the first answers
        self.headers: list[dict[str, str]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.taken.append((self.path, json.loads(body)))
                receiver.headers.append(dict(self.headers))
                first = receiver.at_first
                self.send_response(first.pop(0) if first else receiver.status)
                self.send_header("Location", "/elsewhere")
                self.end_headers()

            def do_GET(self) -> None:
                receiver.taken.append((self.path, None))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"http://127.0.0.1:{self.server.server_port}"
        self.address = f"{self.host}/{SECRET}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
