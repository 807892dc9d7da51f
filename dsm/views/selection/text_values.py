"""What makes an attribute text: the first value that is no number."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from dsm.format.manifest import ATTRIBUTE

_NUMBER = r"^\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?\s*$"


def first_that_is_no_number(snapshot: pa.Table, attribute: str) -> tuple[str, str] | None:
    """Returns path and value of the first example whose value is no number; None if all are."""
    if ATTRIBUTE + attribute not in snapshot.schema.names:
        return None
    values = snapshot.column(ATTRIBUTE + attribute)
    if not pa.types.is_string(values.type):
        return None
    other = pc.fill_null(pc.invert(pc.match_substring_regex(values, _NUMBER)), False)
    at = pc.index(other, True).as_py()
    return None if at < 0 else (snapshot.column("path")[at].as_py(), values[at].as_py())
