"""Globs over paths, as regular expressions that Arrow and Python read alike.

The rules are those of `.dsmignore`: `*` and `?` stop at a slash, `**` does not; a glob without a
slash matches at any depth; one that matches a folder takes everything below it.
"""

from __future__ import annotations

import re

_SPECIAL = re.compile(r"([\\.^$*+?{}\[\]|()\-&~#\s])")


def expression(glob: str) -> str:
    """Returns an anchored regular expression (RE2 and `re`) for what a glob matches."""
    lead = "" if "/" in glob else "(?:.*/)?"
    parts = glob.split("/")
    body: list[str] = []
    for index, part in enumerate(parts):
        last = index == len(parts) - 1
        if part == "**":
            body.append(".+" if last else "(?:.*/)?")
        else:
            body.append(_part(part) + ("" if last else "/"))
    return f"(?s)^{lead}{''.join(body)}(?:/.*)?$".replace("$", r"\z")


def matches(glob: str, path: str) -> bool:
    """Whether a glob selects a path."""
    return re.match(expression(glob).replace(r"\z", r"\Z"), path) is not None


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
            members = "".join(
                char if char == "-" else re.sub(r"([\\\[\]^&~|])", r"\\\1", char)
                for char in inside[negated:]
            )
            # A set never matches the slash.
            out.append(f"[^/{members}]" if negated else f"[{members}]")
            at = end + 1
        else:
            out.append(_literal(char))
    return "".join(out)


def _literal(char: str) -> str:
    return _SPECIAL.sub(r"\\\1", char) if char.isascii() else char
