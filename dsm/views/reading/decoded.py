"""What an example's bytes say, by the libraries that read them: text, JSON, an image or sound.

Nothing is decoded before it is asked for. Bytes of others are data: no format is read here that
can run code.
"""

from __future__ import annotations

import io
import json
from importlib import import_module
from typing import Any

from dsm.errors import InvalidInput
from dsm.model.names import printable


def text_of(path: str, data: bytes) -> str:
    """Returns UTF-8 text, without a byte order mark. Raises InvalidInput."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"{printable(path)} is not UTF-8 text: byte {error.start}",
            hint="`example.bytes` has its bytes",
        ) from None


def json_of(path: str, data: bytes) -> Any:
    """Returns what a JSON document holds. Raises InvalidInput."""
    try:
        return json.loads(text_of(path, data))
    except (ValueError, RecursionError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(
            f"{printable(path)} is no JSON document: {error}", hint="`example.text` has its text"
        ) from None


def record_of(path: str, data: bytes, read_as: str | None = None) -> dict[str, Any]:
    """Returns the fields of a record: of a JSON object, unless its file was `read_as` other.

    Raises InvalidInput.
    """
    if read_as is not None:
        from dsm.records.reader import fields_of
        from dsm.views.selection.read_as import settings_of

        try:
            return fields_of(data, settings_of(read_as))
        except ValueError as error:
            raise InvalidInput(
                f"{printable(path)} has no fields: {error}", hint="`example.bytes` has its bytes"
            ) from None
    found = json_of(path, data)
    if not isinstance(found, dict):
        raise InvalidInput(
            f"{printable(path)} is no record: it holds no JSON object",
            hint="`example.json` has what it holds",
        )
    return found


def image_of(path: str, data: bytes) -> Any:
    """Returns a `PIL.Image.Image`, decoded. Raises ImportError without Pillow, InvalidInput."""
    try:
        pillow = import_module("PIL.Image")
    except ImportError as error:
        raise ImportError("`example.image` needs Pillow: pip install pillow") from error
    try:
        image = pillow.open(io.BytesIO(data))
        image.load()
    except MemoryError:
        raise
    except Exception as error:  # each decoder has errors of its own
        raise InvalidInput(
            f"{printable(path)} cannot be read as an image ({type(error).__name__})",
            hint="`example.bytes` has its bytes",
        ) from None
    return image


def thumbnail_of(data: bytes, side: int, pixels: int) -> bytes | None:
    """Returns an image as a PNG of at most `side` by `side` pixels.

    None without Pillow, for what is no image, and for one that unpacks to more than `pixels`.
    """
    try:
        image = import_module("PIL.Image").open(io.BytesIO(data))
        if image.width * image.height > pixels:
            return None
        image.thumbnail((side, side))
        out = io.BytesIO()
        image.convert("RGBA").save(out, "PNG")
    except Exception:  # each decoder has errors of its own
        return None
    return out.getvalue()


def jpeg_thumbnail_of(data: bytes, side: int, pixels: int, form: str) -> bytes | None:
    """Returns an image of a form that Pillow knows as a small JPEG of at most `side` by `side`
    pixels, on white.

    None without Pillow, for what is no image, and for one that unpacks to more than `pixels`.
    """
    try:
        image = import_module("PIL.Image").open(io.BytesIO(data), formats=[form])
        if image.width * image.height > pixels:
            return None
        image.draft("RGB", (side, side))  # a large JPEG is decoded at a fraction of its size
        image.thumbnail((side, side))
        if image.mode not in ("RGB", "L"):
            image = image.convert("RGBA")
            ground = import_module("PIL.Image").new("RGB", image.size, "white")
            ground.paste(image, mask=image.getchannel("A"))
            image = ground
        out = io.BytesIO()
        image.save(out, "JPEG", quality=80)
    except Exception:  # each decoder has errors of its own
        return None
    return out.getvalue()


def audio_of(path: str, data: bytes) -> Any:
    """Returns samples and rate. Raises ImportError without soundfile, InvalidInput."""
    try:
        soundfile = import_module("soundfile")
    except (ImportError, OSError) as error:  # the latter where libsndfile is not there
        raise ImportError("`example.audio` needs soundfile: pip install soundfile") from error
    try:
        return soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    except MemoryError:
        raise
    except Exception as error:
        raise InvalidInput(
            f"{printable(path)} cannot be read as sound ({type(error).__name__})",
            hint="`example.bytes` has its bytes",
        ) from None
