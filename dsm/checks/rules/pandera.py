"""The rule of a pandera schema: the table of all examples fits what a team has written already.

    [dataset.photos.rules]
    pandera = "schemas:Photos"

The schema stands in a Python file beside dsm.toml. It is code that came with the data, so it runs
only when this user trusts its bytes, as hooks do; and then by a worker process.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from dsm.checks import options
from dsm.checks.columns import one_array
from dsm.checks.rule import Failing, Rule, Subject
from dsm.errors import NotFound
from dsm.model.column_names import CELLS, RECORD_FIELD, WRITTEN
from dsm.model.names import printable
from dsm.model.target import ATTRIBUTE
from dsm.statistics.samples import of_cells

_SCHEMA = re.compile(r"(?!\d)\w+(\.(?!\d)\w+)*:(?!\d)\w+", re.ASCII)
_OWN = ("path", "labels", "size", "time")


def schema(value: Any) -> tuple[str, str]:
    """A schema in a Python file, "module:Schema", as file and name. Raises ValueError."""
    return in_module(value, 'is a module and a schema of it, such as "schemas:Photos"')


def in_module(value: Any, wrong: str) -> tuple[str, str]:
    """What stands in a Python file, "module:name", as file and name. Raises ValueError."""
    found = options.text(value)
    module, _, name = found.partition(":")
    if not _SCHEMA.fullmatch(found) or module.endswith(".py"):
        raise ValueError(wrong)
    return f"{module.replace('.', '/')}.py", name


class PanderaSchema(Rule):
    """The table of all examples fits a schema of pandera."""

    name = "pandera"
    about = "the table of all examples fits a pandera schema (MODULE:SCHEMA), once you trust it"
    options = {"schema": schema, "fields": options.texts}  # noqa: RUF012
    needed = ("schema",)
    short = "schema"

    @property
    def file(self) -> str:
        """The file that it runs, relative to the folder of `.dsm`."""
        return str(self.asked["schema"][0])

    def columns(self) -> tuple[Sequence[str], Sequence[str]]:
        return (), [RECORD_FIELD + name for name in self.asked.get("fields", ())]

    def check(self, subject: Subject) -> Iterator[Failing]:
        if subject.validate is None:
            raise NotFound("a schema can be found in a repository only")
        file, name = self.asked["schema"]
        fields = self.columns()[1]
        missing = [said for each in fields if (said := subject.lacks(each)) is not None]
        if missing and subject.table.num_rows:
            yield from map(Failing, missing)
            return
        failures = subject.validate(file, name, _frame(subject.table_with(fields), fields))
        paths = one_array(subject.table.column("path"))
        judged = None if subject.before is None else set(subject.fresh.column("path").to_pylist())
        found: dict[tuple[str, str], tuple[list[str], list[str]]] = {}
        for row, column, check, value in failures:
            if row is None or not 0 <= row < len(paths):
                said = f" ({printable(value)})" if value else ""
                yield Failing(f"{_told(column)}fails {printable(check)}{said}")
                continue
            path = paths[row].as_py()
            if judged is None or path in judged:
                rows, values = found.setdefault((column, check), ([], []))
                rows.append(path)
                values.append(value)
        for (column, check), (rows, values) in found.items():
            text = f"{_told(column)}{{}} fails {printable(check)}"
            yield Failing(text, pa.table({"path": rows, "value": values}))


def _told(column: str) -> str:
    return f"{printable(column)} " if column else ""


def _frame(table: pa.Table, fields: Sequence[str]) -> pa.Table:
    """Returns the columns that a schema sees: path, labels, size, time, and attributes and fields
    of records by name."""
    columns = {name: table.column(name) for name in _OWN}
    for name in table.column_names:
        if name.startswith(ATTRIBUTE):
            plain = name.removeprefix(ATTRIBUTE)
            columns[name if plain in columns else plain] = table.column(name)
    for name in fields:
        plain = name.removeprefix(RECORD_FIELD)
        if name in table.column_names:
            columns[name if plain in columns else plain] = _plain(table, name)
        else:
            columns[name if plain in columns else plain] = pa.nulls(table.num_rows)
    return pa.table(columns)


def _plain(table: pa.Table, name: str) -> Any:
    """Returns a field of records; cells of text as numbers where all of them are."""
    written = (table.schema.field(name).metadata or {}).get(WRITTEN)
    column = table.column(name)
    return of_cells(column) if written == CELLS else column
