"""Sounds: WAV and FLAC by their headers, then decoded to the end by soundfile, in bounded time.

Without soundfile, WAV of 8 to 32 bits is read here; other sounds need it.
"""

from __future__ import annotations

import io
import math
from importlib import import_module
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dsm.checks.probes import ogg
from dsm.checks.probes.probe import Content, Facts, told
from dsm.imports import bring_numpy_back

SECONDS_MAX = 6 * 3600  # of what is decoded
FRAMES_MAX = SECONDS_MAX * 48_000
_BLOCK = 1 << 16  # frames
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_UNKNOWN = 0xFFFFFFFF  # a size that was not known when the header was written


def examine(content: Content, kind: str) -> Facts:
    """Decodes a sound: `seconds`, `rate` (Hz), `channels`, and its `peak` (dB of full scale; None
    for digital silence). Raises ImportError where soundfile is needed and missing."""
    facts: dict[str, Any] = {"type": kind}
    problem = _header(content, kind, facts)
    if problem is not None:
        return {**facts, "problem": problem}
    bring_numpy_back()  # soundfile imports it
    try:
        soundfile: Any = import_module("soundfile")
    except (ImportError, OSError):  # the latter where libsndfile is not there
        soundfile = None
    if soundfile is None:
        problem = _wav_peak(content, facts)
    else:
        problem = _decoded(soundfile, content, facts)
    facts.pop("data", None)
    return facts if problem is None else {**facts, "problem": problem}


def _header(content: Content, kind: str, facts: dict[str, Any]) -> str | None:
    if kind == "audio/wav":
        return _wav(content, facts)
    if kind == "audio/ogg":
        return ogg.problem_of(content)
    return _flac(content, facts) if kind == "audio/flac" else None


