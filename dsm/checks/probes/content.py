"""What content is, and what it says when it is read to the end, whatever its kind."""

from __future__ import annotations

from dsm.checks.media_types import UNKNOWN
from dsm.checks.probes import audio, image, parquet, text, video
from dsm.checks.probes.probe import Content, Facts, Probe


def examine(content: Content) -> Facts:
    """Returns the `type`, and what the probe of its kind says; `missing` names a library that is
    needed and not installed: then nothing else is known."""
    kind = content.media_type()
    try:
        if kind.startswith("image/"):
            return image.examine(content, kind)
        if kind.startswith("audio/"):
            return audio.examine(content, kind)
    except ImportError as error:
        return {"type": kind, "missing": str(error)}
    if kind == "application/vnd.apache.parquet":
        return parquet.examine(content, kind)
    if kind.startswith("video/"):
        return video.examine(content, kind)
    if kind in ("text/plain", "application/json", UNKNOWN):
        return text.examine(content, kind)
    return {"type": kind}


PROBE = Probe(
    "content", 10, examine, delicate=("image/", "audio/", "application/vnd.apache.parquet")
)
