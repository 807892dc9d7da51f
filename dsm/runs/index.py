"""What lists of runs are read from: one file with all that ended runs say.

Derived data: a file that is lost, damaged, or was not tagged by this copy of the repository is not
there. A run in it is believed while its folder is the one that was read: the folder's time of
change tells that a document came or went, and documents never change. Specified in
docs/format/run.md.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import astuple
from typing import Any

from dsm.errors import DamagedData, StorageFailed
from dsm.repo.copy_key import TAG_BYTES, CopyKey
from dsm.repo.layout import Layout
from dsm.runs.run import COMPLETE, FAILED, End, Output, PointsFile, Run, Start, ViewRead
from dsm.store import disk
from dsm.store.whole_file import read_file

MAGIC = b"DSMRUNS\x03"
Place = tuple[int, int]  # of a run's folder: inode number and time of change, in nanoseconds


def place_of(folder: int | str, run: str) -> Place | None:
    """Returns what tells the folder of a run from what it becomes; None where there is none."""
    try:
        if isinstance(folder, int):
            found = os.stat(run, dir_fd=folder, follow_symlinks=False)
        else:
            found = os.stat(os.path.join(folder, run), follow_symlinks=False)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


class RunIndex:
    """The ended runs of one copy of a repository, each with the place that it was read from."""

    def __init__(self, layout: Layout):
        self._path = layout.run_index
        self._temporary = layout.temporary
        self._key = CopyKey(layout)
        self._packages: list[dict[str, str]] = []
        self._views: list[list[Any]] = []
        self._rows: dict[str, list[Any]] = {}

    def load(self) -> None:
        """Reads the file; what is not to be believed is not there."""
        try:
            data = read_file(self._path)
        except (DamagedData, StorageFailed):
            return
        head = len(MAGIC) + TAG_BYTES
        if data is None or not data.startswith(MAGIC):
            return
        body = data[head:]
        if data[len(MAGIC) : head] != self._key.tag(MAGIC + body):
            return
        found = json.loads(body)
        self._packages, self._views = found["packages"], found["views"]
        self._rows = {row[0]: row for row in found["runs"]}

    def __len__(self) -> int:
        return len(self._rows)

    def holds(self, run: str, place: Place | None) -> bool:
        """Whether a run is here as its folder is now."""
        row = self._rows.get(run)
        return row is not None and place is not None and (row[1], row[2]) == place

    def time(self, run: str) -> int:
        """Returns when a run that is here began."""
        return int(self._rows[run][3][2])

    def get(self, run: str) -> Run:
        """Returns a run that is here, with its views."""
        _, _, _, start, (packages, *late), end, views, logged = self._rows[run]
        status, time, duration, metrics, outputs, points = end
        return Run(
            id=run, state=FAILED if status else COMPLETE,
            start=Start(*(*start, self._packages[packages], *late)),
            end=End(
                status, time, duration, metrics, [Output(*each) for each in outputs],
                [PointsFile(*each) for each in points],
            ),
            views=tuple(ViewRead(*(*self._views[number], time)) for number, time in views),
            logged=logged,
        )  # fmt: skip

    def save(self, kept: Iterable[str], read: Iterable[tuple[Run, Place]]) -> None:
        """Writes the runs that are to be kept, and those that were read now; or does not.

        What cannot be written costs time later and nothing else.
        """
        rows = [self._rows[run] for run in kept]
        packages = {json.dumps(each): at for at, each in enumerate(self._packages)}
        views = {json.dumps(each): at for at, each in enumerate(self._views)}
        for run, (inode, changed) in read:
            if run.end is None:
                continue
            about = astuple(run.start)
            start, installed, late = about[:8], about[8], about[9:]
            seen = [
                [views.setdefault(json.dumps(list(about)), len(views)), time]
                for *about, time in map(astuple, run.views)
            ]
            number = packages.setdefault(json.dumps(installed), len(packages))
            row = [run.id, inode, changed, start, (number, *late), astuple(run.end), seen]
            rows.append([*row, run.logged])
        # As text these are in order, for numbers are given as they come.
        body = (
            f'{{"packages":[{",".join(packages)}],"views":[{",".join(views)}],'
            f'"runs":{json.dumps(rows, separators=(",", ":"))}}}'
        ).encode()
        try:
            tag = self._key.tag(MAGIC + body, make=True)
            if tag is not None:
                temporary = os.path.join(self._temporary, f"runs-{os.urandom(8).hex()}")
                disk.rewrite(self._path, MAGIC + tag + body, temporary)
        except disk.Unwritable:
            return
