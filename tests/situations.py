"""A repository in a folder, with an injected clock, author and current folder, and shorthands."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import dsm.api
from dsm.catalog import Catalog
from dsm.datasets import Dataset
from dsm.repo.environment import Environment

MOMENT = 1_700_000_000_000_000  # microseconds UTC


class Clock:
    """A clock that goes on by one second each time it is looked at."""

    def __init__(self, start: int = MOMENT):
        self.now = start

    def __call__(self) -> int:
        self.now += 1_000_000
        return self.now


class Work:
    """A repository in a folder of its own, with one dataset and what tests do to its files."""

    def __init__(self, root: Path, pattern: str | None = None):
        self.root = root
        dsm.api.init(root, dataset="data", pattern=pattern).close()
        self.clock = Clock()
        self.repo = self._open()

    def _open(self) -> Catalog:
        return Catalog(
            str(self.root),
            Environment(
                self.clock, author=lambda _: "tester", current_folder=lambda: str(self.root)
            ),
        )

    def reopen(self) -> Dataset:
        """Starts over as another process would."""
        self.repo.close()
        self.repo = self._open()
        return self.ds

    @property
    def ds(self) -> Dataset:
        """The dataset, opened anew: nothing is remembered from the last call."""
        return self.repo.dataset("data")

    def path(self, name: str) -> Path:
        return self.root / name

    def write(self, files: Mapping[str, bytes | str]) -> None:
        for name, content in files.items():
            full = self.path(name)
            full.parent.mkdir(parents=True, exist_ok=True)
            full.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(self, message: str = "change", **files: bytes | str) -> int:
        """Adds everything (deletions too) and commits; returns the changeset's number."""
        self.write(files)
        self.ds.add(["."], deletions=True)
        return self.ds.commit(message).number

    def files(self, folder: str | Path | None = None) -> dict[str, bytes]:
        """What lies below a folder (the work tree by default), without `.dsm`."""
        top = self.root if folder is None else Path(folder)
        found = {}
        for where, folders, names in os.walk(top):
            if ".dsm" in folders:
                folders.remove(".dsm")
            for name in names:
                full = os.path.join(where, name)
                if os.path.isfile(full):
                    found[os.path.relpath(full, top)] = Path(full).read_bytes()
        return found

    def snapshot(
        self, reference: str | int | None = None
    ) -> dict[str, tuple[bytes, tuple[str, ...]]]:
        """A snapshot as plain values: path -> (content, labels)."""
        table = self.ds.snapshot(reference)
        return {
            row["path"]: (self.repo.store.read(row["object"]), tuple(row["labels"]))
            for row in table.select(["path", "object", "labels"]).to_pylist()
        }

    def contents(self, reference: str | int | None = None) -> dict[str, bytes]:
        """A snapshot as path -> content."""
        return {path: content for path, (content, _) in self.snapshot(reference).items()}

    def state(self) -> tuple[list[tuple[str, str]], list[tuple[str, str]], list[str]]:
        """The status as (staged, unstaged, untracked), in one-letter kinds."""
        status = self.ds.status()
        return (
            [(change.kind[0], change.path) for change in status.staged],
            [(change.kind[0], change.path) for change in status.unstaged],
            list(status.untracked),
        )
