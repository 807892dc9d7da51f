"""The path of a row by its key, and the key by the path.

A row lies at `QUERY/KEY.EXTENSION`. The invariants: keys that differ have paths that differ, every
path is legal, and the two directions agree wherever the second one answers.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from blake3 import blake3

from dsm.model.names import COMPONENT_BYTES_MAX

# What a path cannot hold is percent-encoded, and so is the sign of that.
ODD = r"[%/\\\x00-\x1f\x7f]"
_ODD_CHAR = re.compile(ODD)
_CUT = re.compile(r"-[0-9a-f]{16}\Z")
_CUT_CHARS = 17
_CUT_SHORT = 3  # a cut on a character's boundary leaves at most so many bytes unused
_HALF_ESCAPE = re.compile(r"%[0-9A-F]?\Z")
_PLAIN = re.compile(r"[ -~]+")
_EMPTY = "%"


def component(key: str, extension: str) -> str:
    """Returns the last component of a key's path, without the extension.

    `key` is the key as text. What a path cannot hold is percent-encoded. A component that is too
    long ends in `-` and 16 digits of the BLAKE3 of the key; so does one that looks as if it had
    been cut.
    """
    text = _ODD_CHAR.sub(lambda char: f"%{ord(char[0]):02X}", key) or _EMPTY
    encoded, room = text.encode(), _room(extension)
    if len(encoded) <= room and not (len(encoded) >= least_long(extension) and _CUT.search(text)):
        return text
    kept = encoded[: room - _CUT_CHARS].decode(errors="ignore")
    return f"{_HALF_ESCAPE.sub('', kept)}-{blake3(key.encode()).hexdigest()[:16]}"


def least_long(extension: str) -> int:
    """Returns from how many bytes on a component, without the extension, may have been cut."""
    return _room(extension) - _CUT_SHORT


def path_of_key(key: str, name: str, extension: str) -> str:
    """Returns the path of the row with this key, of the query `name`."""
    return f"{name}/{component(key, extension)}.{extension}"


def keys_of_path(path: str, name: str, extension: str) -> list[str] | None:
    """Returns the key whose row has this path, none if no row can, or None if it is not certain.

    It is not for the empty key, for what may have been cut, and for what is not printable ASCII,
    which databases compare in ways of their own.
    """
    folder, _, rest = path.rpartition("/")
    if folder != name or not rest.endswith("." + extension):
        return []
    text = rest[: -len(extension) - 1]
    if text in ("", _EMPTY) or len(text.encode()) >= least_long(extension):
        return None
    key = unquote(text, errors="replace")
    if not _PLAIN.fullmatch(key):
        return None
    return [key] if component(key, extension) == text else []


def _room(extension: str) -> int:
    return COMPONENT_BYTES_MAX - len(extension) - 1
