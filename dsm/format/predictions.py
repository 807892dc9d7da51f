"""Predictions of a run as Parquet; specified in docs/format/predictions.md.

An object of the store, so its bytes are verified by its id. Rows are sorted by path, each
path comes once.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dsm.errors import DamagedData
from dsm.format.manifest import expanded, memory_most

PATH, LABEL, VALUE, SCORE, PROBABILITY = "path", "label", "value", "score", "prob."
CLASSES_MAX = 10_000
GROUP_ROWS = 1 << 20
FLOATS = (pa.float32(), pa.float64())


class PredictionsDamaged(DamagedData):
    """Stored predictions are not what the format says."""

    code = "predictions-damaged"


def encode(table: pa.Table) -> bytes:
    """Writes predictions that `check` would take, sorted by path."""
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        compression="zstd",
        compression_level=1,
        use_dictionary=[LABEL],
        column_encoding={
            PATH: "DELTA_BYTE_ARRAY",
            **{n: "BYTE_STREAM_SPLIT" for n in table.column_names if n not in (PATH, LABEL)},
        },
        write_statistics=False,
        store_schema=False,
        row_group_size=GROUP_ROWS,
    )
    return bytes(sink.getvalue())


def decode(data: bytes, where: str, columns: list[str] | None = None) -> pa.Table:
    """Reads predictions, or some columns of them; labels come as a dictionary.

    Raises PredictionsDamaged, before it takes memory for more than such a file may hold.
    """
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(pa.BufferReader(data))
        if expanded(file, data, unlike=PATH) > memory_most(len(data)):
            raise PredictionsDamaged(f"{where} is damaged: it takes more memory than it may")
        check_columns(file.schema_arrow)
        names = file.schema_arrow.names
        if LABEL in names:
            file = pq.ParquetFile(pa.BufferReader(data), read_dictionary=[LABEL])
        table = file.read(None if columns is None else [each for each in names if each in columns])
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError, KeyError, TypeError) as error:
        raise PredictionsDamaged(f"{where} is damaged: it holds no predictions") from error
    return table


def check_columns(schema: Any) -> None:
    """Raises ValueError for other columns than predictions have."""
    rest = list(schema.names)
    if rest[:1] != [PATH]:
        raise ValueError(f"there is no column {PATH}")
    for name in (PATH, LABEL, VALUE, SCORE):
        if rest[:1] == [name]:
            rest.pop(0)
    if len(rest) > CLASSES_MAX or len(set(rest)) < len(rest):
        raise ValueError("the classes are too many, or one comes twice")
    for name in schema.names:
        kind = schema.field(name).type
        kind = kind.value_type if name == LABEL and pa.types.is_dictionary(kind) else kind
        if kind not in ((pa.string(),) if name in (PATH, LABEL) else FLOATS):
            raise ValueError(f"column {name} has type {kind}")
    if not all(name.startswith(PROBABILITY) for name in rest):
        raise ValueError("unexpected columns")


def check_rows(table: pa.Table, where: str) -> None:
    """Raises PredictionsDamaged for rows that are not sorted by path, or say nothing."""
    paths = table.column(PATH).combine_chunks()
    if table.num_columns < 2 or any(column.null_count for column in table.columns):
        raise PredictionsDamaged(f"{where} is damaged: a row says nothing")
    if len(paths) > 1 and not pc.all(pc.less(paths[:-1], paths[1:])).as_py():
        raise PredictionsDamaged(f"{where} is damaged: its rows are not sorted by path")


def classes_of(table: pa.Table) -> list[str]:
    """Returns the classes whose probabilities a table has, in its order."""
    return [
        name.removeprefix(PROBABILITY)
        for name in table.column_names
        if name.startswith(PROBABILITY)
    ]
