"""Examples and views as a notebook shows them: thumbnails inline, everything else as escaped text.

Invariant: what is shown is bounded, whatever the data: so many examples, bytes of an image, and
characters of a text. Nothing of the data is markup, and nothing is fetched from anywhere.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape
from itertools import islice
from typing import Any, BinaryIO, Protocol

from dsm.errors import DsmError
from dsm.model.names import printable
from dsm.views.reading.decoded import thumbnail_of

SHOWN = 12
LABELS = 20
CHARACTERS = 300
# A larger file is named, and not read for a thumbnail.
BYTES_MAX = 32 << 20
# An image that unpacks to more is not decoded.
PIXELS_MAX = 64_000_000
SIDE = 128
_IMAGES = ("avif", "bmp", "gif", "jpeg", "jpg", "png", "tif", "tiff", "webp")
_TEXTS = ("csv", "html", "json", "jsonl", "md", "srt", "tex", "text", "tsv", "txt", "xml")
_BOX = "display:inline-block;vertical-align:top;margin:4px;max-width:160px;overflow-wrap:anywhere"


class Shown(Protocol):
    """What is shown of an example."""

    @property
    def path(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def labels(self) -> Sequence[str]: ...
    @property
    def attributes(self) -> Mapping[str, Any]: ...
    @property
    def bytes(self) -> bytes: ...
    def open(self) -> BinaryIO: ...


def example_html(example: Shown) -> str:
    """Returns one example: a thumbnail or the beginning of its text, and what is said of it."""
    facts = [
        ("labels", ", ".join(example.labels[:LABELS])), ("size", f"{example.size:,} bytes"),
        *islice(((name, str(value)) for name, value in example.attributes.items()), LABELS),
    ]  # fmt: skip
    rows = "".join(f"<div><i>{_text(name)}</i> {_text(value)}</div>" for name, value in facts)
    return (
        f"<div><code>{_text(example.path)}</code><div>{_shown(example, example.size)}</div>"
        f"{rows}</div>"
    )


def view_html(view: Any) -> str:
    """Returns a `View`: its repr, how many examples have which label, and the first examples."""
    head = f"<div><code>{_text(repr(view))}</code></div>"
    try:
        stored = view.without_sources()
        labels = [f"{name} {count:,}" for name, count in islice(stored.labels.items(), LABELS)]
        more = f", … and {len(stored.labels) - LABELS:,} more" * (len(stored.labels) > LABELS)
        boxes = [
            f'<div style="{_BOX}">{_shown(example, BYTES_MAX // SHOWN)}'
            f"<div><code>{_text(example.path)}</code></div>"
            f"<div>{_text(', '.join(example.labels[:LABELS]))}</div></div>"
            for example in stored[:SHOWN]
        ]
        rest = len(stored) - len(boxes)
    except DsmError as error:  # a cell of a notebook says so, and goes on
        return f"{head}<div>{_text(str(error))}</div>"
    last = f"<div>… and {rest:,} more</div>" if rest else ""
    return f"{head}<div>{_text(', '.join(labels) + more)}</div><div>{''.join(boxes)}</div>{last}"


def _shown(example: Shown, most: int) -> str:
    ext = example.path.rpartition(".")[2].lower()
    if example.size > min(most, BYTES_MAX) or ext not in (*_IMAGES, *_TEXTS):
        return ""
    try:
        if ext in _IMAGES:
            return _thumbnail(example.bytes)
        with example.open() as file:
            return f"<pre>{_text(file.read(4 * CHARACTERS).decode('utf-8', 'replace'))}</pre>"
    except DsmError:
        return "<i>damaged</i>"


def _thumbnail(data: bytes) -> str:
    """Returns an image of at most 128 by 128 pixels; nothing where it cannot be decoded."""
    small = thumbnail_of(data, SIDE, PIXELS_MAX)
    if small is None:  # the text beside says what it is
        return ""
    return f'<img alt="" src="data:image/png;base64,{b64encode(small).decode()}">'


def _text(text: str) -> str:
    """Returns text that is no markup: the beginning of it, with controls shown."""
    lines = text[:CHARACTERS].split("\n")
    cut = "…" if len(text) > CHARACTERS else ""
    return escape("\n".join(map(printable, lines)) + cut)
