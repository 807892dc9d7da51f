"""What a probe is: a pure function of content, whose answers are kept.

An answer is a small JSON object: what is known (`width`, `seconds`), and perhaps a `problem` in
half a sentence. It holds nothing of the content but what a finding may show. When a probe answers
otherwise than before, its version changes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from dsm.checks.media_types import HEAD, media_type
from dsm.model.names import printable

Facts = Mapping[str, Any]
# Facts that are not kept: which library is needed, and that a decoder ended its process.
MISSING, CRASHED = "missing", "crashed"
_ADDRESS = re.compile(r"<[^<>]{1,200} at 0x[0-9a-fA-F]+>")
WHOLE_BYTES_MAX = 64 << 20  # of content that has to be held in memory


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of an object as a file that can seek, and how many they are."""

    file: BinaryIO
    size: int

    def media_type(self) -> str:
        """Returns what kind of file they begin as."""
        self.file.seek(0)
        head = self.file.read(HEAD)
        return media_type(head, whole=self.size <= HEAD)

    def whole(self) -> bytes | None:
        """Returns all bytes; None where they are too many to be held in memory."""
        if self.size > WHOLE_BYTES_MAX:
            return None
        self.file.seek(0)
        return self.file.read()


@dataclass(frozen=True, slots=True)
class Probe:
    """A probe by its name and version; `delicate` are beginnings of the media types that it hands
    to decoders, which may crash: those are examined by another process."""

    name: str
    version: int
    examine: Callable[[Content], Facts]
    delicate: tuple[str, ...] = ()


def told(error: Exception) -> str:
    """Returns what a decoder says, without addresses of memory, in a line that fits."""
    text = _ADDRESS.sub("it", printable(str(error))).strip()
    if not text or " at 0x" in text:
        return f"the decoder says {type(error).__name__}"
    return f"the decoder says {text[:120]}"
