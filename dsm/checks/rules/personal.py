"""The rule of personal data: in content, and in what is said of examples."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dsm.checks import options
from dsm.checks.columns import joined
from dsm.checks.media_types import HEAD, media_type
from dsm.checks.personal_data import KINDS, find
from dsm.checks.rule import Failing, Rule, Subject
from dsm.checks.rules.pandera import in_module
from dsm.checks.typed import STRING, typed
from dsm.errors import NotFound
from dsm.model.column_names import RECORD_FIELD
from dsm.model.names import printable

NAME = "name"  # found by an engine of the user alone
PART_CHARS, PART_TEXTS = 1 << 20, 1000
# Rows and masked values, by kind and place.
_Found = dict[tuple[str, str], list[tuple[int, str]]]
PLACES = ("content", "path", "labels", "attributes", "annotation")
_WORDS = {
    "email": "an e-mail address", "phone": "a phone number", "card": "a card number",
    "iban": "an IBAN", "national-id": "a national id", "ip": "an IP address",
    "gps": "where it was taken", NAME: "the name of a person",
}  # fmt: skip


def _among(words: tuple[str, ...]) -> Any:
    def read(value: Any) -> tuple[str, ...]:
        found = options.texts(value)
        if not set(found) <= set(words):
            raise ValueError(f"names some of {', '.join(words)}")
        return found

    return read


def _places(value: Any) -> tuple[str, ...]:
    """Places, and columns of fields of records. Raises ValueError."""
    found = options.texts(value)
    if not all(each in PLACES or each.startswith(RECORD_FIELD) for each in found):
        raise ValueError(f"names some of {', '.join(PLACES)}, record.FIELD")
    return found


def _engine(value: Any) -> tuple[str, str]:
    """A function in a Python file. Raises ValueError."""
    return in_module(value, 'is a module and a function of it, such as "people:names_in"')


class PersonalData(Rule):
    """Nothing looks like personal data, whose check sums are right; findings are masked."""

    name = "personal-data"
    about = "no e-mail addresses, phone, card and national numbers, IBANs, IPs or positions"
    options = {  # noqa: RUF012
        "kinds": _among(KINDS), "in": _places, "names": _engine, "optional": options.flag,
    }  # fmt: skip
    reads_content = True

    @property
    def file(self) -> str | None:
        """The file that it runs, relative to the folder of `.dsm`."""
        return str(self.asked["names"][0]) if "names" in self.asked else None

    def columns(self) -> tuple[Sequence[str], Sequence[str]]:
        return [each for each in self.asked.get("in", ()) if each.startswith(RECORD_FIELD)], ()

    def check(self, subject: Subject) -> Iterator[Failing]:
        kinds = {*self.asked.get("kinds", KINDS), NAME}
        places, fields = self.asked.get("in", PLACES), self.columns()[0]
        if not subject.fresh.num_rows:
            return
        if not self.asked.get("optional"):
            yield from (Failing(said) for each in fields if (said := subject.lacks(each)))
        table = subject.fresh_with(fields)
        found: _Found = {}
        if "content" in places:
            self._in_content(subject, table, found)
        for place, column in _columns(table, places):
            _in_column(column, place, found)
        if "names" in self.asked:
            self._people(subject, table, places, found)
        for (kind, place), rows in sorted(found.items()):
            if kind in kinds:
                at = pa.array([row for row, _ in rows], pa.int64())
                values = pa.array([masked for _, masked in rows], pa.string())
                paths = table.column("path").take(at)
                text = f"its {place} holds {_WORDS[kind]}: {{}}"
                yield Failing(text, pa.table({"path": paths, "value": values}))

    def _in_content(self, subject: Subject, table: pa.Table, found: _Found) -> None:
        assert subject.facts is not None, "this rule reads content"
        said = subject.facts("personal", table)
        bad = {n for n, facts in enumerate(said.facts) if "found" in facts}
        if bad:
            for row, number in enumerate(said.rows.to_pylist()):
                if number in bad:
                    for kind, masked in said.facts[number]["found"]:
                        found.setdefault((kind, "content"), []).append((row, masked))

    def _people(
        self, subject: Subject, table: pa.Table, places: Sequence[str], found: _Found
    ) -> None:
        """Asks the engine of the user for names of people in all texts."""
        if subject.people is None:
            raise NotFound("an engine can be found in a repository only")
        file, name = self.asked["names"]
        sent: deque[list[tuple[str, list[int]]]] = deque()

        def parts() -> Iterator[list[str]]:
            for part in _in_parts(_texts(subject, table, places)):
                sent.append([(place, rows) for place, rows, _ in part])
                yield [text for _, _, text in part]

        for answer in subject.people(file, name, parts()):
            for (place, rows), names in zip(sent.popleft(), answer, strict=True):
                for masked in names:
                    found.setdefault((NAME, place), []).extend((row, masked) for row in rows)


def _texts(
    subject: Subject, table: pa.Table, places: Sequence[str]
) -> Iterator[tuple[str, list[int], str]]:
    """Yields all texts, each once: where it stands, in which rows, and the text."""
    if "content" in places:
        assert subject.contents is not None, "this rule reads content"
        rows_of: dict[bytes, list[int]] = {}
        for row, oid in enumerate(table.column("object").to_pylist()):
            rows_of.setdefault(oid, []).append(row)
        for oid, data in subject.contents(rows_of):
            if media_type(data[:HEAD]) in ("text/plain", "application/json"):
                yield "content", rows_of[oid], data.decode("utf-8", "replace")
    for place, column in _columns(table, places):
        told: dict[str, list[int]] = {}
        for row, text in enumerate(column.to_pylist()):
            if text:
                told.setdefault(text, []).append(row)
        yield from ((place, rows, text) for text, rows in told.items())


def _in_parts(
    texts: Iterator[tuple[str, list[int], str]],
) -> Iterator[list[tuple[str, list[int], str]]]:
    """Yields texts some at a time: few enough to be sent to another process."""
    part: list[tuple[str, list[int], str]] = []
    chars = 0
    for each in texts:
        part.append(each)
        chars += len(each[2])
        if chars >= PART_CHARS or len(part) >= PART_TEXTS:
            yield part
            part, chars = [], 0
    if part:
        yield part


def _columns(table: pa.Table, places: Sequence[str]) -> Iterator[tuple[str, Any]]:
    if "path" in places:
        yield "path", table.column("path")
    if "labels" in places:
        yield "labels", joined(table.column("labels"))
    if "annotation" in places:
        yield "annotation", table.column("annotation")
    for name in table.column_names if "attributes" in places else ():
        if name.startswith("attr.") and pa.types.is_string(table.column(name).type):
            yield f"attribute {name.removeprefix('attr.')}", table.column(name)
    for name in places:
        if name.startswith(RECORD_FIELD) and name in table.column_names:
            yield printable(name), typed(table, name, STRING)[0].cast(pa.string())


def _in_column(column: Any, place: str, found: _Found) -> None:
    # Personal data has an "@" or several digits or colons; most texts have none of them.
    likely = pc.match_substring_regex(column, r"(?s)@|[0-9].*[0-9].*[0-9].*[0-9]|:.*:")
    rows = pc.indices_nonzero(pc.fill_null(likely, False)).to_pylist()
    for row, text in zip(rows, column.take(pa.array(rows, pa.int64())).to_pylist(), strict=True):
        for kind, masked in dict.fromkeys(find(text)):
            found.setdefault((kind, place), []).append((row, masked))
