"""A proxy on loopback that stands before an HTTP server and does it wrong, by a seed.

What a client meets is what a network does: connections that end before or within an answer, servers
that say 500 or 503, answers that come too late, bytes that changed on the way, listings that lag or
repeat. A write whose answer was lost has been done.
"""

from __future__ import annotations

import http.client
import random
import re
import threading
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

# Before the server sees the request; after it has done it; and what is done to an answer.
BEFORE = ("drop", "500", "503", "stall")
AFTER = ("lost", "late")
BODIES = ("cut", "short", "flip", "etag")
LISTINGS = ("lag", "repeat")
_HOP = ("connection", "transfer-encoding", "keep-alive", "content-length")


class FaultProxy:
    """Forwards to `target` (http://HOST:PORT); every answer meets a fault with chance `rate`.

    `injected` counts faults by kind. `kinds` limits them; a client waits `patience` seconds.
    """

    def __init__(self, target: str, seed: int, patience: float):
        self.rate = 0.0
        self.kinds: frozenset[str] = frozenset((*BEFORE, *AFTER, *BODIES, *LISTINGS))
        self.injected: Counter[str] = Counter()
        self.stalled = threading.Event()  # a request waits
        self.patience = patience
        self._random = random.Random(seed)
        self._lock = threading.Lock()
        host, port = urlsplit(target).netloc.split(":")
        stopped = self._stopped = threading.Event()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                fault = proxy.choose(self.command, self.path)
                if fault in BEFORE:
                    self.refuse(fault)
                    return
                status, headers, data = self.forwarded(body)
                if fault == "late":
                    stopped.wait(2 * proxy.patience)
                if fault in AFTER:
                    self.close_connection = True
                    return
                proxy.note(fault)
                change = CHANGES.get(fault or "")
                whole = len(data)
                if change is not None:
                    status, headers, data, whole = change(proxy, status, headers, data)
                self.answer(status, headers, data, whole)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_any

            def refuse(self, fault: str) -> None:
                if fault in ("500", "503"):
                    code = "SlowDown" if fault == "503" else "InternalError"
                    text = f"<Error><Code>{code}</Code></Error>".encode()
                    self.answer(int(fault), [("Content-Type", "application/xml")], text, len(text))
                    return
                if fault == "stall":
                    proxy.stalled.set()
                    stopped.wait(2 * proxy.patience)
                self.close_connection = True

            def forwarded(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
                upstream = http.client.HTTPConnection(host, int(port), timeout=30)
                try:
                    headers = {k: v for k, v in self.headers.items() if k.lower() not in _HOP}
                    headers["Content-Length"] = str(len(body))
                    upstream.request(self.command, self.path, body, headers)
                    answer = upstream.getresponse()
                    kept = [(k, v) for k, v in answer.getheaders() if k.lower() not in _HOP]
                    if self.command == "HEAD":
                        kept.append(("Content-Length", answer.getheader("content-length") or "0"))
                    return answer.status, kept, answer.read()
                finally:
                    upstream.close()

            def answer(
                self, status: int, headers: list[tuple[str, str]], data: bytes, whole: int
            ) -> None:
                self.send_response_only(status)
                for name, value in headers:
                    self.send_header(name, value)
                if self.command != "HEAD" and status != 204:
                    self.send_header("Content-Length", str(whole))
                self.end_headers()
                self.wfile.write(data)
                if len(data) < whole:
                    self.close_connection = True

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, *_: object) -> None:
                pass  # the client has gone

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d" % self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()

    def choose(self, method: str, path: str) -> str | None:
        """Returns the fault that the next answer meets, or None."""
        possible = [*BEFORE, *AFTER]
        if method == "GET":
            possible += LISTINGS if "list-type=2" in path else BODIES
        with self._lock:
            known = [kind for kind in possible if kind in self.kinds]
            if not known or self._random.random() >= self.rate:
                return None
            fault = self._random.choice(known)
            if fault in (*BEFORE, *AFTER):
                self.injected[fault] += 1
            return fault

    def note(self, fault: str | None) -> None:
        with self._lock:
            if fault:
                self.injected[fault] += 1

    def draw(self, below: int) -> int:
        with self._lock:
            return self._random.randrange(below)


Answer = tuple[int, list[tuple[str, str]], bytes, int]
Change = Callable[[FaultProxy, int, list[tuple[str, str]], bytes], Answer]


def _cut(proxy: FaultProxy, status: int, headers: list[tuple[str, str]], data: bytes) -> Answer:
    return status, headers, data[: len(data) // 2], len(data)


def _short(proxy: FaultProxy, status: int, headers: list[tuple[str, str]], data: bytes) -> Answer:
    return status, headers, data[: len(data) // 2], len(data) // 2


def _flip(proxy: FaultProxy, status: int, headers: list[tuple[str, str]], data: bytes) -> Answer:
    if data:
        at = proxy.draw(len(data))
        data = data[:at] + bytes([data[at] ^ (1 << proxy.draw(8))]) + data[at + 1 :]
    return status, headers, data, len(data)


def _etag(proxy: FaultProxy, status: int, headers: list[tuple[str, str]], data: bytes) -> Answer:
    kept = [(k, v) for k, v in headers if k.lower() != "etag"]
    return status, [*kept, ("ETag", '"%032x"' % proxy.draw(1 << 128))], data, len(data)


_LISTED = re.compile(rb"<Contents>.*?</Contents>", re.DOTALL)


def _lag(proxy: FaultProxy, status: int, headers: list[tuple[str, str]], data: bytes) -> Answer:
    found = list(_LISTED.finditer(data))
    if found:
        gone = found[proxy.draw(len(found))]
        data = data[: gone.start()] + data[gone.end() :]
    return status, headers, data, len(data)


def _repeat(proxy: FaultProxy, status: int, headers: list[tuple[str, str]], data: bytes) -> Answer:
    data = _LISTED.sub(lambda found: found[0] * 2, data)
    return status, headers, data, len(data)


CHANGES: dict[str, Change] = {
    "cut": _cut, "short": _short, "flip": _flip, "etag": _etag, "lag": _lag, "repeat": _repeat,
}  # fmt: skip
