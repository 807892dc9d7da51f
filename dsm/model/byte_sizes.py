"""Numbers of bytes as people write them."""

from __future__ import annotations

import re

from dsm.errors import InvalidInput

_UNITS = {
    "": 1, "b": 1, "k": 10**3, "kb": 10**3, "m": 10**6, "mb": 10**6, "g": 10**9, "gb": 10**9,
    "t": 10**12, "tb": 10**12, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
}  # fmt: skip
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)", re.IGNORECASE | re.ASCII)


def bytes_of(text: str) -> int:
    """Returns the bytes of a size as people write it: "256MB", "1GiB", "50000".

    Raises InvalidInput.
    """
    match = _SIZE.fullmatch(text.strip())
    factor = _UNITS.get(match[2].lower()) if match else None
    if match is None or factor is None:
        raise InvalidInput(f"{text!r} is not a size", hint="write it as 256MB, 1GiB or 50000")
    whole, _, fraction = match[1].partition(".")
    tenths: int = 10 ** len(fraction)
    return int(whole + fraction) * factor // tenths
