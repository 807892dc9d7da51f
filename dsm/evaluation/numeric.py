"""NumPy, and Arrow columns as its arrays: by their buffers, for Arrow may have been loaded without.

NumPy is no requirement of dsm: only what evaluates needs it.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dsm.errors import InvalidInput

Array = Any
NO_CLASS = -1


class NumpyMissing(InvalidInput):
    """What evaluates needs NumPy, which is not installed."""

    code = "numpy-missing"


def load() -> Any:
    """Returns the module. Raises NumpyMissing."""
    try:
        import numpy
    except ImportError:
        raise NumpyMissing(
            "evaluating needs NumPy", hint="pip install 'dsm-datasets[evaluate]'"
        ) from None
    return numpy


def floats(column: pa.Array | pa.ChunkedArray) -> Array:
    """Returns a column of numbers as floats of 64 bits, NaN for null."""
    np, whole = load(), one(column)
    if whole.null_count:
        whole = pc.fill_null(whole.cast(pa.float64()), float("nan"))
    whole = whole if whole.type == pa.float32() else whole.cast(pa.float64())
    kind = np.float32 if whole.type == pa.float32() else np.float64
    found = np.frombuffer(whole.buffers()[1] or b"", kind)[whole.offset :][: len(whole)]
    return found.astype(np.float64, copy=False)


def integers(column: pa.Array | pa.ChunkedArray) -> Array:
    """Returns a column of integers of 64 bits, -1 for null."""
    np, whole = load(), one(column)
    whole = pc.fill_null(whole.cast(pa.int64()), NO_CLASS)
    return np.frombuffer(whole.buffers()[1] or b"", np.int64)[whole.offset :][: len(whole)]


def flags(column: pa.Array | pa.ChunkedArray) -> Array:
    """Returns a mask as an array of booleans, False for null."""
    np, whole = load(), pc.fill_null(one(column), False)
    whole = whole.cast(pa.uint8())
    found = np.frombuffer(whole.buffers()[1] or b"", np.uint8)[whole.offset :][: len(whole)]
    return found.astype(bool)


def codes(column: pa.Array | pa.ChunkedArray, names: tuple[str, ...]) -> Array:
    """Returns the place of each text among `names`, -1 for those that are not."""
    if isinstance(column, pa.ChunkedArray) and pa.types.is_dictionary(column.type):
        column = column.unify_dictionaries()
    whole, np = one(column), load()
    known = pa.array(names, pa.string())
    if not pa.types.is_dictionary(whole.type):
        return integers(pc.index_in(whole, value_set=known))
    at = integers(pc.index_in(whole.dictionary, value_set=known))
    places = integers(whole.indices)
    return np.where(places < 0, NO_CLASS, at[places]) if len(at) else places


def one(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Returns a column in one piece."""
    if isinstance(column, pa.Array):
        return column
    whole = column.combine_chunks()
    if isinstance(whole, pa.ChunkedArray):
        whole = pa.concat_arrays(whole.chunks) if whole.num_chunks else pa.array([], whole.type)
    return whole


def arrow_integers(values: Array) -> pa.Array:
    """Returns integers of 64 bits as an Arrow array."""
    np = load()
    kept = np.ascontiguousarray(values, np.int64)
    return pa.Array.from_buffers(pa.int64(), len(kept), [None, pa.py_buffer(kept)])
