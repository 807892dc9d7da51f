"""Colours by plain ANSI codes, only where somebody looks at a terminal and wants them."""

from __future__ import annotations

import os
from typing import TextIO

CODES = {
    "added": "32",
    "modified": "33",
    "relabelled": "36",
    "deleted": "31",
    "renamed": "35",
    "untracked": "31",
    "bold": "1",
    "id": "33",
    "current": "32",
}


class Paint:
    """Colours text, or returns it as it is when colours are not wanted."""

    def __init__(self, stream: TextIO | None, allowed: bool):
        self.enabled = (
            allowed
            and stream is not None
            and stream.isatty()
            and not os.environ.get("NO_COLOR")
            and os.environ.get("TERM") != "dumb"
        )

    def __call__(self, text: str, what: str) -> str:
        return f"\x1b[{CODES[what]}m{text}\x1b[0m" if self.enabled else text
