"""What decides the bytes that `get` writes beside the view, and what it answers with."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dsm.errors import InvalidInput
from dsm.views.writing.format import SHARDS, Format
from dsm.views.writing.formats import COMPRESSIONS, DEFAULT, FORMATS, find_format

if TYPE_CHECKING:
    from dsm.views.selection.selection import Selection

SHARD_BYTES = 256_000_000
CROISSANT = "croissant.json"


@dataclass(frozen=True, slots=True)
class GetReport:
    """What `get` left: `path` is the tar or the folder, `bytes` those of the payloads.

    `fresh` is False when everything was there already; `kept` counts files of an interrupted run,
    `without_class` the examples whose class index is -1.
    """

    path: str
    format: str
    shards: int
    examples: int
    bytes: int
    fresh: bool
    kept: int = 0
    without_class: int = 0


@dataclass(frozen=True, slots=True)
class GetPlan:
    """What a `get` into a folder would do: write the stored examples, `bytes` in all, or nothing.

    `complete` when the view is there already; `replaced` are the files, by their names in the
    folder, that `force` removes first. Rows of queries are not counted before they have run.
    """

    path: str
    format: str
    examples: int
    bytes: int
    complete: bool
    replaced: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Options:
    """What decides the bytes that are written, beside the view. Raises InvalidInput."""

    format: str = DEFAULT
    shard_size: int = SHARD_BYTES
    compression: str = "none"
    row: Format = field(init=False, repr=False, compare=False)  # of the table of formats

    def __post_init__(self) -> None:
        object.__setattr__(self, "row", find_format(self.format))
        if self.compression not in COMPRESSIONS:
            raise InvalidInput(
                f"there is no compression {self.compression!r}",
                hint=f"compressions: {', '.join(COMPRESSIONS)}",
            )
        if self.shard_size < 1:
            raise InvalidInput("a shard has at least one byte", hint="such as --shard-size 256MB")
        if self.compression != "none" and not self.row.compressible:
            raise InvalidInput("a folder of files is not compressed")

    def to_json(self) -> dict[str, Any]:
        """Returns what two materialisations with the same bytes agree in."""
        fields: dict[str, Any] = {}
        if self.row.layout == SHARDS:
            fields["shard_size"] = self.shard_size
        if self.row.compressible:
            fields["compression"] = self.compression
        return fields | self.row.releases(self.compression)


def is_ours(name: str, stem: str) -> bool:
    """Whether a materialised view has files of this name; `stem` is a single tar's, else empty."""
    if stem:
        return name.startswith(stem + ".")
    return name == CROISSANT or any(re.fullmatch(row.owns, name) for row in FORMATS.values())


def head_of(view: Selection, options: Options) -> dict[str, Any]:
    """Returns what two materialisations agree in when one can stand for the other."""
    head: dict[str, Any] = {
        "dataset": {"id": view.query.dataset, "name": view.dataset},
        "layout": options.format,
        "options": options.to_json() | ({"classes_from": "view"} if view.classes_of_view else {}),
        "version": view.version,
    }
    if options.row.record_fields and not view.has_queries:
        from dsm.views.selection.record_types import has_fields

        if has_fields(view.table()):
            head["record_fields"] = True
    if view.has_queries:
        head["sources"] = view.source_mode.word
    return head
