"""The table of filters, in the order in which they are asked and told.

To add one, write its module (a `Filter` and its keywords), its row, and its option of `prepare`.
"""

from __future__ import annotations

from dsm.views.filters import exclude, labels, paths, times, where
from dsm.views.filters.filter import Filter

FILTERS: tuple[type[Filter], ...] = (
    paths.PathFilter,
    labels.LabelFilter,
    exclude.ExcludeFilter,
    times.TimeFilter,
    where.WhereFilter,
)


class Asked(paths.Asked, labels.Asked, exclude.Asked, times.Asked, where.Asked, total=False):
    """The keywords of all filters; see `Dataset.prepare` for what they mean."""
