"""Names of records: `train.jsonl#KEY` is the record KEY of the file train.jsonl.

A key is spelt so that it holds no `#` and no `/`: the last `#` of a record's path parts file and
key, whatever the file is called. Whether a path is of a record says the row, not the path, since
files may have a `#` in their names as well: its `records` is "#" for a record, a JSON object, how
it is read, for a file of records, and None for any other example.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence

from blake3 import blake3

RECORD = "#"
SETTINGS_BYTES_MAX = 64 << 10
KEY_BYTES_MAX = 160  # of a path's part of 255, so that the file's name has room as well
_HASH_DIGITS = 16
# What stands for something else, is no printable character, or reads differently from what it is.
_ESCAPED = re.compile(
    r"[%#/\\\x00-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)

_PERCENTS = re.compile("(?:%[0-9A-F]{2})+")


def checked_records(value: str | None) -> str | None:
    """Returns what a row says of records. Raises ValueError for what no dsm writes there."""
    if value is None or value == RECORD:
        return value
    if len(value) <= SETTINGS_BYTES_MAX and value.startswith("{"):
        try:
            if isinstance(json.loads(value), dict):
                return value
        except (ValueError, RecursionError):
            pass
    raise ValueError("what is said of records is not what dsm writes")


def is_records_file(records: str | None) -> bool:
    """Whether a row with this `records` is of a file of records, which is no example itself."""
    return records is not None and records != RECORD


def spelt_key(key: str) -> str:
    """Returns a key as it stands in paths: `%`, `#`, `/` and control characters as %XX; a long one
    is cut, and ends in `~` and 16 digits of its hash."""
    if key and key.isascii() and key.isprintable() and " " not in key:  # most of them
        escaped = key.replace("%", "%25").replace("/", "%2F")
        escaped = escaped.replace("#", "%23").replace("\\", "%5C")
        if len(escaped) <= KEY_BYTES_MAX:
            return escaped
    escaped = _ESCAPED.sub(_percent, key)
    if escaped != escaped.strip() or not escaped:  # blanks at the ends are easily lost
        escaped = re.sub(r"\A\s+|\s+\Z", lambda m: "".join(map(_percents, m[0])), escaped)
    data = escaped.encode()
    if len(data) <= KEY_BYTES_MAX:
        return escaped
    cut = data[: KEY_BYTES_MAX - _HASH_DIGITS - 1].decode("utf-8", "ignore")
    return f"{re.sub('%[0-9A-F]?$', '', cut)}~{blake3(key.encode()).hexdigest()[:_HASH_DIGITS]}"


def spelt_keys(keys: Sequence[str]) -> list[str] | None:
    """Returns what `spelt_key` makes of each of many keys; None where one of them is unusual."""
    text = "".join(keys)
    if not text.isascii() or " " in text or _ESCAPED.search(text):
        return None
    if not all(keys) or max(map(len, keys), default=0) > KEY_BYTES_MAX:
        return None
    return [*keys]


def _percent(match: re.Match[str]) -> str:
    return _percents(match[0])


def _percents(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode())


def record_path(file: str, key: str) -> str:
    """Returns the path of a record by its file and its key, spelt as `spelt_key` does."""
    return f"{file}#{key}"


def parts_of(path: str) -> tuple[str, str]:
    """Returns file and key of a record's path; the file is "" when it cannot be one."""
    file, _, key = path.rpartition("#")
    return (file, key) if file and key and "/" not in key else ("", path)


def member_name(path: str) -> str:
    """Returns the name that a file in an archive has there, by its path as an example; cut where
    the key is."""
    return _PERCENTS.sub(
        lambda found: bytes.fromhex(found[0].replace("%", "")).decode("utf-8", "replace"),
        parts_of(path)[1],
    )


def is_below(path: str, tops: Collection[str], records: str | None = None) -> bool:
    """Whether one of some paths is this one, its file if it is a record, or a folder above it; ""
    is the root."""
    return "" in tops or any(each in tops for each in above(path, records))


def above(path: str, records: str | None = None) -> Iterator[str]:
    """Yields a path, the file of a record, and the folders above, innermost first."""
    yield path
    if records == RECORD:
        path = parts_of(path)[0]
        yield path
    at = path.rfind("/")
    while at > 0:
        yield path[:at]
        at = path.rfind("/", 0, at)
