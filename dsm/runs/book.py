"""The runs of a repository: begun, filled, ended, found and removed; docs/format/run.md.

A run is created by its begin and never changed. Views and the end are documents of their own, so
that a killed run keeps what it had, and processes of one run need not meet. Which runs are going
on is asked of the kernel: each holds a lease, that is a lock, as writers do.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from dsm.errors import AmbiguousName, DamagedData, NotFound, Refused, StorageFailed
from dsm.model.names import close_matches
from dsm.repo import documents
from dsm.repo.repository import Repository
from dsm.runs import points
from dsm.runs.index import Place, RunIndex, place_of
from dsm.runs.points import Point
from dsm.runs.run import (
    COMPLETE,
    FAILED,
    INTERRUPTED,
    RUNNING,
    End,
    PointsFile,
    Run,
    Start,
    ViewRead,
    end_fields,
    end_of,
    parameter_of,
    start_fields,
    start_of,
    view_fields,
    view_of,
)  # fmt: skip
from dsm.store import disk
from dsm.store.lease import Lease, lives

if TYPE_CHECKING:
    from dsm.views.selection.prepared import Record
    from dsm.views.selection.selection import Selection

# A document has its bounds; of more than so many metrics the rest is in the points alone.
METRICS_KEPT_MAX = 1000
_is_prefix = re.compile(r"[0-9a-f]{4,16}").fullmatch


class RunGoesOn(Refused):
    """A run that is going on was to be removed."""

    code = "run-goes-on"


class OpenRun:
    """A run that is going on here: it counts as interrupted from when its process is gone."""

    def __init__(self, runs: Runs, lease: Lease):
        self._runs = runs
        self._lease = lease
        self.id = lease.token

    def end(self, end: End) -> None:
        """Records how the run ended, once. Raises WriteFailed, InvalidInput for too much of it."""
        self._runs.record_end(self.id, end)
        self.release()

    def release(self) -> None:
        """Gives the run up; without an end it is interrupted."""
        self._lease.release()


class Runs:
    """The runs of one repository."""

    def __init__(self, repository: Repository):
        self._repository = repository
        self._layout = repository.layout
        self._starts = documents.runs(self._layout)
        self._ends = documents.run_ends(self._layout)

    def begin(self, start: Start) -> OpenRun:
        """Begins a run; durable when it returns. Raises WriteFailed, NotOurs, InvalidInput."""
        self._repository.require_ours()
        disk.make_dirs(self._layout.living_runs)
        lease = Lease(self._layout.living_runs)
        try:
            disk.make_dirs(self._layout.run(lease.token))
            if not self._starts.create(lease.token, start_fields(lease.token, start)):
                raise DamagedData(f"there is a run {lease.token} already")
        except BaseException:
            lease.release()
            raise
        return OpenRun(self, lease)

    def record_end(self, run: str, end: End) -> None:
        """Creates the end of a run, with what it logged. Raises WriteFailed, Refused: it has one.

        Raises StorageFailed, DamagedData for points that cannot be read.
        """
        sealed, last = points.seal(self._layout.run(run))
        if len(last) > METRICS_KEPT_MAX:
            last = dict(islice(last.items(), METRICS_KEPT_MAX))
        end = replace(end, metrics={**last, **end.metrics}, points=sealed)
        if not self._ends.create(run, end_fields(run, end)):
            raise Refused(f"run {run} has ended already")

    def note_view(self, run: str, view: Record | Selection) -> None:
        """Records that a run opened a view; of a run of another repository nothing.

        Nor of one that has ended: what it read is settled. Raises WriteFailed: a run that does not
        say what it read would be a wrong record.
        """
        if not documents.is_run(run) or not os.path.exists(self._starts.path(run)):
            return
        if os.path.exists(self._ends.path(run)):
            return
        place = documents.run_views(self._layout, run)
        if os.path.exists(place.path(view.version)):
            return
        read = ViewRead(
            view.version, view.dataset, view.query.dataset, view.content.digest,
            view.content.examples, self._repository.environment.clock(),
        )  # fmt: skip
        disk.make_dirs(place.folder)
        place.create(view.version, view_fields(run, read))

    def __iter__(self) -> Iterator[Run]:
        """Yields the runs with their views, those that began last first. Raises DamagedData."""
        index = RunIndex(self._layout)
        index.load()
        known, read = [], []
        for run, place in self._folders():
            if index.holds(run, place):
                known.append(run)
            elif (found := self._read(run, quick=True)) is not None:
                read.append((found, place))
        ended = [each for each in read if each[0].end is not None]
        # One that is read costs as much as to write a hundred.
        if len(ended) > len(known) // 100 or len(known) < len(index) // 2:
            index.save(known, ended)
        fresh = {run.id: run for run, _ in read}
        order = [(index.time(run), run) for run in known]
        order += [(run.start.time, run.id) for run in fresh.values()]
        for _, run in sorted(order, reverse=True):
            yield fresh[run] if run in fresh else index.get(run)

    def find(self, name: str) -> Run:
        """Returns a run by id, unique prefix of 4 or more digits, or name (the last that began).

        Raises NotFound with near matches, AmbiguousName, DamagedData.
        """
        matches = self._beginning_with(name) if _is_prefix(name) else []
        if len(matches) > 1:
            raise AmbiguousName(
                f"{len(matches)} runs begin with {name}", hint="give more digits of the id"
            )
        run = self._read(matches[0]) if matches else None
        if run is None:
            named = list(self)
            run = next((each for each in named if each.start.name == name), None)
            if run is None:
                near = close_matches(name, sorted({each.start.name or "" for each in named} - {""}))
                raise NotFound(
                    f"there is no run {name!r}",
                    hint=f"did you mean {near[0]}?" if near else "`dsm runs list` lists them",
                )
        return run

    def remove(self, run: str) -> None:
        """Removes a run by its id, for good; views stay. Raises RunGoesOn, WriteFailed."""
        self._repository.require_ours()
        if lives(self._layout.living_runs, run):
            raise RunGoesOn(f"run {run} is going on", hint="wait for its end, or end it")
        self._starts.remove(run)  # first: what has no begin is no run
        self._ends.remove(run)
        disk.remove_tree(self._layout.run(run))
        disk.sync_dir(self._layout.runs)
        disk.discard(os.path.join(self._layout.living_runs, run + ".lease"))

    def _folders(self) -> Iterator[tuple[str, Place]]:
        """Yields the ids of what may be runs, and each one's folder as it is now."""
        try:
            fd = os.open(self._layout.runs, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        except OSError as error:
            raise StorageFailed(f"cannot read {self._layout.runs}: {error.strerror}") from error
        try:
            # Before anything of a run is read: what comes later makes it another place.
            found = [(run, place_of(fd, run)) for run in os.listdir(fd) if documents.is_run(run)]
        finally:
            os.close(fd)
        yield from ((run, place) for run, place in found if place is not None)

    def _beginning_with(self, prefix: str) -> list[str]:
        ids = (run for run, _ in self._folders() if run.startswith(prefix))
        return [run for run in ids if os.path.exists(self._starts.path(run))]

    def _views(self, run: str) -> Iterator[ViewRead]:
        place = documents.run_views(self._layout, run)
        found = []
        for version in place.names():
            fields = place.read(version)
            if fields is not None:
                view = view_of(fields, run, place.path(version))
                if view.version != version:
                    raise DamagedData(f"{place.path(version)} is of another view")
                found.append(view)
        yield from sorted(found, key=lambda view: (view.time, view.version))

    def points(self, run: Run, metric: str | None = None) -> Iterator[Point]:
        """Yields what a run logged, of one metric or of all, file by file in the order of logging.

        Raises DamagedData for a file that is not the one which was sealed, StorageFailed.
        """
        folder = self._layout.run(run.id)
        files: list[tuple[str, PointsFile | None]] = (
            [(name, None) for name in points.names_of_files(folder)]
            if run.end is None
            else [(each.file, each) for each in run.end.points]
        )
        for file, sealed in files:
            for point in points.read(folder, file, sealed):
                if metric is None or point.name == metric:
                    yield point

    def verify_points(self, run: Run) -> None:
        """Compares what a run logged with its seals. Raises DamagedData, StorageFailed."""
        for sealed in run.end.points if run.end is not None else ():
            points.verify(self._layout.run(run.id), sealed)

    def _read(self, run: str, *, quick: bool = False) -> Run | None:
        try:
            found = self._put_together(run, quick=quick)
        except (StorageFailed, DamagedData):
            if os.path.exists(self._starts.path(run)):
                raise
            return None  # another process has removed it meanwhile
        # Of a run that is being removed the begin goes first: what is seen then may be a half.
        whole = found is None or found.end is not None or os.path.exists(self._starts.path(run))
        return found if whole else None

    def _put_together(self, run: str, *, quick: bool) -> Run | None:
        fields = self._starts.read(run)
        if fields is None:
            return None
        start = start_of(fields, run, self._starts.path(run))
        ended = self._ends.read(run)
        if ended is None:
            # Asked first for the lease, then for the end, a run that ends now is never taken for
            # an interrupted one.
            state = RUNNING if lives(self._layout.living_runs, run) else INTERRUPTED
            ended = self._ends.read(run)
        if ended is None:
            end, latest = None, points.latest(self._layout.run(run), quick=quick)
        else:
            end, latest = end_of(ended, run, self._ends.path(run)), {}
            state = FAILED if end.status else COMPLETE
        views = tuple(self._views(run))
        return Run(
            id=run, state=state, start=start, end=end, views=views, logged=self._logged(run),
            latest=latest,
        )  # fmt: skip

    def _logged(self, run: str) -> dict[str, str]:
        place = documents.run_parameters(self._layout, run)
        found = {}
        for key in place.names():
            fields = place.read(key)
            if fields is not None:
                name, value = parameter_of(fields, run, place.path(key))
                found[name] = value
        return dict(sorted(found.items()))
