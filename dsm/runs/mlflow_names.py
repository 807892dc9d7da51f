"""Names of metrics and parameters as MLflow takes them: some of its stores make files of them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable

NAME_CHARS_MAX = 250
_foreign = re.compile(r"[^/\w.\- :]")


def names_for_mlflow(names: Iterable[str]) -> dict[str, str]:
    """Returns the name for MLflow of each name, no two alike; those that it takes stay.

    A name is kept to letters, digits and `_ - . : /` and space. Where one is a folder of another,
    as `loss` and `loss/train`, the longer one has `_` for `/`.
    """
    wanted = sorted(set(names))
    found: dict[str, str] = {}
    # Those that are taken as they are come first: nothing foreign takes their place.
    for name in sorted(wanted, key=lambda each: (_taken(each) != each, each.count("/"), each)):
        proper, tries = _taken(name), 1
        if _is_folder(proper, found.values()):
            proper = proper.replace("/", "_")
        free = proper
        while free in found.values() or _is_folder(free, found.values()):
            tries += 1
            free = f"{proper.replace('/', '_')[: NAME_CHARS_MAX - 12]}_{tries}"
        found[name] = free
    return {name: found[name] for name in wanted}


def _taken(name: str) -> str:
    proper = _foreign.sub("_", name)[:NAME_CHARS_MAX]
    normal = posixpath.normpath(proper)
    if normal != proper or normal == "." or normal.startswith(("..", "/")):
        proper = proper.replace("/", "_").lstrip(".") or "_"
    return proper


def _is_folder(name: str, others: Iterable[str]) -> bool:
    """Whether a name would be a folder where another one is a file, or the other way."""
    return any(
        name.startswith(other + "/") or other.startswith(name + "/") for other in others
    )  # fmt: skip
