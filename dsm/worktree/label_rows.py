"""The rows of a label file beside the paths that they are to fit.

Hides that a name can be spelt in two forms of Unicode: systems decompose letters such as é, tables
seldom do. A row fits the path that it names; one that names none fits the path that differs in
this alone, and that is told.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping

from dsm.errors import AnswerIsNo, InvalidInput
from dsm.model.categories import Category
from dsm.model.names import printable
from dsm.model.record_path import member_name
from dsm.model.reports import Problem
from dsm.worktree.label_row import LabelRow

_LOOKED_AT = 1000  # rows that fit nothing


class NoRowFits(AnswerIsNo):
    """No row of a label file fits an example that was asked for; nothing was staged."""

    code = "no-row-fits"


class LabelRows:
    """The rows by path; `exists` says of a path whether there is a file or an example, `ignored` by
    which rule its file is left out, None for any other.

    `categories` are the classes that the file lists, if it does, in its order.
    """

    def __init__(self, rows: Mapping[str, LabelRow], categories: Iterable[Category] = ()):
        self.rows, self.categories = rows, tuple(categories)
        self.exists: Callable[[str], bool] = lambda path: False
        self.ignored: Callable[[str], str | None] = lambda path: None
        self.respelt: dict[str, str] = {}  # paths that a row spells otherwise, with its spelling
        self.members: dict[str, str] = {}  # files in archives, with the name in the row of each
        self._forms: dict[str, str | None] | None = None

    def get(self, path: str) -> LabelRow | None:
        """Returns the row of a path."""
        row = self.rows.get(path)
        if row is None and path in self.members:
            return self.rows[self.members[path]]
        if row is not None or path.isascii():
            return row
        spelling = self._by_form().get(unicodedata.normalize("NFC", path))
        if spelling is None or self.exists(spelling):
            return None
        self.respelt[path] = spelling
        return self.rows[spelling]

    def fit_members(self, paths: Iterable[str]) -> None:
        """Fits rows that name no example to files in archives: to one of just that name, else to
        the only one whose name ends like it, or the other way round.

        Raises InvalidInput for a row that could be of several.
        """
        names = {
            path: member_name(path) for path in paths
            if path not in self.rows and path not in self.members
        }  # fmt: skip
        taken = {row: path for path, row in self.members.items()}
        free = [row for row in self.rows if row not in taken and not self.exists(row)]
        exact = {*free} & {*names.values()}
        by_end: dict[str, list[str]] = {}
        for row in free:
            if row not in exact:
                by_end.setdefault(_end(row), []).append(row)
        for path, name in names.items():
            fits = [name] if name in exact else _likest(name, by_end.get(_end(name), []))
            if len(fits) > 1:
                raise _several(f"{printable(path)} may be", fits)
            for row in fits:
                if taken.setdefault(row, path) != path:
                    raise _several(f"{printable(row)} of the label file may be", [taken[row], path])
                self.members[path] = row

    def _by_form(self) -> dict[str, str | None]:
        if self._forms is None:
            self._forms = {}
            for path in self.rows:
                if not path.isascii():
                    form = unicodedata.normalize("NFC", path)
                    # Two rows that differ in this alone: each fits only its own path.
                    self._forms[form] = None if form in self._forms else path
        return self._forms

    def unused(self, met: Iterable[str]) -> list[str]:
        """Returns the paths of rows that none of the `met` paths took."""
        used = {*met, *self.respelt.values(), *self.members.values()}
        return [path for path in self.rows if path not in used]

    def warnings(self, unused: list[str], what: str = "example that was added") -> list[Problem]:
        """Says which rows are spelt otherwise, and that others name nothing, which is `what`."""
        found = [
            Problem(path, "is written in another Unicode form in the label file")
            for path in sorted(self.respelt)
        ]
        if unused:
            first, rule = self._first(unused)
            reason = (
                f"and {len(unused) - 1:,} more of the label file name no {what}"
                if len(unused) > 1
                else f"in the label file names no {what}"
            )
            found.append(Problem(first, reason + (f": it is {rule}" if rule else "")))
        return found

    def _first(self, unused: list[str]) -> tuple[str, str | None]:
        """Returns the row to be told, and by which rule its file is ignored: the first that is, if
        one is among those that are looked at."""
        looked = ((path, self.ignored(path)) for path in unused[:_LOOKED_AT])
        return next(((path, rule) for path, rule in looked if rule), (unused[0], None))

    def refuse(
        self,
        unused: list[str],
        met: Iterable[str],
        *,
        strict: bool,
        what: str = "example that was added",
    ) -> None:
        """Raises NoRowFits when no row fits; when `strict`, InvalidInput when one does not."""
        if not unused or (len(unused) < len(self.rows) and not strict):
            return
        first, rule = self._first(unused)
        near = next((path for path in sorted(met) if path.endswith("/" + first)), None)
        hint = "paths in the table count from the dataset's root"
        if near is not None:
            hint += f": {printable(near)}"
        if rule is not None:
            hint = "take the rule out, or take what is ignored by `dsm add -f`"
        few = f"{len(unused):,} row{'s' * (len(unused) > 1)} of the label file"
        if strict:
            raise InvalidInput(
                f"{few} name{'s' * (len(unused) == 1)} no {what}, so nothing was"
                f" staged{(rule and f': {printable(first)} is {rule}') or ''}",
                hint=hint + "; leave out --strict to take the rest",
                items=tuple(unused[:1000]),
            )
        raise NoRowFits(
            f"no row of the label file fits {_a(what)}, so nothing was staged: the first is of"
            f" {printable(first)}{(rule and f', which is {rule}') or ''}",
            hint=hint,
            items=tuple(unused[:1000]),
        )


def _a(what: str) -> str:
    return f"{'an' if what.startswith('e') else 'a'} {what}"


def _end(name: str) -> str:
    return unicodedata.normalize("NFC", name.replace("\\", "/").rpartition("/")[2])


def _likest(name: str, rows: list[str]) -> list[str]:
    """Returns those rows of which the name is the end, or that are the end of the name; of the
    longest ones that are."""
    mine = unicodedata.normalize("NFC", name).split("/")[::-1]
    shared: dict[int, list[str]] = {}
    for row in rows:
        theirs = unicodedata.normalize("NFC", row.replace("\\", "/")).split("/")[::-1]
        most = min(len(mine), len(theirs))
        if mine[:most] == theirs[:most]:
            shared.setdefault(most, []).append(row)
    return shared[max(shared)] if shared else []


def _several(what: str, names: list[str]) -> InvalidInput:
    return InvalidInput(
        f"{what} {printable(names[0])} or {printable(names[1])}",
        hint="add, or label, the archive that the file speaks of",
        items=tuple(names),
    )
