"""What is judged: a snapshot, what changed between two, a view, or what is staged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from dsm.checks.rule import SchemaFailure, Subject
from dsm.errors import InvalidInput, NotFound
from dsm.history.fold import examples_in
from dsm.history.overlaid import overlaid
from dsm.history.snapshot import Snapshots
from dsm.model.rows import Rows
from dsm.near.door import near_among
from dsm.repo.dataset_settings import read_settings
from dsm.repo.definitions import SPLIT
from dsm.repo.log import ChangesetLog
from dsm.views.comparison.partition import assigned
from dsm.views.filters.split_definition import split_of
from dsm.views.selection.named import definitions
from dsm.views.selection.prepared import find_record
from dsm.views.selection.selection import Selection
from dsm.views.selection.stored import StoredData

if TYPE_CHECKING:
    from dsm.checks.facts import TableFacts
    from dsm.model.target import Target
    from dsm.model.trailers import Trailers
    from dsm.near.find import Near
    from dsm.repo.repository import Repository

HEAD_BYTES = 1 << 20  # of a large object


class Subjects:
    """Makes what is judged of one dataset."""

    def __init__(
        self, repository: Repository, log: ChangesetLog, snapshots: Callable[[], Snapshots]
    ):
        self._repository = repository
        self._log = log
        self._snapshots = snapshots

    def snapshot(self, number: int) -> Subject:
        """All examples after a changeset."""
        return self._whole(self._snapshots().examples(number))

    def view(self, name: str) -> Subject:
        """The stored examples of a prepared view. Raises NotFound."""
        return self._whole(self._view(name))

    def between(self, first: int, last: int) -> Subject:
        """What changesets after one up to another one put."""
        found = self._snapshots()
        table, before = found.examples(last), found.examples(first)
        fresh = table.filter(pc.greater(table.column("changeset"), first))
        trailers: dict[str, tuple[str, ...]] = {}
        for number in range(first + 1, last + 1):
            for key, values in self._log.get(number).trailers.items():
                trailers[key] = trailers.get(key, ()) + values
        return self._change(table, fresh, before, trailers)

    def rows(self, rows: Rows, head: int, trailers: Trailers) -> Subject:
        """What a commit of these sorted rows on the changeset `head` would make."""
        types = self._log.get(head).attributes if head else {}
        before = self._snapshots().table(head)
        table, _ = overlaid(before, types, rows, head + 1)
        table = examples_in(table)
        fresh = table.filter(pc.equal(table.column("changeset"), head + 1))
        return self._change(table, fresh, examples_in(before), trailers)

    def _whole(self, table: pa.Table) -> Subject:
        return Subject(
            table=table, fresh=table, contents=self._contents, view=self._view,
            facts=self._facts, target=self._target, parts=self._parts, near=self._near,
            baseline=self._baseline, validate=self._validate,
        )  # fmt: skip

    def _change(
        self, table: pa.Table, fresh: pa.Table, before: pa.Table, trailers: Trailers
    ) -> Subject:
        return Subject(
            table=table, fresh=fresh, before=before, trailers=trailers, contents=self._contents,
            view=self._view, facts=self._facts, target=self._target, parts=self._parts,
            near=self._near, baseline=self._baseline, validate=self._validate,
        )  # fmt: skip

    def _target(self) -> Target:
        return read_settings(self._repository, self._log.name).target

    def _facts(self, probe: str, table: pa.Table) -> TableFacts:
        from dsm.checks.facts import facts_of

        return facts_of(self._repository, probe, table)

    def _validate(self, file: str, name: str, table: pa.Table) -> list[SchemaFailure]:
        from dsm.checks.trusted_schema import validated

        return validated(self._repository, file, name, table)

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

    def _baseline(self, word: str) -> pa.Table:
        """The examples of a changeset, or else of a view. Raises what both raise."""
        try:
            return self._snapshots().examples(self._log.resolve(word))
        except (NotFound, InvalidInput) as error:
            try:
                return self._view(word)
            except (NotFound, InvalidInput):
                raise error from None

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
