"""The rows of a snapshot, or of a view, that some filters and paths leave: what `ls` lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dsm.errors import NotFound
from dsm.history.fold import records_mask
from dsm.history.snapshot import has_any
from dsm.model.names import printable
from dsm.views.filters import exclude, labels, times, where
from dsm.views.filters import paths as path_filter
from dsm.views.filters import table as filters
from dsm.views.filters.filter import Asking

if TYPE_CHECKING:
    import pyarrow as pa


class Narrowing(labels.Asked, exclude.Asked, times.Asked, where.Asked, total=False):
    """The keywords of the filters that narrow a list."""


_WILD = frozenset("*?[\\")


def narrowed(
    table: pa.Table, number: int, asking: Asking, asked: Narrowing, paths: Sequence[str]
) -> pa.Table:
    """Returns the rows of changeset `number` that fit what is asked, at or below any of the paths
    ("" is the root), in their order.

    A path that no row is at or below, and that holds `*`, `?` or `[`, is a glob as in `prepare`.
    Raises NotFound for a path that none fits and a label or attribute that there is not, and
    InvalidInput.
    """
    for each in filters.FILTERS:
        found = each.asked(asked, asking)
        if found is not None:
            found.require_known(table, number)
            for clause in found.clauses():
                table = table.filter(clause.mask(table))
    return table if "" in paths else table.filter(_path_mask(table, paths, asking))


def _path_mask(table: pa.Table, paths: Sequence[str], asking: Asking) -> pa.ChunkedArray:
    import pyarrow as pa
    import pyarrow.compute as pc

    column = table.column("path")
    mask = pa.chunked_array([pa.nulls(table.num_rows, pa.bool_()).fill_null(False)])
    for path in paths:
        if _WILD.isdisjoint(path) or has_any(table, path):
            fits = pc.or_(pc.equal(column, path), pc.starts_with(column, path + "/"))
            fits = pc.or_(fits, pc.and_(records_mask(table), pc.starts_with(column, path + "#")))
        else:
            glob = path_filter.PathFilter.asked({"paths": [path]}, asking)
            assert glob is not None
            fits = glob.clauses()[0].mask(table)
        if not pc.any(fits).as_py():
            raise NotFound(
                f"no example is {printable(path)} or lies below it",
                hint="`dsm ls` lists all",
                items=(path,),
            )
        mask = pc.or_(mask, fits)
    return mask
