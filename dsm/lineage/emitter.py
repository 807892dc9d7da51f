"""Telling OpenLineage of a run while it goes on: its events, to a file or a server.

A run never fails by it, and never waits long: events go out beside the program, and after its end
for a bounded time. What was not taken can be exported later, for the record of the run has it all.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from typing import Any

from dsm.errors import DsmError, InvalidInput
from dsm.files.typed_path import refuse_store
from dsm.lineage.openlineage import END, START, event
from dsm.posting import NotPosted, check_address, post_json
from dsm.repo.repository import Repository
from dsm.runs.book import Runs
from dsm.store import disk

PATH = "api/v1/lineage"
# A try may take so long, and all that is left when the program has ended so long together.
TRY_SECONDS, END_SECONDS = 5.0, 10.0
TRIES, PAUSE_SECONDS = 3, 0.5


class EventSink:
    """Where events go: `place` is a file, or the http(s) address of a server."""

    def __init__(self, place: str, key: str | None = None):
        """`key` is what the server knows the sender by. Raises InvalidInput for no place."""
        self._server = "://" in place
        self._headers: Mapping[str, str] = {} if key is None else {"Authorization": f"Bearer {key}"}
        if self._server:
            parts = check_address(place, ("https", "http"), "server of OpenLineage")
            if parts.username or parts.password:
                raise InvalidInput(
                    "the address of the server of OpenLineage holds a password",
                    hint="OPENLINEAGE_API_KEY is sent as its key",
                )
            if parts.path in ("", "/"):
                parts = parts._replace(path=f"/{PATH}")
            place = parts.geturl()
        else:
            refuse_store(place)
        self._place = place

    def put(self, made: Mapping[str, Any]) -> None:
        """Takes an event, in several tries if need be. Raises NotPosted, WriteFailed."""
        body = json.dumps(made).encode()
        if not self._server:
            disk.append(self._place, body + b"\n")
            return
        for tried in range(TRIES):
            try:
                post_json(self._place, body, self._headers, TRY_SECONDS)
                return
            except NotPosted as error:
                if not error.again or tried + 1 == TRIES:
                    raise NotPosted(f"the server {error.message}") from None
            time.sleep(PAUSE_SECONDS * 2**tried)


class RunEvents:
    """The events of one run that goes on."""

    def __init__(self, repository: Repository, sink: EventSink):
        self._repository = repository
        self._sink = sink
        self._waiting: list[dict[str, Any]] = []
        self._thread: threading.Thread | None = None
        self._problem: str | None = None

    def begin(self, run: str) -> None:
        """Tells that a run has begun; returns at once."""
        self._add(run, START)

    def end(self, run: str) -> str | None:
        """Tells how a run has ended; returns what failed of all this, in a few words."""
        self._add(run, END)
        thread = self._thread
        if thread is not None:
            thread.join(END_SECONDS)
            if thread.is_alive():
                return "the server does not answer"
        return self._problem

    def _add(self, run: str, kind: str) -> None:
        try:
            self._waiting.append(event(self._repository, Runs(self._repository).find(run), kind))
        except DsmError as error:
            self._problem = error.message
            return
        self._thread = threading.Thread(target=self._send, args=(self._thread,), daemon=True)
        self._thread.start()

    def _send(self, before: threading.Thread | None) -> None:
        """Sends what waits, in order; what is not taken waits for the next event."""
        if before is not None:
            before.join()
        while self._waiting:
            try:
                self._sink.put(self._waiting[0])
            except DsmError as error:
                self._problem = error.message
                return
            self._problem = None
            del self._waiting[0]
