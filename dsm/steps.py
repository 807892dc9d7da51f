"""Steps of the library's work, for whoever listens to the logger `dsm` (`--verbose` does)."""

from __future__ import annotations

import sys


def step(name: str, message: str, *values: object) -> None:
    """Logs a step for debugging by the logger `name`; `values` fill `message` as in logging.

    Nobody can listen who has not imported logging, and the import is a tenth of a short command.
    """
    if (logging := sys.modules.get("logging")) is not None:
        logging.getLogger(name).debug(message, *values)
