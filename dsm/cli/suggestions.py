"""Names for the shell to complete: read from folder listings, silent when there are none."""

from __future__ import annotations

import os
from typing import Any

from dsm.errors import DsmError
from dsm.repo import documents
from dsm.repo.layout import FOLDER, Layout
from dsm.repo.repository import discover


def dataset_names(ctx: Any, incomplete: str) -> list[str]:
    """Returns the datasets of the repository here that begin so."""
    try:
        _enter(ctx)
        names = documents.datasets(_layout()).names()
    except (DsmError, OSError):
        return []
    return sorted(name for name in names if name.startswith(incomplete))


def changeset_names(ctx: Any, incomplete: str) -> list[str]:
    """Returns `head` and the tags of the current dataset that begin so."""
    try:
        _enter(ctx)
        layout = _layout()
        tags = documents.tags(layout, _dataset(ctx)).names()
    except (DsmError, OSError):
        return []
    return [name for name in ["head", *tags] if name.startswith(incomplete)]


def tag_names(ctx: Any, incomplete: str) -> list[str]:
    """Returns the tags of the current dataset that begin so."""
    return [name for name in changeset_names(ctx, incomplete) if name != "head"]


def view_names(ctx: Any, incomplete: str) -> list[str]:
    """Returns the names and versions of the current dataset's prepared views that begin so."""
    try:
        _enter(ctx)
        layout = _layout()
        dataset = _dataset(ctx)
        names = documents.view_names(layout, dataset).names()
        names += documents.views(layout, dataset).names()
    except (DsmError, OSError):
        return []
    return sorted(name for name in names if name.startswith(incomplete))


def source_names(ctx: Any, incomplete: str) -> list[str]:
    """Returns the sources of the repository here that begin so."""
    try:
        _enter(ctx)
        names = documents.sources(_layout()).names()
    except (DsmError, OSError):
        return []
    return [name for name in names if name.startswith(incomplete)]


def _enter(ctx: Any) -> None:
    ctx.find_root().obj.enter()


def _layout() -> Layout:
    return Layout(os.path.join(discover("."), FOLDER))


def _dataset(ctx: Any) -> str:
    named: str | None = ctx.find_root().obj.dataset or os.environ.get("DSM_DATASET")
    if named:
        return named
    from dsm import api

    with api.open(".") as repo:
        return repo.current
