"""Sizes and counts as people read them."""

from __future__ import annotations


def size_text(size: int) -> str:
    """Returns a size in bytes as people read it, in decimal units: "5.2 MB"."""
    if size < 1000:
        return f"{size} B"
    amount, units = size / 1000, ["kB", "MB", "GB", "TB", "PB"]
    while amount >= 999.95 and len(units) > 1:
        amount, units = amount / 1000, units[1:]
    return f"{amount:.1f} {units[0]}"


def count_text(number: int, noun: str, plural: str | None = None) -> str:
    """Returns "1 example", "60,000 examples"; `plural` is that of a noun that takes no s."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {plural or noun + 's'}"
