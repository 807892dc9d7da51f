"""What was asked of staging, in a work tree: options as they were given become a `Request`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dsm.files.typed_path import file_given
from dsm.worktree.databases import refuse_databases
from dsm.worktree.missing_values import missing_values
from dsm.worktree.request import Request, request_for
from dsm.worktree.tree import WorkTree


def request_in(
    tree: WorkTree,
    paths: tuple[str, ...],
    pattern: str | None,
    unmatched: str,
    folder: str,
    asked: Mapping[str, Any],
) -> Request:
    """Returns the request that the options of `Dataset.add` make; `pattern` and `unmatched` are the
    dataset's own, and a label file is named from `folder`.

    Raises InvalidInput, NotFound, DatabaseInTree.
    """
    options = dict(asked)
    if options.get("label_file") is not None:
        from dsm.worktree.label_formats.places import Places

        options["label_file"] = file_given(options["label_file"])
        options["missing"] = missing_values(tree.repository.config)
        options["places"] = Places(
            tree.root, paths, lambda: tree.index(tree.stage.load()).below("")
        )
    request = request_for(paths, pattern, folder, unmatched=unmatched, **options)
    refuse_databases(tree.repository, tree, request)
    return request
