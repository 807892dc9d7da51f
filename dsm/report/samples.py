"""Examples as a page shows them: a small picture, a waveform, the beginning of a text.

Invariant: what is shown is bounded, whatever the data, and nothing of it is markup: pictures are
decoded and encoded anew, by another process, so that no bytes of an example but those of a sound
reach the page.
"""

from __future__ import annotations

import array
import io
import sys
import wave
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from dsm.checks.media_types import media_type
from dsm.model.names import printable
from dsm.report.decoding import BARS, Decoder

if TYPE_CHECKING:
    from dsm.views.view import View

# A larger example is named, and not read.
BYTES_MAX = 32 << 20
CHARACTERS = 280
LABELS = 20
# A sound is on the page when it is small, and so long as all of them are not many.
SOUND_MAX, SOUNDS_MAX = 256 << 10, 1 << 20
# Pictures, all together, in bytes: the page is opened at once, and goes into a mail.
PICTURES_MAX = 2_600_000
GROUPS_MAX = 200
UNLABELLED = "(no label)"


@dataclass(frozen=True, slots=True)
class Sample:
    """An example on the page.

    `image` is a JPEG and `sound` a sound of the media type `sound_type`, both in base64, `bars` the
    loudness of a sound from 0 to 100, `text` the beginning of a text; each is empty where it is not
    that. `left_off` says that the picture has no room on the page.
    """

    path: str
    labels: tuple[str, ...]
    size: int
    image: str = ""
    bars: tuple[int, ...] = ()
    sound: str = ""
    sound_type: str = ""
    text: str = ""
    left_off: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """The samples of a label, of `count` examples that have it."""

    label: str
    count: int
    rows: tuple[int, ...]


def groups(table: pa.Table, most: int) -> list[Group]:
    """Chooses at most so many rows of a table, evenly: as many of each label, the first ones to the
    last ones. The most frequent labels come first, at the end what has none."""
    column = table.column("labels").combine_chunks()
    flat, parents = pc.list_flatten(column), pc.list_parent_indices(column)
    counts = pc.value_counts(flat)
    ranked = sorted(
        zip(counts.field("values").to_pylist(), counts.field("counts").to_pylist(), strict=True),
        key=lambda pair: (-pair[1], pair[0]),
    )[: min(GROUPS_MAX, most)]
    bare = pc.indices_nonzero(pc.equal(pc.list_value_length(column), 0))
    sides: list[tuple[str, int, pa.Array]] = [
        (label, count, parents.filter(pc.equal(flat, label))) for label, count in ranked
    ]
    if len(bare):
        sides.append((UNLABELLED, len(bare), bare))
    each = max(1, most // (len(sides) or 1))
    return [Group(label, count, _spread(rows, each)) for label, count, rows in sides]


def _spread(rows: pa.Array, most: int) -> tuple[int, ...]:
    """Returns at most so many of the rows, from the first to the last, evenly apart."""
    count = min(most, len(rows))
    return tuple(rows[i * len(rows) // count].as_py() for i in range(count))


class Sampler:
    """Reads examples of a view by row, each once, until the page is full."""

    def __init__(self, view: View, rows: Sequence[int], decoder: Decoder):
        self._view = view
        self._decoder = decoder
        self._rows = rows  # of the view, for each row of the table that is shown
        self._pictures = self._sounds = 0
        self._known: dict[int, Sample] = {}

    def samples(self, wanted: Sequence[int]) -> Mapping[int, Sample]:
        """Returns the examples of these rows of the table, as far as there is room for them.

        Raises ObjectMissing, ObjectDamaged.
        """
        fresh = [row for row in dict.fromkeys(wanted) if row not in self._known]
        readable = [row for row in fresh if self._size(row) <= BYTES_MAX]
        for row, found in zip(readable, self._read(readable), strict=True):
            self._known[row] = found
        for row in set(fresh) - set(readable):
            example = self._view[self._rows[row]]
            self._known[row] = Sample(example.path, tuple(example.labels[:LABELS]), example.size)
        return {row: self._known[row] for row in wanted}

    def _size(self, row: int) -> int:
        size: int = self._view.table().column("size")[self._rows[row]].as_py()
        return size

    def _read(self, rows: Sequence[int]) -> Iterator[Sample]:
        for example in self._view.iterate([self._rows[row] for row in rows]):
            labels = tuple(example.labels[:LABELS])
            yield self._sample(example.path, labels, bytes(example.bytes))

    def _sample(self, path: str, labels: tuple[str, ...], data: bytes) -> Sample:
        kind = media_type(data[:64], whole=len(data) <= 64)
        if kind.startswith("image/"):
            if self._pictures >= PICTURES_MAX:
                return Sample(path, labels, len(data), left_off=True)
            small = self._decoder.small(kind, data)
            if small:
                self._pictures += len(small)
                return Sample(path, labels, len(data), image=b64encode(small).decode())
        if kind.startswith("audio/"):
            return self._sound(path, labels, data, kind)
        if kind in ("text/plain", "application/json"):
            text = data[: 4 * CHARACTERS].decode("utf-8", "replace")[:CHARACTERS]
            text = "\n".join(map(printable, text.split("\n")))
            cut = "…" if len(data) > 4 * CHARACTERS or len(text) >= CHARACTERS else ""
            return Sample(path, labels, len(data), text=text + cut)
        return Sample(path, labels, len(data))

    def _sound(self, path: str, labels: tuple[str, ...], data: bytes, kind: str) -> Sample:
        bars = waveform(data) if kind == "audio/wav" else ()
        bars = bars or tuple(self._decoder.small(kind, data))
        sound = ""
        if len(data) <= SOUND_MAX and self._sounds + len(data) <= SOUNDS_MAX:
            self._sounds += len(data)
            sound = b64encode(data).decode()
        return Sample(path, labels, len(data), bars=bars, sound=sound, sound_type=kind)


def waveform(data: bytes) -> tuple[int, ...]:
    """Returns the loudness of a WAV of 8 or 16 bits from 0 to 100; empty for any other."""
    try:
        with wave.open(io.BytesIO(data)) as file:
            width = file.getsampwidth()
            frames = file.readframes(min(file.getnframes(), len(data)))
    except (wave.Error, EOFError, RuntimeError, ValueError, OverflowError):
        return ()
    if width not in (1, 2) or len(frames) < width * BARS:
        return ()
    values = array.array("h" if width == 2 else "B")
    values.frombytes(frames[: len(frames) // width * width])
    if width == 2 and sys.byteorder == "big":
        values.byteswap()
    middle, most = (0, 1 << 15) if width == 2 else (128, 128)
    step = len(values) // BARS
    parts = (values[i * step : (i + 1) * step] for i in range(BARS))
    return tuple(
        round(100 * max(abs(max(part) - middle), abs(min(part) - middle)) / most) for part in parts
    )
