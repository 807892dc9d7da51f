"""Rules of labels: of each example, and of how many examples have each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from dsm.checks import options
from dsm.checks.columns import one_array
from dsm.checks.rule import Failing, Rule, Subject, failing
from dsm.model.names import close_matches, printable
from dsm.model.sizes import count_text


class Labels(Rule):
    """What labels an example has: at least so many, of a vocabulary."""

    name = "labels"
    about = "examples have labels of this vocabulary, at least min (1 by default), at most max"
    options = {  # noqa: RUF012
        "vocabulary": options.labels, "min": options.count, "max": options.count,
    }  # fmt: skip

    def check(self, subject: Subject) -> Iterator[Failing]:
        table, column = subject.fresh, subject.fresh.column("labels")
        lengths, low = pc.list_value_length(column), self.asked.get("min", 1)
        if low:
            bare = pc.equal(lengths, 0)
            yield from failing(table, bare, "it has no label")
            few = pc.and_not(pc.less(lengths, low), bare)
            yield from failing(table, few, f"{{}} labels are fewer than {low}", lengths)
        high = self.asked.get("max")
        if high is not None:
            many = pc.greater(lengths, high)
            yield from failing(table, many, f"{{}} labels are more than {high}", lengths)
        if "vocabulary" in self.asked:
            yield from self._unknown(table)

    def _unknown(self, table: pa.Table) -> Iterator[Failing]:
        vocabulary = self.asked["vocabulary"]
        column = table.column("labels")
        flat, rows = pc.list_flatten(column), pc.list_parent_indices(one_array(column))
        known = pc.is_in(flat, value_set=pa.array(vocabulary, pa.string()))
        strays = pa.table({"row": rows, "value": flat}).filter(pc.invert(known))
        for label in sorted(pc.unique(strays.column("value")).to_pylist()):
            mine = strays.filter(pc.equal(strays.column("value"), label))
            near = close_matches(label, vocabulary, 1)
            meant = f"; did you mean {printable(near[0])}?" if near else ""
            paths = table.column("path").take(mine.column("row"))
            found = pa.table({"path": paths, "value": mine.column("value")})
            yield Failing(f"label {{}} is not in the vocabulary{meant}", found)


class LabelCounts(Rule):
    """How many examples each label has, by number and by share."""

    name = "label-counts"
    about = "each label has at least min examples, and a share between min-share and max-share"
    options = {  # noqa: RUF012
        "labels": options.labels, "min": options.count, "max": options.count,
        "min-share": options.share, "max-share": options.share, "optional": options.flag,
    }  # fmt: skip

    def problem(self) -> str | None:
        if not {"min", "max", "min-share", "max-share"} & self.asked.keys():
            return "it needs one of min, max, min-share and max-share"
        low, high = self.asked.get("min-share", 0.0), self.asked.get("max-share", 1.0)
        return "min-share is above max-share" if low > high else super().problem()

    def check(self, subject: Subject) -> Iterator[Failing]:
        asked, total = self.asked, subject.table.num_rows
        counts = counted(subject.table)
        if not asked.get("optional"):
            yield from map(Failing, _nobody(subject, counts, asked.get("labels"), self._asks_least))
        for label in asked.get("labels", sorted(counts)):
            count = counts.get(label, 0)
            told, share = printable(label), count / total if total else 0.0
            many = count_text(count, "example")
            if count < asked.get("min", 0):
                yield Failing(f"label {told} has {many}, fewer than {asked['min']:,}")
            if count > asked.get("max", count):
                yield Failing(f"label {told} has {many}, more than {asked['max']:,}")
            if share < asked.get("min-share", 0.0):
                low = asked["min-share"]
                yield Failing(f"label {told} has {share:.2%} of all examples, less than {low:.2%}")
            if share > asked.get("max-share", 1.0):
                high = asked["max-share"]
                more = f"more than {high:.2%}"
                yield Failing(f"label {told} has {share:.2%} of all examples, {more}")

    @property
    def _asks_least(self) -> bool:
        """Whether it says itself that a label has no examples."""
        return "min" in self.asked or "min-share" in self.asked


class Balance(Rule):
    """The most frequent label has at most so many times the examples of the rarest."""

    name = "balance"
    about = "the most frequent label has at most max-ratio times the examples of the rarest"
    options = {  # noqa: RUF012
        "max-ratio": options.ratio, "labels": options.labels, "optional": options.flag,
    }  # fmt: skip
    needed = ("max-ratio",)

    def problem(self) -> str | None:
        return (
            "labels names two labels or more" if len(self.asked.get("labels", "ab")) < 2 else None
        )

    def check(self, subject: Subject) -> Iterator[Failing]:
        counts = counted(subject.table)
        wanted = self.asked.get("labels") or sorted(counts)
        if not self.asked.get("optional"):
            # One that nobody has, beside others, has none of their examples: see below.
            named = self.asked.get("labels")
            if named is None or not any(label in counts for label in named):
                yield from map(Failing, _nobody(subject, counts, named, False))
        if len(wanted) < 2 or not subject.table.num_rows:
            return
        ranked = sorted((counts.get(label, 0), label) for label in wanted)
        (few, rare), (many, common) = ranked[0], ranked[-1]
        if many > self.asked["max-ratio"] * few:
            ratio = f"{many / few:.4g} times" if few else "and so all"
            yield Failing(
                f"label {printable(common)} has {count_text(many, 'example')}, {ratio} those of"
                f" {printable(rare)} ({few:,}); at most {self.asked['max-ratio']:g} times are"
                " allowed"
            )


def _nobody(
    subject: Subject, counts: Mapping[str, int], named: Sequence[str] | None, told: bool
) -> Iterator[str]:
    """Yields what to say of labels that no example has, unless it is `told` otherwise."""
    if not subject.table.num_rows:
        return
    if named is None:
        if not counts:
            yield "no example has a label"
        return
    for label in named if not told else ():
        if label not in counts:
            near = close_matches(label, list(counts), 1)
            meant = f"; did you mean {printable(near[0])}?" if near else ""
            yield f"no example has the label {printable(label)}{meant}"


def counted(table: pa.Table) -> dict[str, int]:
    """Returns how many examples have each label."""
    found = pc.value_counts(pc.list_flatten(table.column("labels")))
    return {row["values"]: row["counts"] for row in found.to_pylist()}
