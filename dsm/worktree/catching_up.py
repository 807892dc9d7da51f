"""Whether files are behind the head, since a revert or a pull was killed, and bringing them along.

Apart from `following`, so that nothing of it is loaded where files did follow.
"""

from __future__ import annotations

import os

from dsm.errors import StorageFailed
from dsm.worktree.tree import WorkTree


def files_at(tree: WorkTree) -> int | None:
    """Returns the changeset whose files still are here; None when they followed the head."""
    if not os.path.exists(tree.repository.layout.following(tree.log.name)):
        return None
    from dsm.worktree.following import following

    return following(tree)


def catch_up(tree: WorkTree, *, needed: bool = True) -> None:
    """Brings files along that were left behind.

    Whatever records or changes files calls it first: they would be taken for edits. Raises
    StorageFailed when files cannot be written, if it is `needed`.
    """
    if not os.path.exists(tree.repository.layout.following(tree.log.name)):
        return
    from dsm.worktree.following import finish_following

    try:
        finish_following(tree)
    except StorageFailed:
        if needed:
            raise
