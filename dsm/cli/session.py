"""What a command works with: the settings of this command line, the repository and its dataset.

Hides discovery, the current folder, environment variables, colours and progress. A command opens
one session; leaving it closes the repository and takes the progress bar off the terminal.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any, Protocol

from dsm.cli import color
from dsm.cli.color import Paint
from dsm.cli.output import LISTED_MAX, count_text, listed, message
from dsm.errors import NotFound
from dsm.model.names import printable
from dsm.progress import SILENT, Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dsm.catalog import Catalog
    from dsm.datasets import Dataset
    from dsm.model.reports import AddReport, Problem


class Settings:
    """The options that every command takes, wherever they stand on the command line."""

    __slots__ = ("behind_dashes", "color", "dataset", "folders", "pager", "quiet", "verbose")

    def __init__(self) -> None:
        self.folders: list[str] = []
        self.dataset: str | None = None
        self.quiet = False
        self.verbose = False
        self.pager = True
        self.choose_color(color.AUTO)
        # How many words stand behind `--`; None where there is none.
        self.behind_dashes: int | None = None

    def flag(self, name: str) -> None:
        """Takes in an option without a value."""
        if name == "no_color":
            self.choose_color(color.NEVER)
        elif name == "no_pager":
            self.pager = False
        else:
            setattr(self, name, True)

    def choose_color(self, when: str) -> None:
        """Takes in when there are colours."""
        self.color = when
        color.choose(when)

    def enter(self) -> None:
        """Goes to the folders that `-C` names, one after the other as git does."""
        for folder in self.folders:
            try:
                os.chdir(folder)
            except OSError as error:
                raise NotFound(f"cannot go to the folder {folder}: {error.strerror}") from error
        self.folders = []


class Context(Protocol):
    """Whatever carries the settings: typer's context, or what the fast path has instead of one."""

    obj: Any


class Session:
    """One command's work with one repository."""

    def __init__(self, ctx: Context, remote: str | None = None):
        """With `remote`, works with what lies at that address, and not with what is here."""
        self._remote = remote
        self.settings: Settings = ctx.obj
        self.paint = Paint(sys.stdout)
        self._dataset: Dataset | None = None
        self._bar: Any = None
        self._end: Callable[[], None] | None = None

    def __enter__(self) -> Session:
        if self.settings.verbose:
            from dsm.cli.verbose import begin

            self._end = begin()
        from dsm import api

        if self._remote is not None:
            self.repo: Catalog = api.open_remote(self._remote, self.progress())
            return self
        try:
            self.repo = api.open(".")
        except FileNotFoundError:
            raise NotFound("the current folder is gone", hint="cd to one that is there") from None
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.finish()
        self.repo.close()
        if self._end is not None:
            self._end()

    @property
    def dataset(self) -> Dataset:
        """The dataset that `-d`, DSM_DATASET or `dsm switch` names."""
        if self._dataset is None:
            name = self.settings.dataset or os.environ.get("DSM_DATASET") or None
            self._dataset = self.repo.dataset(name)
        return self._dataset

    def dataset_of_view(self, view: str | None) -> Dataset:
        """The dataset that is named, or else that of a view, or else the current one."""
        if view is None or self.settings.dataset or os.environ.get("DSM_DATASET"):
            return self.dataset
        from dsm.views.selection.prepared import find_record

        return self.repo.dataset(find_record(self.repo, view).dataset)

    def has_hooks(self) -> bool:
        """Whether the repository may have hooks of its own; costs one look at the disk."""
        return os.path.lexists(os.path.join(self.repo.path, "hooks"))

    def progress(self) -> Progress:
        """A bar on a terminal, nothing elsewhere."""
        if self.settings.quiet or sys.stderr is None or not sys.stderr.isatty():
            return SILENT
        if self._bar is None:
            from dsm.cli.progress_bar import Bar

            self._bar = Bar(color=Paint(sys.stderr).enabled)
        bar: Progress = self._bar
        return bar

    def say(self, text: str) -> None:
        """Prints a message to standard error unless `-q` was given."""
        if not self.settings.quiet:
            message(printable(text))

    def warn(self, word: str, problems: Sequence[Problem]) -> None:
        """Prints one line a problem, at most ten of them, also after `-q`."""
        lines = [f"{word}: {printable(p.path)}: {printable(p.reason)}" for p in problems]
        for line in listed(lines, LISTED_MAX):
            message(line)

    def warn_of(self, report: AddReport) -> None:
        """Prints what `add`, or a commit of paths, met on the way."""
        self.warn("warning", report.warnings)
        self.warn("skipped", report.skipped)
        self.warn("failed", report.failed)

    def say_left_out(self, report: AddReport) -> None:
        """Says how many new files the pattern of the dataset left out."""
        if report.left_out and report.pattern is not None:
            count = count_text(report.left_out, "file")
            self.say(f"{count} skipped: not matched by {printable(report.pattern)} (-f adds them)")

    def shown(self, path: str) -> str:
        """Returns an example's path as one would type it here, fit for a terminal."""
        root, here = self.dataset.root, os.getcwd()
        if root != here:
            path = os.path.relpath(os.path.join(root, path), here)
        return printable(path)

    def below_root(self, path: str) -> str:
        """Returns a path typed here as the example it names, below the dataset's root."""
        root, here = self.dataset.root, os.getcwd()
        if root == here and not os.path.isabs(path):
            return os.path.normpath(path)
        return os.path.relpath(os.path.join(here, path), root)
