"""Small drawn pictures for `dsm demo`: the same bytes on every machine, from the standard library.

A picture is named by its shape and number; both decide all of its pixels.
"""

from __future__ import annotations

import zlib
from struct import pack

SIDE = 32
COLORS = ((214, 69, 65), (63, 142, 79), (58, 110, 190), (230, 160, 40), (130, 80, 170))
SHAPES = ("circle", "square", "triangle", "star")


def picture(shape: str, number: int) -> bytes:
    """Returns a PNG of a shape; its number chooses colour, size and place."""
    color = COLORS[number % len(COLORS)]
    radius = 8 + number % 5
    x_middle, y_middle = 13 + number * 7 % 7, 13 + number * 5 % 7
    rows = bytearray()
    for y in range(SIDE):
        rows.append(0)  # each row of a PNG begins with its filter: none
        for x in range(SIDE):
            inside = _inside(shape, (x - x_middle) / radius, (y - y_middle) / radius)
            # A faint pattern, so that no two pictures have the same background.
            rows.extend(color if inside else ((240 - (x * y * (number + 3)) % 24),) * 3)
    return png(SIDE, SIDE, bytes(rows))


def png(width: int, height: int, rows: bytes) -> bytes:
    """Returns a PNG file of 8-bit RGB rows, each with its filter byte in front."""
    header = pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    # Stored, not deflated: another version of zlib would deflate to other bytes.
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 0)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        pack(">I", len(data)) + kind + data + pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )


def _inside(shape: str, x: float, y: float) -> bool:
    if shape == "circle":
        return x * x + y * y < 1
    if shape == "square":
        return max(abs(x), abs(y)) < 0.85
    if shape == "triangle":
        return -0.9 < y < 0.8 and abs(x) < (y + 0.9) * 0.55
    return min(abs(x), abs(y)) < 0.28 and max(abs(x), abs(y)) < 1  # a star of four rays
