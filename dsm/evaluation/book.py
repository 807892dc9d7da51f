"""The predictions of runs: added, found, read and removed; docs/format/predictions.md.

Write order: the object with the rows, durable in a pack, then the document that names it. What a
crash leaves is an object that nothing refers to, which gc removes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from dsm.errors import AlreadyExists, DamagedData, InvalidInput, NotFound
from dsm.evaluation.given import Given, given_of, joined
from dsm.evaluation.prediction_file import read_predictions
from dsm.format import predictions as fmt
from dsm.history.snapshot import Snapshots
from dsm.repo import documents
from dsm.repo.log import ChangesetLog
from dsm.repo.repository import Repository
from dsm.runs.book import Runs
from dsm.runs.run import Run, ViewRead
from dsm.store import disk
from dsm.views.selection.classes import ClassList
from dsm.views.selection.prepared import find_record
from dsm.views.selection.selection import Selection
from dsm.views.selection.source_mode import SKIP
from dsm.worktree.publish import publishing

if TYPE_CHECKING:
    from typing import BinaryIO

HINT_NONE = "`dsm predictions add RUN FILE` adds some"


@dataclass(frozen=True, slots=True)
class Stored:
    """Predictions of a run for the examples of one view.

    `object` (hex) has the rows; `predicted` examples of the view's `examples` have one, and
    `unknown` predictions were of no example of it. `classes` counts those whose probabilities are
    given. `time` is in microseconds UTC.
    """

    view: str
    dataset: str
    object: str
    size: int
    examples: int
    predicted: int
    unknown: int
    classes: int
    time: int

    @property
    def missing(self) -> int:
        """How many examples of the view have no prediction."""
        return self.examples - self.predicted


@dataclass(frozen=True, slots=True)
class Added:
    """What `add` did: `unknown_paths` are the first predictions that are of no example."""

    run: str
    stored: Stored
    unknown_paths: tuple[str, ...]


class PredictionBook:
    """The predictions of the runs of one repository, as they are stored."""

    def __init__(self, repository: Repository):
        self._repository = repository
        self._runs = Runs(repository)

    def add(
        self,
        run: str,
        paths: Any,
        *,
        labels: Any = None,
        values: Any = None,
        scores: Any = None,
        probabilities: Any = None,
        classes: Sequence[str] | None = None,
        view: str | None = None,
        replace: bool = False,
    ) -> Added:
        """Adds what a run predicted of examples: sequences or arrays, an item for each path.

        `labels` are classes by name, or by index in those of the view; `values` are numbers;
        `scores` say how sure the model is of its label. `probabilities` has a row for each path and
        a column for each of `classes` (of those of the view, in its order); without labels the most
        likely class is predicted. `view` says for which view that the run read; with `replace` what
        was added for it before goes.

        Raises NotFound, AlreadyExists, InvalidInput for what is no prediction, or for none that is
        of an example, DamagedData, WriteFailed.
        """
        given = given_of(
            paths, labels=labels, values=values, scores=scores, probabilities=probabilities,
            classes=classes,
        )  # fmt: skip
        return self._add(run, given, view, replace)

    def add_file(
        self,
        run: str,
        source: str | os.PathLike[str] | BinaryIO,
        *,
        view: str | None = None,
        replace: bool = False,
    ) -> Added:
        """Adds predictions of a CSV, TSV, JSON Lines or Parquet file; see docs/how-to/evaluate.md.

        Raises what `add` raises.
        """
        if isinstance(source, str | os.PathLike):
            source = os.fspath(source)
        self._place_of(self._runs.find(run), view)  # before a large file is read
        return self._add(run, read_predictions(source), view, replace)

    def of(self, run: str) -> list[Stored]:
        """Returns the predictions that a run has, a view each. Raises NotFound, DamagedData."""
        return self.of_run(self._runs.find(run).id)

    def of_run(self, run: str) -> list[Stored]:
        """The same, by the id of the run."""
        place = documents.run_predictions(self._repository.layout, run)
        found = [(version, place.read(version)) for version in place.names()]
        return [
            stored_of(fields, run, version, place.path(version))
            for version, fields in found
            if fields is not None
        ]

    def find(self, run: str, view: str | None = None) -> tuple[Run, Stored]:
        """Finds the predictions of a run for a view, which is needed if it has those of several.

        Raises NotFound, InvalidInput, AmbiguousName, DamagedData.
        """
        found = self._runs.find(run)
        stored = self.of_run(found.id)
        if not stored:
            raise NotFound(f"run {run} has no predictions", hint=HINT_NONE)
        if view is None:
            if len(stored) > 1:
                raise InvalidInput(
                    f"run {run} has predictions for {len(stored)} views",
                    hint="give --view: " + ", ".join(each.view[:12] for each in stored),
                )
            return found, stored[0]
        version = find_record(self._repository, view).version
        for each in stored:
            if each.view == version:
                return found, each
        raise NotFound(
            f"run {run} has no predictions for view {view}",
            hint="it has some for " + ", ".join(each.view[:12] for each in stored),
        )

    def read(self, stored: Stored, columns: list[str] | None = None) -> pa.Table:
        """Returns stored predictions, or some columns, sorted by path.

        Raises ObjectMissing, ObjectDamaged, DamagedData.
        """
        where = f"object {stored.object[:12]}"
        data = self._repository.store.read(bytes.fromhex(stored.object))
        table = fmt.decode(data, where, columns)
        if table.num_rows != stored.predicted:
            raise DamagedData(f"{where} has other predictions than are recorded")
        return table

    def remove(self, run: str, view: str | None = None) -> Stored:
        """Removes predictions of a run; what they take is free after `gc`.

        Raises NotFound, InvalidInput, AmbiguousName, WriteFailed.
        """
        self._repository.require_ours()
        found, stored = self.find(run, view)
        documents.run_predictions(self._repository.layout, found.id).remove(stored.view)
        return stored

    def selection(self, view: str) -> Selection:
        """Opens a prepared view by version or name, its stored examples alone. Raises NotFound."""
        repository, record = self._repository, find_record(self._repository, view)
        log = ChangesetLog(repository, record.dataset, record.query.dataset)
        return Selection(
            repository, record.dataset, lambda: Snapshots(repository, log), record.query, record,
            source_mode=SKIP,
        )  # fmt: skip

    def _place_of(self, run: Run, view: str | None) -> str:
        """Returns the version of the view that a run's predictions are for."""
        if view is not None:
            return find_record(self._repository, view).version
        if len(run.views) == 1:
            return run.views[0].version
        if not run.views:
            raise InvalidInput(
                f"run {run.id} read no view", hint="give --view: the one that it evaluated"
            )
        raise InvalidInput(
            f"run {run.id} read {len(run.views)} views",
            hint="give --view: " + ", ".join(_told(each) for each in run.views[:10]),
        )

    def _add(self, name: str, given: Given, view: str | None, replace: bool) -> Added:
        repository = self._repository
        repository.require_ours()
        run = self._runs.find(name)
        selection = self.selection(self._place_of(run, view))
        place = documents.run_predictions(repository.layout, run.id)
        if not replace and os.path.exists(place.path(selection.version)):
            raise AlreadyExists(
                f"run {name} has predictions for view {selection.version[:12]} already",
                hint="--replace puts these in their place",
            )
        paths = selection.evaluation.rows([fmt.PATH]).column(fmt.PATH).combine_chunks()
        found = joined(given, paths, class_names(selection))
        data = fmt.encode(found.table)
        with publishing(repository) as publish:
            oid = repository.store.put(data, ".parquet")
            repository.store.flush()
            stored = Stored(
                view=selection.version, dataset=selection.query.dataset, object=oid.hex(),
                size=len(data), examples=len(paths), predicted=found.table.num_rows,
                unknown=found.unknown, classes=len(fmt.classes_of(found.table)),
                time=repository.environment.clock(),
            )  # fmt: skip
            with publish:
                disk.make_dirs(place.folder)
                if replace:
                    place.remove(selection.version)
                if not place.create(selection.version, {"run": run.id, **asdict(stored)}):
                    raise AlreadyExists(f"run {name} was given predictions at the same time")
        return Added(run.id, stored, found.unknown_paths)


