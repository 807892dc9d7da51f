"""Sounds of every form that is written: whole ones pass, and damage that a decoder plays is found."""

from __future__ import annotations

import io
import random
import struct
from typing import Any

import pytest

from dsm.checks.probes.content import examine
from dsm.checks.probes.probe import Content

from . import files

soundfile = pytest.importorskip("soundfile", reason="needs dsm-datasets[audio]")
numpy = pytest.importorskip("numpy")
RANDOM = random.Random(3)
SAMPLES = [0.4 * (n % 40 / 20 - 1) + RANDOM.uniform(-0.05, 0.05) for n in range(24_000)]


def written(form: str, kind: str | None = None, samples: Any = SAMPLES) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, numpy.array(samples, "float32"), 8000, format=form, subtype=kind)
    return out.getvalue()


def problem(data: bytes) -> str | None:
    found: str | None = examine(Content(io.BytesIO(data), len(data))).get("problem")
    return found


WAVS = ("PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ALAW", "ULAW", "IMA_ADPCM")
WHOLE = {
    **{f"WAV {kind}": written("WAV", kind) for kind in WAVS},
    "WAVEX": written("WAVEX", "PCM_16"), "RF64": written("RF64", "PCM_16"),
    "piped": files.piped(files.sound()), "large": files.large(files.sound()),
    "FLAC": written("FLAC"), "Vorbis": written("OGG", "VORBIS"), "Opus": written("OGG", "OPUS"),
    "MP3": written("MP3"),
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
def test_whole_ones_pass_and_cut_ones_do_not(name: str) -> None:
    """Wherever it is cut, a decoder may end there as if it were the end."""
    data = WHOLE[name]
    assert examine(Content(io.BytesIO(data), len(data)))["type"].startswith("audio/")
    assert problem(data) is None
    if name != "piped":  # it says nowhere how long it is
        assert [
            end for end in (0.4, 0.6, 0.9) if problem(data[: int(len(data) * end)]) is None
        ] == []


@pytest.mark.parametrize("name", ["Vorbis", "Opus"])
def test_pages_of_ogg_that_are_damaged_or_missing(name: str) -> None:
    """Decoders pass over such a page; what follows a whole stream is nobody's."""
    data = WHOLE[name]
    begins = [at for at in range(len(data)) if data[at : at + 4] == b"OggS"]
    assert len(begins) > 2
    for at in (*range(5, len(data), len(data) // 23), len(data) - 1):
        assert problem(data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]) is not None, at
    assert problem(data[: begins[-2]] + data[begins[-1] :]) == f"pages are missing before byte {begins[-2]:,}"  # fmt: skip
    assert problem(data[: begins[-1]] + b"junk" * 20) == f"it is damaged at byte {begins[-1]:,}"
    assert problem(data + bytes(100)) is None


def test_headers_of_wav_that_do_not_fit() -> None:
    """A recorder that died leaves a header of nothing; samples of another size make no sense."""
    data = files.sound()
    assert problem(data[:40] + bytes(4) + data[44:]) == "it says that it has no sound, and 16,000 bytes follow"  # fmt: skip
    assert problem(data[:34] + b"\x08\0" + data[36:]) == "its header makes no sense"
    assert "it is cut off" in str(problem(data[:40] + b"\xff" * 4 + data[44:]))
    many = struct.pack("<H", 65535) + data[24:32] + struct.pack("<H", 65534)
    assert problem(data[:22] + many + data[34:]) is not None


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
@pytest.mark.parametrize("kind", ["FLOAT", "DOUBLE"])
def test_samples_that_are_no_numbers(value: str, kind: str) -> None:
    """One of them among all others is found."""
    samples = [*SAMPLES[:5000], float(value), *SAMPLES[5000:]]
    assert problem(written("WAV", kind, samples)) == "some of its samples are no numbers"
