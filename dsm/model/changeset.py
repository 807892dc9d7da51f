"""A changeset: one numbered, immutable update of a dataset, and what it says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dsm.model.moments import datetime_of
from dsm.model.names import DERIVED_FROM

if TYPE_CHECKING:
    from datetime import datetime as Moment

    from dsm.model.queries import Document
    from dsm.model.trailers import Trailers
    from dsm.model.verdict import Verdict


CHANGESET_KINDS = ("files", "relabel", "revert", "query")


@dataclass(frozen=True, slots=True)
class Counts:
    """How many examples an update added, modified, relabelled and deleted.

    `files` counts its rows of records files, which are no examples.
    """

    added: int = 0
    modified: int = 0
    relabelled: int = 0
    deleted: int = 0
    files: int = 0

    @property
    def rows(self) -> int:
        return self.examples + self.files

    @property
    def examples(self) -> int:
        return self.added + self.modified + self.relabelled + self.deleted


@dataclass(frozen=True, slots=True, repr=False)
class Changeset:
    """One changeset as its header tells it.

    `id` and `parent` are BLAKE3 hashes of header files (hex); `time` is in microseconds since
    1970 in UTC; `size` sums the bytes of the examples it put; `examples` counts the live ones
    after it; `attributes` maps every attribute name used so far to its type; `queries` the name of
    each query that stands after it to the number of the changeset that put it, whose `documents`
    hold it; `records_files` counts the live files of records; `trailers` are what the
    committer said of it by keys; `verdict` is what the rules of the contract found, if there were
    any for commits; `settings` is the number of the dataset's newest settings then, 0 for none.
    """

    number: int
    id: str
    dataset: str
    transaction: str
    parent: str | None
    kind: str
    message: str
    author: str
    time: int
    counts: Counts
    size: int
    examples: int
    manifest: str | None = None
    manifest_file: str | None = None
    manifest_bytes: int = 0
    source: str | None = None
    note: str | None = None
    reverts: int | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    queries: Mapping[str, int] = field(default_factory=dict)
    documents: Mapping[str, Document] = field(default_factory=dict)
    records_files: int = 0
    trailers: Trailers = field(default_factory=dict)
    verdict: Verdict | None = None
    settings: int = 0

    def __repr__(self) -> str:
        title = self.message.partition("\n")[0]
        return f"<changeset {self.number}, {self.id[:12]}: {title!r}; {self.examples:,} examples>"

    @property
    def datetime(self) -> Moment:
        """Its time with the zone UTC."""
        return datetime_of(self.time)

    @property
    def derived_from(self) -> tuple[str, ...]:
        """What it was made of, as the committer said: the values of the trailer `derived-from`."""
        return self.trailers.get(DERIVED_FROM, ())
