"""What a split says: which parts there are, and the filter that each part stands for.

Parts by hash are runs of equal buckets, parts by time are moments. Whatever depends on the data
(the moments of shares of time, the changeset of exact shares) is settled when the split is made, so
a part means the same for ever.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

from dsm.errors import AnswerIsNo, DamagedData, InvalidInput, NotFound
from dsm.model.names import attributes_hint, close_matches, is_plain_name, quoted
from dsm.model.shares import Run, buckets, check_seed, joined, others, reduced, share_of
from dsm.model.target import ATTRIBUTE, LABELS
from dsm.model.timespec import format_time, parse_instant, parse_time
from dsm.views.filters.filter import Filter
from dsm.views.filters.splits import (
    CONTENT,
    GROUP_BUCKETS_MAX,
    PATH,
    Part,
    SplitFilter,
)
from dsm.views.filters.times import TimeFilter

NOT = "not-"
PARTS_MAX = 1000
TIME = "time"

Range = tuple[int | None, int | None]


@dataclass(frozen=True, slots=True)
class HashSplit:
    """A split by hash: `ends` are the buckets, of `of` equal ones, where each part ends.

    `by` is `path`, `content` or `attr.NAME`. With `at` and perhaps `strata` the shares are exact in
    that changeset; see `dsm.views.filters.pinned`.
    """

    names: tuple[str, ...]
    ends: tuple[int, ...]
    of: int
    by: str
    seed: str
    at: tuple[int, str] | None = None
    strata: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns the definition as its document has it."""
        told = Part(self.by, self.seed, (), self.of, self.at, self.strata).to_json()
        del told["take"]
        return told | {"parts": [list(each) for each in zip(self.names, self.ends, strict=True)]}

    def part(self, name: str) -> Part:
        """Returns a part, or with `not-` before its name the others. Raises KeyError."""
        plain = name if name in self.names else name.removeprefix(NOT)
        at = {each: at for at, each in enumerate(self.names)}[plain]
        take: tuple[Run, ...] = joined([((0, *self.ends)[at], self.ends[at])])
        if plain != name:
            take = others(take, self.of)
        of = self.of
        if self.at is None:
            take, of = reduced(take, of)
        return Part(self.by, self.seed, take, of, self.at, self.strata)

    def filter_of(self, name: str) -> Filter | None:
        """Returns the filter of a part; None for one that takes everything. Raises KeyError."""
        part = self.part(name)
        if not part.take:
            raise AnswerIsNo(
                f"no example is in {name}: the part takes all of the split",
                hint="leave out --split to take all examples",
            )
        return SplitFilter.of([part])

    def words(self) -> str:
        """Returns who is drawn, and how, for people."""
        strata = f", each of {self.strata} alike" if self.strata else ""
        exact = f", exact in changeset {self.at[0]}" if self.at else ""
        return f"by {self.by}, seed {self.seed}{strata}{exact}"

    def shares(self) -> dict[str, Fraction]:
        """Returns which share each part is to have."""
        starts = (0, *self.ends)
        pairs = zip(self.names, starts, self.ends, strict=False)
        return {name: Fraction(end - start, self.of) for name, start, end in pairs}


@dataclass(frozen=True, slots=True)
class TimeSplit:
    """A split by time: each part takes examples from a moment on and before another one."""

    parts: dict[str, Range]

    @property
    def names(self) -> tuple[str, ...]:
        """The parts, without those that are the rest of a fold."""
        return tuple(name for name in self.parts if not name.startswith(NOT))

    def to_json(self) -> dict[str, Any]:
        """Returns the definition as its document has it."""
        return {
            "by": TIME,
            "parts": [[name, _told(since), _told(until)] for name, (since, until) in
                      self.parts.items()],
        }  # fmt: skip

    def words(self) -> str:
        """Returns the moments that part examples, for people."""
        moments = sorted({edge for ends in self.parts.values() for edge in ends if edge})
        return "by time: " + ", ".join(map(format_time, moments))

    def filter_of(self, name: str) -> Filter | None:
        """Returns the filter of a part; None for one that takes everything. Raises KeyError.

        What is not in a part must lie on one side of it, as the training part of a fold does.
        """
        if name not in self.parts and name.removeprefix(NOT) in self.parts:
            since, until = self.parts[name.removeprefix(NOT)]
            if (since is None) == (until is None):
                raise InvalidInput(
                    f"what is not in part {name.removeprefix(NOT)} lies before and after it",
                    hint="take the other parts, each as a view of its own",
                )
            return TimeFilter(until, since)
        since, until = self.parts[name]
        return None if since is until is None else TimeFilter(since, until)