def _wav(content: Content, facts: dict[str, Any]) -> str | None:
    """Reads the header of a WAV file; returns what is wrong with it."""
    at, form, said = 12, b"", b""
    content.file.seek(0)
    riff = content.file.read(8)
    for _ in range(1000):
        content.file.seek(at)
        head = content.file.read(8)
        if len(head) < 8:
            return "it is cut off before its sound"
        size = int.from_bytes(head[4:], "little")
        if head[:4] == b"fmt ":
            form = content.file.read(min(size, 40))
        elif head[:4] == b"ds64":
            said = content.file.read(16)[8:]  # of the sound, where 32 bits are too few
        elif head[:4] == b"data":
            break
        at += 8 + size + size % 2
    else:
        return "it has no sound in its first 1,000 parts"
    if len(form) < 16:
        return "it does not say its form before its sound"
    channels, rate = int.from_bytes(form[2:4], "little"), int.from_bytes(form[4:8], "little")
    block, bits = int.from_bytes(form[12:14], "little"), int.from_bytes(form[14:16], "little")
    if not channels or not rate or not block:
        return "its header makes no sense"
    there = content.size - at - 8
    if size == _UNKNOWN and riff[:4] == b"RF64" and len(said) == 8:
        size = int.from_bytes(said, "little")
    elif size == _UNKNOWN and riff[4:] == head[4:]:  # written to a pipe
        size = there
    if not size and there >= block:
        return f"it says that it has no sound, and {there:,} bytes follow"
    if at + 8 + size > content.size:
        return f"it is cut off: {at + 8 + size - content.size:,} bytes of its sound are missing"
    code = int.from_bytes(form[:2], "little")
    if code == _EXTENSIBLE and len(form) >= 26:
        code = int.from_bytes(form[24:26], "little")
    if code in (_PCM, _FLOAT) and block != channels * (-(-bits // 8)):
        return "its header makes no sense"
    facts |= {"rate": rate, "channels": channels, "seconds": round(size // block / rate, 6)}
    facts["data"] = (at + 8, size, code, bits)
    return None


def _flac(content: Content, facts: dict[str, Any]) -> str | None:
    """Reads the first block of a FLAC file; returns what is wrong with it."""
    content.file.seek(4)
    head = content.file.read(38)
    if len(head) < 38 or head[0] & 0x7F:
        return "it is cut off before its sound"
    word = int.from_bytes(head[14:22], "big")
    rate, channels, frames = word >> 44, (word >> 41 & 7) + 1, word & (1 << 36) - 1
    if not rate:
        return "its header makes no sense"
    facts |= {"rate": rate, "channels": channels, "seconds": round(frames / rate, 6)}
    if frames / rate > SECONDS_MAX:
        return f"it says to last {frames / rate / 3600:,.0f} hours"
    return None


def _decoded(soundfile: Any, content: Content, facts: dict[str, Any]) -> str | None:
    content.file.seek(0)
    frames, peak = 0, 0.0
    try:
        with soundfile.SoundFile(content.file) as sound:
            rate, said = sound.samplerate, sound.frames
            while True:
                block = bytes(sound.buffer_read(_BLOCK, dtype="float32"))
                if not block:
                    break
                largest = _largest(block, "f")
                if not math.isfinite(largest):
                    return "some of its samples are no numbers"
                peak = max(peak, largest)
                frames += len(block) // 4 // sound.channels
                if frames > FRAMES_MAX:
                    return f"it does not end within {SECONDS_MAX // 3600} hours"
            facts |= {"rate": rate, "channels": sound.channels, "seconds": round(frames / rate, 6)}
    except MemoryError:
        return "it does not fit into memory"
    except AssertionError:  # soundfile counts fewer samples than there should be
        return "it is cut off"
    except Exception as error:  # each decoder has errors of its own
        return told(error)
    facts["peak"] = _decibel(peak)
    return "it is cut off" if frames < said < 1 << 62 else None


def _wav_peak(content: Content, facts: dict[str, Any]) -> str | None:
    """Looks for the peak of a WAV file without a library."""
    where = facts.get("data")
    if where is None:
        raise ImportError("sounds but WAV are decoded by soundfile: pip install soundfile")
    at, size, code, bits = where
    kind = {(_PCM, 16): "h", (_PCM, 32): "i", (_FLOAT, 32): "f"}.get((code, bits))
    if kind is None:
        raise ImportError("this form of WAV is decoded by soundfile: pip install soundfile")
    if facts["seconds"] > SECONDS_MAX:
        return f"it does not end within {SECONDS_MAX // 3600} hours"
    full = 1.0 if kind == "f" else float(1 << (bits - 1))
    content.file.seek(at)
    peak, width = 0.0, bits // 8
    while size >= width:
        part = content.file.read(min(size, 1 << 20))
        size -= len(part)
        if len(part) < width:
            break
        largest = _largest(part[: len(part) // width * width], kind)
        if not math.isfinite(largest):
            return "some of its samples are no numbers"
        peak = max(peak, largest)
    facts["peak"] = _decibel(peak / full)
    return None


def _largest(data: bytes, kind: str) -> float:
    """Returns the largest of some samples, whatever its sign; NaN where one is not a number."""
    arrow, width = {"h": (pa.int16(), 2), "i": (pa.int32(), 4), "f": (pa.float32(), 4)}[kind]
    values = pa.Array.from_buffers(arrow, len(data) // width, [None, pa.py_buffer(data)])
    if kind == "f" and math.isnan(pc.sum(values).as_py()):  # the least and the most pass over it
        return math.nan
    low, high = pc.min_max(values).as_py().values()
    return float(max(high, -low))


def _decibel(peak: float) -> float | None:
    return None if not peak > 0 else round(20 * math.log10(peak), 2)


def loudness(data: bytes, parts: int, frames_max: int) -> bytes:
    """Returns the peak of each of so many parts of a sound, from 0 to 100.

    Empty without soundfile, for what it cannot decode, and for a sound of fewer frames than parts,
    or of more than `frames_max`.
    """
    bring_numpy_back()  # soundfile imports it
    try:
        soundfile: Any = import_module("soundfile")
        with soundfile.SoundFile(io.BytesIO(data)) as sound:
            if not parts <= sound.frames <= frames_max:
                return b""
            return bytes(_loudest(sound, sound.frames // parts) for _ in range(parts))
    except Exception:  # each decoder has errors of its own
        return b""


def _loudest(sound: Any, frames: int) -> int:
    """Returns the peak of the next frames, from 0 to 100. Raises ValueError at the end."""
    peak, block = 0.0, max(1, _BLOCK // sound.channels)
    while frames:
        samples = bytes(sound.buffer_read(min(frames, block), dtype="float32"))
        if not samples:
            raise ValueError("it ends before it should")
        largest = _largest(samples, "f")
        peak = max(peak, largest if math.isfinite(largest) else 1.0)
        frames -= len(samples) // 4 // sound.channels
    return round(100 * min(peak, 1.0))
