"""Rules of what an example is as a file: its name and its size."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow.compute as pc

from dsm.checks import options
from dsm.checks.columns import names_of
from dsm.checks.expressions import matches, require_expression
from dsm.checks.rule import Failing, Rule, Subject, failing


class Extensions(Rule):
    """The name ends in one of some extensions, whatever their letter case."""

    name = "extensions"
    about = "file names end in one of these extensions"
    options = {"allow": options.suffixes}  # noqa: RUF012
    needed = ("allow",)

    def check(self, subject: Subject) -> Iterator[Failing]:
        allowed, paths = self.asked["allow"], pc.utf8_lower(names_of(subject.fresh))
        wrong = None
        for suffix in allowed:
            lacks = pc.invert(pc.ends_with(paths, suffix))
            wrong = lacks if wrong is None else pc.and_(wrong, lacks)
        text = f"its name ends in none of {', '.join(allowed)}"
        yield from failing(subject.fresh, wrong, text)


class PathPattern(Rule):
    """The whole path fits a regular expression."""

    name = "path"
    about = "paths fit this regular expression, from end to end"
    options = {"pattern": options.text}  # noqa: RUF012
    needed = ("pattern",)

    def check(self, subject: Subject) -> Iterator[Failing]:
        pattern = require_expression(self.asked["pattern"])
        wrong = pc.invert(matches(subject.fresh.column("path"), pattern))
        yield from failing(subject.fresh, wrong, f"its path does not fit {pattern}")


class Size(Rule):
    """The size lies between two bounds; by default it is not zero."""

    name = "size"
    about = "files have at least so many bytes (1 by default), and at most so many"
    options = {"min": options.size, "max": options.size}  # noqa: RUF012

    def check(self, subject: Subject) -> Iterator[Failing]:
        sizes = subject.fresh.column("size")
        low, high = self.asked.get("min", 1), self.asked.get("max")
        if low:
            empty = pc.equal(sizes, 0)
            yield from failing(subject.fresh, empty, "it has no bytes", sizes)
            small = pc.and_not(pc.less(sizes, low), empty)
            yield from failing(subject.fresh, small, f"{{}} bytes are fewer than {low:,}", sizes)
        if high is not None:
            large = pc.greater(sizes, high)
            yield from failing(subject.fresh, large, f"{{}} bytes are more than {high:,}", sizes)