Split = HashSplit | TimeSplit


def filter_of(split: Split, name: str, part: str) -> Filter | None:
    """Returns the filter that a part of split `name` stands for. Raises NotFound, InvalidInput."""
    try:
        return split.filter_of(part)
    except KeyError:
        known = [*split.names, *(NOT + each for each in split.names)]
        near = close_matches(part, known)
        shown = ", ".join(split.names[:10]) + (", …" if len(split.names) > 10 else "")
        raise NotFound(
            f"the split {name} has no part {quoted(part)}",
            hint=f"did you mean {name}:{near[0]}?" if near else f"its parts: {shown}",
        ) from None


def named_part(text: str) -> tuple[str, str]:
    """Splits `cv:fold1` into the split and the part. Raises InvalidInput."""
    name, colon, part = text.strip().partition(":")
    if not colon or not name or not part:
        raise InvalidInput(
            f"{quoted(text)} is no part of a split", hint="write SPLIT:PART, such as cv:train"
        )
    return name, part


def by_shares(text: str | Sequence[str]) -> tuple[tuple[str, ...], list[Fraction]]:
    """Reads `train=80%,test=20%`: the names and the shares. Raises InvalidInput."""
    names, given = _pairs(text)
    shares = [share_of(each, "share of a part") for each in given]
    total = sum(shares)
    if total != 1:
        percent = float(total * 100)
        raise InvalidInput(
            f"the parts add up to {percent:.6g}%",
            hint="they must add up to 100%" if total > 1
            else f"name a part for what is left, such as rest={float(100 - total * 100):.6g}%",
        )  # fmt: skip
    return names, shares


def hash_split(
    names: Sequence[str], shares: Sequence[Fraction], *, by: str, seed: str,
    at: tuple[int, str] | None = None, strata: str | None = None,
) -> HashSplit:  # fmt: skip
    """Returns a split of these parts. Raises InvalidInput for a seed that is none."""
    check_seed(seed)
    of, ends = buckets(shares)
    if at is not None and by != PATH and of > GROUP_BUCKETS_MAX:
        raise InvalidInput(
            f"these shares need {of:,} equal buckets, too many to even groups out",
            hint=f"round them: at most {GROUP_BUCKETS_MAX:,}, a tenth of a percent",
        )
    return HashSplit(tuple(names), tuple(ends), of, by, seed, at=at, strata=strata)


def folds(count: int) -> tuple[tuple[str, ...], list[Fraction]]:
    """Returns the names and shares of so many folds. Raises InvalidInput."""
    if not 2 <= count <= PARTS_MAX:
        raise InvalidInput(f"{count} is no number of folds", hint=f"from 2 to {PARTS_MAX:,}")
    return tuple(f"fold{at}" for at in range(1, count + 1)), [Fraction(1, count)] * count


def time_ranges(text: str | Sequence[str], now_us: int) -> TimeSplit:
    """Reads `train=..2026-01-01,test=2026-01-01..`. Raises InvalidInput."""
    names, given = _pairs(text)
    parts: dict[str, Range] = {}
    for name, each in zip(names, given, strict=True):
        ends = each.split("..")
        if len(ends) != 2 or not any(end.strip() for end in ends):
            raise InvalidInput(
                f"{quoted(each)} is no range of times", hint="write it like 2026-01-01..2026-02-01"
            )
        since, until = (parse_time(end, now_us=now_us) if end.strip() else None for end in ends)
        if since is not None and until is not None and since >= until:
            raise InvalidInput(f"part {name} is empty: its end is not after its beginning")
        parts[name] = (since, until)
    order = sorted(parts.items(), key=lambda item: (item[1][0] is not None, item[1][0] or 0))
    for (name, (_, until)), (other, (since, _)) in pairwise(order):
        if until is None or since is None or since < until:
            raise InvalidInput(
                f"the parts {name} and {other} overlap", hint="an end is not part of its range"
            )
    return TimeSplit(parts)


