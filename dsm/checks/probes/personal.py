"""Personal data in text, and in what pictures say of where and by whom they were taken."""

from __future__ import annotations

from typing import Any

from dsm.checks.personal_data import GPS, find
from dsm.checks.probes.exif import exif_of, has_position
from dsm.checks.probes.probe import Content, Facts, Probe

FOUND_MAX = 20  # different ones of an object
_PART, _OVERLAP = 1 << 20, 256
_HEAD = 1 << 20  # in which pictures say it


def examine(content: Content) -> Facts:
    """Looks for personal data: `found`, pairs of kind and masked value, each once."""
    kind = content.media_type()
    found: dict[tuple[str, str], None] = {}
    if kind.startswith("image/"):
        content.file.seek(0)
        exif = exif_of(content.file.read(_HEAD))
        if exif is not None:
            if has_position(exif):
                found[GPS, "a position in EXIF"] = None
            found |= dict.fromkeys(find(exif.decode("latin-1")))
    elif kind in ("text/plain", "application/json") or _is_text(content):
        content.file.seek(0)
        before = b""
        while (part := content.file.read(_PART)) and len(found) < FOUND_MAX:
            text = (before + part).decode("utf-8", "replace")
            found |= dict.fromkeys(find(text))
            before = part[-_OVERLAP:]
    facts: dict[str, Any] = {"type": kind}
    if found:
        facts["found"] = [list(each) for each in list(found)[:FOUND_MAX]]
    return facts


def _is_text(content: Content) -> bool:
    """Whether it may be text in another encoding: no control characters at its beginning."""
    content.file.seek(0)
    head = content.file.read(512)
    return bool(head) and not any(byte < 32 and byte not in b"\t\n\r\f" for byte in head)


PROBE = Probe("personal", 1, examine)
