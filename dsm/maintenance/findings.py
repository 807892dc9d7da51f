"""What one run of fsck collects: findings of damage, notes, and files that are not dsm's."""

from __future__ import annotations

import os
from collections.abc import Iterator

from dsm.maintenance.reports import Finding
from dsm.model.names import is_plain_name


class Findings:
    """Collects what is found; `root` is the folder that paths are shown relative to."""

    def __init__(self, root: str):
        self.root = root
        self.damage: list[Finding] = []
        self.strays: list[str] = []
        self.notes: list[str] = []

    def found(
        self, kind: str, where: str, what: str, examples: tuple[tuple[str, int, str], ...] = ()
    ) -> None:
        """Records a finding; `where` is shown relative to the repository's root."""
        self.damage.append(Finding(kind, self.shown(where), what, examples))

    def shown(self, where: str) -> str:
        """Returns a path relative to the repository's root."""
        root = self.root + "/"
        return where[len(root) :] if where.startswith(root) else where

    def elsewhere(self, missing: int, needed: int) -> None:
        """Notes objects that are not here and need not be: they are fetched when they are read."""
        if missing:
            self.notes.append(
                f"{missing:,} of {needed:,} objects are not here: they are fetched when they are"
                " read, and were not checked"
            )

    def referenced(self, count: int) -> None:
        """Notes objects whose bytes stay at an address."""
        if count:
            which = "1 reference was" if count == 1 else f"{count:,} references were"
            self.notes.append(
                f"{which} not read: their bytes stay at their addresses, where --references looks"
            )

    def stray(self, folder: str, entry: str) -> None:
        """Records a file that dsm did not write: systems leave some anywhere. No damage."""
        self.strays.append(self.shown(os.path.join(folder, entry)))

    def documents(self, folder: str, kind: str) -> Iterator[str]:
        """Yields the files that are named as documents are; other files are strays."""
        for entry in self.listed(folder, kind):
            if entry.endswith(".json") and is_plain_name(entry.removesuffix(".json")):
                yield entry
            else:
                self.stray(folder, entry)

    def listed(self, folder: str, kind: str) -> list[str]:
        """Returns the sorted entries of a folder; one that cannot be read is a finding."""
        try:
            return sorted(os.listdir(folder))
        except FileNotFoundError:
            self.found(kind, folder, "this folder is missing")
        except OSError as error:
            self.found(kind, folder, f"cannot be read: {error.strerror}")
        return []


def entries(folder: str) -> list[str]:
    """Returns the sorted entries of a folder; none of one that cannot be read."""
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []
