"""Storing the lists that a query picks by, safe beside gc: before the document that refers to them.

What a crash leaves: lists that nothing refers to, which gc removes.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from dsm.repo.repository import Repository
from dsm.views.filters.filter import Filter
from dsm.views.filters.picks import PickFilter, lists_in
from dsm.worktree.publish import PacksVanished, publishing


@contextmanager
def lists_stored(
    repository: Repository, filters: Iterable[Filter], fields: dict[str, Any]
) -> Iterator[None]:
    """Stores what filters pick by; the document with these `fields` is to be created inside.

    Raises PacksVanished when a list that another view picks by is stored no more, Unwritable.
    """
    needed = lists_in(fields)
    if not needed:
        yield
        return
    with publishing(repository) as publish:
        for each in filters:
            for data in each.unstored.values() if isinstance(each, PickFilter) else ():
                repository.store.put_stream(io.BytesIO(data).readinto)
        repository.store.flush()
        with publish:
            if gone := repository.store.unreachable(needed):
                raise PacksVanished(
                    f"{len(gone)} of the lists that are picked by are stored no more",
                    hint="pick once more; nothing was recorded",
                )
            yield
