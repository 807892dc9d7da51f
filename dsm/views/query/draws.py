"""What is drawn of the examples that filters and the newest share leave: some of each, a sample.

Pure: what a view asks for, spelt in the one way that is hashed. Drawing is by hash, so that a
larger draw contains a smaller one of the same seed. Specified in docs/format/view.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from dsm.errors import InvalidInput
from dsm.model.names import printable, quoted
from dsm.model.shares import check_seed
from dsm.model.target import ATTRIBUTE, LABELS
from dsm.views.filters.conditions import decimal_text
from dsm.views.filters.split_definition import column_of

SEED = "0"
COUNT_MAX = 1 << 53


@dataclass(frozen=True, slots=True)
class Balance:
    """At most `count` examples of each value of `column` (`labels`, or `attr.NAME`).

    None: as many as the value has that has the fewest.
    """

    column: str
    count: int | None
    seed: str

    def to_json(self) -> dict[str, Any]:
        """Returns it as it is hashed."""
        fields: dict[str, Any] = {"column": self.column, "seed": self.seed}
        return fields if self.count is None else fields | {"count": self.count}

    @classmethod
    def from_json(cls, fields: Any) -> Balance:
        """Reads what `to_json` returned. Raises ValueError, KeyError, TypeError, InvalidInput."""
        found = cls(fields["column"], fields.get("count"), check_seed(fields["seed"]))
        known = found.column == LABELS or found.column.startswith(ATTRIBUTE)
        if not known or found.to_json() != fields or not _is_count(found.count, optional=True):
            raise ValueError("what it balances is not spelt as dsm spells it")
        return found

    def words(self) -> str:
        """Returns it for people: "at most 10 of each label"."""
        each = "label" if self.column == LABELS else f"value of {printable(self.column)}"
        if self.count is None:
            return f"as many of each {each} as of the rarest{_seed(self.seed)}"
        return f"at most {self.count:,} of each {each}{_seed(self.seed)}"


@dataclass(frozen=True, slots=True)
class Sample:
    """A share of the examples (an exact decimal, rounded up), or so many of them."""

    share: str | None
    count: int | None
    seed: str

    def to_json(self) -> dict[str, Any]:
        """Returns it as it is hashed."""
        amount = {"count": self.count} if self.share is None else {"share": self.share}
        return {"seed": self.seed, **amount}

    @classmethod
    def from_json(cls, fields: Any) -> Sample:
        """Reads what `to_json` returned. Raises ValueError, KeyError, TypeError, InvalidInput."""
        found = cls(fields.get("share"), fields.get("count"), check_seed(fields["seed"]))
        if found.share is None:
            spelt = _is_count(found.count)
        else:
            spelt = decimal_text(found.share) == found.share and found.share.startswith("0.")
        if not spelt or found.to_json() != fields:
            raise ValueError("its sample is not spelt as dsm spells it")
        return found

    def taken(self, of: int) -> int:
        """Returns how many of so many examples it takes."""
        if self.share is None:
            return min(of, self.count or 0)
        share = Fraction(self.share)
        return -(-share.numerator * of // share.denominator)

    def words(self) -> str:
        """Returns it for people: "sample of 10 %"."""
        if self.share is None:
            return f"sample of {self.count:,}{_seed(self.seed)}"
        return f"sample of {decimal_text(self.share + 'e2')} %{_seed(self.seed)}"


def asked_balance(asked: Mapping[str, Any], attributes: Mapping[str, str]) -> Balance | None:
    """Returns what `per_label` or `balance` asks for. Raises InvalidInput, NotFound."""
    count, column = asked.get("per_label"), asked.get("balance")
    if count is not None and column is not None:
        raise InvalidInput("give --per-label or --balance, not both", hint="leave out one of them")
    if count is not None:
        if not _is_count(count):
            raise InvalidInput(f"{count!r} is no number of examples", hint="1 or more")
        return Balance(LABELS, count, _asked_seed(asked))
    if column is None:
        return None
    found = column_of(str(column), "--balance", attributes, labels=True)
    return Balance(found, None, _asked_seed(asked))


def asked_sample(asked: Mapping[str, Any]) -> Sample | None:
    """Returns what `sample` asks for: a share, or a number of examples. Raises InvalidInput."""
    given = asked.get("sample")
    if given is None:
        return None
    text = repr(given) if isinstance(given, float) else str(given).strip()
    seed = _asked_seed(asked)
    if text.isascii() and text.isdigit():
        count = int(text) if len(text) < 20 else 0
        if not _is_count(count):
            raise _no_sample(text)
        return Sample(None, count, seed)
    try:
        percent = text.endswith("%")
        share = decimal_text(text[:-1] + "e-2" if percent else text)
    except InvalidInput:
        raise _no_sample(text) from None
    if share == "1":
        return None
    if not share.startswith("0."):
        raise _no_sample(text)
    return Sample(share, None, seed)


def _asked_seed(asked: Mapping[str, Any]) -> str:
    given = asked.get("seed")
    return SEED if given is None else check_seed(str(given))


def _no_sample(text: str) -> InvalidInput:
    return InvalidInput(
        f"{quoted(text)} is no sample", hint="a share, such as 10% or 0.1, or a number of examples"
    )


def _is_count(count: Any, *, optional: bool = False) -> bool:
    return (optional and count is None) or (type(count) is int and 0 < count <= COUNT_MAX)


def _seed(seed: str) -> str:
    return "" if seed == SEED else f" (seed {printable(seed)})"
