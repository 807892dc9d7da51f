"""Colours by plain ANSI codes, only where somebody looks at a terminal and wants them.

Hides what decides: --color, then NO_COLOR and FORCE_COLOR, then what the stream is. The choice of a
command line is kept here, since errors are told where no command is left.
"""

from __future__ import annotations

import os
from typing import TextIO

AUTO, ALWAYS, NEVER = WHEN = ("auto", "always", "never")
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
    "error": "1;31",
    "bug": "1;31",
    "warning": "1;33",
    "hint": "36",
}
_chosen = [AUTO]


def choose(when: str) -> None:
    """Says for this command line when there are colours: always, never, or on a terminal."""
    _chosen[:] = [when]


class Paint:
    """Colours text, or returns it as it is when colours are not wanted."""

    def __init__(self, stream: TextIO | None):
        self.enabled = stream is not None and wanted(stream)

    def __call__(self, text: str, what: str) -> str:
        return f"\x1b[{CODES[what]}m{text}\x1b[0m" if self.enabled else text


def wanted(stream: TextIO) -> bool:
    """Whether what is written to a stream has colours."""
    if _chosen[0] != AUTO:
        return _chosen[0] == ALWAYS
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def headed(text: str, stream: TextIO) -> str:
    """Colours the word that a message begins with: error, warning, hint or bug."""
    word, colon, rest = text.partition(":")
    if not colon or word not in ("error", "warning", "hint", "bug") or not wanted(stream):
        return text
    return f"\x1b[{CODES[word]}m{word}:\x1b[0m{rest}"
