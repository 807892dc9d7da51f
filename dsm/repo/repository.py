"""A repository: one folder with a `.dsm`, its identity, its store and the names of its datasets.

Read this module first. It opens things and knows where they lie; what happens to datasets is told
in `history` and `worktree`. People open a `Catalog`: this folder with its datasets and views.
"""

from __future__ import annotations

import os
from _thread import RLock
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from dsm.errors import (
    DamagedData,
    NotARepository,
    NotFound,
)
from dsm.format import document
from dsm.model.keywords import verbs_suggest
from dsm.model.names import check_dataset_name, check_path, close_matches
from dsm.model.unmatched import UNLABELLED, WORDS
from dsm.repo import documents
from dsm.repo.config import Config, UserConfig, check_workers
from dsm.repo.environment import Environment
from dsm.repo.layout import FOLDER, Layout
from dsm.repo.planted_links import refuse_links, refuse_links_in
from dsm.store import disk
from dsm.store.lease import Lease
from dsm.store.turns import CHANGING

if TYPE_CHECKING:
    from dsm.store.elsewhere import Elsewhere
    from dsm.store.objects import ObjectStore
    from dsm.store.outside import MakeOutside

ORG_DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class DatasetIdentity:
    """What a dataset was created with. `root` is its folder below the repository's, with "/";
    `created` is in microseconds UTC. Settings may replace `pattern` and `unmatched`, one of the
    words of `dsm.model.unmatched`."""

    id: str
    name: str
    created: int
    root: str = "."
    pattern: str | None = None
    unmatched: str = UNLABELLED


def refuse_changes(layout: Layout, refusal: Callable[[], disk.NotOurs] | None) -> None:
    """Has every write refused that would record something in a repository; None: allows it."""
    shared = (layout.datasets, layout.packs, layout.names, layout.sources)
    for folder in (*shared, layout.config, os.path.join(layout.local, "stage")):
        disk.leave_alone(folder, refusal)


