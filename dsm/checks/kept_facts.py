"""What probes have found out of objects, kept beside fingerprints: content is read once.

Derived data, which gc removes with content, as fingerprints are: see `dsm.near.kept`. A row is an
object, a probe with its version, and what it said as JSON. Specified in docs/format/facts.md.
"""

from __future__ import annotations

import os

import pyarrow as pa

from dsm.history import snapshot_file
from dsm.repo.copy_key import CopyKey
from dsm.repo.layout import Layout
from dsm.store import disk

SUFFIX = ".facts"
SCHEMA = pa.schema(
    [
        pa.field("object", pa.binary(32), nullable=False),
        pa.field("probe", pa.string(), nullable=False),
        pa.field("facts", pa.string(), nullable=False),
    ],
    metadata={"format": "1"},
)
ROWS_MAX = 1 << 22  # of one probe; the newest ones stay


class KeptFacts:
    """What one probe, as `name-version`, has said of objects: a file that is replaced."""

    def __init__(self, layout: Layout, probe: str):
        self._temporary = layout.temporary
        self._key = CopyKey(layout)
        self._folder = layout.near
        self._path = os.path.join(layout.near, probe + SUFFIX)
        self.probe = probe

    def table(self) -> pa.Table:
        """Returns all of it; what is damaged, or of another copy, is not there."""
        found = snapshot_file.read(self._path, self._key)
        if found is None or not found.schema.equals(SCHEMA, check_metadata=True):
            return SCHEMA.empty_table()
        return found

    def add(self, table: pa.Table) -> None:
        """Keeps more, as far as that is possible here."""
        if not table.num_rows:
            return
        try:
            disk.make_dirs(self._folder, durable=False)
            rows = pa.concat_tables([self.table(), table])
            rows = rows.slice(max(0, rows.num_rows - ROWS_MAX))
            temporary = os.path.join(self._temporary, f"facts-{os.urandom(8).hex()}")
            snapshot_file.write(self._path, temporary, self._key, SCHEMA, [rows])
        except disk.Unwritable:
            return
