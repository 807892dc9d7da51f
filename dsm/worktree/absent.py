"""Which examples have no file here by intent, kept apart from the index, which may be lost.

A tracked example without a file is either one that never had a file in this copy (it came with a
copy of the repository, or as bytes), or one whose file somebody has removed: a deletion that waits
to be staged. The disk cannot tell the two apart, so what never had a file is written down, before
a stage segment or a changeset names it. Everything else that this copy has recorded was here.

The record is a file of the index's format, whose marks say nothing but that a path is on it. Its
position says up to which changeset it is complete, and which later ones this copy has made: puts of
any other later changeset came from elsewhere, and what of them is not on the disk never was.
Specified in docs/format/index-file.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from dsm.model.changeset import Changeset
from dsm.repo.log import ChangesetLog
from dsm.worktree.index import Mark, Place, Position, WorkIndex

_LISTED = 1  # the mark of every path on record
# Transactions of commits that were refused, or are still under way, are kept up to this many.
UNDECIDED_MAX = 100


class Absent:
    """The record of one dataset, as it was when this was made. Changes go through `note`."""

    def __init__(self, folder: str, temporary: str, log: ChangesetLog):
        self._record = WorkIndex(folder, temporary)
        self._log = log
        position = self._record.position
        self.known = not self._record.fresh and self._follows(position)
        self._made = frozenset(position.segments)  # transactions, in a record

    def _follows(self, position: Position) -> bool:
        """Whether the changeset that the record knows of is the one of this log."""
        if not position.head:
            return True
        return position.head <= self._log.head() and (
            self._log.get(position.head).id == position.id
        )

    def __contains__(self, path: object) -> bool:
        return self.known and self._record.get(str(path)) is not None

    @property
    def place(self) -> Place | None:
        """The root folder of the work tree that the record is of."""
        return self._record.position.place if self.known else None

    def __bool__(self) -> bool:
        return self.known and bool(self._record)

    def was_here(self, changeset: Changeset) -> bool:
        """Whether what a changeset put had files here, but for what is on record."""
        return self.known and (
            changeset.number <= self._record.position.head or changeset.transaction in self._made
        )

    def note(
        self,
        position: Position,
        turned: Mapping[str, bool],
        *,
        transaction: str | None = None,
        first: Iterable[str] = (),
    ) -> bool:
        """Writes down what changed: by path, whether it has no file by intent now.

        `position` is that of an index that has seen every changeset up to it; `transaction` is a
        commit about to be made; `first` is what a new record begins with. Call with the stage lock
        held; False when another process wrote at the same time, where locks do not work.
        """
        record = self._record
        if not self.known:
            record.set_many(dict.fromkeys(list(record.below(""))))
            record.set_many(dict.fromkeys(first, _LISTED))
            record.position = position.with_segments()
        changed: dict[str, Mark | None] = {
            path: _LISTED if absent else None
            for path, absent in turned.items()
            if absent != (record.get(path) is not None)
        }
        record.set_many(changed)
        record.position = replace(record.position, place=position.place)
        if transaction is not None or self._others_made(position):
            self._go_on(position, transaction)
        return record.save()

    def go_back(self, head: int, id: str) -> bool:
        """Is complete up to an earlier changeset only, which soon is the head again.

        Call with the stage lock held; False as for `note`.
        """
        position = self._record.position
        if not self.known or position.head <= head:
            return True
        self._record.go_back(position.at(head, id, position.segments))
        return self._record.save()

    def _others_made(self, position: Position) -> bool:
        """Whether a changeset that is new to the record came from elsewhere."""
        numbers = range(self._record.position.head + 1, position.head + 1)
        return any(self._log.get(number).transaction not in self._made for number in numbers)

    def _go_on(self, position: Position, transaction: str | None) -> None:
        """Makes the record complete up to a position; commits that it covers need no mention."""
        before = self._record.position
        landed = {
            self._log.get(number).transaction
            for number in range(before.head + 1, position.head + 1)
        }
        open_ones = [each for each in before.segments if each not in landed][-UNDECIDED_MAX:]
        if transaction is not None:
            open_ones.append(transaction)
        now = position if position.head > before.head else before
        self._record.position = now.with_segments(*open_ones)
