"""Many requests at once, in the order they were asked; the first failure ends them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from dsm.errors import InvalidInput
from dsm.progress import Progress

A = TypeVar("A")
B = TypeVar("B")

# Small files wait for the network most of the time; packs fill the line, and take memory each.
REQUESTS_AT_ONCE, PACKS_AT_ONCE, JOBS_MAX = 16, 3, 256


# How many at a time the user wants, instead of these.
_wanted: ContextVar[int | None] = ContextVar("jobs", default=None)
TICK_SECONDS = 0.25


@contextmanager
def at_once_wanted(jobs: int | None) -> Iterator[None]:
    """Within it, `jobs` requests, or packs, are under way at a time; None for as many as usual.

    Raises InvalidInput for less than one.
    """
    if jobs is not None and not 1 <= jobs <= JOBS_MAX:
        raise InvalidInput(f"between 1 and {JOBS_MAX} transfers go on at a time")
    token = _wanted.set(jobs)
    try:
        yield
    finally:
        _wanted.reset(token)


def side_by_side(
    ask: Callable[[A], B],
    items: Sequence[A],
    at_once: int = REQUESTS_AT_ONCE,
    tick: Callable[[], None] | None = None,
) -> Iterator[B]:
    """Yields `ask(item)` for each item, so many at a time; only a few answers wait to be taken.

    `tick` is called by the caller's own thread, again and again, while it waits.
    """
    at_once = _wanted.get() or at_once
    if len(items) <= 1 and tick is None:
        yield from map(ask, items)
        return
    workers = ThreadPoolExecutor(max(1, min(at_once, len(items))))
    waiting: list[Future[B]] = []
    patient = True
    try:
        for item in items:
            waiting.append(workers.submit(ask, item))
            if len(waiting) > 2 * at_once:
                yield _answer(waiting.pop(0), tick)
        while waiting:
            yield _answer(waiting.pop(0), tick)
    except (KeyboardInterrupt, GeneratorExit):
        # A server that does not answer must not hold up who has enough; and when nobody holds this
        # iterator any more, it may be closed within the start of any thread, where waiting for
        # another one to end would last for ever.
        patient = False
        raise
    finally:
        workers.shutdown(wait=patient, cancel_futures=True)


def _answer(future: Future[B], tick: Callable[[], None] | None) -> B:
    while tick is not None and not wait([future], TICK_SECONDS).done:
        tick()
    return future.result()


def interruptible(ask: Callable[[], B]) -> B:
    """Returns what `ask` does, which knows no signals: the main thread waits for it beside.

    So Ctrl-C ends a command whose server does not answer.
    """
    if threading.current_thread() is not threading.main_thread():
        return ask()
    done: Future[B] = Future()

    def run() -> None:
        try:
            done.set_result(ask())
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return done.result()


class Meter:
    """Tells the bytes that a counter has moved on by."""

    def __init__(self, tell: Callable[[int], object], counter: Callable[[], int]):
        self._tell, self._counter, self._last = tell, counter, counter()

    @classmethod
    def of(cls, progress: Progress, counter: Callable[[], int]) -> Meter:
        """Returns one that tells a task's progress."""
        return cls(lambda size: progress.advance(0, size), counter)

    def __call__(self) -> None:
        now = self._counter()
        self._tell(max(0, now - self._last))
        self._last = now
