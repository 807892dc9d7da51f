"""How columns of tables of examples are named, and how it is told that their values are texts."""

from __future__ import annotations

RECORD_FIELD = "record."
CONTENT = "content."  # what the bytes of examples say when they are decoded
# In the metadata of an Arrow field: how values are written that Arrow holds as texts.
WRITTEN = b"dsm.written"
JSON, CELLS = b"json", b"cells"
