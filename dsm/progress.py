"""How long work reports itself: a protocol owned by the library, drawn by whoever calls it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives the course of one task at a time."""

    def start(self, task: str, files: int | None = None, size: int | None = None) -> None:
        """Begins a task; totals (files, bytes) are None while unknown, and may be sent again."""

    def advance(self, files: int = 0, size: int = 0) -> None:
        """Counts finished files and bytes."""

    def finish(self) -> None:
        """Ends the task."""


class Silent:
    """Ignores everything: the default."""

    def start(self, task: str, files: int | None = None, size: int | None = None) -> None:
        pass

    def advance(self, files: int = 0, size: int = 0) -> None:
        pass

    def finish(self) -> None:
        pass


SILENT: Progress = Silent()
