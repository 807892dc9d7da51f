"""Globs over paths: whether one can be evaluated, and which paths it fits.

The rules are those of `.dsmignore`, on characters: `*` and `?` stop at a slash, `**` does not; a
glob without a slash fits at any depth; one that fits a folder takes everything below it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from dsm.errors import InvalidInput
from dsm.model.names import quoted
from dsm.model.wildmatch import compile_pattern, parse

GLOB_CHARS_MAX = 8192
WILD = frozenset("*?[")


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


def matches(glob: str, path: str) -> bool:
    """Whether a glob selects a path: fits it, or a folder above it."""
    fits = _compiled(glob)
    ends = (at for at, char in enumerate(path + "/") if char == "/")
    return any(bool(fits(path[:end])) for end in ends)


@lru_cache(256)
def _compiled(glob: str) -> Callable[[str], object]:
    return compile_pattern(anchored(glob), paths=True)


def anchored(glob: str) -> str:
    """Returns a glob that counts from the root: one without a slash fits at any depth."""
    return glob if "/" in glob else f"**/{glob}"


def fixed_folder(glob: str) -> str:
    """Returns the folder below which all lies that a glob fits; "" is the root."""
    parts = glob.split("/")
    wild = next((n for n, part in enumerate(parts) if WILD.intersection(part)), len(parts))
    return "/".join(part.replace("\\", "") for part in parts[:wild])
