"""Rows as a data frame of pandas, with every integer as it is."""

from __future__ import annotations

from typing import Any

import pyarrow as pa


def data_frame(table: pa.Table) -> Any:
    """Returns `table` as a `pandas.DataFrame`, a column each.

    Integers of which some are null are a nullable column (`Int64`, …): by itself pandas makes them
    floating-point numbers, which cannot tell 2^53 + 1 from 2^53. Raises ImportError without pandas.
    """
    import pandas

    frame = table.to_pandas()
    nullable = {
        kind: getattr(pandas, f"{name}Dtype")()
        for kind, name in (
            (pa.int8(), "Int8"), (pa.int16(), "Int16"), (pa.int32(), "Int32"),
            (pa.int64(), "Int64"), (pa.uint8(), "UInt8"), (pa.uint16(), "UInt16"),
            (pa.uint32(), "UInt32"), (pa.uint64(), "UInt64"),
        )
    }  # fmt: skip
    for name, column in zip(table.column_names, table.columns, strict=True):
        if column.null_count and column.type in nullable:
            frame[name] = column.to_pandas(types_mapper=nullable.get)
    return frame
