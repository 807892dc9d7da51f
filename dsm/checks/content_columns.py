"""What content says, as columns for figures: how large and bright pictures are, how long sounds and
texts."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from dsm.checks.rule import LibraryMissing
from dsm.model.column_names import CONTENT

if TYPE_CHECKING:
    from dsm.checks.facts import TableFacts
    from dsm.checks.probes.probe import Facts

# By probe: which of its facts are columns, and their types.
_COLUMNS = {
    "content": {
        "type": pa.string(), "width": pa.int64(), "height": pa.int64(), "mode": pa.string(),
        "frames": pa.int64(), "chars": pa.int64(), "lines": pa.int64(), "encoding": pa.string(),
        "seconds": pa.float64(), "rate": pa.int64(), "channels": pa.int64(), "peak": pa.float64(),
        "rows": pa.int64(), "columns": pa.int64(),
    },
    "brightness": {"brightness": pa.float64()},
}  # fmt: skip


def with_content(table: pa.Table, facts: Callable[[str, pa.Table], TableFacts]) -> pa.Table:
    """Returns a table with a column `content.NAME` for each fact that the content of some example
    has. What was read before is not read again.

    Raises LibraryMissing, and what reading objects raises.
    """
    rows = table.filter(pc.greater(table.column("size"), 0))  # nothing says nothing
    at = pc.indices_nonzero(pc.greater(table.column("size"), 0))
    for probe, columns in _COLUMNS.items():
        said = facts(probe, rows)
        for each in said.facts:
            if "missing" in each:
                raise LibraryMissing(f"figures of content: {each['missing']}")
        for name, kind in columns.items():
            if any(name in each for each in said.facts):
                column = said.column(partial(_fact, name), kind)
                if rows.num_rows < table.num_rows:
                    places = pc.index_in(pa.array(range(table.num_rows), at.type), value_set=at)
                    column = column.take(places)
                table = table.append_column(CONTENT + name, column)
    return table


def _fact(name: str, facts: Facts) -> Any:
    return facts.get(name)
