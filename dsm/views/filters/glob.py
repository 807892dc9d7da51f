"""Globs over paths, as regular expressions for Arrow, which takes linear time for any.

Their rules are those of `dsm.model.globs`.
"""

from __future__ import annotations

from collections.abc import Sequence

from dsm.model.globs import anchored
from dsm.model.wildmatch import Folders, One, Piece, Rest, Slash, Star, parse, spelling

_NOTHING = r"[^\s\S]"


def expression(glob: str) -> str:
    """Returns an anchored regular expression (RE2) for what a glob selects."""
    pieces = parse(anchored(glob), paths=True)
    body = _NOTHING if pieces is None else _body(pieces)
    return rf"(?s)^{body}(?:/.*)?\z"


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