@verbs_suggest
class Repository:
    """The folder that holds `.dsm`, `root`, opened for a library that must not ask the world.

    Raises NotARepository, or DamagedData when it has lost its identity.
    """

    def __init__(self, root: str, environment: Environment):
        self.root = os.path.abspath(root)
        self.layout = Layout(os.path.join(self.root, FOLDER))
        self.path = self.layout.base
        self.environment = environment
        other = self._other_owner()
        refusal = None if other is None else partial(disk.NotOurs, self.path, other)
        disk.leave_alone(self.path, refusal)
        if refusal is not None:
            # Whoever made it chose the sources, too: no address of ours is given to them.
            self.environment = replace(environment, secret_of=_always(refusal()))
        refuse_links(self.layout.folders)
        refuse_links_in((self.path, self.layout.local, self.layout.remotes))
        fields = documents.repositories(self.layout).read("repo")
        if fields is None:
            if _empty(self.layout.datasets) and _empty(self.layout.packs):
                raise NotARepository(
                    f"{self.path} is not complete: `dsm init` was interrupted here",
                    hint="run `dsm init` again",
                )
            raise DamagedData(
                f"{self.layout.repository} is missing: this .dsm has lost its identity",
                hint="copy repo.json back from a backup or another copy of the repository",
            )
        try:
            self.id: str = fields["repository"]
            self.org: str = fields["org"]
            self._chunking_fields: dict[str, int] = fields["chunking"]
            if self._chunking_fields["algorithm"] != "fastcdc-2020":
                raise document.UnknownFormat("repo.json names an unknown chunking algorithm")
        except (KeyError, TypeError) as error:
            raise DamagedData(f"{self.layout.repository} lacks {error}") from error
        if not (isinstance(self.id, str) and isinstance(self.org, str)):
            raise DamagedData(f"{self.layout.repository} names no repository or org")
        folder = environment.config_folder()
        user = None if folder is None else UserConfig(folder)
        self.config = Config(self.layout.config, self.layout.temporary, user)
        self._store: ObjectStore | None = None
        self._refusal: Callable[[], disk.NotOurs] | None = None
        # The address of the remote that it was opened from, to be read; empty for one that is here.
        self.opened_from = ""
        # Held by a thread that writes objects: the store gathers them for one writer at a time.
        self.writing = RLock()
        if not os.path.isdir(self.layout.temporary):
            # Where nothing can be written, what is there can be read all the same; what has to
            # write fails when it comes to that.
            with suppress(*disk.Unwritable):
                make_local(self.layout)

    def keep_unchanged(self, refusal: Callable[[], disk.NotOurs] | None) -> None:
        """From now on refuses whatever would be recorded by what this returns; None: allows it."""
        self._refusal = refusal
        refuse_changes(self.layout, refusal)

    def require_ours(self) -> None:
        """Raises NotOurs when the repository belongs to another user whom nobody trusts, or is kept
        as it is."""
        if self._refusal is not None:
            raise self._refusal()
        self.require_trusted()

    def require_trusted(self) -> None:
        """Raises NotOurs when the repository belongs to another user whom nobody trusts."""
        owner = self._other_owner()
        if owner is not None:
            raise disk.NotOurs(self.path, owner)

    def require_writable(self) -> None:
        """Raises WriteFailed or NotOurs where nothing can be recorded.

        Before files of the work tree are removed or moved: neither shall happen without the other.
        """
        Lease(self.layout.temporary).release()

    def _other_owner(self) -> int | None:
        """Returns whose repository it is when neither we nor root made it, and nobody trusts it."""
        try:
            owner = os.stat(self.path).st_uid
        except OSError:
            return None  # what is wrong is told when it is read
        if owner in (os.geteuid(), 0) or os.geteuid() == 0 or self.environment.trusts(self.root):
            return None
        return owner

    @property
    def store(self) -> ObjectStore:
        """The object store, opened when first asked for."""
        if self._store is None:
            from dsm.store.chunks import Chunking
            from dsm.store.objects import ObjectStore

            chunking = Chunking.from_json(self._chunking_fields, self.layout.repository)
            with CHANGING:
                if self._store is None:  # nor opened by another thread meanwhile
                    self._store = ObjectStore(
                        self.layout.packs, self.layout.temporary, chunking, self.layout.trash,
                        self.elsewhere(), self.outside(),
                    )  # fmt: skip
        return self._store

    def elsewhere(self) -> Elsewhere | None:
        """Returns where objects are that are not here; None for a copy that has all of them."""
        return None

    def outside(self) -> MakeOutside | None:
        """Returns what reads the objects that are referenced; None where nothing does."""
        return None

    @property
    def author(self) -> str:
        """Who is named in new changesets."""
        return self.environment.author(self.config)

    @property
    def workers(self) -> int:
        """How many processes store and restore files."""
        configured = self.config.get("core.workers")
        if configured is not None:
            return check_workers(configured)
        try:
            return min(16, len(os.sched_getaffinity(0)))
        except AttributeError:
            return min(16, os.cpu_count() or 1)

    def close(self) -> None:
        """Releases descriptors and leases; what was not committed or staged is dropped."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- datasets ---

    def datasets(self) -> list[str]:
        """Returns the names of all datasets, sorted."""
        return documents.datasets(self.layout).names()

    def identity(self, name: str) -> DatasetIdentity:
        """Reads a dataset's identity. Raises NotFound with near matches, or DamagedData."""
        check_dataset_name(name)
        refuse_links((
            *self.layout.dataset_folders(name), *self.layout.late_folders(name),
            self.layout.absent(name),
        ))  # fmt: skip
        identities = documents.datasets(self.layout)
        where, fields = identities.path(name), identities.read(name)
        if fields is None and not self.unfinished(name):
            fields = identities.read(name)  # it may have come in this moment
            if fields is None:
                raise DamagedData(f"{where} is missing: dataset {name} has lost its identity")
        if fields is None:
            names = self.datasets()
            near = close_matches(name, names)
            hint = (
                f"did you mean {near[0]}?"
                if near
                else f"datasets here: {', '.join(names) or 'none'}"
            )
            raise NotFound(f"there is no dataset {name!r} in {self.root}", hint=hint)
        try:
            identity = DatasetIdentity(
                fields["dataset"], fields["name"], fields["created"], fields["root"],
                fields["pattern"], fields.get("unmatched", UNLABELLED),
            )  # fmt: skip
        except KeyError as error:
            raise DamagedData(f"{where} lacks {error}") from error
        if identity.name != name:
            given = documents.given_names(self.layout, name).read(name)
            if given is None or given.get("dataset") != identity.id:
                raise DamagedData(f"{where} belongs to dataset {identity.name!r}")
            identity = replace(identity, name=name)
        texts = (identity.id, identity.root, identity.pattern or "")
        known = identity.unmatched in WORDS and type(identity.created) is int
        if not known or not all(isinstance(text, str) for text in texts):
            raise DamagedData(f"{where} has a field of a kind that does not belong there")
        if identity.root != ".":
            check_path(identity.root)
        return identity

    def unfinished(self, name: str) -> bool:
        """Whether no dataset of this name is here, but for folders of an interrupted creation.

        Without a folder it was renamed or removed, and what is staged of it is a leftover.
        """
        layout = self.layout
        if not os.path.lexists(layout.dataset(name)):
            return True
        folders = (
            layout.changesets(name), layout.manifests(name), layout.views(name),
            layout.tags(name), layout.stage(name),
        )  # fmt: skip
        return not os.path.exists(layout.dataset_document(name)) and all(map(_empty, folders))

    def create_identity(self, identity: DatasetIdentity) -> bool:
        """Creates a dataset's folders and document; False when the name is taken.

        Raises AlreadyExists when it is taken but for its letter case.
        """
        check_dataset_name(identity.name)
        if identity.root != ".":
            check_path(identity.root)
        name, layout = identity.name, self.layout
        # In this order: the document may come at any moment, and never goes.
        if not self.unfinished(name) and not os.path.exists(layout.dataset_document(name)):
            raise DamagedData(
                f"{layout.dataset_document(name)} is missing: dataset {name} has lost its identity",
                hint="copy dataset.json back from a backup or another copy of the repository",
            )
        identities = documents.datasets(layout)
        identities.claim(name)
        refuse_links(layout.dataset_folders(name))
        if not os.path.lexists(layout.dataset(name)):
            for folder in (layout.stage(name), layout.index(name), layout.cache(name)):
                disk.remove_tree(folder)
        for folder in layout.dataset_folders(name):
            disk.make_dirs(folder)
        fields = {
            "dataset": identity.id,
            "name": name,
            "created": identity.created,
            "root": identity.root,
            "pattern": identity.pattern,
        }
        if identity.unmatched != UNLABELLED:
            fields["unmatched"] = identity.unmatched
        return identities.create(name, fields)


