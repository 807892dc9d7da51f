"""How long work reports itself: a protocol owned by the library, drawn by whoever calls it."""

from __future__ import annotations

from collections.abc import Callable
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


class FetchedAhead:
    """Counts the bytes of files that are fetched before they are written: each once, by which comes
    first. So a task moves on while it waits for a remote, and ends at its total."""

    def __init__(self, advance: Callable[[int, int], object], size: int):
        self._advance, self._to_come, self._ahead = advance, size, 0

    def came(self, size: int) -> None:
        """Counts bytes that were fetched."""
        counted = min(size, self._to_come)
        self._to_come -= counted
        self._ahead += counted
        self._advance(0, counted)

    def wrote(self, files: int, size: int) -> None:
        """Counts files that were written, and of their bytes those that did not come before."""
        counted = min(size, self._ahead)
        self._ahead -= counted
        self._advance(files, size - counted)
