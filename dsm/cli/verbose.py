"""What `--verbose` tells: the steps that the library logs, each with the time since the last.

The library logs names, numbers and the text of queries; never a row, a parameter or an address.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import perf_counter

from dsm.cli.output import message
from dsm.model.names import printable


class _Steps(logging.Handler):
    def __init__(self, begun: float):
        super().__init__()
        self._last = begun

    def emit(self, record: logging.LogRecord) -> None:
        now = perf_counter()
        message(f"{now - self._last:8.3f} s  {printable(record.getMessage())}")
        self._last = now


def begin() -> Callable[[], None]:
    """Begins to tell steps; returns what ends it and tells the whole time."""
    begun = perf_counter()
    logger, steps = logging.getLogger("dsm"), _Steps(begun)
    level = logger.level
    logger.addHandler(steps)
    logger.setLevel(logging.DEBUG)

    def end() -> None:
        logger.removeHandler(steps)
        logger.setLevel(level)
        message(f"{perf_counter() - begun:8.3f} s  in all")

    return end
