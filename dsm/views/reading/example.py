"""One example of a view, as people and transforms see it: read when it is asked for."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, BinaryIO, Protocol

from dsm.model.example import Attributes
from dsm.model.record_path import parts_of
from dsm.views.reading.decoded import audio_of, image_of, json_of, record_of, text_of

Content = bytes  # an example has a property of that name
Moment = datetime  # and of that one
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ExampleRows(Protocol):
    """Rows side by side, one of which is an example; columns are lists, decoded when needed."""

    ahead: list[Content | None]
    """Bytes that were read before they were asked for."""

    @property
    def paths(self) -> Sequence[str]: ...
    @property
    def oids(self) -> Sequence[Content]: ...
    @property
    def sizes(self) -> Sequence[int]: ...
    @property
    def times(self) -> Sequence[int]: ...
    @property
    def labels(self) -> Sequence[tuple[str, ...]]: ...
    @property
    def annotations(self) -> Sequence[str | None]: ...
    @property
    def changesets(self) -> Sequence[int]: ...
    @property
    def targets(self) -> Sequence[int]: ...
    @property
    def attributes(self) -> Mapping[str, Sequence[Any]]: ...
    @property
    def read_as(self) -> Mapping[str, str]: ...

    def beside(self, row: int) -> Content | None:
        """Returns the fields of a file in an archive, as JSON; None where its bytes have them."""

    def read(self, row: int) -> Content:
        """Returns the bytes of a row, verified."""

    def open(self, row: int) -> BinaryIO:
        """Opens the bytes of a row as a file."""


class ViewExample:
    """One example of a view, read when it is asked for.

    `oid` is the BLAKE3 of its bytes (32 bytes), `size` is in bytes, `time` in microseconds since
    1970 in UTC, `annotation` is JSON text or None, `changeset` the number of the changeset that
    last put it. It can be pickled: its bytes go along.
    """

    __slots__ = ("_row", "_rows")

    def __init__(self, rows: ExampleRows, row: int):
        self._rows = rows
        self._row = row

    @property
    def bytes(self) -> Content:
        """Its bytes, verified; not kept: asked for again, they are read again.

        Raises ObjectMissing or ObjectDamaged.
        """
        rows, row = self._rows, self._row
        data = rows.ahead[row]
        if data is None:
            return rows.read(row)
        rows.ahead[row] = None
        return data

    def open(self) -> BinaryIO:
        """Opens it as a binary file that is read in bounded memory, verified as it is read."""
        return self._rows.open(self._row)

    @property
    def text(self) -> str:
        """Its bytes as UTF-8 text. Raises InvalidInput when they are none."""
        return text_of(self.path, self.bytes)

    @property
    def json(self) -> Any:
        """What its bytes hold as a JSON document. Raises InvalidInput when they are none."""
        return json_of(self.path, self.bytes)

    @property
    def record(self) -> dict[str, Any]:
        """The fields of a record, in order. Raises InvalidInput for what has none.

        Those of a file in an archive are what the archive says of it: all of it is read once.
        """
        read_as = self._file_read_as()
        beside = None if read_as is None else self._rows.beside(self._row)
        if beside is not None:
            found: dict[str, Any] = json.loads(beside)
            return found
        return record_of(self.path, self.bytes, read_as)

    def _file_read_as(self) -> str | None:
        known = self._rows.read_as
        return known.get(parts_of(self.path)[0]) if known else None

    @property
    def image(self) -> Any:
        """Its bytes as a decoded `PIL.Image.Image`.

        Raises InvalidInput when Pillow cannot read them, ImportError where it is not installed.
        """
        return image_of(self.path, self.bytes)

    @property
    def audio(self) -> Any:
        """Its bytes as samples and sampling rate: a float32 array of frames by channels, and hertz.

        Raises InvalidInput when soundfile cannot read them, ImportError where it is not installed.
        """
        return audio_of(self.path, self.bytes)

    @property
    def datetime(self) -> Moment:
        """Its time with the zone UTC."""
        return EPOCH + timedelta(microseconds=self.time)

    @property
    def path(self) -> str:
        return self._rows.paths[self._row]

    @property
    def oid(self) -> Content:
        return self._rows.oids[self._row]

    @property
    def size(self) -> int:
        return self._rows.sizes[self._row]

    @property
    def time(self) -> int:
        return self._rows.times[self._row]

    @property
    def labels(self) -> tuple[str, ...]:
        return self._rows.labels[self._row]

    @property
    def target(self) -> int:
        """The index of its class in `View.classes`; -1 when it has none, or more than one."""
        return self._rows.targets[self._row]

    @property
    def annotation(self) -> str | None:
        return self._rows.annotations[self._row]

    @property
    def changeset(self) -> int:
        return self._rows.changesets[self._row]

    @property
    def attributes(self) -> Attributes:
        """The attributes that it has, by name."""
        columns = self._rows.attributes
        row = self._row
        return {name: values[row] for name, values in columns.items() if values[row] is not None}

    def __eq__(self, other: object) -> bool:
        """Whether both have the same path, bytes and meaning, whatever view they are of."""
        return isinstance(other, ViewExample) and self._said() == other._said()

    def __hash__(self) -> int:
        return hash((self.path, self.oid))

    def _said(self) -> tuple[Any, ...]:
        return (
            self.path, self.oid, self.time, self.labels, dict(self.attributes), self.annotation
        )  # fmt: skip

    def __repr__(self) -> str:
        labels = ", ".join(self.labels) or "no label"
        return f"<example {self.path!r}: {labels}; {self.size:,} bytes>"

    def _repr_html_(self) -> str:
        from dsm.views.reading.html import example_html

        return example_html(self)

    def __reduce__(self) -> tuple[Any, ...]:
        fields = (
            self.path, self.oid, self.size, self.time, self.labels, self.attributes,
            self.annotation, self.changeset, self.target, self._file_read_as(),
            self._rows.beside(self._row) if self._rows.read_as else None,
        )  # fmt: skip
        return _detached, (fields, self.bytes)


class _Detached:
    """What an example knew, without its view."""

    def __init__(self, fields: tuple[Any, ...], data: bytes):
        path, oid, size, time, labels, attributes, annotation, changeset, target, *said = fields
        file = said[0]
        self._beside: bytes | None = said[1]
        self.read_as: dict[str, str] = {} if file is None else {parts_of(path)[0]: file}
        self.paths: list[str] = [path]
        self.oids: list[bytes] = [oid]
        self.sizes: list[int] = [size]
        self.times: list[int] = [time]
        self.labels: list[tuple[str, ...]] = [labels]
        self.annotations: list[str | None] = [annotation]
        self.changesets: list[int] = [changeset]
        self.targets: list[int] = [target]
        self.attributes = {name: [value] for name, value in attributes.items()}
        self.ahead: list[bytes | None] = [None]
        self._bytes = data

    def beside(self, row: int) -> bytes | None:
        return self._beside

    def read(self, row: int) -> bytes:
        return self._bytes

    def open(self, row: int) -> BinaryIO:
        return io.BytesIO(self._bytes)


def _detached(fields: tuple[Any, ...], data: bytes) -> ViewExample:
    return ViewExample(_Detached(fields, data), 0)
