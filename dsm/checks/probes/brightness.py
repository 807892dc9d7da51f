"""How bright pictures are: the mean of their grey levels, by Pillow.

What cannot be decoded has no brightness; that it cannot is said by the probe of content.
"""

from __future__ import annotations

import io
import warnings
from importlib import import_module
from typing import Any

from dsm.checks.probes.image import FORMATS, PIXELS_MAX, SCANS_MAX
from dsm.checks.probes.probe import Content, Facts, Probe

# A large JPEG is decoded at a fraction of its size: its mean stays what it is.
_SIDE = 256
# Of others, such as 16 bits of a scanner, nothing says which level is white.
_MODES = frozenset(
    ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "La", "RGBa")
)


def examine(content: Content) -> Facts:
    """Returns `brightness` from 0 to 1; `missing` names a library that is not installed."""
    kind = content.media_type()
    form = FORMATS.get(kind)
    if form is None:
        return {}
    try:
        pillow = import_module("PIL.Image")
    except ImportError:
        return {"missing": "pictures are decoded by Pillow: pip install pillow"}
    data = content.whole()
    if data is None or (form == "JPEG" and data.count(b"\xff\xda") > SCANS_MAX):
        return {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with pillow.open(io.BytesIO(data), formats=[form]) as picture:
                return _mean(picture)
    except Exception:  # each decoder has errors of its own
        return {}


def _mean(picture: Any) -> Facts:
    if picture.width * picture.height > PIXELS_MAX or picture.mode not in _MODES:
        return {}
    picture.draft(None, (_SIDE, _SIDE))
    levels = picture.convert("L").histogram()
    mean = sum(level * count for level, count in enumerate(levels)) / sum(levels) / 255
    return {"brightness": round(mean, 6)}


PROBE = Probe("brightness", 1, examine, delicate=("image/",))
