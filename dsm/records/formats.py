"""The table of formats that records are read of; a row says what is known before a file is opened.

To add one, write its module (with a `READER`, see `dsm.records.reader`) and its row.
"""

from __future__ import annotations

from dataclasses import dataclass

from dsm.errors import InvalidInput
from dsm.model.names import printable

JSONL = "jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFormat:
    """One row. `options` are those that say how such a file is written; `by_name` is whether
    `--records` of a folder takes files with such a name that were not named themselves."""

    name: str
    words: str
    endings: tuple[str, ...]
    module: str
    options: tuple[str, ...] = ()
    by_name: bool = True
    said_beside: bool = False  # whether the fields of a record are not in its own bytes
    by_parts: bool = False  # whether some lines of it can be read by themselves
    compressed: bool = True  # whether the name may have the ending of a compression behind it


_TABLE = ("columns", "delimiter", "quote", "encoding")
_ROWS = (
    RecordFormat(
        name=JSONL, words="JSON Lines: one object a line", endings=(".jsonl", ".ndjson"),
        module="dsm.records.jsonl", by_parts=True,
    ),
    RecordFormat(
        name="csv", words="a table with a header", endings=(".csv",), options=_TABLE,
        module="dsm.records.delimited", by_parts=True,
    ),
    RecordFormat(
        name="text", words="plain text: a line that is not blank", endings=(".txt", ".text"),
        module="dsm.records.text", options=("encoding",), by_name=False, by_parts=True,
    ),
    RecordFormat(
        name="parquet", words="Parquet", endings=(".parquet",), module="dsm.records.columnar",
        compressed=False,
    ),
    RecordFormat(
        name="arrow", words="Arrow IPC or Feather", module="dsm.records.columnar",
        endings=(".arrow", ".arrows", ".ipc", ".feather"), compressed=False,
    ),
    RecordFormat(
        name="tar", words="an archive: each file in it", module="dsm.records.tar",
        endings=(".tar", ".tgz", *(f".tar{each}" for each in (".gz", ".zst", ".bz2", ".xz"))),
        by_name=False, said_beside=True, compressed=False,
    ),
    RecordFormat(
        name="zip", words="an archive: each file in it", endings=(".zip",),
        module="dsm.records.zip", by_name=False, said_beside=True, compressed=False,
    ),
    RecordFormat(
        name="tsv", words="a table with tabs", endings=(".tsv", ".tab"), options=_TABLE,
        module="dsm.records.delimited", by_parts=True,
    ),
)  # fmt: skip
FORMATS = {row.name: row for row in _ROWS}
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".bz2": "bzip2", ".xz": "xz"}


def find_format(name: str) -> RecordFormat:
    """Returns a row of the table. Raises InvalidInput."""
    if name not in FORMATS:
        raise InvalidInput(
            f"records of the format {printable(name)} are not supported",
            hint=f"dsm reads {', '.join(FORMATS)}",
        )
    return FORMATS[name]


def archive_endings() -> tuple[str, ...]:
    """Returns how names of archives end, whose records are files."""
    return tuple(ending for row in _ROWS if row.said_beside for ending in row.endings)


def format_of(path: str) -> RecordFormat | None:
    """Returns the format that a file's name tells; None for none."""
    name = path.rpartition("/")[2].lower()
    inner = next((name.removesuffix(each) for each in COMPRESSIONS if name.endswith(each)), None)
    for row in _ROWS:
        if name.endswith(row.endings) or (row.compressed and (inner or "").endswith(row.endings)):
            return row
    return None
