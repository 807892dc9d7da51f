"""Globs over paths, as regular expressions for Arrow, which takes linear time for any.

The rules are those of `.dsmignore`, on characters: `*` and `?` stop at a slash, `**` does not; a
glob without a slash fits at any depth; one that fits a folder takes everything below it.
"""

from __future__ import annotations

from collections.abc import Sequence

from dsm.errors import InvalidInput
from dsm.model.names import quoted
from dsm.model.wildmatch import (
    Folders,
    One,
    Piece,
    Rest,
    Slash,
    Star,
    compile_pattern,
    parse,
    spelling,
)  # fmt: skip

GLOB_CHARS_MAX = 8192
_NOTHING = r"[^\s\S]"


def check_glob(glob: str) -> str:
    """Returns a glob that can be evaluated. Raises InvalidInput."""
    if len(glob) > GLOB_CHARS_MAX:
        raise InvalidInput(
            f"the glob {quoted(glob)} is {len(glob):,} characters long (at most {GLOB_CHARS_MAX:,})"
        )
    if parse(glob, paths=True) is None:
        raise InvalidInput(
            f"the glob {quoted(glob)} fits no path: an open set, or a '\\' at its end",
            hint="write '\\[' for a bracket itself, '\\\\' for a backslash",
        )
    return glob


def expression(glob: str) -> str:
    """Returns an anchored regular expression (RE2) for what a glob selects."""
    pieces = parse(_anchored(glob), paths=True)
    body = _NOTHING if pieces is None else _body(pieces)
    return rf"(?s)^{body}(?:/.*)?\z"


def matches(glob: str, path: str) -> bool:
    """Whether a glob selects a path: fits it, or a folder above it."""
    fits = compile_pattern(_anchored(glob), paths=True)
    ends = (at for at, char in enumerate(path + "/") if char == "/")
    return any(fits(path[:end]) for end in ends)


def _anchored(glob: str) -> str:
    return glob if "/" in glob else f"**/{glob}"


def _body(pieces: Sequence[Piece]) -> str:
    out: list[str] = []
    for piece in pieces:
        match piece:
            case One():
                out.append(spelling(piece, paths=True))
            case Star():
                out.append("[^/]*")
            case Slash():
                out.append("/")
            case Folders():
                out.append("(?:.*/)?" if piece.maybe_none else ".*/")
            case Rest():
                out.append(".*")
    return "".join(out)
