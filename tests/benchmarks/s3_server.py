"""A server that speaks S3 on loopback, in a process of its own: `python s3_server.py`.

Prints its port and serves one bucket until standard input is closed. It is moto's, and counts what
it is asked: `GET /counts` says how many requests there were, and how many bytes they were answered
with, which no client has to be believed. `GET /line/N` lets all answers together go out with N bytes
a second, as by a line; 0 is as fast as it can. Needs `moto[server]`.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from typing import Any

App = Callable[[dict[str, Any], Any], Iterable[bytes]]
BUCKET = "bucket"
PACKET_BYTES = 256 << 10


class OneWriteAtATime:
    """A WSGI application around moto's, which looks whether a name is free and then takes it.

    Of two who ask at once both would win, which no bucket lets happen.
    """

    def __init__(self, app: App):
        self._app = app
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            return self._app(environ, start_response)
        with self._lock:
            return self._app(environ, start_response)


class Counting:
    """A WSGI application around another one."""

    def __init__(self, app: App):
        self._app = app
        self._lock = threading.Lock()
        self.requests = self.sent = self._line = 0
        self._free = 0.0  # when the line has sent what it was given

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path.startswith("/line/"):
            self._line = int(path.removeprefix("/line/"))
        if path == "/counts" or path.startswith("/line/"):
            start_response("200 OK", [("Content-Type", "application/json")])
            return [json.dumps({"requests": self.requests, "sent": self.sent}).encode()]
        with self._lock:
            self.requests += 1
        return self._counted(self._app(environ, start_response))

    def _counted(self, parts: Iterable[bytes]) -> Iterator[bytes]:
        for part in parts:
            with self._lock:
                self.sent += len(part)
            if not self._line:
                yield part
                continue
            for at in range(0, len(part), PACKET_BYTES):
                packet = part[at : at + PACKET_BYTES]
                time.sleep(max(0.0, self._sent_at(len(packet)) - time.monotonic()))
                yield packet

    def _sent_at(self, size: int) -> float:
        """When the line will have sent so many bytes more."""
        with self._lock:
            self._free = max(self._free, time.monotonic()) + size / self._line
            return self._free


def keep_what_was_read() -> None:
    """Lets a range cost what it brings: moto reads all of an object for each range of it.

    So what was read of one once stays in memory, in the way of a server's page cache.
    """
    from moto.s3.models import FakeKey

    read, write = FakeKey.value.fget, FakeKey.value.fset

    def value(key: Any) -> bytes:
        found: bytes | None = key.__dict__.get("kept")
        if found is None:
            found = key.__dict__["kept"] = read(key)
        return found

    def written(key: Any, data: bytes) -> None:
        key.__dict__.pop("kept", None)
        write(key, data)

    FakeKey.value = property(value, written)


def main() -> None:
    """Serves until standard input is closed."""
    from moto.moto_server.werkzeug_app import (
        DomainDispatcherApplication,
        MotoRequestHandler,
        create_backend_app,
    )
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    keep_what_was_read()
    app = Counting(OneWriteAtATime(DomainDispatcherApplication(create_backend_app)))
    server = make_server("127.0.0.1", 0, app, True, request_handler=MotoRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = server.server_address[1]
    address = f"http://127.0.0.1:{port}/{BUCKET}"
    urllib.request.urlopen(urllib.request.Request(address, method="PUT")).close()
    print(port, flush=True)
    sys.stdin.read()
    os._exit(0)  # its threads hold nothing that is worth waiting for


if __name__ == "__main__":
    main()
