"""Pictures that look the same: their fingerprints, candidates among them, and what verifies one.

A fingerprint is the picture in grey, 16 by 16. Candidates agree in the signs of one half of its low
frequencies; a sign may be wrong where it is least certain. Two candidates are near if one becomes
the other when it is moved and stretched by so little as a crop of a few per cent does.
"""

from __future__ import annotations

import io
import warnings
from itertools import combinations
from typing import Any

import numpy as np
from PIL import Image

from dsm.near.ranges import in_ranges

SIDE = 16  # of a fingerprint
PIXELS_MAX = 1 << 25  # of a picture that is decoded; then it takes 270 MB at most
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM")  # none that runs a program
CONTRAST_MIN = 2.0  # standard deviation in grey levels: below, a picture is blank
# Of the frequencies 1 to 7, the lowest first.
_ORDER = sorted(
    ((row, column) for row in range(8) for column in range(8) if row or column),
    key=lambda at: (at[0] + at[1], at),
)
HALVES = 2
BITS_MIN, BITS_MAX = 12, 30
UNCERTAIN = 6  # signs of a half that may be wrong
RANGE_MAX = 64  # candidates for one of its keys
# Of two candidates, as correlation: at first sight, when moved, and then without the means of rows
# and columns, by which all horizons are alike.
SIGHT_MIN, ALIGNED_MIN, DETAIL_MIN = 0.8, 0.955, 0.945
MOVED_MAX = 0.65  # of the 16 pixels, at the edge: a crop of 4 %
_ROWS = 1 << 14  # of fingerprints or pairs at a time
_FLAGS = 0x0112  # the orientation, in EXIF
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_90,
}  # fmt: skip


def fingerprint(data: bytes) -> bytes | None:
    """Returns the fingerprint of a picture, 256 grey levels; None for what cannot be decoded."""
    try:
        # Of what is odd in a file Pillow warns; that is a matter of other rules.
        with (
            warnings.catch_warnings(action="ignore"),
            Image.open(io.BytesIO(data), formats=FORMATS) as picture,
        ):
            picture.draft("L", (8 * SIDE, 8 * SIDE))  # a large JPEG is decoded small
            if picture.width * picture.height > PIXELS_MAX:
                return None
            turn = _TURNS.get(picture.getexif().get(_FLAGS, 1))
            small = _small(picture)
    except MemoryError:
        raise
    except Exception:  # each decoder has errors of its own
        return None
    if turn is not None:
        small = small.transpose(turn)
    if small.mode == "F":  # more than 8 bits: from the darkest to the lightest
        low, high = small.getextrema()
        scale = 255 / (high - low) if high > low else 0.0
        small = small.point(lambda level: level * scale - low * scale).convert("L")
    return bytes(small.tobytes())


def _small(picture: Any) -> Any:
    """Returns a picture in grey, 16 by 16, over white; as numbers if it has more than 8 bits."""
    kind = "L"
    if picture.mode.startswith(("I", "F")):
        kind = "F"
    elif "A" in picture.getbands() or "transparency" in picture.info:
        kind = "RGBA"
    small = picture.convert(kind).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    if kind != "RGBA":
        return small
    return Image.alpha_composite(Image.new("RGBA", small.size, "white"), small).convert("L")


def is_blank(prints: Any) -> Any:
    """Returns for each row of an array (n, 256) whether it shows nothing."""
    return prints.std(axis=1) < CONTRAST_MIN


def near_pairs(prints: Any) -> tuple[Any, Any, Any]:
    """Finds the rows of an array (n, 256) of bytes that look the same.

    Returns their numbers, the smaller first, and how alike each two are, up to 1. No row is blank,
    and no two are equal.
    """
    signs = np.concatenate([_signs(part) for part in _parts(prints)]) if len(prints) else prints
    found = [_candidates(signs, half) for half in range(HALVES)]
    pairs = np.unique(np.concatenate(found))
    first, second = pairs // max(1, len(prints)), pairs % max(1, len(prints))
    likeness = [
        _likeness(prints[first[at : at + _ROWS]], prints[second[at : at + _ROWS]])
        for at in range(0, len(pairs), _ROWS)
    ]
    alike = np.concatenate(likeness) if likeness else np.empty(0)
    near = alike > 0
    return first[near], second[near], alike[near]


def _parts(prints: Any) -> list[Any]:
    return [prints[at : at + _ROWS] for at in range(0, len(prints), _ROWS)]


