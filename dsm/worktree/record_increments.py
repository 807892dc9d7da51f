"""A new state of a records file by what changed of it since the head, where all else is plain.

What is unusual, such as records that were withdrawn or a state that is staged, is left to whoever
reads the whole file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, cast

from dsm.errors import DamagedData
from dsm.history.snapshot import count_below
from dsm.model.record_path import is_records_file
from dsm.records.increment import FEWEST_GROUPS, read_increment, reads_increments
from dsm.records.settings import RecordSettings
from dsm.store.lookup import ROW_BITS
from dsm.store.object_file import ObjectFile
from dsm.worktree.stage import Staged
from dsm.worktree.tree import WorkTree

if TYPE_CHECKING:
    from dsm.records.gathering import Read


def what_changed(
    tree: WorkTree, staged: Staged, file: BinaryIO, path: str, settings: RecordSettings
) -> Read | None:
    """Returns the records in the parts of a file that changed since the head; None when it is to be
    read as a whole. The file may be read in part then."""
    lead, head = f"{path}#", tree.log.head()
    if not head or not reads_increments(settings):
        return None
    if path in staged.where or any(each.startswith(lead) for each in staged.where):
        return None
    before = tree.committed([path]).get(path)
    if before is None or before.records is None or not is_records_file(before.records):
        return None
    known, count = RecordSettings.from_text(before.records)
    if (
        not reads_increments(known)
        or known.asked() != settings
        or count != count_below(tree.snapshots().table(head), path)
    ):
        return None
    store = tree.repository.store
    try:
        with store.open(before.oid) as stored:
            groups = cast(ObjectFile, stored.raw).pieces
        if len(groups) < FEWEST_GROUPS:
            return None
        read = read_increment(file, path, known, store, groups)
    except DamagedData:
        return None
    if read is None or read.before is None:
        return None
    was = {lead + key for key in read.before.keys}
    new = {lead + key for key in read.keys} - was
    again = set() if settings.key else {f"{each}-2" for each in was | new}
    read.held = tree.snapshots().objects(head, was)
    if tree.snapshots().objects(head, new | again) or len(read.held) != len(was):
        return None  # a key, or without one a content, that another part of the file has, too
    _rely_on(tree, groups)
    read.records = count - len(read.before) + len(read)
    return read


def _rely_on(tree: WorkTree, groups: list[tuple[bytes, int]]) -> None:
    """Notes the packs of the groups, so that gc leaves them until the stage names them."""
    store = tree.repository.store
    store.lookup.expect(len(groups))
    packs = store.lookup.packs
    for oid, _ in groups:
        place = store.lookup.place(oid)
        if place is not None:
            store.relied_on.add(packs[place >> ROW_BITS].name)
