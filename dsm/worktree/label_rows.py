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
        self._forms: dict[str, str | None] | None = None

    def get(self, path: str) -> LabelRow | None:
        """Returns the row of a path."""
        row = self.rows.get(path)
        if row is not None or path.isascii():
            return row
        spelling = self._by_form().get(unicodedata.normalize("NFC", path))
        if spelling is None or self.exists(spelling):
            return None
        self.respelt[path] = spelling
        return self.rows[spelling]

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
        used = {*met, *self.respelt.values()}
        return [path for path in self.rows if path not in used]

    def warnings(self, unused: list[str]) -> list[Problem]:
        """Says which rows are spelt otherwise, and that others name nothing."""
        found = [
            Problem(path, "is written in another Unicode form in the label file")
            for path in sorted(self.respelt)
        ]
        if unused:
            first, rule = self._first(unused)
            reason = (
                f"and {len(unused) - 1} more of the label file name no example that was added"
                if len(unused) > 1
                else "in the label file names no example that was added"
            )
            found.append(Problem(first, reason + (f": it is {rule}" if rule else "")))
        return found

    def _first(self, unused: list[str]) -> tuple[str, str | None]:
        """Returns the row to be told, and by which rule its file is ignored: the first that is, if
        one is among those that are looked at."""
        looked = ((path, self.ignored(path)) for path in unused[:_LOOKED_AT])
        return next(((path, rule) for path, rule in looked if rule), (unused[0], None))

    def refuse(self, unused: list[str], met: Iterable[str], *, strict: bool) -> None:
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
                f"{few} name{'s' * (len(unused) == 1)} no example that was added, so nothing was"
                f" staged{(rule and f': {printable(first)} is {rule}') or ''}",
                hint=hint + "; leave out --strict to add the rest",
                items=tuple(unused[:1000]),
            )
        raise NoRowFits(
            f"no row of the label file fits an example that was added, so nothing was staged: the"
            f" first is of {printable(first)}{(rule and f', which is {rule}') or ''}",
            hint=hint,
            items=tuple(unused[:1000]),
        )
