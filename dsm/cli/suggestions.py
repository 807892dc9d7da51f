"""Names for the shell to complete, silent when there are none.

Most are read from folder listings and headers. A shell takes what it is given for words, so names
that it would take apart, such as those with blanks, are not offered.
"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable, Iterable
from typing import Any

from dsm.repo import documents
from dsm.repo.layout import FOLDER, Layout
from dsm.repo.repository import discover

_WORD = re.compile(r"[\w.,@%+/=~-]+")
# More than anybody reads.
MOST = 2000

Suggest = Callable[[Any, str], list[str]]


def _silent(names: Callable[[Any, str], Iterable[str]]) -> Suggest:
    """Makes a function of all names one that returns those that begin as what is typed."""

    @functools.wraps(names)
    def suggest(ctx: Any, incomplete: str) -> list[str]:
        try:
            ctx.find_root().obj.enter()
            found = [
                name
                for name in names(ctx, incomplete)
                if name.startswith(incomplete) and _WORD.fullmatch(name)
            ]
        except Exception:  # nothing that is wrong here may be written over the line being typed
            return []
        return found[:MOST]

    return suggest


@_silent
def dataset_names(ctx: Any, incomplete: str) -> Iterable[str]:
    """Returns the datasets of the repository here."""
    return sorted(documents.datasets(_layout()).names())


@_silent
def remote_names(ctx: Any, incomplete: str) -> Iterable[str]:
    """Returns the remotes of the repository here."""
    from dsm import api

    with api.open(".") as repo:
        return repo.remotes.names()


@_silent
def changeset_names(ctx: Any, incomplete: str) -> Iterable[str]:
    """Returns `head` and the tags of the current dataset; numbers where one is begun."""
    layout, dataset = _layout(), _dataset(ctx)
    names = ["head", *documents.tags(layout, dataset).names()]
    if not incomplete.isdecimal():
        return names
    from dsm import api

    with api.open(".") as repo:
        return [*names, *map(str, range(repo.dataset(dataset).head, 0, -1))]


@_silent
def split_names(ctx: Any, incomplete: str) -> Iterable[str]:
    """Returns the splits of the current dataset."""
    return documents.definitions(_layout(), _dataset(ctx), "split").names()


@_silent
def segment_names(ctx: Any, incomplete: str) -> Iterable[str]:
    """Returns the segments of the current dataset."""
    return documents.definitions(_layout(), _dataset(ctx), "segment").names()


@_silent
def tag_names(ctx: Any, incomplete: str) -> Iterable[str]:
    """Returns the tags of the current dataset."""
    return documents.tags(_layout(), _dataset(ctx)).names()


@_silent
def view_names(ctx: Any, incomplete: str) -> Iterable[str]:
    """Returns the names and versions of the current dataset's prepared views."""
    layout, dataset = _layout(), _dataset(ctx)
    names = documents.view_names(layout, dataset).names()
    return sorted([*names, *documents.views(layout, dataset).names()])


@_silent
def example_set_names(ctx: Any, incomplete: str) -> Iterable[str]:
    """Returns what names examples: `head`, tags, names of views, and datasets."""
    layout, dataset = _layout(), _dataset(ctx)
    views = documents.view_names(layout, dataset).names()
    return ["head", *documents.tags(layout, dataset).names(), *views,
            *documents.datasets(layout).names()]  # fmt: skip


@_silent
def source_names(ctx: Any, incomplete: str) -> Iterable[str]:
    """Returns the sources of the repository here."""
    return documents.sources(_layout()).names()


@_silent
def labels(ctx: Any, incomplete: str) -> Iterable[str]:
    """Returns the labels that examples of the current dataset have."""
    from dsm import api

    with api.open(".") as repo:
        return [*repo.dataset(_dataset(ctx)).labels()]


@_silent
def label_lists(ctx: Any, incomplete: str) -> Iterable[str]:
    """Returns the labels behind the last comma of a list."""
    before, comma, last = incomplete.rpartition(",")
    taken = before.split(",")
    return [before + comma + name for name in labels(ctx, last) if name not in taken]


@_silent
def attributes(ctx: Any, incomplete: str) -> Iterable[str]:
    """Returns the attributes that examples of the current dataset have."""
    return _attributes(ctx)


@_silent
def condition_names(ctx: Any, incomplete: str) -> Iterable[str]:
    """Returns what a condition can begin with."""
    return ["size", *_attributes(ctx)]


@_silent
def targets(ctx: Any, incomplete: str) -> Iterable[str]:
    """Returns the columns that can say the class."""
    return ["labels", *(f"attr.{name}" for name in _attributes(ctx))]


def _attributes(ctx: Any) -> list[str]:
    from dsm import api

    with api.open(".") as repo:
        dataset = repo.dataset(_dataset(ctx))
        return sorted(dataset.changeset(dataset.head).attributes) if dataset.head else []


def _layout() -> Layout:
    return Layout(os.path.join(discover("."), FOLDER))


def _dataset(ctx: Any) -> str:
    named: str | None = ctx.find_root().obj.dataset or os.environ.get("DSM_DATASET")
    if named:
        return named
    from dsm import api

    with api.open(".") as repo:
        return repo.current
