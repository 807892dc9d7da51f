"""How far examples stand apart by an isolation forest, that of scikit-learn with a fixed seed."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from dsm.checks.columns import one_array
from dsm.checks.rule import LibraryMissing
from dsm.imports import bring_numpy_back

if TYPE_CHECKING:
    import numpy as np

SEED = 0


def scores(known: pa.Table, asked: pa.Table) -> pa.Array:
    """Returns the score of each row of `asked` among the rows of `known`: 0 to 1, float64.

    All columns are numbers. The score is null where one of them is missing or not finite, and for
    all rows where no row of `known` is whole. Raises LibraryMissing without scikit-learn.
    """
    bring_numpy_back()
    try:
        numpy, ensemble = import_module("numpy"), import_module("sklearn.ensemble")
    except ImportError:
        raise LibraryMissing(
            "an isolation forest needs scikit-learn", hint="pip install 'dsm-datasets[outliers]'"
        ) from None
    rows = known.filter(_whole(known))
    mask = one_array(_whole(asked))
    if not rows.num_rows or not pc.any(mask).as_py():
        return pa.nulls(asked.num_rows, pa.float64())
    forest = ensemble.IsolationForest(random_state=SEED).fit(_matrix(numpy, rows))
    found = -forest.score_samples(_matrix(numpy, asked.filter(mask)))
    floats = pa.Array.from_buffers(pa.float64(), len(found), [None, pa.py_buffer(found.tobytes())])
    places = pc.subtract(pc.cumulative_sum(mask.cast(pa.int64())), 1)
    return floats.take(pc.if_else(mask, places, None))


def _whole(table: pa.Table) -> Any:
    """Returns which rows have a finite number in each column."""
    mask: Any = None
    for column in table.columns:
        finite = pc.fill_null(pc.is_finite(column), False)
        mask = finite if mask is None else pc.and_(mask, finite)
    return mask


def _matrix(numpy: Any, table: pa.Table) -> np.ndarray[Any, Any]:
    """Returns a table of whole rows as an array of floats, rows by columns."""
    columns = (one_array(pc.cast(each, pa.float64())) for each in table.columns)
    arrays = [
        numpy.frombuffer(each.buffers()[1], numpy.float64)[each.offset : each.offset + len(each)]
        for each in columns
    ]
    found: np.ndarray[Any, Any] = numpy.column_stack(arrays)
    return found
