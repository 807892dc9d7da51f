"""What pushes, fetches and pulls did: the reports that callers get, and `--json` prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Transfer:
    """What went over the line: packs, bytes of them, and requests of any kind."""

    packs: int
    size: int
    requests: int


@dataclass(frozen=True, slots=True)
class LastTransfer:
    """What a command ("push", "fetch", "pull", "clone") moved: requests by kind (list, read, write,
    create, delete), bytes `sent` and `received`, when it began, `time`, and how long it took,
    both in microseconds (UTC). It did not end unless `ended`."""

    command: str
    time: int
    duration: int
    requests: Mapping[str, int]
    sent: int
    received: int
    ended: bool


@dataclass(frozen=True, slots=True)
class DatasetPushed:
    """What a push did, or would do, for one dataset: changesets `first` to `last`, none for 0.

    `documents` counts tags, views, names and settings; `differing` names those that the remote has
    with another content, which stay as they are there.
    """

    dataset: str
    first: int
    last: int
    documents: int = 0
    differing: tuple[str, ...] = ()

    @property
    def changesets(self) -> int:
        return self.last - self.first + 1 if self.last else 0


@dataclass(frozen=True, slots=True)
class PushReport:
    """What a push did; with `dry_run` what it would do.

    Of the objects that went up, `references` did so as references: their bytes stay where they are.
    """

    remote: str
    url: str
    datasets: tuple[DatasetPushed, ...]
    transfer: Transfer
    dry_run: bool = False
    references: int = 0

    @property
    def changesets(self) -> int:
        return sum(each.changesets for each in self.datasets)


@dataclass(frozen=True, slots=True)
class DatasetFetched:
    """What a remote has of a dataset: its head there, and how far this copy is from it."""

    dataset: str
    head: int
    ahead: int
    behind: int
    new: bool = False


@dataclass(frozen=True, slots=True)
class FetchReport:
    """What a fetch found."""

    remote: str
    url: str
    datasets: tuple[DatasetFetched, ...]
    transfer: Transfer


@dataclass(frozen=True, slots=True)
class ObjectsHere:
    """How much of its objects a copy has that fetches them from `remote` when they are read.

    Bytes in packs that stay, `stored`, and in `packs` packs of the cache, `cached`, which may have
    `limit` of them.
    """

    remote: str
    stored: int
    cached: int
    packs: int
    limit: int


@dataclass(frozen=True, slots=True)
class ObjectsFetched:
    """What was brought on purpose: of `objects` in all, those that were missing, by the remote, if
    the copy has one for that, or by references, which `referenced` counts."""

    remote: str | None
    url: str | None
    objects: int
    fetched: int
    transfer: Transfer
    referenced: int = 0


@dataclass(frozen=True, slots=True)
class Renumbered:
    """A local changeset that has another number, and so another id, since the pull."""

    old: int
    new: int
    id: str


@dataclass(frozen=True, slots=True)
class CollisionSide:
    """What one side made of an example: `change` is added, modified, relabelled or deleted.

    It is "nested" where the side has the example `nested` below this path, or above it, and
    "records" where it only changed records of the file. `object`, `size` in bytes and `labels` are
    those that the side has now, if it has any.
    """

    change: str
    object: str | None = None
    size: int = 0
    labels: tuple[str, ...] = ()
    nested: str | None = None


@dataclass(frozen=True, slots=True)
class Collision:
    """An example that both sides changed, each to something else, and whose version counts.

    `side` is "ours", "theirs", or None while nobody has said. With `records` it is a records file,
    and its records go with it.
    """

    dataset: str
    path: str
    ours: CollisionSide
    theirs: CollisionSide
    side: str | None = None
    records: bool = False


@dataclass(frozen=True, slots=True)
class DatasetPulled:
    """What a pull did for one dataset: changesets `first` to `last` came, none for 0.

    `renumbered` are local changesets that went on top of them, `carried` the tags and views that
    were moved with these, `uncarried` views that could not be prepared anew, such as those that
    select nothing now; `written` and `removed` count files, `left` names files that were left alone
    because they hold something else. `dropped` are examples of which one side gave way, and
    `settled` says which, and what each side had.
    """

    dataset: str
    first: int
    last: int
    written: int = 0
    removed: int = 0
    left: tuple[str, ...] = ()
    documents: int = 0
    differing: tuple[str, ...] = ()
    renumbered: tuple[Renumbered, ...] = ()
    carried: tuple[str, ...] = ()
    uncarried: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    settled: tuple[Collision, ...] = ()

    @property
    def changesets(self) -> int:
        return self.last - self.first + 1 if self.last else 0


@dataclass(frozen=True, slots=True)
class PullReport:
    """What a pull did; of one that was refused, nothing, and `collisions` says why."""

    remote: str
    url: str
    datasets: tuple[DatasetPulled, ...]
    transfer: Transfer
    collisions: tuple[Collision, ...] = ()


@dataclass(frozen=True, slots=True)
class PullUnderWay:
    """A pull from a remote that was stopped, or that waits for the choice of `waits` examples."""

    remote: str
    waits: int = 0


@dataclass(frozen=True, slots=True)
class PullAborted:
    """A pull that was given up: the dataset is at changeset `number` again, and was at `was`.

    One that only `waited` for choices had moved nothing. `written` and `removed` count files;
    `left` names files that were left alone because they hold something else.
    """

    dataset: str
    remote: str
    number: int
    was: int
    waited: bool = False
    written: int = 0
    removed: int = 0
    left: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CloneReport:
    """What a clone brought: the folder, and what came of each dataset."""

    folder: str
    url: str
    datasets: tuple[DatasetPulled, ...]
    transfer: Transfer
