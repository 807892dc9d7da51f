"""Fingerprints that were made before, by the id of their object: `local/near`.

Derived data, in the same kind of file as cached snapshots: one that is damaged, or made by another
copy, is not there, and one that cannot be written costs time later and nothing else. Since a
fingerprint shows what its object looks like, gc removes them all when it removes content. Specified
in docs/format/fingerprints.md.
"""

from __future__ import annotations

import os

import pyarrow as pa

from dsm.history import snapshot_file
from dsm.repo.copy_key import CopyKey
from dsm.repo.layout import Layout
from dsm.store import disk

SUFFIX = ".fingerprints"
SCHEMA = pa.schema(
    [
        pa.field("object", pa.binary(32), nullable=False),
        pa.field("kind", pa.uint8(), nullable=False),
        pa.field("fingerprint", pa.binary(), nullable=False),
    ],
    metadata={"format": "1"},
)
FILES_MAX = 8  # more are put together in one
ROWS_MAX = 1 << 20  # of all files, about half a gigabyte of texts; the newest ones stay


class KeptFingerprints:
    """The fingerprints of one repository."""

    def __init__(self, layout: Layout):
        self._temporary = layout.temporary
        self._key = CopyKey(layout)
        self.folder = layout.near

    def table(self) -> pa.Table:
        """Returns all of them, the newest ones last; an object may be there twice."""
        return pa.concat_tables([SCHEMA.empty_table(), *self._read().values()])

    def add(self, table: pa.Table) -> None:
        """Keeps more of them, as far as that is possible here."""
        if not table.num_rows:
            return
        try:
            disk.make_dirs(self.folder, durable=False)
            names, files = self._names(), self._read()
            rows = table.num_rows + sum(each.num_rows for each in files.values())
            number = max(map(_number, names), default=0) + 1
            if len(names) >= FILES_MAX or rows > ROWS_MAX:  # also those that are not to be used
                table = pa.concat_tables([*files.values(), table])
                table = table.slice(max(0, table.num_rows - ROWS_MAX))
            else:
                names = []
            name = f"{number:08d}-{os.urandom(4).hex()}{SUFFIX}"
            temporary = os.path.join(self._temporary, f"fingerprints-{os.urandom(8).hex()}")
            path = os.path.join(self.folder, name)
            if snapshot_file.write(path, temporary, self._key, SCHEMA, [table]):
                for old in names:
                    disk.discard(os.path.join(self.folder, old))
        except disk.Unwritable:
            return

    def _names(self) -> list[str]:
        try:
            return sorted(name for name in os.listdir(self.folder) if name.endswith(SUFFIX))
        except OSError:
            return []  # what cannot be looked at is not there

    def _read(self) -> dict[str, pa.Table]:
        found = {}
        for name in self._names():
            table = snapshot_file.read(os.path.join(self.folder, name), self._key)
            if table is not None and table.schema.equals(SCHEMA, check_metadata=True):
                found[name] = table
        return found


def _number(name: str) -> int:
    text = name.partition("-")[0]
    return int(text) if text.isascii() and text.isdigit() and len(text) == 8 else 0
