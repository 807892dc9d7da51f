"""One import under way: where from, where to, what was asked of each file, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dsm.datasets import Dataset
from dsm.errors import InvalidInput
from dsm.model.names import check_path, printable
from dsm.model.reports import Problem
from dsm.progress import Progress
from dsm.remotes.backend import Entry
from dsm.remotes.import_record import Imported


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import staged, or would stage: of `files` at the address, `fetched` were read.

    `size` counts their bytes; `added` and `modified` examples; `skipped` names what was left out
    and why; `vanished` what was imported before and is not at the address any more: it stays. With
    `reference` their bytes stay at the address.
    """

    url: str
    into: str
    files: int = 0
    fetched: int = 0
    size: int = 0
    added: int = 0
    modified: int = 0
    skipped: tuple[Problem, ...] = ()
    vanished: tuple[str, ...] = ()
    dry_run: bool = False
    reference: bool = False


@dataclass(slots=True)
class ImportRun:
    """One import under way: where from, where to, and what was asked of each file."""

    dataset: Dataset
    url: str
    into: str
    asked: Mapping[str, Any]
    progress: Progress
    report: ImportReport
    reference: bool = False
    skipped: list[Problem] = field(default_factory=list)

    def target(self, name: str) -> str | None:
        """Returns the path of a file's example; None for one that is left out."""
        if any(part.startswith(".") for part in name.split("/")):
            self.skipped.append(Problem(name, "is hidden"))
            return None
        try:
            return check_path(f"{self.into}/{name}" if self.into else name)
        except InvalidInput as error:
            self.skipped.append(Problem(printable(name), error.message))
            return None


def is_same(was: Imported | None, entry: Entry, known: Any, *, update: bool) -> bool:
    """Whether a file is as it was when it was imported, and, if not `update`, its example too."""
    if was is None or was.size != entry.size:
        return False
    if was.etag is not None and entry.etag is not None:
        same = was.etag == entry.etag
    else:
        same = was.modified is not None and was.modified == entry.modified
    return same and (update or (known is not None and known.oid.hex() == was.oid))
