"""Where everything lies in a repository; the picture is docs/format/index.md.

All but `local/` is shared state: created once under a name that is its hash or that was claimed
exclusively, never changed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

FOLDER = ".dsm"
NUMBER_DIGITS = 8


@dataclass(frozen=True, slots=True)
class Layout:
    """Paths below one `.dsm` folder."""

    base: str

    def _in(self, *parts: str) -> str:
        return os.path.join(self.base, *parts)

    @property
    def repository(self) -> str:
        return self._in("repo.json")

    @property
    def config(self) -> str:
        return self._in("config.toml")

    @property
    def packs(self) -> str:
        return self._in("packs")

    @property
    def datasets(self) -> str:
        return self._in("datasets")

    @property
    def sources(self) -> str:
        return self._in("sources")

    @property
    def runs(self) -> str:
        """Where runs lie; made with the first one."""
        return self._in("runs")

    def run(self, run: str) -> str:
        return self._in("runs", run)

    @property
    def living_runs(self) -> str:
        """Where the leases of runs lie that are going on here."""
        return self._in("local", "runs")

    @property
    def run_index(self) -> str:
        """What lists of runs are read from; may be deleted."""
        return self._in("local", "runs.index")

    @property
    def bisection(self) -> str:
        """Where a search for a changeset has come to; ends with it."""
        return self._in("local", "bisect.json")

    @property
    def names(self) -> str:
        return self._in("names")

    def claims(self, kind: str) -> str:
        return self._in("names", kind)

    @property
    def local(self) -> str:
        return self._in("local")

    @property
    def temporary(self) -> str:
        return self._in("local", "tmp")

    @property
    def trash(self) -> str:
        return self._in("local", "trash")

    @property
    def receipts(self) -> str:
        return self._in("local", "receipts")

    @property
    def receipt_key(self) -> str:
        return self._in("local", "receipt.key")

    @property
    def cache_key(self) -> str:
        return self._in("local", "cache.key")

    @property
    def remotes(self) -> str:
        """What was last seen of remotes; may be deleted."""
        return self._in("local", "remotes")

    @property
    def near(self) -> str:
        """Fingerprints of objects, and what was read out of them; may be deleted."""
        return self._in("local", "near")

    @property
    def objects(self) -> str:
        """Where objects lie that were fetched when they were read; may be deleted."""
        return self._in("local", "objects")

    @property
    def crashes(self) -> str:
        return self._in("local", "crashes")

    @property
    def store_lock(self) -> str:
        return self._in("local", "store.lock")

    @property
    def commit_lock(self) -> str:
        return self._in("local", "commit.lock")

    @property
    def stage_lock(self) -> str:
        return self._in("local", "stage.lock")

    @property
    def local_folders(self) -> tuple[str, ...]:
        """The folders of this machine, outermost first."""
        return (
            self.local, self.temporary, self.trash,
            *(self._in("local", each) for each in ("stage", "index", "cache")),
        )  # fmt: skip

    @property
    def folders(self) -> tuple[str, ...]:
        """All folders of a repository but for those of its datasets."""
        claims = (self.names, self.claims("datasets"), self.claims("sources"))
        return (
            self.packs, self.datasets, *claims, self.sources, *self.local_folders, self.receipts
        )  # fmt: skip

    def dataset(self, name: str) -> str:
        return self._in("datasets", name)

    def dataset_folders(self, name: str) -> tuple[str, ...]:
        """The folders of one dataset, outermost first."""
        return (
            self.dataset(name), self.changesets(name), self.manifests(name), self.views(name),
            self.tags(name), self.stage(name), self.index(name), self.cache(name),
        )  # fmt: skip

    def late_folders(self, name: str) -> tuple[str, ...]:
        """The folders of one dataset that are made when something is put there."""
        kinds = ("split", "segment")
        folders = (self.settings(name), self.given_names(name))
        return (*folders, *(self.definitions(name, kind) for kind in kinds))

    def dataset_document(self, name: str) -> str:
        return self._in("datasets", name, "dataset.json")

    def settings(self, name: str) -> str:
        return self._in("datasets", name, "settings")

    def given_names(self, name: str) -> str:
        return self._in("datasets", name, "names")

    def changesets(self, name: str) -> str:
        return self._in("datasets", name, "changesets")

    def changeset(self, name: str, number: int) -> str:
        return self._in("datasets", name, "changesets", f"{number:0{NUMBER_DIGITS}d}.json")

    def manifests(self, name: str) -> str:
        return self._in("datasets", name, "manifests")

    def manifest(self, name: str, manifest_id: str) -> str:
        return self._in("datasets", name, "manifests", manifest_id + ".parquet")

    def views(self, name: str) -> str:
        return self._in("datasets", name, "views")

    def tags(self, name: str) -> str:
        return self._in("datasets", name, "tags")

    def definitions(self, name: str, kind: str) -> str:
        """Where the splits or the segments of a dataset lie; it need not be there."""
        return self._in("datasets", name, kind + "s")

    def stage(self, name: str) -> str:
        return self._in("local", "stage", name)

    def absent(self, name: str) -> str:
        """Where the record of examples without a file lies: it outlives the index."""
        return self._in("local", "stage", name, ".absent")

    def restored(self, name: str) -> str:
        """Where it is noted what came from earlier changesets and waits to be added."""
        return self._in("local", "stage", name, ".restored")

    def following(self, name: str) -> str:
        """Where it is noted that files are to follow the head."""
        return self._in("local", "stage", name, ".following")

    def pulling(self, name: str) -> str:
        """Where it is noted that a pull is under way, or waits for choices."""
        return self._in("local", "stage", name, ".pulling")

    def index(self, name: str) -> str:
        return self._in("local", "index", name)

    def cache(self, name: str) -> str:
        return self._in("local", "cache", name)
