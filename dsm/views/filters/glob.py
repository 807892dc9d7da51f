"""Globs over paths, as regular expressions that Arrow and Python read alike.

The rules are those of `.dsmignore`: `*` and `?` stop at a slash, `**` does not; a glob without a
slash matches at any depth; one that matches a folder takes everything below it.
"""

from __future__ import annotations

import re

_IN_SET = re.compile(r"([\\\[\]^&~|-])")
_NO_MEMBER = r"^\s\S"
_SPECIAL = re.compile(r"([\\.^$*+?{}\[\]|()\-&~#\s])")


def expression(glob: str) -> str:
    """Returns an anchored regular expression (RE2) for what a glob matches."""
    return rf"{_body(glob)}\z"


def matches(glob: str, path: str) -> bool:
    """Whether a glob selects a path."""
    return re.fullmatch(_body(glob), path) is not None


def _body(glob: str) -> str:
    lead = "" if "/" in glob else "(?:.*/)?"
    parts = glob.split("/")
    body: list[str] = []
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        if part == "**":
            body.append(".+" if last else "(?:.*/)?")
        else:
            body.append(_part(part) + ("" if last else "/"))
    return f"(?s)^{lead}{''.join(body)}(?:/.*)?"


def _part(part: str) -> str:
    out: list[str] = []
    at = 0
    while at < len(part):
        char = part[at]
        at += 1
        if char == "*":
            out.append("[^/]*")
        elif char == "?":
            out.append("[^/]")
        elif char == "\\" and at < len(part):
            out.append(_literal(part[at]))
            at += 1
        elif char == "[" and (end := part.find("]", at + 1 + (part[at : at + 1] in "!^"))) > 0:
            inside = part[at:end]
            negated = inside[0] in "!^"
            members = _members(inside[negated:])
            # A set never matches the slash.
            out.append(f"[^/{members}]" if negated else f"[{members or _NO_MEMBER}]")
            at = end + 1
        else:
            out.append(_literal(char))
    return "".join(out)


def _members(inside: str) -> str:
    """Spells the members of a set. A range may reach across the slash, but does not hold it."""
    found: list[str] = []
    at = 0
    while at < len(inside):
        width = 3 if inside[at + 1 : at + 2] == "-" and at + 2 < len(inside) else 1
        first, last = inside[at], inside[at + width - 1]
        at += width
        for low, high in ((first, min(last, ".")), (max(first, "0"), last)):
            if low <= high:
                ends = dict.fromkeys((low, high))  # one of a single character
                found.append("-".join(_IN_SET.sub(r"\\\1", end) for end in ends))
    return "".join(found)


def _literal(char: str) -> str:
    return _SPECIAL.sub(r"\\\1", char) if char.isascii() else char
