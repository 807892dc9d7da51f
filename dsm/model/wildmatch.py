"""Git's wildcard patterns, matched in time that does not explode.

Hides the syntax (git's wildmatch: `*`, `?`, sets, `**`, backslashes) and its translation into a
regular expression that never reconsiders: between two stars the first place that fits is as good
as any later one, and what follows the last star is measured from the end. So a text of n signs
costs at most n times the longest run of signs without a star, whatever the pattern.

A pattern of bytes is matched as git does, byte by byte; one of text, character by character.
Ignore files add their own rules: git compares what stands before the first of `*?[\\` as it is and
takes only the rest for a pattern, so `a**/b` without a wildcard before it has a real `**`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import AnyStr

# No path is as long: a pattern that asks for more signs fits nothing.
SIGNS_MAX = 1 << 14

Range = tuple[str, str]

# Git's own, which know ASCII only; its white space lacks vertical tab and form feed.
_CLASSES: dict[str, tuple[Range, ...]] = {
    "alnum": (("0", "9"), ("A", "Z"), ("a", "z")),
    "alpha": (("A", "Z"), ("a", "z")),
    "blank": ((" ", " "), ("\t", "\t")),
    "cntrl": (("\0", "\x1f"), ("\x7f", "\x7f")),
    "digit": (("0", "9"),),
    "graph": (("!", "~"),),
    "lower": (("a", "z"),),
    "print": ((" ", "~"),),
    "punct": (("!", "/"), (":", "@"), ("[", "`"), ("{", "~")),
    "space": ((" ", " "), ("\t", "\n"), ("\r", "\r")),
    "upper": (("A", "Z"),),
    "xdigit": (("0", "9"), ("A", "F"), ("a", "f")),
}


@dataclass(frozen=True, slots=True)
class One:
    """Takes one sign: one in the ranges, or (`negated`) one outside. `?` is outside of none."""

    ranges: tuple[Range, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Star:
    """Takes any number of signs but no slash; any signs at all where slashes are plain signs."""


@dataclass(frozen=True, slots=True)
class Slash:
    """Takes a slash, where slashes part the folders of a path."""


@dataclass(frozen=True, slots=True)
class Folders:
    """`**/`: any number of folders, with their slashes; at least one slash if not `maybe_none`."""

    maybe_none: bool = True


@dataclass(frozen=True, slots=True)
class Rest:
    """`**` at the end: whatever follows."""


Piece = One | Star | Slash | Folders | Rest


def parse(pattern: str, *, paths: bool) -> list[Piece] | None:
    """Returns the pieces of a pattern; None for one that fits no text.

    With `paths`, a slash is taken by a slash or by `**` alone.
    """
    pieces: list[Piece] = []
    at = 0
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "*":
            start = at - 1
            while pattern[at : at + 1] == "*":
                at += 1
            deep = paths and at - start > 1 and pattern[start - 1 : start] in ("", "/")
            if not deep or not (at == len(pattern) or pattern.startswith(("/", "\\/"), at)):
                pieces.append(Star())
            elif at == len(pattern):
                pieces.append(Rest())
            else:
                plain = pattern[at] == "/"
                pieces.append(Folders(maybe_none=plain))
                at += 1 if plain else 2
            continue
        if char == "?":
            pieces.append(One((), negated=True))
        elif char == "[":
            found = _set(pattern, at)
            if found is None:
                return None
            one, at = found
            pieces.append(one)
        else:
            if char == "\\":
                if at == len(pattern):
                    return None
                char = pattern[at]
                at += 1
            pieces.append(Slash() if paths and char == "/" else One(((char, char),)))
    return pieces


def _set(pattern: str, at: int) -> tuple[One, int] | None:
    """Reads a set from behind its `[`; returns it and where it ends, None when it does not."""
    negated = pattern[at : at + 1] in ("!", "^")
    at += negated
    ranges: list[Range] = []
    first, before = True, ""
    while at < len(pattern):
        char = pattern[at]
        at += 1
        if char == "]" and not first:
            return One(tuple(ranges), negated), at
        first = False
        if char == "-" and before and pattern[at : at + 1] not in ("", "]"):
            at += pattern[at] == "\\"
            ranges.append((before, pattern[at : at + 1]))
            before = ""
            at += 1
            continue
        if char == "[" and pattern[at : at + 1] == ":":
            end = pattern.find("]", at + 1)
            if end < 0:
                return None
            if end > at + 1 and pattern[end - 1] == ":":
                members = _CLASSES.get(pattern[at + 1 : end - 1])
                if members is None:
                    return None
                ranges += members
                before, at = "", end + 1
                continue
        elif char == "\\":
            char = pattern[at : at + 1]
            at += 1
        ranges.append((char, char))
        before = char
    return None


def compile_pattern(pattern: AnyStr, *, paths: bool) -> Callable[[AnyStr], object]:
    """Returns a function whose result is true when a text fits the whole pattern.

    With `paths`, only a slash or `**` takes a slash, as in git's patterns that contain one.
    """
    text = pattern if isinstance(pattern, str) else pattern.decode("latin-1")
    pieces = parse(text, paths=paths)
    if pieces is None or sum(isinstance(piece, One | Slash) for piece in pieces) > SIGNS_MAX:
        return lambda _: None
    head, tail, slashes = _expressions(pieces, paths)
    if isinstance(pattern, str):
        return _matcher(head, tail, slashes, "/")
    return _matcher(head.encode("latin-1"), tail.encode("latin-1"), slashes, b"/")


def _matcher(head: AnyStr, tail: AnyStr, slashes: int, slash: AnyStr) -> Callable[[AnyStr], object]:
    whole = re.compile(tail, re.DOTALL)
    if not head:
        return whole.fullmatch
    lead = re.compile(head, re.DOTALL).match

    def fits(text: AnyStr) -> object:
        """Finds the start of `tail`, which has a known number of slashes, from the end."""
        found = lead(text)
        if found is None:
            return None
        start = found.end()
        left = text.count(slash, start) - slashes
        if left < 0:
            return None
        if left:
            end = len(text)
            for _ in range(slashes + 1):
                end = text.rindex(slash, start, end)
            start = end + 1
        return whole.fullmatch(text, start)

    return fits


def _expressions(pieces: Sequence[Piece], paths: bool) -> tuple[str, str, int]:
    """Returns the expressions of what comes before the last `**/` and after it, and the number of
    slashes that the latter takes. Without `**/` in it, a pattern is all tail."""
    blocks: list[list[Piece]] = [[]]
    head = ""
    for piece in pieces:
        if not isinstance(piece, Folders | Rest):
            blocks[-1].append(piece)
            continue
        block = _block(blocks[-1], paths)
        # Any later place where the block fits as well leaves less for what follows.
        head += f"(?>(?:[^/]*+/)*?{block})" if len(blocks) > 1 else f"{block}"
        blocks.append([])
        if isinstance(piece, Rest):
            return "", head + ".*", 0
        if not piece.maybe_none:
            head += "[^/]*+/"
    tail = blocks[-1]
    if len(blocks) > 1:
        head = head or "(?:)"
    return head, _block(tail, paths), sum(isinstance(piece, Slash) for piece in tail)


def _block(pieces: Sequence[Piece], paths: bool) -> str:
    """Returns the expression of pieces without `**`, which fits at a place in one way at most."""
    any_sign = "[^/]" if paths else "."
    out: list[str] = []
    runs: list[list[str]] = [[]]  # of the segment, parted by stars

    def end_segment() -> None:
        first, *later = ["".join(run) for run in runs]
        out.append(first)
        if later:
            out.extend(f"(?>{any_sign}*?{run})" for run in later[:-1] if run)
            out.append(f"{any_sign}{{{len(runs[-1])},}}+")
            if later[-1]:
                out.append(f"(?<={later[-1]})")

    for piece in pieces:
        if isinstance(piece, Star):
            runs.append([])
        elif isinstance(piece, Slash):
            end_segment()
            out.append("/")
            runs = [[]]
        else:
            assert isinstance(piece, One)
            runs[-1].append(spelling(piece, paths))
    end_segment()
    return "".join(out)


def spelling(one: One, paths: bool) -> str:
    """Returns a regular expression for one sign, which Python's `re` and RE2 read alike."""
    ranges = one.ranges
    if paths:
        ranges = tuple(
            part for low, high in ranges for part in ((low, min(high, ".")), (max(low, "0"), high))
        )
    ranges = tuple((low, high) for low, high in ranges if low <= high)
    if not one.negated and len(ranges) == 1 and ranges[0][0] == ranges[0][1]:
        return _escaped(ranges[0][0])
    members = "".join(
        _escaped(low) + (f"-{_escaped(high)}" if low < high else "") for low, high in ranges
    )
    if one.negated:
        return f"[^{members}{'/' if paths else ''}]" if members or paths else "."
    return f"[{members}]" if members else r"[^\s\S]"


def _escaped(char: str) -> str:
    return char if char.isalnum() or char == "_" or not " " <= char <= "~" else "\\" + char
