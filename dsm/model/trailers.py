"""Trailers: what a committer says of a changeset by keys, such as a ticket or who labelled.

`ticket=A-17`, as in git's trailers: a key in small letters, and one value or several.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from unicodedata import normalize

from dsm.errors import InvalidInput
from dsm.model.names import DERIVED_FROM, quoted

Trailers = Mapping[str, tuple[str, ...]]

VALUES_MAX = 100
VALUE_CHARS_MAX = 1000
_KEY = r"[a-z][a-z0-9_.-]{0,63}"
_CONTROL = r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]"
_PASSWORD = r"://[^/?#@\s]*:[^/?#]*@"
_CONDITION = r"\s*([A-Za-z][A-Za-z0-9_.-]*)\s*(!=|=|\sin\s)(.*)"


def check_key(key: str) -> str:
    """Returns a key as it is kept, in small letters. Raises InvalidInput."""
    found = key.strip().lower()
    if not re.fullmatch(_KEY, found):
        raise InvalidInput(
            f"{quoted(key)} is no key of a trailer",
            hint="it is at most 64 letters, digits and . _ -, and begins with a letter",
        )
    return found


def check_value(value: str) -> str:
    """Returns a value as it is kept, in Unicode's form NFC. Raises InvalidInput."""
    found = normalize("NFC", value.strip())
    if not found or len(found) > VALUE_CHARS_MAX or re.search(_CONTROL, found):
        raise InvalidInput(
            f"{quoted(value)} is no value of a trailer",
            hint=f"it is one line of 1 to {VALUE_CHARS_MAX:,} characters, none of them a control",
        )
    return found


def parse_trailers(given: Iterable[str] | Mapping[str, str | Iterable[str]]) -> Trailers:
    """Reads `key=value` texts, or values by key; keys sorted, values in their order, none twice.

    Raises InvalidInput.
    """
    found: dict[str, list[str]] = {}
    for key, value in _pairs(given):
        values = found.setdefault(check_key(key), [])
        kept = check_value(value)
        if kept not in values:
            values.append(kept)
    if sum(map(len, found.values())) > VALUES_MAX:
        raise InvalidInput(f"a changeset has at most {VALUES_MAX} trailers")
    return {key: tuple(found[key]) for key in sorted(found)}


def said_trailers(
    given: Iterable[str] | Mapping[str, str | Iterable[str]] | None,
    derived_from: str | Iterable[str] | None,
) -> Trailers:
    """Returns what a committer says: trailers, and what it was derived from as one of them.

    Raises InvalidInput, also for an address that holds a password.
    """
    trailers = parse_trailers(given or ())
    origins = (derived_from,) if isinstance(derived_from, str) else tuple(derived_from or ())
    values = (*trailers.get(DERIVED_FROM, ()), *origins)
    for value in values:
        refuse_password(value)
    return parse_trailers({**trailers, DERIVED_FROM: values}) if values else trailers


def refuse_password(origin: str) -> None:
    """Raises InvalidInput for an address with a password, which stays unsaid."""
    if re.search(_PASSWORD, origin):
        raise InvalidInput(
            "the address that data came from holds a password: everybody who has the dataset could"
            " read it",
            hint="leave out USER:PASSWORD@",
        )


def _pairs(given: Iterable[str] | Mapping[str, str | Iterable[str]]) -> Iterable[tuple[str, str]]:
    if isinstance(given, Mapping):
        for key, values in given.items():
            for value in (values,) if isinstance(values, str) else values:
                yield key, value
        return
    for text in (given,) if isinstance(given, str) else given:
        key, equals, value = text.partition("=")
        if not equals:
            raise InvalidInput(f"{quoted(text)} is no trailer", hint="write KEY=VALUE")
        yield key, value


def require_trailers(trailers: Any) -> Trailers:
    """Returns trailers as a document has them. Raises ValueError, TypeError or InvalidInput."""
    found = {key: tuple(values) for key, values in trailers.items()}
    if parse_trailers(found) != found or list(found) != sorted(found) or not all(found.values()):
        raise ValueError("its trailers are not spelt as dsm spells them")
    return found


@dataclass(frozen=True, slots=True, order=True)
class TrailerCondition:
    """One condition on the trailers of a changeset: `=` any of the values (sorted), `!=` none."""

    key: str
    op: str
    values: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> TrailerCondition:
        """Reads `ticket=A-17`, `ticket!=A-17` or `annotator in ada,bob`. Raises InvalidInput."""
        match = re.fullmatch(_CONDITION, text, re.DOTALL)
        if match is None:
            raise InvalidInput(
                f"{quoted(text)} is no condition on trailers",
                hint="write KEY=VALUE, KEY!=VALUE or 'KEY in A,B'",
            )
        values = match[3].split(",") if match[2].strip() == "in" else [match[3]]
        kept = tuple(sorted({check_value(value) for value in values}))
        return cls(check_key(match[1]), "!=" if match[2] == "!=" else "=", kept)

    @classmethod
    def from_json(cls, fields: Any) -> TrailerCondition:
        """Reads what `to_json` returned. Raises ValueError, KeyError, TypeError, InvalidInput."""
        found = cls(fields["key"], fields["op"], tuple(fields["values"]))
        kept = tuple(sorted({check_value(value) for value in found.values}))
        spelt = check_key(found.key) == found.key and kept == found.values and bool(kept)
        if not spelt or found.op not in ("=", "!=") or found.to_json() != fields:
            raise ValueError("a condition on trailers is not spelt as dsm spells it")
        return found

    def to_json(self) -> dict[str, Any]:
        """Returns it as it is hashed."""
        return {"key": self.key, "op": self.op, "values": list(self.values)}

    def __str__(self) -> str:
        if len(self.values) == 1:
            return f"{self.key}{self.op}{self.values[0]}"
        return f"{self.key} {'in' if self.op == '=' else 'not in'} {','.join(self.values)}"

    def fits(self, trailers: Trailers) -> bool:
        """Whether the trailers of a changeset meet it."""
        has_one = any(value in self.values for value in trailers.get(self.key, ()))
        return has_one == (self.op == "=")
