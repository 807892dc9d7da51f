"""The rule of personal data: in content, and in what is said of examples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dsm.checks import options
from dsm.checks.columns import joined
from dsm.checks.personal_data import KINDS, find
from dsm.checks.rule import Failing, Rule, Subject

PLACES = ("content", "path", "labels", "attributes", "annotation")
_WORDS = {
    "email": "an e-mail address", "phone": "a phone number", "card": "a card number",
    "iban": "an IBAN", "national-id": "a national id", "ip": "an IP address",
    "gps": "where it was taken",
}  # fmt: skip


def _among(words: tuple[str, ...]) -> Any:
    def read(value: Any) -> tuple[str, ...]:
        found = options.texts(value)
        if not set(found) <= set(words):
            raise ValueError(f"names some of {', '.join(words)}")
        return found

    return read


class PersonalData(Rule):
    """Nothing looks like personal data, whose check sums are right; findings are masked."""

    name = "personal-data"
    about = "no e-mail addresses, phone, card and national numbers, IBANs, IPs or positions"
    options = {"kinds": _among(KINDS), "in": _among(PLACES)}  # noqa: RUF012
    reads_content = True

    def check(self, subject: Subject) -> Iterator[Failing]:
        kinds = set(self.asked.get("kinds", KINDS))
        places = self.asked.get("in", PLACES)
        table = subject.fresh
        found: dict[tuple[str, str], list[tuple[int, str]]] = {}
        if "content" in places:
            self._in_content(subject, table, found)
        for place, column in _columns(table, places):
            _in_column(column, place, found)
        for (kind, place), rows in sorted(found.items()):
            if kind in kinds:
                at = pa.array([row for row, _ in rows], pa.int64())
                values = pa.array([masked for _, masked in rows], pa.string())
                paths = table.column("path").take(at)
                text = f"its {place} holds {_WORDS[kind]}: {{}}"
                yield Failing(text, pa.table({"path": paths, "value": values}))

    def _in_content(
        self, subject: Subject, table: pa.Table, found: dict[tuple[str, str], list[tuple[int, str]]]
    ) -> None:
        assert subject.facts is not None, "this rule reads content"
        said = subject.facts("personal", table)
        bad = {n for n, facts in enumerate(said.facts) if "found" in facts}
        if bad:
            for row, number in enumerate(said.rows.to_pylist()):
                if number in bad:
                    for kind, masked in said.facts[number]["found"]:
                        found.setdefault((kind, "content"), []).append((row, masked))


def _columns(table: pa.Table, places: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    if "path" in places:
        yield "path", table.column("path")
    if "labels" in places:
        yield "labels", joined(table.column("labels"))
    if "annotation" in places:
        yield "annotation", table.column("annotation")
    for name in table.column_names if "attributes" in places else ():
        if name.startswith("attr.") and pa.types.is_string(table.column(name).type):
            yield f"attribute {name.removeprefix('attr.')}", table.column(name)


def _in_column(
    column: Any, place: str, found: dict[tuple[str, str], list[tuple[int, str]]]
) -> None:
    # Personal data has an "@" or several digits or colons; most texts have none of them.
    likely = pc.match_substring_regex(column, r"(?s)@|[0-9].*[0-9].*[0-9].*[0-9]|:.*:")
    rows = pc.indices_nonzero(pc.fill_null(likely, False)).to_pylist()
    for row, text in zip(rows, column.take(pa.array(rows, pa.int64())).to_pylist(), strict=True):
        for kind, masked in dict.fromkeys(find(text)):
            found.setdefault((kind, place), []).append((row, masked))
