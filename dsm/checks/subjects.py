"""What is judged: a snapshot, what changed between two, a view, or what is staged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, cast

import pyarrow as pa
import pyarrow.compute as pc

from dsm.checks.rule import SchemaFailure, Subject
from dsm.errors import InvalidInput, NotFound
from dsm.history.fold import Layer, examples_in
from dsm.history.overlaid import overlaid
from dsm.history.snapshot import Snapshots
from dsm.model.rows import Rows
from dsm.near.door import near_among
from dsm.repo.dataset_settings import read_settings
from dsm.repo.definitions import SPLIT
from dsm.repo.log import ChangesetLog
from dsm.views.comparison.partition import assigned
from dsm.views.filters.split_definition import split_of
from dsm.views.reading.record_columns import RecordColumns, record_columns
from dsm.views.selection.named import definitions
from dsm.views.selection.prepared import find_record
from dsm.views.selection.read_as import with_read_as
from dsm.views.selection.selection import Selection
from dsm.views.selection.stored import StoredData

if TYPE_CHECKING:
    from dsm.checks.facts import TableFacts
    from dsm.model.target import Target
    from dsm.model.trailers import Trailers
    from dsm.near.find import Near
    from dsm.repo.repository import Repository

# What gives the layers of a snapshot, whose rows say how files of records were read; nothing where
# a table says so itself.
_Layers = Callable[[], Sequence[Layer]]
HEAD_BYTES = 1 << 20  # of a large object


class Subjects:
    """Makes what is judged of one dataset."""

    def __init__(
        self, repository: Repository, log: ChangesetLog, snapshots: Callable[[], Snapshots]
    ):
        self._repository = repository
        self._log = log
        self._snapshots = snapshots

    def datasets(self) -> list[str]:
        """The names of all datasets of the repository."""
        return self._repository.datasets()

    def snapshot(self, number: int) -> Subject:
        """All examples after a changeset."""
        return self._whole(self._snapshots().examples(number), self._layers(number))

    def view(self, name: str) -> Subject:
        """The stored examples of a prepared view. Raises NotFound."""
        return self._whole(self._view(name), tuple)

    def between(self, first: int, last: int) -> Subject:
        """What changesets after one up to another one put."""
        found = self._snapshots()
        table, before = found.examples(last), found.examples(first)
        fresh = table.filter(pc.greater(table.column("changeset"), first))
        trailers: dict[str, tuple[str, ...]] = {}
        for number in range(first + 1, last + 1):
            for key, values in self._log.get(number).trailers.items():
                trailers[key] = trailers.get(key, ()) + values
        return self._change(table, fresh, before, trailers, self._layers(last))

    def rows(self, rows: Rows, head: int, trailers: Trailers) -> Subject:
        """What a commit of these sorted rows on the changeset `head` would make."""
        types = self._log.get(head).attributes if head else {}
        before = self._snapshots().table(head)
        all_rows, _ = overlaid(before, types, rows, head + 1)
        table = examples_in(all_rows)
        fresh = table.filter(pc.equal(table.column("changeset"), head + 1))
        layers = partial(tuple, (Layer(all_rows),))
        return self._change(table, fresh, examples_in(before), trailers, layers)

    def _whole(self, table: pa.Table, layers: _Layers) -> Subject:
        return Subject(
            table=table, fresh=table, contents=self._contents, view=self._view,
            facts=self._facts, target=self._target, parts=self._parts, near=self._near,
            baseline=self._baseline, validate=self._validate, people=self._people,
            fields=self._fields(layers),
        )  # fmt: skip

    def _change(
        self, table: pa.Table, fresh: pa.Table, before: pa.Table, trailers: Trailers,
        layers: _Layers,
    ) -> Subject:  # fmt: skip
        return Subject(
            table=table, fresh=fresh, before=before, trailers=trailers, contents=self._contents,
            view=self._view, facts=self._facts, target=self._target, parts=self._parts,
            near=self._near, baseline=self._baseline, validate=self._validate, people=self._people,
            fields=self._fields(layers),
        )  # fmt: skip

    def _layers(self, number: int) -> _Layers:
        """Returns what gives the rows of a changeset, those of records files among them."""
        return lambda: self._snapshots().layers(number)

    def _fields(self, layers: _Layers) -> Callable[[pa.Table, Sequence[str] | None], RecordColumns]:
        """Returns what reads fields of records in tables of rows that these layers have."""

        def read(table: pa.Table, names: Sequence[str] | None) -> RecordColumns:
            found = layers()
            rows = with_read_as(table, found) if found else table
            return record_columns(self._repository, rows, names)

        return read

    def _target(self) -> Target:
        return read_settings(self._repository, self._log.name).target

    def _facts(self, probe: str, table: pa.Table) -> TableFacts:
        from dsm.checks.facts import facts_of

        return facts_of(self._repository, probe, table)

    def _validate(self, file: str, name: str, table: pa.Table) -> list[SchemaFailure]:
        from dsm.checks.trusted_schema import validated

        return validated(self._repository, file, name, table)

    def _people(
        self, file: str, name: str, texts: Iterable[list[str]]
    ) -> Iterator[list[list[str]]]:
        from dsm.checks.trusted_schema import names_found

        return names_found(self._repository, file, name, texts)

    def _contents(self, oids: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
        store = self._repository.store
        for oid, data in store.read_many(oids):
            if data is None:
                with store.open(oid) as file:
                    data = file.read(HEAD_BYTES)
            yield oid, data

    def _near(self, objects: pa.Array) -> Near:
        return near_among(self._repository, objects)

    def _parts(self, name: str, table: pa.Table) -> pa.Array:
        log = self._log
        found = definitions(SPLIT, self._repository, log.name, log.dataset_id).get(name)
        says = split_of(found.fields, name)
        stored = StoredData(self._repository, log, self._snapshots)
        places = assigned(says, name, stored, table)
        return pa.array(says.names, pa.string()).take(places)

    def _baseline(self, word: str, names: Sequence[str] | None) -> pa.Table:
        """The examples of a changeset, or else of a view, with fields of records where one has
        them. Raises what both raise."""
        try:
            number = self._log.resolve(word)
        except (NotFound, InvalidInput) as error:
            try:
                table, layers = self._view(word), cast("_Layers", tuple)
            except (NotFound, InvalidInput):
                raise error from None
        else:
            table, layers = self._snapshots().examples(number), self._layers(number)
        if names is not None and not names:
            return table
        return self._fields(layers)(table, names).beside(table)

    def _view(self, name: str) -> pa.Table:
        record = find_record(self._repository, name)
        selection = Selection(
            self._repository, record.dataset,
            self._snapshots_of(record.dataset, record.query.dataset), record.query, record,
        )  # fmt: skip
        return selection.table()

    def _snapshots_of(self, dataset: str, dataset_id: str) -> Callable[[], Snapshots]:
        if dataset_id == self._log.dataset_id:
            return self._snapshots

        def others() -> Snapshots:
            return Snapshots(self._repository, ChangesetLog(self._repository, dataset, dataset_id))

        return others
