"""Standard input as bytes, for commands that read a table or a list from it."""

from __future__ import annotations

import sys
from typing import BinaryIO

from dsm.errors import InvalidInput


def standard_input() -> BinaryIO:
    """Returns it. Raises InvalidInput where it is closed."""
    if sys.stdin is None:
        raise InvalidInput("standard input is closed", hint="give a file, or pipe something in")
    return sys.stdin.buffer
