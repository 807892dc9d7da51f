"""Personal data in text, and in what pictures say of where and by whom they were taken."""

from __future__ import annotations

from codecs import getincrementaldecoder
from collections.abc import Iterator
from typing import Any

from dsm.checks.media_types import UTF_16
from dsm.checks.personal_data import GPS, find
from dsm.checks.probes.picture_texts import position_in, texts_of
from dsm.checks.probes.probe import Content, Facts, Probe

FOUND_MAX = 20  # different ones of an object
_PART, _OVERLAP = 1 << 20, 256


def examine(content: Content) -> Facts:
    """Looks for personal data: `found`, pairs of kind and masked value, each once."""
    kind = content.media_type()
    found: dict[tuple[str, str], None] = {}
    if kind.startswith("image/"):
        where = position_in(content.file, kind)
        if where is not None:
            found[GPS, f"a position in {where}"] = None
        for text in texts_of(content.file, kind):
            found |= dict.fromkeys(find(text))
            if len(found) >= FOUND_MAX:
                break
    elif kind in ("text/plain", "application/json") or _is_text(content):
        for text in _parts(content):
            found |= dict.fromkeys(find(text))
            if len(found) >= FOUND_MAX:
                break
    facts: dict[str, Any] = {"type": kind}
    if found:
        facts["found"] = [list(each) for each in list(found)[:FOUND_MAX]]
    return facts


def _parts(content: Content) -> Iterator[str]:
    """Yields text in parts, each with the end of the one before it; UTF-16 where it says so."""
    content.file.seek(0)
    part, before = content.file.read(_PART), ""
    encoding = "utf-16" if part.startswith(UTF_16) else "utf-8"
    decoder = getincrementaldecoder(encoding)("replace")
    while part:
        text = before + decoder.decode(part)
        yield text
        before = text[-_OVERLAP:]
        part = content.file.read(_PART)


def _is_text(content: Content) -> bool:
    """Whether it may be text in another encoding: no control characters at its beginning."""
    content.file.seek(0)
    head = content.file.read(512)
    return bool(head) and not any(byte < 32 and byte not in b"\t\n\r\f" for byte in head)


PROBE = Probe("personal", 3, examine)
