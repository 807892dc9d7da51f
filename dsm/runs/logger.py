"""What a program says of its own run while it goes on: metrics by step, and parameters."""

from __future__ import annotations

import os
from typing import Any

from blake3 import blake3

from dsm.errors import DamagedData, InvalidInput, NotFound, Refused
from dsm.model.names import printable
from dsm.repo import documents
from dsm.repo.repository import Repository
from dsm.runs.points import NAME_BYTES_MAX, PointWriter
from dsm.runs.run import parameter_fields, parameter_of

VALUE_CHARS_MAX = 1 << 16


class RunLogger:
    """Records what one process logs for a run. A fork makes one of its own."""

    def __init__(self, repository: Repository, run: str):
        """Raises NotFound for a run that is not here, Refused for one that has ended."""
        self._layout = repository.layout
        self._clock = repository.environment.clock
        self._writer: PointWriter | None = None
        self.run = run
        if not documents.is_run(run) or not os.path.exists(documents.runs(self._layout).path(run)):
            raise NotFound(
                f"there is no run {printable(run)[:50]!r} in {self._layout.base}",
                hint="DSM_RUN and DSM_RUN_ROOT name the run of this process",
            )
        if os.path.exists(documents.run_ends(self._layout).path(run)):
            raise Refused(f"run {run} has ended: nothing is added to it")

    def log_metric(self, name: str, value: Any, step: Any = None) -> None:
        """Appends a point; see `PointWriter.log`. Raises InvalidInput, WriteFailed."""
        if self._writer is None:
            self._writer = PointWriter(self._layout.run(self.run))
        self._writer.log(name, value, step, self._clock())

    def log_param(self, name: str, value: Any) -> None:
        """Records a parameter, as text; durable when it returns.

        Raises InvalidInput for what is no name or is too long, Refused when it was logged with
        another value, WriteFailed.
        """
        text = value if isinstance(value, str) else str(value)
        encoded = name.encode(errors="replace") if isinstance(name, str) else b""
        if not 0 < len(encoded) <= NAME_BYTES_MAX:
            raise InvalidInput(
                f"the name of a parameter is text, UTF-8 of {NAME_BYTES_MAX} bytes at most,"
                " and not empty"
            )
        if len(text) > VALUE_CHARS_MAX:
            raise InvalidInput(
                f"parameter {printable(name)}: {len(text):,} characters are too many for a value",
                hint=f"{VALUE_CHARS_MAX:,} at most; an output (`--out`) may be of any size",
            )
        place = documents.run_parameters(self._layout, self.run)
        key = blake3(encoded).hexdigest()[:16]
        if place.create(key, parameter_fields(self.run, name, text)):
            return
        fields = place.read(key)
        if fields is None:
            raise DamagedData(f"{place.path(key)} vanished while it was read")
        known = parameter_of(fields, self.run, place.path(key))
        if known != (name, text):
            raise Refused(
                f"parameter {printable(name)} was logged as {printable(known[1])[:50]!r} already",
                hint="a parameter has one value in a run; what changes is a metric",
            )

    def close(self) -> None:
        """Makes the points durable. Raises WriteFailed."""
        if self._writer is not None:
            self._writer.close()
