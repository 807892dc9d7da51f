"""Reading parts of a file by themselves, each from where a record may begin.

What a format hides behind this: which of its state goes from one record to the next, such as the
names of columns, and a row whose end is still to come.
"""

from __future__ import annotations

from typing import Protocol

from dsm.records.gathering import Read
from dsm.records.groups import Grouper
from dsm.records.settings import RecordSettings


class Uneven(Exception):
    """Too much changed, or something unusual did: the file is to be read as a whole."""


class Piecewise(Protocol):
    """Takes the parts of a file in their order; `out` has what was read so far."""

    out: Read
    grouper: Grouper

    @property
    def held(self) -> int:
        """How many bytes there are since the last group ended, with those of an open record."""

    def feed(self, data: bytes) -> None:
        """Takes whole lines, but for the last of the file. Raises RecordsInvalid, Uneven."""

    def pass_over(self) -> None:
        """Notes that a part was known, and is not read; the next one begins behind it."""

    def settle(self) -> RecordSettings:
        """Returns how the parts were read, once all are there. Raises Uneven where the whole file
        would be read otherwise."""
