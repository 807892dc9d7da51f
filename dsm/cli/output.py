"""What commands print: data to standard output, messages to standard error.

Hides quoting, units and JSON. Invariant: no name reaches a stream without `printable` or
`quoted`, except after `-z` and inside JSON, which escapes by its own rules where it can.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence

from dsm.cli import color
from dsm.errors import StorageFailed
from dsm.model.names import printable
from dsm.model.sizes import count_text as count_text
from dsm.model.sizes import size_text as size_text

LISTED_MAX = 10
_ESCAPES = {
    7: r"\a", 8: r"\b", 9: r"\t", 10: r"\n", 11: r"\v", 12: r"\f", 13: r"\r", 34: r"\"", 92: r"\\",
}  # fmt: skip


def message(text: str) -> None:
    """Prints a message to standard error, behind what was printed before it.

    Where both streams go to one file, its lines are in the order in which they were made.
    """
    if sys.stdout is not None:
        sys.stdout.flush()
    if sys.stderr is not None:
        print(color.headed(text, sys.stderr), file=sys.stderr)


def listed(lines: Sequence[str], limit: int = LISTED_MAX) -> list[str]:
    """Returns the first lines, and how many more there are."""
    if len(lines) <= limit:
        return list(lines)
    return [*lines[:limit], f"… and {len(lines) - limit:,} more"]


def quoted(path: str) -> str:
    """Returns a path for a line that programs read: as it is, or quoted as in C and git.

    Quotes are used when it holds a quote, a backslash, a control character or anything else that
    may not go to a terminal; the bytes of such a character are written in octal.
    """
    if '"' not in path and "\\" not in path and printable(path) == path:
        return path
    parts = []
    for char in path:
        escape = _ESCAPES.get(ord(char))
        if escape:
            parts.append(escape)
        elif printable(char) == char:
            parts.append(char)
        else:
            parts.extend(f"\\{byte:03o}" for byte in char.encode(errors="surrogateescape"))
    return '"' + "".join(parts) + '"'


def write_bytes(data: bytes) -> None:
    """Writes bytes to standard output. Raises StorageFailed when it is closed."""
    if sys.stdout is None:
        raise StorageFailed("standard output is closed")
    sys.stdout.flush()
    sys.stdout.buffer.write(data)


# As a byte that is not UTF-8 stands in JSON, which many programs do not read: half a pair.
_HALF_CHARACTER = r"(?<!\\ud[89ab][0-9a-f]{2})\\udc[89a-f][0-9a-f]"


def _whole(value: object) -> object:
    """Returns a value in which names that are not UTF-8 are `quoted`, so that each stays itself."""
    if isinstance(value, str):
        return quoted(value) if re.search("[\udc80-\udcff]", value) else value
    if isinstance(value, Mapping):
        return {_whole(name): _whole(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_whole(each) for each in value]
    return value


def print_json(answer: Mapping[str, object]) -> None:
    """Prints one JSON document; rows of an iterator, its last member, come one a line."""
    import json

    def text(value: object, indent: int | None = None) -> str:
        # Pure ASCII, so that a name cannot steer a terminal; DEL is what json.dumps leaves.
        found = json.dumps(value, indent=indent)
        if "\\udc" in found and re.search(_HALF_CHARACTER, found):
            found = json.dumps(_whole(value), indent=indent)
        return found.replace("\x7f", "\\u007f")

    fields = {name: value for name, value in answer.items() if not isinstance(value, Iterator)}
    document = text(fields, 2)
    if len(fields) == len(answer):
        print(document)
        return
    key, rows = list(answer.items())[-1]
    assert isinstance(rows, Iterator) and len(fields) == len(answer) - 1, "rows are the last member"
    head = document.removesuffix("\n}") + "," if fields else "{"
    print(f"{head}\n  {text(key)}: [", end="")
    separator = "\n    "
    for row in rows:
        print(separator + text(row), end="")
        separator = ",\n    "
    print("]\n}" if separator == "\n    " else "\n  ]\n}")