def _signs(prints: Any) -> Any:
    """Returns the low frequencies (n, 63) of fingerprints, in the order of `_ORDER`."""
    at = np.arange(SIDE)
    basis = np.cos(np.pi * (2 * at + 1) * np.arange(8)[:, None] / (2 * SIDE)).astype(np.float32)
    grey = prints.reshape(-1, SIDE, SIDE).astype(np.float32)
    waves = basis @ grey @ basis.T
    rows, columns = zip(*_ORDER, strict=True)
    return waves[:, rows, columns]


def _candidates(signs: Any, half: int) -> Any:
    """Returns pairs of rows, as first · n + second, whose keys of one half may be the same."""
    count = len(signs)
    bits = min(BITS_MAX, max(BITS_MIN, count.bit_length() + 4))
    mine = signs[:, half : HALVES * bits : HALVES]
    weights = np.int64(1) << np.arange(mine.shape[1], dtype=np.int64)
    keys = (mine > 0) @ weights
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    found: list[Any] = [np.empty(0, np.int64)]
    for at in range(0, count, _ROWS):
        part = slice(at, at + _ROWS)
        least = np.argsort(np.abs(mine[part]), axis=1)[:, :UNCERTAIN]
        flips = weights[least]
        asked = [keys[part]]
        for size in range(1, UNCERTAIN + 1):
            for some in combinations(range(UNCERTAIN), size):
                asked.append(keys[part] ^ np.bitwise_xor.reduce(flips[:, list(some)], axis=1))
        for probe in asked:
            low = np.searchsorted(ordered, probe, "left")
            high = np.searchsorted(ordered, probe, "right")
            rows, places = in_ranges(low, np.minimum(high, low + RANGE_MAX))
            mates, rows = order[places], rows + at
            other = mates != rows
            first, second = np.minimum(rows, mates)[other], np.maximum(rows, mates)[other]
            found.append(first * count + second)
    return np.unique(np.concatenate(found))


def _likeness(ones: Any, others: Any) -> Any:
    """Returns how alike the rows of two arrays are, two by two; 0 where they are not near."""
    ones, others = ones.astype(np.float32), others.astype(np.float32)
    found: Any = np.zeros(len(ones))
    seen = (_unit(ones) * _unit(others)).sum(axis=1) >= SIGHT_MIN
    if seen.any():
        there, back = _aligned(ones[seen], others[seen]), _aligned(others[seen], ones[seen])
        found[seen] = np.maximum(there, back)
    return found


def _aligned(ones: Any, others: Any) -> Any:
    """Like `_likeness`, with the first of two moved and stretched to fit the second.

    Moving by little adds so much of the slope; so the best fit is one of least squares, of the
    picture, its two slopes, and these by the place.
    """
    wanted, grey = _unit(others), _unit(ones).reshape(-1, SIDE, SIDE)
    down, across = np.gradient(grey, axis=(1, 2))
    place = ((np.arange(SIDE) - (SIDE - 1) / 2) / (SIDE / 2)).astype(np.float32)
    parts = np.stack([grey, across, down, across * place, down * place[:, None]], axis=-1)
    parts = parts.reshape(len(grey), SIDE * SIDE, 5)
    parts -= parts.mean(axis=1, keepdims=True)
    turned = parts.transpose(0, 2, 1)
    squares = turned @ parts + 1e-5 * np.eye(5, dtype=np.float32)
    weights = np.linalg.solve(squares, turned @ wanted[..., None])
    fitted = (parts @ weights)[..., 0]
    weights = weights[..., 0]
    kept, shifts, stretches = weights[:, 0], np.abs(weights[:, 1:3]), np.abs(weights[:, 3:5])
    moved = (shifts + stretches).max(axis=1) / np.maximum(kept, 1e-3)
    alike = (_unit(fitted) * wanted).sum(axis=1)
    detail = (_detail(fitted) * _detail(others)).sum(axis=1)
    near = (kept > 0) & (moved <= MOVED_MAX) & (alike >= ALIGNED_MIN) & (detail >= DETAIL_MIN)
    return np.where(near, np.minimum(alike, 1.0), 0.0)


def _unit(rows: Any) -> Any:
    rows = rows - rows.mean(axis=1, keepdims=True)
    return rows / (np.linalg.norm(rows, axis=1, keepdims=True) + 1e-6)


def _detail(rows: Any) -> Any:
    """Returns what is left without the means of rows and columns, as vectors of length 1."""
    grey = rows.reshape(-1, SIDE, SIDE)
    left = grey - grey.mean(axis=1, keepdims=True) - grey.mean(axis=2, keepdims=True)
    return _unit(left.reshape(len(rows), -1))
