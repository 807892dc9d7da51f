"""fetch: what a remote has that is not here, verified and kept apart; nothing here moves."""

from __future__ import annotations

from dsm.progress import SILENT, Progress
from dsm.remotes.backend import RemoteDamaged
from dsm.remotes.contents import RemoteDataset
from dsm.remotes.incoming import HistoryRewritten, Incoming, fetch_changesets
from dsm.remotes.remote import Remote
from dsm.remotes.reports import DatasetFetched, FetchReport
from dsm.repo.log import ChangesetLog
from dsm.repo.repository import Repository


def fetch(
    remote: Remote, only: tuple[str, ...] | None = None, progress: Progress = SILENT
) -> FetchReport:
    """Fetches the changesets of a remote that are not here; `only` names datasets.

    Raises RemoteDamaged, HistoryRewritten, OtherRepository, RemoteRefused, RemoteFailed.
    """
    found = []
    for name, incoming in fetch_all(remote, only, progress):
        log = log_of(remote.repository, name)
        ahead = 0 if log is None else log.head() - incoming.base
        behind = incoming.head - incoming.base
        found.append(DatasetFetched(name, incoming.head, ahead, behind, log is None))
    return FetchReport(remote.entry.name, remote.entry.url, tuple(found), remote.transfer())


def fetch_all(
    remote: Remote, only: tuple[str, ...] | None = None, progress: Progress = SILENT
) -> list[tuple[str, Incoming]]:
    """Returns (name here, what came) of each dataset of a remote; of those in `only`, if given."""
    if only is not None and not only:
        return []
    names = local_names(remote.repository)
    folders = tuple(remote.tracking.folders().get(id, name) for id, name in names.items())
    wanted = tuple(
        next((f for (_, name), f in zip(names.items(), folders, strict=True) if name == each), each)
        for each in only or ()
    )
    datasets = remote.datasets(wanted)
    if not datasets and only is None:
        refuse_emptied(remote)
    # Where nothing of it is known here, it must be this repository that lies there.
    if not any(id in names for id in datasets) and not remote.require_ours():
        if only is not None and not remote.datasets():
            refuse_emptied(remote)
        return []
    found = []
    for id, dataset in sorted(datasets.items(), key=lambda item: item[1].folder):
        name = names.get(id) or _free_name(remote, dataset, names)
        log = log_of(remote.repository, names.get(id))
        found.append(
            (name, fetch_changesets(remote.backend, remote.tracking, dataset, log, progress))
        )
    return found


def refuse_emptied(remote: Remote) -> None:
    """Raises HistoryRewritten for a place that has no dataset, where some were seen: most often a
    disk that is not mounted."""
    seen = remote.tracking.folders()
    if any(found is not None and found.head for found in map(remote.tracking.seen, seen)):
        raise HistoryRewritten(
            f"there is nothing at {remote.entry.url}, where dataset {min(seen.values())} was",
            hint="see whether the disk is mounted, and the address right; `dsm push --recreate`"
            f" puts it all there again, `dsm remote set-url {remote.entry.name} URL` forgets what"
            " was seen",
        )


def local_names(repository: Repository) -> dict[str, str]:
    """Returns the names of the datasets here by their ids."""
    return {repository.identity(name).id: name for name in repository.datasets()}


def log_of(repository: Repository, name: str | None) -> ChangesetLog | None:
    """Opens the log of a dataset by name; None when there is none here."""
    if name is None or name not in repository.datasets():
        return None
    return ChangesetLog(repository, name, repository.identity(name).id)


def _free_name(remote: Remote, dataset: RemoteDataset, names: dict[str, str]) -> str:
    folded = {name.casefold(): name for name in names.values()}
    twin = folded.get(dataset.folder.casefold())
    if twin is not None:
        raise RemoteDamaged(
            f"{remote.entry.url} has a dataset {dataset.folder}, which is another than {twin} here",
            hint=f"`dsm dataset rename {twin} NEW` makes room for it",
        )
    return dataset.folder
