"""What `restore --source` brought here from earlier changesets, noted for the `add` that follows.

The files alone do not tell what was said of the examples. The note says which paths came from which
changeset; what the content of a file then has to prove is that it is that example. It lies beside
the stage, a document that is replaced; specified in docs/format/stage.md. Losing it costs labels
of what was restored and not yet added, and nothing else.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from dsm.errors import DamagedData
from dsm.format import document
from dsm.model.example import Example
from dsm.store import disk
from dsm.store.whole_file import read_file
from dsm.worktree.tree import WorkTree

# A note serves until that many changesets have come, and the newest ones only.
CHANGESETS_MAX, NOTES_MAX, PATHS_MAX = 64, 32, 1000


def note_restored(
    tree: WorkTree, number: int, untracked: Collection[str], asked: Iterable[str]
) -> None:
    """Notes which files that are not tracked were restored from a changeset.

    Many are noted by the paths that were asked for. A failure to write is none of the restore's.
    """
    if not untracked:
        return
    listed = sorted(set(untracked if len(untracked) <= PATHS_MAX else asked))
    head = tree.log.head()
    entry = {"number": number, "id": tree.log.get(number).id, "head": head, "paths": listed}
    kept = [each for each in _notes(tree) if each["paths"] != listed][1 - NOTES_MAX :]
    layout = tree.repository.layout
    temporary = os.path.join(layout.temporary, f"restored-{os.urandom(8).hex()}")
    data = document.encode({"restored": [*kept, entry]})
    with contextlib.suppress(*disk.Unwritable):
        disk.make_dirs(layout.stage(tree.log.name))
        disk.rewrite(layout.restored(tree.log.name), data, temporary, durable=True)


def restored_examples(tree: WorkTree, contents: Mapping[str, bytes]) -> dict[str, Example]:
    """Returns those new files, by path with the id of their content, that were restored, as the
    examples that they were."""
    found: dict[str, Example] = {}
    for note in reversed(_notes(tree)):
        below = tuple(path + "/" for path in note["paths"] if path)
        exact = set(note["paths"])
        wanted = [
            path for path in contents
            if path not in found and ("" in exact or path in exact or path.startswith(below))
        ]  # fmt: skip
        if wanted:
            for path, example in tree.snapshots().lookup(note["number"], wanted).items():
                if example.oid == contents[path]:
                    found[path] = example
    return found


def check_note(path: str) -> None:
    """Raises DamagedData when a file beside the stage is no note."""
    data = read_file(path, document.DOCUMENT_BYTES_MAX)
    if data is not None:
        document.decode(data, path)


def _notes(tree: WorkTree) -> list[dict[str, Any]]:
    """Returns the notes that still serve, the oldest first; none when they cannot be read."""
    path = tree.repository.layout.restored(tree.log.name)
    try:
        data = read_file(path, document.DOCUMENT_BYTES_MAX)
        listed = document.decode(data, path).get("restored") if data else []
    except DamagedData:
        return []
    head = tree.log.head()
    known = listed if isinstance(listed, list) else []
    return [note for note in known if _serves(tree, note, head)][-NOTES_MAX:]


def _serves(tree: WorkTree, note: Any, head: int) -> bool:
    try:
        number, noted, paths = note["number"], note["head"], note["paths"]
        return (
            type(number) is int
            and type(noted) is int
            and 1 <= number <= head < noted + CHANGESETS_MAX
            and isinstance(paths, list)
            and all(isinstance(path, str) for path in paths)
            and tree.log.get(number).id == note["id"]
        )
    except (TypeError, LookupError):
        return False
