"""The manifests of a dataset: read and verified, and written by a commit before its header."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
from blake3 import blake3

from dsm.errors import DamagedData, InvalidInput
from dsm.format import manifest as fmt
from dsm.model.changeset import Changeset
from dsm.model.rows import Rows
from dsm.repo.layout import Layout
from dsm.repo.log import ChangesetLog
from dsm.store import disk
from dsm.store.whole_file import create_file, read_file


@dataclass(frozen=True, slots=True)
class Written:
    """A manifest on disk: its id, the BLAKE3 of its file in hex, and the bytes of that file."""

    id: str
    file: str
    bytes: int


class Manifests:
    """Reads the manifests of one dataset."""

    def __init__(self, layout: Layout, log: ChangesetLog):
        self._layout = layout
        self._log = log
        self._known: dict[int, pa.Table] = {}

    def of(self, number: int) -> pa.Table | None:
        """Returns the rows of a changeset, verified; None when it has none.

        Raises ManifestDamaged. That the rows make sense is checked where they are put to use: when
        a snapshot is folded, by fsck, and again by what writes files or archives.
        """
        known = self._known.get(number)
        if known is not None:
            return known
        table = self.read(self._log.get(number))
        if table is not None:
            self._known[number] = table
        return table

    def read(self, changeset: Changeset) -> pa.Table | None:
        """Like `of`, for a header in hand, without keeping the rows."""
        if changeset.manifest is None:
            return None
        path = self._layout.manifest(self._log.name, changeset.manifest)
        data = read_file(path, fmt.bytes_most(changeset.manifest_bytes))
        if data is None:
            raise fmt.ManifestDamaged(
                f"the manifest of changeset {changeset.number} is missing ({path})",
                hint="`dsm fsck` tells what else is missing; copy it back from a backup",
            )
        return fmt.decode(
            data,
            path,
            manifest_id=changeset.manifest,
            file_id=changeset.manifest_file,
            rows=changeset.counts.rows,
        )


def write_manifest(layout: Layout, dataset: str, rows: Rows, types: Mapping[str, str]) -> Written:
    """Writes rows that are sorted by path; durable, under its name, when it returns.

    Raises InvalidInput when nobody could read them again.
    """
    table = fmt.to_table(rows, types)
    manifest_id = fmt.rows_id(table)
    data = fmt.encode(table)
    # Half of what a reader takes: it counts what is in the file beside what it makes of it.
    if table.nbytes > fmt.memory_most(len(data)) // 2:
        raise InvalidInput(
            f"{table.nbytes:,} bytes of labels, attributes and annotations are too many for one"
            " changeset",
            hint="nothing was recorded; commit fewer paths at once",
        )
    path = layout.manifest(dataset, manifest_id)
    if not create_file(path, data, layout.temporary):
        # The same rows were committed before, perhaps written by another library version.
        try:
            present = read_file(path, fmt.bytes_most(len(data))) or b""
            fmt.decode(present, path, manifest_id=manifest_id, file_id=None)
            data = present
        except DamagedData:
            # Bytes that a power cut or a bad disk took: the rows in hand are the same, whole.
            temporary = os.path.join(layout.temporary, f"new-{os.urandom(8).hex()}")
            disk.rewrite(path, data, temporary, durable=True)
    return Written(manifest_id, blake3(data).hexdigest(), len(data))
