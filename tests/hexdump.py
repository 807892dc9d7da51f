"""Bytes as text and back, as `hexdump -C` prints them: golden files that a page can quote."""

from __future__ import annotations

WIDTH = 16


def dump(data: bytes) -> str:
    """Returns offset, hex and printable characters, sixteen bytes a line."""
    lines = []
    for at in range(0, len(data), WIDTH):
        part = data[at : at + WIDTH]
        shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        halves = part[:8].hex(" "), part[8:].hex(" ")
        lines.append(f"{at:08x}  {halves[0]:<23}  {halves[1]:<23}  |{shown}|\n")
    return "".join(lines) + f"{len(data):08x}\n"


def parse(text: str) -> bytes:
    """Reads what `dump` has written."""
    return b"".join(
        bytes.fromhex(line[8:].split("|")[0]) for line in text.splitlines() if "|" in line
    )
