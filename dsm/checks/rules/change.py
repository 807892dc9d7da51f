"""The rule of changes: how much one changeset may remove, relabel and add."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dsm.checks import options
from dsm.checks.columns import joined, one_array
from dsm.checks.rule import Failing, Rule, Subject
from dsm.checks.rules.labels import counted
from dsm.model.names import printable
from dsm.model.sizes import count_text
from dsm.model.trailers import check_key


def _key(value: Any) -> str:
    """The key of a trailer. Raises ValueError."""
    return check_key(options.text(value))


class Change(Rule):
    """How far one change may go; a trailer of the changeset can approve more."""

    name = "change"
    about = "a change removes, relabels and adds at most these shares; no label vanishes"
    options = {  # noqa: RUF012
        "max-removed": options.share, "max-relabelled": options.share,
        "max-growth": options.growth, "labels-stay": options.flag, "approved-by": _key,
    }  # fmt: skip

    def problem(self) -> str | None:
        if not self.asked.keys() - {"approved-by"}:
            return "it needs one of max-removed, max-relabelled, max-growth and labels-stay"
        return super().problem()

    def check(self, subject: Subject) -> Iterator[Failing]:
        before = subject.before
        approval = self.asked.get("approved-by")
        if before is None or not before.num_rows:
            return
        if approval is not None and subject.trailers.get(approval.lower()):
            return
        for text in self._too_much(subject, before):
            trailer = f"; a trailer {printable(approval)} approves it" if approval else ""
            yield Failing(text + trailer)

    def _too_much(self, subject: Subject, before: pa.Table) -> Iterator[str]:
        asked, rows = self.asked, before.num_rows
        if "max-removed" in asked:
            new = subject.fresh.num_rows - _put_again(before, subject.fresh).num_rows
            gone = rows + new - subject.table.num_rows
            yield from _above(gone, rows, asked["max-removed"], "removed")
        if "max-relabelled" in asked:
            changed = _relabelled(before, subject.fresh)
            yield from _above(changed, rows, asked["max-relabelled"], "relabelled")
        if "max-growth" in asked:
            more = subject.table.num_rows - rows
            yield from _above(more, rows, asked["max-growth"], "added")
        if asked.get("labels-stay"):
            now = counted(subject.table)
            for label, count in sorted(counted(before).items()):
                if label not in now:
                    yield f"label {printable(label)}, of {count_text(count, 'example')}, is gone"


def _above(count: int, of: int, most: float, what: str) -> Iterator[str]:
    if count / of > most:
        verb, examples = "is" if count == 1 else "are", count_text(of, "example")
        yield f"{count:,} of {examples} ({count / of:.2%}) {verb} {what}, more than {most:.2%}"


def _put_again(before: pa.Table, fresh: pa.Table) -> pa.Table:
    """Returns the examples, as they were before, that a change put."""
    paths = one_array(fresh.column("path"))
    return before.filter(pc.is_in(before.column("path"), value_set=paths))


def _relabelled(before: pa.Table, fresh: pa.Table) -> int:
    """Returns how many examples have other labels than before."""
    old = _put_again(before, fresh)
    # Both are sorted by path, so the rows of one path stand beside each other.
    paths = one_array(old.column("path"))
    new = fresh.filter(pc.is_in(fresh.column("path"), value_set=paths))
    differ = pc.not_equal(joined(old.column("labels")), joined(new.column("labels")))
    found: int = pc.sum(differ).as_py() or 0
    return found
