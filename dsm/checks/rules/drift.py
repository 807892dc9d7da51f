"""The rule of drift: columns spread as in a baseline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dsm.checks import options
from dsm.checks.content_columns import with_content
from dsm.checks.rule import Failing, Rule, Subject
from dsm.errors import InvalidInput, NotFound
from dsm.model.column_names import CONTENT, RECORD_FIELD
from dsm.model.names import printable
from dsm.statistics.drift import CORRECTIONS, Thresholds, judged, thresholds
from dsm.statistics.words import moves

# A value that is new makes any test certain, also of one example: fewer are no sample.
EXAMPLES_MIN = 5


class DriftRule(Rule):
    """The columns of what is judged spread as those of a baseline; see `dsm drift`."""

    name = "drift"
    about = "columns spread as in the examples of against: a view, or a changeset"
    options = {  # noqa: RUF012
        "against": options.text, "columns": options.texts, "ignore": options.texts,
        "level": options.share, "psi": options.number, "js": options.share,
        "correction": options.text, "fields": options.flag, "content": options.flag,
    }  # fmt: skip
    needed = ("against",)

    def problem(self) -> str | None:
        if self.asked.get("correction", CORRECTIONS[0]) not in CORRECTIONS:
            return f"correction is one of {', '.join(CORRECTIONS)}"
        try:
            self._thresholds()
        except InvalidInput as error:
            return error.message
        return None

    def _thresholds(self) -> Thresholds:
        others = ("against", "fields", "content")
        asked = {name: value for name, value in self.asked.items() if name not in others}
        return thresholds(**asked)

    def columns(self) -> tuple[Sequence[str], Sequence[str]]:
        return (*self.asked.get("columns", ()), *self.asked.get("ignore", ())), ()

    def check(self, subject: Subject) -> Iterator[Failing]:
        if subject.baseline is None:
            raise NotFound("a baseline can be found in a repository only")
        if not subject.fresh.num_rows:
            return
        against, names = self.asked["against"], self.columns()[0]
        fields = None if self.asked.get("fields") else [
            name for name in names if name.startswith(RECORD_FIELD)
        ]  # fmt: skip
        baseline = subject.baseline(against, fields)  # one that is missing is told in any case
        if not baseline.num_rows:
            yield Failing(f"{printable(against)} has no examples to compare with")
            return
        if subject.fresh.num_rows < EXAMPLES_MIN:
            return
        fresh = subject.fresh_with_all() if fields is None else subject.fresh_with(fields)
        if self.asked.get("content") or any(name.startswith(CONTENT) for name in names):
            assert subject.facts is not None, "content is read in a repository only"
            baseline, fresh = (with_content(each, subject.facts) for each in (baseline, fresh))
        found = judged(baseline, fresh, self._thresholds())
        for column in found.moved:
            if found.thresholds.decides(column.column):
                told = "; ".join(moves(column, found.thresholds))
                yield Failing(
                    f"{printable(column.column)} has drifted from {printable(against)}: {told}"
                )
