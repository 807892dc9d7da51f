"""Progress on a terminal: bytes, files, rate and time left, once a task has taken a second.

Hides rich, which is imported only then. Invariant: no thread draws, so that the library may fork
while a bar is shown; the bar is redrawn when work is counted, at most four times a second.
"""

from __future__ import annotations

from time import monotonic
from typing import Any

from dsm.cli.output import count_text, size_text

QUIET_SECONDS = 1.0
REDRAW_SECONDS = 0.25
BAR_WIDTH = 24


class Bar:
    """Receives the course of tasks (see dsm.progress.Progress) and draws the long ones."""

    def __init__(self, *, color: bool = True):
        self._color = color
        self._task = ""
        self._all_files: int | None = None
        self._all_size: int | None = None
        self._files = 0
        self._size = 0
        self._begun: float | None = None
        self._drawn = 0.0
        self._bar: Any = None

    def start(self, task: str, files: int | None = None, size: int | None = None) -> None:
        """Begins a task, or tells the totals of the one that runs."""
        if task != self._task or self._begun is None:
            self.finish()
            self._task, self._begun = task, monotonic()
        self._all_files, self._all_size = files, size
        self._draw()

    def advance(self, files: int = 0, size: int = 0) -> None:
        """Counts finished files and bytes."""
        self._files += files
        self._size += size
        self._draw()

    def finish(self) -> None:
        """Ends the task and takes the bar away."""
        if self._bar is not None:
            self._bar.stop()
        self._bar, self._task, self._begun = None, "", None
        self._files = self._size = 0

    def _draw(self) -> None:
        now = monotonic()
        begun = now if self._begun is None else self._begun
        if now - begun < QUIET_SECONDS or now - self._drawn < REDRAW_SECONDS:
            return
        self._drawn = now
        done, total = self._size, self._all_size
        if not total:
            done, total = self._files, self._all_files
        shown: dict[str, Any] = {
            "total": total or None,
            "completed": done,
            "told": self._told(now - begun, done / total if total else None),
        }
        if self._bar is None:
            self._bar = self._new_bar()
            self._bar.add_task(self._task, **shown)
            self._bar.start()
        else:
            self._bar.update(self._bar.task_ids[0], **shown)
        self._bar.refresh()

    def _told(self, seconds: float, share: float | None) -> str:
        """Returns the numbers beside the bar: bytes, files, rate, time left."""
        size, files = size_text(self._size), count_text(self._files, "file")
        if self._all_size:
            size += f" of {size_text(self._all_size)}"
        if self._all_files:
            files = f"{self._files:,} of {count_text(self._all_files, 'file')}"
        parts = [size, files, f"{size_text(int(self._size / seconds))}/s"]
        if share and share < 1:
            left = int(seconds / share - seconds) + 1
            parts.append(f"{left // 60}:{left % 60:02} left")
        return ", ".join(parts)

    def _new_bar(self) -> Any:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        # Output of the command itself must not be caught and moved above the bar.
        return Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=BAR_WIDTH),
            TextColumn("{task.fields[told]}", markup=False),
            console=Console(stderr=True, no_color=not self._color, highlight=False),
            auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False,
        )  # fmt: skip
