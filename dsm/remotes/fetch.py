"""fetch: what a remote has that is not here, verified and kept apart; nothing here moves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

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
    wanted = folders_of(remote, only)
    datasets = remote.datasets(wanted)
    refuse_lost(remote, datasets, wanted)
    # Where nothing of it is known here, it must be this repository that lies there.
    if not any(id in names for id in datasets) and not remote.require_ours():
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


def folders_of(remote: Remote, only: Iterable[str] | None) -> tuple[str, ...]:
    """Returns the folders on a remote of datasets by their names here, none for all of them.

    None are those that this copy is limited to, with those of its own that it has pushed there.
    """
    names, folders = local_names(remote.repository), remote.tracking.folders()
    known = {name: folders.get(id, name) for id, name in names.items()}
    if only is not None:
        return tuple(known.get(each, each) for each in only)
    limited = remote.entry.datasets
    pushed = [folder for id, folder in folders.items() if id in names]
    return tuple(dict.fromkeys((*limited, *pushed))) if limited else ()


def refuse_lost(
    remote: Remote, there: Mapping[str, RemoteDataset], wanted: tuple[str, ...] = ()
) -> None:
    """Raises HistoryRewritten for a dataset that was seen on a remote, and is not among those that
    are `there` (by id) any more; of the folders in `wanted`, none for all. OtherRepository when the
    place is another's now.

    When nothing is left, that is most often a disk that is not mounted.
    """
    if not there and not wanted and remote.tracking.folders():
        remote.require_ours()  # else it is no wonder
        refuse_emptied(remote)
    url, here = remote.entry.url, local_names(remote.repository)
    push = "`dsm push` brings it all back"
    forget = f"`dsm remote set-url {remote.entry.name} {url}` forgets what was seen"
    for id, folder in sorted(remote.tracking.folders().items(), key=lambda item: item[1]):
        seen = remote.tracking.seen(id)
        if seen is None or not seen.head or id in there or (wanted and folder not in wanted):
            continue
        remote.require_ours()
        if not there and not remote.datasets(()):
            refuse_emptied(remote)
        if id in here:  # else others removed there what was removed here
            raise HistoryRewritten(
                f"dataset {folder} is missing on {url}, where it was at changeset {seen.head}",
                hint=f"nothing was changed. Ask who did that; {push}, {forget}",
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