def _always(refusal: disk.NotOurs) -> Callable[[str, str], str]:
    def refuse(kind: str, name: str) -> str:
        raise refusal

    return refuse


def _empty(folder: str) -> bool:
    try:
        return not os.listdir(folder)
    except FileNotFoundError:
        return True
    except OSError:
        return False


def discover(start: str) -> str:
    """Returns the nearest folder at or above `start` that holds a `.dsm`.

    Raises NotARepository.
    """
    here = os.path.abspath(start)
    if not os.path.isdir(here):
        raise NotFound(f"there is no folder {start}")
    current = here
    while True:
        base = os.path.join(current, FOLDER)
        if os.path.isdir(base):
            return current
        parent = os.path.dirname(current)
        if parent == current:
            raise NotARepository(
                f"{here} is not in a dsm repository (no .dsm here or above)",
                hint="run `dsm init` in the folder that holds your data",
            )
        current = parent


def initialise(root: str, org: str, fields: Callable[[], dict[str, Any]]) -> bool:
    """Creates `.dsm` below `root` if it is not there or not complete; True when it was created.

    `fields` gives the identity (repository id, org, chunking) when one is needed.
    """
    layout = Layout(os.path.join(root, FOLDER))
    refuse_links(layout.folders)
    if not os.path.isdir(root):
        disk.make_dirs(root)
    for folder in (layout.base, layout.packs, layout.datasets):
        disk.make_dirs(folder)
    make_local(layout)
    if os.path.exists(layout.repository):
        return False
    if not (_no_datasets(layout) and _empty(layout.packs)):
        raise DamagedData(
            f"{layout.repository} is missing: this .dsm has lost its identity",
            hint="copy repo.json back from a backup or another copy of the repository",
        )
    return documents.repositories(layout).create("repo", fields())


def _no_datasets(layout: Layout) -> bool:
    """Whether there is nothing that another identity would make foreign."""
    return _empty(layout.datasets) or not any(
        os.path.exists(layout.dataset_document(name)) or not _empty(layout.changesets(name))
        for name in os.listdir(layout.datasets)
    )


def make_local(layout: Layout) -> None:
    """Creates the folders of this machine, all of which may be deleted at any time."""
    for folder in layout.local_folders:
        disk.make_dirs(folder)
    for lock in (layout.store_lock, layout.commit_lock, layout.stage_lock):
        fd = disk.lock(lock, exclusive=False, patience=0)
        if fd is not None:
            disk.unlock(fd)
    disk.sync_dir(layout.local)
