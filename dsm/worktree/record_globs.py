"""Files named by a glob in `dsm add --records`: which it fits now, and that it counts from then on.

A path that exists is itself, whatever signs are in it; so is one that is tracked.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

from dsm.errors import NotFound
from dsm.model.globs import WILD, check_glob, fixed_folder, matches
from dsm.model.names import printable
from dsm.worktree.request import Request
from dsm.worktree.tree import WorkTree


def with_globs(tree: WorkTree, request: Request) -> Request:
    """Returns a request in which globs are the files that they fit. Raises NotFound for one that
    fits none, InvalidInput for one that cannot."""
    if not any(WILD.intersection(path) for path in request.paths):
        return request
    staged = tree.stage.load()
    index = tree.index(staged)
    globs = [
        path for path in request.paths
        if WILD.intersection(path)
        and not os.path.lexists(os.path.join(tree.root, path))
        and next(iter(index.below(path)), None) is None
    ]  # fmt: skip
    if not globs:
        return request
    named = [path for path in request.paths if path not in globs]
    found: dict[str, None] = {}
    for glob in globs:
        fitting = list(_fitting(tree, check_glob(glob), request))
        if not fitting:
            raise NotFound(
                f"there is no file or folder '{printable(glob)}', and no file that it fits",
                hint="a glob is written as in .dsmignore: 'data/*.csv', 'data/**/*.csv'",
                items=(glob,),
            )
        found.update(dict.fromkeys(fitting))
    return replace(
        request, paths=(*named, *found), globs=tuple(globs), globbed=frozenset(found) - {*named}
    )


def _fitting(tree: WorkTree, glob: str, request: Request) -> Iterator[str]:
    """Yields the files here that a glob fits and nothing ignores."""
    scan = tree.scan(follow_symlinks=request.follow_symlinks, force=request.force)
    top = fixed_folder(glob)
    if not os.path.isdir(os.path.join(tree.root, top)):
        return
    for folder in scan.folders(top):
        lead = f"{folder.path}/" if folder.path else ""
        yield from (lead + name for name in folder.names if matches(glob, lead + name))
