"""clone: a new repository with the identity of a remote, and then a pull.

Interrupted, it goes on when it is run again: what is there by then is a repository of the same
identity with a shorter history.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from dsm.datasets import Dataset
from dsm.errors import AlreadyExists, DamagedData, InvalidInput, NotFound
from dsm.format import document
from dsm.model.names import check_dataset_name, close_matches, printable
from dsm.progress import SILENT, Progress
from dsm.remotes.address import check_url, open_backend
from dsm.remotes.backend import Backend, RemoteDamaged
from dsm.remotes.book import ORIGIN, RemoteEntry, Remotes
from dsm.remotes.contents import IDENTITY, list_datasets, read_identity
from dsm.remotes.pull import PullAsked, pull
from dsm.remotes.remote import Remote
from dsm.remotes.reports import CloneReport
from dsm.repo.environment import Environment
from dsm.repo.layout import FOLDER, Layout
from dsm.repo.repository import Repository, initialise
from dsm.store.chunks import Chunking
from dsm.store.whole_file import read_file
from dsm.worktree.restore import restore

Opened = Callable[[str], Repository]


def default_folder(url: str) -> str:
    """Returns the folder that a clone makes when none is named: the last part of the address."""
    name = url.rstrip("/").rpartition("/")[2].removesuffix(FOLDER) or "dataset"
    return name if name not in (".", "..") else "dataset"


def clone(
    url: str,
    folder: str | None,
    environment: Environment,
    open_repository: Opened,
    *,
    datasets: tuple[str, ...] | None = None,
    files: bool = True,
    objects: bool = True,
    progress: Progress = SILENT,
) -> CloneReport:
    """Makes a copy of a remote in a folder, which is new, empty, or of an interrupted clone.

    Without `objects` none are fetched, and no files are written: they are fetched when they are
    read.

    Raises InvalidInput for the address or the names, NotFound when there is no remote or no such
    dataset, AlreadyExists when the folder holds a whole clone or something else, and what `pull`
    raises.
    """
    here = environment.current_folder()
    full = check_url(url, here)
    if datasets is not None and not datasets:
        raise InvalidInput("name a dataset to clone, or none for all of them")
    for name in datasets or ():
        check_dataset_name(name)
    target = os.path.normpath(os.path.join(here, folder or default_folder(full)))
    backend = open_backend(full)
    identity = read_identity(backend)
    if identity is None:
        raise NotFound(
            f"there is no dsm remote at {full}",
            hint="`dsm push` makes one; the address is the one that was given to `dsm remote add`",
        )
    _require(backend, datasets or ())
    _prepare(target, identity, full)
    repository = open_repository(target)
    try:
        remotes = Remotes(repository)
        if ORIGIN in remotes.names():
            raise AlreadyExists(
                f"{target} is a clone already", hint="`dsm pull` there takes in what is new"
            )
        remote = Remote(repository, RemoteEntry(ORIGIN, full, datasets or ()))
        with remote.noted("clone"):
            report = pull(remote, datasets, PullAsked(files=False, objects=objects), progress)
        if files and objects:
            _restore(repository, progress)
        else:
            repository.config.set("pull.files", "false")
        if not objects:
            repository.config.set("core.objects", ORIGIN)
        if datasets:
            repository.config.set(f"remote.{ORIGIN}.datasets", " ".join(datasets))
        # Last: who finds a remote of this name has a clone that is whole.
        remotes.add(ORIGIN, full, probe=False)
        return CloneReport(target, full, report.datasets, report.transfer)
    finally:
        repository.close()


def _require(backend: Backend, datasets: tuple[str, ...]) -> None:
    """Raises NotFound for a dataset that is not there, before anything is made."""
    missing = sorted(set(datasets) - set(list_datasets(backend, datasets))) if datasets else []
    if missing:
        names = sorted(list_datasets(backend))
        near = close_matches(missing[0], names, 1)
        known = ", ".join(map(printable, names[:10])) or "none"
        raise NotFound(
            f"{backend.url} has no dataset {printable(missing[0])!r}",
            hint=f"did you mean {near[0]}?" if near else f"datasets there: {known}",
        )


def _prepare(target: str, identity: bytes, url: str) -> None:
    """Makes the folder a repository with this identity, or sees that it is that one already."""
    layout = Layout(os.path.join(target, FOLDER))
    known = read_file(layout.repository, document.DOCUMENT_BYTES_MAX)
    fields = document.decode(identity, f"{IDENTITY} on {url}")
    if known is not None:
        if known != identity:
            raise AlreadyExists(
                f"{target} is another repository", hint="name a folder that is not there yet"
            )
        return
    if os.path.isdir(target) and any(name != FOLDER for name in os.listdir(target)):
        raise AlreadyExists(f"{target} is not empty", hint="name a folder that is not there yet")
    if os.path.exists(target) and not os.path.isdir(target):
        raise InvalidInput(f"{target} is not a folder")
    try:
        Chunking.from_json(fields["chunking"], f"{IDENTITY} on {url}")
    except (KeyError, TypeError, DamagedData, InvalidInput) as error:
        raise RemoteDamaged(
            f"{IDENTITY} on {url} does not say how content is cut: {error}"
        ) from None
    kept = {key: value for key, value in fields.items() if key != "format"}
    initialise(target, str(fields["org"]), lambda: kept)


def _restore(repository: Repository, progress: Progress) -> None:
    """Writes the files of all datasets, where nothing is in the way; what is referenced stays where
    it is."""
    for name in repository.datasets():
        dataset = Dataset(repository, repository.identity(name))
        if dataset.head:
            restore(
                dataset.tree, None, None, None, force=False, dry_run=False, references=False,
                progress=progress,
            )  # fmt: skip
