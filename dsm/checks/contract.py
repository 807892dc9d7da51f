"""The contract of datasets: `dsm.toml`, read with the line of everything that it says.

    [dataset.photos.rules.size]
    max = "20 MB"
    severity = "warning"
    reason = "the trainer keeps all of it in memory"
    on = "commit"

A rule that stands several times is an array of tables. Described in docs/reference/contract.md.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from blake3 import blake3

from dsm.checks.rule import CHECK, COMMIT, ERROR, SEVERITIES, SHARED, Rule
from dsm.checks.rules.table import BY_NAME
from dsm.checks.schema import schema_rules
from dsm.checks.toml_lines import Place, lines_of
from dsm.errors import InvalidInput
from dsm.format.document import canonical
from dsm.model.names import close_matches, printable, quoted

NAME = "dsm.toml"
BYTES_MAX = 1 << 20
_TWICE = "a rule that stands several times is an array of tables: [[dataset.NAME.rules.RULE]]"


class BadContract(InvalidInput):
    """The contract cannot be used; `items` say what is wrong, each with its line."""

    code = "bad-contract"


@dataclass(frozen=True)
class Contract:
    """The rules of one dataset, in the order of the file that they come from."""

    file: str
    rules: tuple[Rule, ...]
    of_others: tuple[tuple[str, int], ...] = ()  # datasets that it names beside, with their lines

    def on(self, occasion: str) -> Contract:
        """Returns those rules that are for an occasion: `check` or `commit`."""
        return replace(self, rules=tuple(rule for rule in self.rules if occasion in rule.on))

    @property
    def id(self) -> str:
        """The BLAKE3 of what its rules ask, in hex: the same for the same rules in any order."""
        asked = sorted(
            canonical({"rule": rule.name, "severity": rule.severity, "asked": repr(rule.asked)})
            for rule in self.rules
        )
        return blake3(b"\n".join(asked)).hexdigest()


class _Reader:
    """Reads one contract and gathers all that is wrong with it."""

    def __init__(self, file: str, text: str):
        self.file = file
        self.lines = lines_of(text)
        self.problems: list[tuple[int, str]] = []

    def line(self, place: Place) -> int:
        """Returns the line of a place, or of what it stands in."""
        ends = range(len(place), 0, -1)
        return next((self.lines[place[:end]] for end in ends if place[:end] in self.lines), 1)

    def wrong(self, place: Place, text: str) -> None:
        self.problems.append((self.line(place), text))

    def tables(self, value: Any, place: Place) -> Iterator[tuple[Mapping[str, Any], Place]]:
        """Yields a table, or each table of an array of them."""
        if isinstance(value, dict):
            yield value, place
        elif isinstance(value, list) and value and all(isinstance(each, dict) for each in value):
            yield from ((each, (*place, index)) for index, each in enumerate(value))
        else:
            self.wrong(place, f"{printable(str(place[-1]))} is no table{_table_for(value, place)}")

    def rules(self, given: Any, place: Place) -> Iterator[Rule]:
        if not isinstance(given, dict):
            self.wrong(place, "rules is no table")
            return
        for name, value in given.items():
            kind = BY_NAME.get(name)
            if kind is None:
                near = close_matches(name, list(BY_NAME), 1)
                meant = f"; did you mean {near[0]}?" if near else ""
                self.wrong((*place, name), f"there is no rule {quoted(name)}{meant}")
                continue
            if kind.short is not None and isinstance(value, str):
                value = {kind.short: value}
            for fields, at in self.tables(value, (*place, name)):
                yield from self.rule(kind, fields, at)

    def rule(self, kind: type[Rule], fields: Mapping[str, Any], place: Place) -> Iterator[Rule]:
        before = len(self.problems)
        asked: dict[str, Any] = {}
        for key, value in fields.items():
            if key in SHARED:
                continue
            read = kind.options.get(key)
            if read is None:
                near = close_matches(key, [*kind.options, *SHARED], 1)
                meant = f"; did you mean {near[0]}?" if near else ""
                self.wrong((*place, key), f"rule {kind.name} has no {quoted(key)}{meant}")
                continue
            try:
                asked[key] = read(value)
            except ValueError as error:  # InvalidInput is one, too
                said = error.message if isinstance(error, InvalidInput) else f"{key} {error}"
                self.wrong((*place, key), said)
        for key in kind.needed:
            if key not in fields:
                self.wrong(place, f"rule {kind.name} needs {key}")
        shared = self.shared(fields, place)
        if len(self.problems) > before:
            return
        made = kind(asked, **shared, line=self.line(place))
        problem = made.problem()
        if problem is not None:
            self.wrong(place, f"rule {kind.name}: {problem}")
        else:
            yield made

    def shared(self, fields: Mapping[str, Any], place: Place) -> dict[str, Any]:
        severity, reason = fields.get("severity", ERROR), fields.get("reason")
        if severity not in SEVERITIES:
            self.wrong((*place, "severity"), f"severity is one of {', '.join(SEVERITIES)}")
        if reason is not None and not isinstance(reason, str):
            self.wrong((*place, "reason"), "reason is a text")
        on = fields.get("on", [CHECK])
        given = [on] if isinstance(on, str) else on
        if not isinstance(given, list) or not given or any(o not in (CHECK, COMMIT) for o in given):
            self.wrong((*place, "on"), 'on is "check", "commit" or a list of these')
            given = [CHECK]
        # What stops a commit is looked at by a check as well.
        return {
            "severity": severity,
            "reason": reason,
            "on": tuple({CHECK: 0, **dict.fromkeys(given)}),
        }


def read_contract(data: bytes, file: str, dataset: str) -> Contract:
    """Reads the contract of one dataset; all datasets in the file are looked at.

    `file` names it in what is said. Raises BadContract with every problem.
    """
    text, fields = _parsed(data, file)
    reader = _Reader(file, text)
    mine: list[Rule] = []
    for key in fields:
        if key != "dataset":
            reader.wrong((key,), f"there is nothing called {quoted(key)}; rules stand in"
                         " [dataset.NAME.rules.RULE]")  # fmt: skip
    given = fields.get("dataset", {})
    if not isinstance(given, dict):
        reader.wrong(("dataset",), "dataset is no table")
        given = {}
    for name, table in given.items():
        place: Place = ("dataset", name)
        if not isinstance(table, dict):
            reader.wrong(place, f"{printable(name)} is no table")
            continue
        for key in table:
            if key not in ("rules", "schema"):
                reader.wrong((*place, key), f"a dataset has rules and a schema, no {quoted(key)}")
        at = (*place, "schema")
        found = list(schema_rules(table.get("schema", {}), at, reader.rule, reader.wrong))
        found += reader.rules(table.get("rules", {}), (*place, "rules"))
        mine += found if name == dataset else []
    if reader.problems:
        told = tuple(f"{file}:{line}: {text}" for line, text in sorted(reader.problems))
        count = len(told)
        raise BadContract(
            f"{file} has {count} mistake{'s' * (count != 1)}", items=told,
            hint="the contract's reference lists the rules and their options",
        )  # fmt: skip
    others = tuple((name, reader.line(("dataset", name))) for name in given if name != dataset)
    return Contract(file, tuple(sorted(mine, key=lambda rule: rule.line or 0)), others)


def _table_for(value: Any, place: Place) -> str:
    """Returns what to write in place of a value that is no table of a rule, if that is plain."""
    kind = BY_NAME.get(str(place[-1]))
    if kind is not None and value is True and not kind.needed:
        return f": write {kind.name} = {{}}"
    if kind is not None and isinstance(value, list) and value and len(kind.needed) == 1:
        return f": write {kind.name} = {{ {kind.needed[0]} = [...] }}"
    return ""


def _parsed(data: bytes, file: str) -> tuple[str, dict[str, Any]]:
    if len(data) > BYTES_MAX:
        raise BadContract(f"{file} has {len(data):,} bytes, more than {BYTES_MAX:,}")
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
        return text, tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise BadContract(f"{file}:{line}: it is not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        said = printable(str(error))
        twice = any(word in said for word in ("overwrite", "twice", "immutable"))
        raise BadContract(f"{file} is no TOML: {said}", hint=_TWICE if twice else None) from None
    except RecursionError:
        raise BadContract(f"{file} cannot be read: it is nested too deeply") from None
    except (ValueError, OverflowError):
        raise BadContract(f"{file} cannot be read: a number in it is too large") from None