def time_cuts(names: Sequence[str], moments: Sequence[int]) -> TimeSplit:
    """Returns parts in the order of time that end at these moments, the last one never."""
    edges = [None, *moments, None]
    return TimeSplit({name: (edges[at], edges[at + 1]) for at, name in enumerate(names)})


def time_folds(moments: Sequence[int], gap: int) -> TimeSplit:
    """Returns folds that test between two moments and train on all that is older.

    Of what is trained on, the newest `gap` microseconds are left out.
    """
    edges = [*moments, None]
    parts: dict[str, Range] = {}
    for at, since in enumerate(moments, 1):
        parts[f"fold{at}"] = (since, edges[at])
        parts[f"{NOT}fold{at}"] = (None, since - gap)
    return TimeSplit(parts)


def split_of(fields: Any, where: str) -> Split:
    """Reads a definition from its document. Raises DamagedData."""
    try:
        found = _read(fields)
        if found.to_json() != fields:
            raise ValueError("it is not spelt as dsm spells it")
        for name in found.names:
            if isinstance(found, HashSplit):
                Part.from_json(found.part(name).to_json())
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise DamagedData(f"{where} does not define a split: {error}") from error
    return found


def _read(fields: Any) -> Split:
    if fields["by"] == TIME:
        return TimeSplit({
            name: (None if a is None else parse_instant(a), None if b is None else parse_instant(b))
            for name, a, b in fields["parts"]
        })  # fmt: skip
    at = fields.get("at")
    names, ends = zip(*((name, end) for name, end in fields["parts"]), strict=True)
    if not all(isinstance(name, str) for name in names) or ends[-1] != fields["of"]:
        raise ValueError("its parts do not add up to everything")
    return HashSplit(
        names, ends, fields["of"], fields["by"], fields["seed"],
        at=None if at is None else (at["number"], at["changeset"]), strata=fields.get("strata"),
    )  # fmt: skip


def _told(moment: int | None) -> str | None:
    return None if moment is None else format_time(moment)


def _pairs(text: str | Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """Reads `name=value,…`. Raises InvalidInput."""
    given = text.split(",") if isinstance(text, str) else list(text)
    names, values = [], []
    for each in given:
        name, equals, value = each.partition("=")
        name = name.strip()
        if not equals or not name:
            raise InvalidInput(f"{quoted(each)} is no part", hint="write it like train=80%")
        check_part_name(name)
        if name in names:
            raise InvalidInput(f"the part {name} is there twice")
        names.append(name)
        values.append(value.strip())
    if len(names) > PARTS_MAX:
        raise InvalidInput(f"a split has at most {PARTS_MAX:,} parts")
    return tuple(names), values


def check_part_name(name: str) -> str:
    """Returns `name`, a legal name of a part; raises InvalidInput."""
    if not is_plain_name(name) or name.startswith(NOT):
        raise InvalidInput(
            f"{quoted(name)} cannot name a part",
            hint="use letters, digits, '.', '_' and '-'; 'not-' before a name means the others",
        )
    return name


def column_of(text: str, what: str, known: Iterable[str], *, labels: bool = False) -> str:
    """Returns `attr.NAME`, or `labels` where they may be meant. Raises NotFound.

    `text` is the name of an attribute, with or without `attr.`; `known` are those that there are.
    """
    if labels and text in ("label", LABELS):
        return LABELS
    name = text.removeprefix(ATTRIBUTE)
    found = [*known]
    if name not in found:
        raise NotFound(
            f"{what}: no example has an attribute {quoted(name)}",
            hint=attributes_hint(name, found),
        )
    return ATTRIBUTE + name


def unit_of(*, group: str | None, by_content: bool, known: Iterable[str]) -> str:
    """Returns what a split draws: `path`, `content`, or `attr.NAME`. Raises InvalidInput."""
    if group is not None and by_content:
        raise InvalidInput("give --group or --by-content, not both")
    if group is not None:
        return column_of(group, "--group", known)
    return CONTENT if by_content else PATH