def class_names(selection: Selection) -> tuple[str, ...]:
    """Returns the classes of a view; none where the target's values are numbers that are none."""
    return class_list(selection).names


def class_list(selection: Selection) -> ClassList:
    """Returns the classes of a view's examples, without any where the target is a fraction."""
    try:
        return selection.stored_classes
    except InvalidInput:
        return ClassList((), selection.target.column)


def stored_of(fields: dict[str, Any], run: str, version: str, where: str) -> Stored:
    """Reads the document of predictions. Raises DamagedData."""
    found = {name: value for name, value in fields.items() if name not in ("run", "format")}
    texts = ("view", "dataset", "object")
    try:
        stored = Stored(**found)
        if fields["run"] != run or stored.view != version:
            raise ValueError("it is of another run or view")
        if any(type(found[name]) is not (str if name in texts else int) for name in found):
            raise ValueError("a field is of a kind that does not belong there")
        if len(stored.object) != 64 or bytes.fromhex(stored.object).hex() != stored.object:
            raise ValueError("it names no object")
        if not 0 < stored.predicted <= stored.examples:
            raise ValueError("its numbers do not add up")
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedData(f"{where} is no document of predictions: {error}") from error
    return stored


def _told(view: ViewRead) -> str:
    return f"{view.version[:12]} ({view.examples:,} examples)"
