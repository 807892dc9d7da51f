"""Many requests at once, in the order they were asked; the first failure ends them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")

# Small files wait for the network most of the time; packs fill the line, and take memory each.
REQUESTS_AT_ONCE, PACKS_AT_ONCE = 16, 3


def side_by_side(
    ask: Callable[[A], B], items: Sequence[A], at_once: int = REQUESTS_AT_ONCE
) -> Iterator[B]:
    """Yields `ask(item)` for each item, so many at a time; only a few answers wait to be taken."""
    if len(items) <= 1:
        yield from map(ask, items)
        return
    with ThreadPoolExecutor(min(at_once, len(items))) as workers:
        waiting = []
        try:
            for item in items:
                waiting.append(workers.submit(ask, item))
                if len(waiting) > 2 * at_once:
                    yield waiting.pop(0).result()
            while waiting:
                yield waiting.pop(0).result()
        finally:
            for each in waiting:
                each.cancel()
