"""Changesets and paths on one command line: which words are which, as git tells them apart.

Words behind `--` are paths. Before it, or without it, the first ones that name a changeset are
changesets, and the rest are paths that there are, or were. A word that is both is refused, and so
is one that is neither.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dsm.errors import InvalidInput, NotFound
from dsm.model.names import close_matches, printable

if TYPE_CHECKING:
    from dsm.cli.session import Session

AT_MOST = {1: "one changeset, or a range such as 3..7", 2: "two changesets"}


class Words:
    """What a command line names: `range`, both ends of A..B; or `changesets`; and `paths`."""

    def __init__(self) -> None:
        self.changesets: list[str] = []
        self.range: tuple[str, str] | None = None
        self.paths: list[str] | None = None


def told_apart(s: Session, words: Sequence[str] | None, most: int) -> Words:
    """Tells the changesets, `most` of them or a range, from the paths. Raises NotFound and
    InvalidInput."""
    behind = s.settings.behind_dashes
    given = list(words or ())
    before = given if behind is None else given[: len(given) - behind]
    found, paths = Words(), given[len(before) :]
    for position, word in enumerate(before):
        if behind is None and not _is_changeset(s, word):
            paths = before[position:]
            for path in paths:
                _check_path(s, path)
            break
        ends = _ends(s, word)
        if ends is None:
            found.changesets.append(word)
        else:
            found.range = ends
        if len(found.changesets) > (0 if found.range else most) or (ends and position):
            raise InvalidInput(
                f"{printable(' '.join(before[: position + 1]))}: give {AT_MOST[most]} at most",
                hint="paths come behind --",
            )
    found.paths = paths or None
    return found


def _is_changeset(s: Session, word: str) -> bool:
    """Whether a word without a `--` behind it is a changeset or a range. Raises InvalidInput."""
    try:
        if _ends(s, word) is None:
            s.dataset.resolve(word)
    except (NotFound, InvalidInput):
        return False
    if os.path.lexists(word):
        shown = printable(word)
        raise InvalidInput(
            f"{shown} is a changeset and a path here",
            hint=f"write {shown} -- for the changeset, -- {shown} for the path",
        )
    return True


def _ends(s: Session, word: str) -> tuple[str, str] | None:
    """Returns the ends of `A..B`, either of which is the head by default; None for another word.

    No tag has two dots in its name. Raises NotFound for an end that there is not.
    """
    first, dots, second = word.partition("..")
    if not dots or "/" in word:
        return None
    if second.startswith("."):
        raise InvalidInput(
            f"{printable(word)} is not a range", hint="a history is one line: write A..B"
        )
    ends = first or "head", second or "head"
    for end in ends:
        s.dataset.resolve(end)
    return ends


def _check_path(s: Session, word: str) -> None:
    """Raises NotFound for a word that is no path of a file or an example, now or ever."""
    if os.path.lexists(word):
        return
    try:
        if s.dataset.has_path(word):
            return
    except InvalidInput:
        pass  # it lies outside the dataset
    _ends(s, word)  # the end of a range that there is not
    try:
        s.dataset.resolve(word)
    except NotFound as error:
        near = close_matches(word, ["head", *(tag.name for tag in s.dataset.tags())])
        if word.isdigit() or not s.dataset.head:
            raise
        raise NotFound(
            f"{printable(word)} is no changeset, no tag and no path of dataset {s.dataset.name}",
            hint=f"did you mean {near[0]}?" if near else error.hint,
        ) from None
    raise InvalidInput(
        f"{printable(word)} is a changeset, and stands behind paths",
        hint="changesets come first, then paths",
    )
