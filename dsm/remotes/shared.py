"""A repository with the verbs that share it: push, fetch, pull, and the upkeep of remotes."""

from __future__ import annotations

import os
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING

from dsm.errors import NotFound
from dsm.model.keywords import refuse_unknown, verbs_suggest
from dsm.progress import SILENT, Progress
from dsm.repo.repository import Repository

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Unpack

    from dsm.datasets import Dataset
    from dsm.remotes.book import Remotes
    from dsm.remotes.checking import RemoteCheck
    from dsm.remotes.import_run import ImportReport
    from dsm.remotes.merging import MergePlan, RemoteStats
    from dsm.remotes.pruning import RemoteGc
    from dsm.remotes.references import References
    from dsm.remotes.reports import (
        FetchReport,
        PullAborted,
        PullReport,
        PullUnderWay,
        PushReport,
    )
    from dsm.remotes.tracking import Distance
    from dsm.repo.trusted_places import TrustedPlaces
    from dsm.store.elsewhere import Elsewhere
    from dsm.store.outside import MakeOutside, Outside
    from dsm.worktree.request import ImportAsked


@verbs_suggest
class SharedRepository(Repository):
    """A repository and its remotes."""

    _when_closed: Callable[[], object] = staticmethod(lambda: None)

    @property
    def current(self) -> str:
        """The dataset that is meant when none is named."""
        raise NotImplementedError

    def elsewhere(self) -> Elsewhere | None:
        """Returns the remote that objects are fetched from when they are read, if there is one.

        Raises NotFound when there is no remote of the name in the settings, InvalidInput for
        settings that make no sense, NotOurs.
        """
        name = self.config.get("core.objects")
        if name is None:
            return None
        from dsm.remotes.on_demand import on_demand

        self.require_trusted()  # else whoever made it chose where our credentials go
        return on_demand(self, self.remotes.find(name).url)

    def outside(self) -> MakeOutside:
        """Returns what makes a reader of the objects that are referenced, if one is asked for."""
        from dsm.repo.trusted_places import TrustedPlaces

        return partial(_reader_at_addresses, TrustedPlaces.of(self))

    def when_closed(self, do: Callable[[], object]) -> None:
        """Has this called when the repository is closed: more than once, if it is so again."""
        self._when_closed = do

    def close(self) -> None:
        super().close()
        self._when_closed()

    @property
    def remotes(self) -> Remotes:
        """The other places that this repository is pushed to and pulled from, by name."""
        from dsm.remotes.book import Remotes

        return Remotes(self)

    @property
    def references(self) -> References:
        """The places at which bytes of examples stay, and which of them are read."""
        from dsm.remotes.references import References

        return References(self)

    def push(
        self,
        remote: str | None = None,
        *,
        datasets: Sequence[str] | None = None,
        tags: bool = False,
        dry_run: bool = False,
        recreate: bool = False,
        jobs: int | None = None,
        progress: Progress = SILENT,
    ) -> PushReport:
        """Uploads the changesets of datasets (the current one) to a remote (the default one).

        With `tags` their tags as well; with `dry_run` nothing is uploaded. Views, splits, segments
        and settings of the datasets go along. A place where nothing is left of what was seen there
        is made anew with `recreate` alone. `jobs` transfers go on at a time.

        Raises InvalidInput for the jobs, NotFound for the remote or a dataset, RemoteMoved when the
        remote has changesets that are not here, HistoryRewritten for one that was emptied, Refused
        where something else lies, OtherRepository, NotExclusive, RemoteRefused, RemoteDamaged,
        RemoteFailed, and PushUnknown when it cannot be told whether a changeset landed.
        """
        from dsm.remotes.parallel import at_once_wanted
        from dsm.remotes.push import push
        from dsm.remotes.remote import Remote

        self.require_ours()
        names = [self.current] if datasets is None else list(datasets)
        opened = Remote(self, self.remotes.find(remote))
        with at_once_wanted(jobs), nullcontext() if dry_run else opened.noted("push"):
            return push(
                opened, names, tags=tags, dry_run=dry_run, recreate=recreate, progress=progress
            )

    def fetch(
        self,
        remote: str | None = None,
        *,
        datasets: Sequence[str] | None = None,
        jobs: int | None = None,
        progress: Progress = SILENT,
    ) -> FetchReport:
        """Looks at what a remote (the default one) has, and keeps it apart, verified.

        No dataset, and no file, changes. `jobs` transfers go on at a time. Raises InvalidInput for
        these, NotFound for the remote, HistoryRewritten, OtherRepository, RemoteRefused,
        RemoteDamaged, RemoteFailed.
        """
        from dsm.remotes.fetch import fetch
        from dsm.remotes.parallel import at_once_wanted
        from dsm.remotes.remote import Remote

        self.require_ours()
        opened = Remote(self, self.remotes.find(remote))
        with at_once_wanted(jobs), opened.noted("fetch"):
            return fetch(opened, None if datasets is None else tuple(datasets), progress)

    def pull(
        self,
        remote: str | None = None,
        *,
        datasets: Sequence[str] | None = None,
        files: bool | None = None,
        side: str | None = None,
        ours: Sequence[str] | None = None,
        theirs: Sequence[str] | None = None,
        jobs: int | None = None,
        progress: Progress = SILENT,
    ) -> PullReport:
        """Fetches from a remote (the default one), and puts its changesets on top of those here.

        Files of the work tree follow unless they hold something else than the head had; `files`
        says otherwise than the setting pull.files. Where both sides have changesets that the other
        has not, those of this copy are put on top: they get other numbers and ids. Of examples that
        both changed, the globs `ours` and `theirs` say whose count, and `side` ("ours", "theirs")
        of all others. `jobs` transfers go on at a time.

        Raises what `fetch` raises, and HistoriesDiverged, before anything has changed, with the
        examples that both changed and nothing settles: the `collisions` of its `report` say what
        each side did. Raises InvalidInput for another `side`, for an example that is told to be
        both, and for a glob that takes none when there are some.
        """
        from dsm.remotes.collisions import Choices
        from dsm.remotes.parallel import at_once_wanted
        from dsm.remotes.pull import PullAsked, pull
        from dsm.remotes.remote import Remote
        from dsm.views.filters.filter import texts

        self.require_ours()
        if files is None:
            files = self.config.flag("pull.files", True)
        choices = Choices.checked(texts(ours), texts(theirs), side)
        opened = Remote(self, self.remotes.find(remote))
        only = None if datasets is None else tuple(datasets)
        objects = self.config.get("core.objects") is None
        with at_once_wanted(jobs), opened.noted("pull"):
            return pull(opened, only, PullAsked(files, choices, objects), progress)

    def abort_pull(self, datasets: Sequence[str] | None = None) -> tuple[PullAborted, ...]:
        """Gives up pulls of datasets (all of them) that were interrupted or refused.

        What was there before the pull is there again: changesets, tags, views, and files where they
        hold exactly what the pull had put there. A pull that is complete stays. The network is not
        asked.

        Raises NoPull when none is under way, NotFound for a dataset, PullGoesOn, before anything
        has changed, when something was staged or named since, and StorageFailed.
        """
        from dsm.remotes.pulling import abort

        self.require_ours()
        return abort(self, self.datasets() if datasets is None else list(datasets))

    def pull_under_way(self, dataset: str | None = None) -> PullUnderWay | None:
        """Returns the pull of a dataset (the current one) that was stopped or refused, if there is
        one: `pull` completes it, and `abort_pull` gives it up.

        Raises NotFound with near matches.
        """
        name = self.identity(dataset or self.current).name
        if not os.path.exists(self.layout.pulling(name)):
            return None  # so that nothing is loaded where no pull was stopped
        from dsm.remotes.pulling import under_way

        return under_way(self, name)

    def remote_stats(self, remote: str | None = None) -> RemoteStats:
        """Counts what lies on a remote (the default one).

        Raises NotFound for the remote, RemoteFailed, RemoteRefused, RemoteDamaged.
        """
        from dsm.remotes.merging import stats_of
        from dsm.remotes.remote import Remote

        return stats_of(Remote(self, self.remotes.find(remote)))

    def merge_packs(
        self, remote: str | None = None, *, dry_run: bool = False, progress: Progress = SILENT
    ) -> MergePlan:
        """Merges the small packs of a remote (the default one) into few; no object is removed.

        Raises NotFound for the remote, OtherRepository, RemoteFailed, RemoteRefused, RemoteDamaged.
        """
        from dsm.remotes.merging import merge, plan_merge
        from dsm.remotes.remote import Remote

        self.require_ours()
        opened = Remote(self, self.remotes.find(remote))
        opened.require_ours()
        plan = plan_merge(opened)
        return plan if dry_run else merge(opened, plan, progress)

    def write_listing(self, remote: str | None = None) -> int:
        """Writes a listing into a remote (the default one), for web servers that show no folders.

        From then on whoever pushes keeps it. Returns how many files it names. Raises NotFound for
        the remote, or when there is none at its address, OtherRepository, RemoteRefused,
        RemoteDamaged, RemoteFailed.
        """
        from dsm.remotes.listing_file import write_listing
        from dsm.remotes.remote import Remote

        self.require_ours()
        opened = Remote(self, self.remotes.find(remote))
        if not opened.require_ours():
            raise NotFound(f"there is no dsm remote at {opened.entry.url}")
        return write_listing(opened.backend)

    def check_remote(
        self,
        remote: str | None = None,
        *,
        share: float = 0.0,
        repair: bool = False,
        progress: Progress = SILENT,
    ) -> tuple[RemoteCheck, tuple[str, ...]]:
        """Checks what lies on a remote (the default one), and reads `share` (0 to 1) of its packs.

        With `repair` puts there what is damaged or lost and here; returns what was found, and the
        names of the files that were written. Raises NotFound for the remote, InvalidInput for the
        share, OtherRepository, RemoteRefused, RemoteFailed.
        """
        from dsm.remotes.checking import check_remote
        from dsm.remotes.mending import mend_remote
        from dsm.remotes.remote import Remote

        self.require_ours()
        opened = Remote(self, self.remotes.find(remote))
        found = check_remote(opened, share, progress)
        mended = mend_remote(opened, found, progress) if repair and found.findings else ()
        return found, mended

    def gc_remote(
        self,
        remote: str | None = None,
        *,
        grace_days: float = 14.0,
        prune: bool = False,
        progress: Progress = SILENT,
    ) -> RemoteGc:
        """Finds, and with `prune` removes, what no changeset on a remote (the default one) needs.

        What is found gets a marker first, and is removed by a later run that finds the marker
        `grace_days` old; so those who push meanwhile lose nothing. Small packs are merged.

        Raises NotFound for the remote, InvalidInput for the days, Refused when this copy cannot
        tell what large files consist of, RemoteDamaged when something that may refer cannot be
        read, HistoryRewritten when what was seen there is missing, OtherRepository, RemoteRefused,
        RemoteFailed.
        """
        from dsm.remotes.pruning import DAY, plan_prune, prune_remote
        from dsm.remotes.remote import Remote

        self.require_ours()
        opened = Remote(self, self.remotes.find(remote))
        plan = plan_prune(opened, grace_days * DAY, progress)
        return prune_remote(opened, plan, progress) if prune else plan

    def import_from(
        self,
        url: str,
        into: str = "",
        *,
        dataset: str | None = None,
        reference: bool = False,
        hub: bool | None = None,
        members: bool = False,
        dry_run: bool = False,
        jobs: int | None = None,
        progress: Progress = SILENT,
        **asked: Unpack[ImportAsked],
    ) -> ImportReport:
        """Stages what lies at an address, below the folder `into` of a dataset (the current one).

        The address is a folder, a prefix of a bucket, one file, or a tar or zip archive, whose
        members become examples; no file is written to the work tree. Labels, and records of files,
        are told as for `Dataset.add`, and settings of the dataset count. Staged in batches:
        interrupted, it goes on when it is called again, and what has not changed since is not read.
        `jobs` files are read at a time.

        With `reference` files are read once and not kept: where they are is recorded, with size,
        ETag and content id, and they are read there, and verified, whenever an example is. With
        `hub` each row of its Parquet or Arrow tables is an example, as for
        `Dataset.add_hub_dataset`; None is that for tables of the Hub (`hf://`), unless they are to
        be records. With `members` the files in archives of a folder are examples, such as those of
        shards of WebDataset.

        Raises NotFound when nothing lies there or for the dataset, InvalidInput for the address,
        the folder or the options, RecordsInvalid, Conflict, RemoteRefused, RemoteFailed.
        """
        from dsm.remotes.importing import import_from
        from dsm.remotes.parallel import at_once_wanted
        from dsm.worktree.request import ImportAsked

        refuse_unknown("import_from", asked, [
            *ImportAsked.__annotations__, "dataset", "reference", "hub", "members", "dry_run",
            "jobs", "progress",
        ])  # fmt: skip
        self.require_ours()
        with at_once_wanted(jobs):
            return import_from(
                self.opened(dataset), url, into, asked=asked, dry_run=dry_run,
                reference=reference, hub=hub, members=members, progress=progress,
            )  # fmt: skip

    def update_imports(
        self,
        url: str | None = None,
        *,
        dataset: str | None = None,
        dry_run: bool = False,
        jobs: int | None = None,
        progress: Progress = SILENT,
    ) -> list[ImportReport]:
        """Stages what is new or was changed where a dataset (the current one) was imported from.

        By ETag and size, else by time and size; `url` names one address. What is gone there stays
        here, and is told. Raises NotFound when nothing was imported, and what `import_from` raises.
        """
        from dsm.remotes.importing import update_imports
        from dsm.remotes.parallel import at_once_wanted

        self.require_ours()
        with at_once_wanted(jobs):
            return update_imports(self.opened(dataset), url, dry_run=dry_run, progress=progress)

    def opened(self, dataset: str | None) -> Dataset:
        """Opens a dataset, the current one for None. Raises NotFound with near matches."""
        from dsm.datasets import Dataset

        return Dataset(self, self.identity(dataset or self.current))

    def distance(self, dataset: str | None = None) -> Distance | None:
        """Returns how far a dataset (the current one) is from the default remote, as last seen.

        The network is not asked. None where no remote was seen yet. Raises NotFound with near
        matches.
        """
        try:
            seen = [name for name in os.listdir(self.layout.remotes) if name[0] != "."]
        except OSError:
            return None
        if not seen:
            return None
        from dsm.remotes.tracking import Tracking
        from dsm.repo.log import ChangesetLog

        if len(seen) > 1:
            chosen = self.remotes.default
            seen = [name for name in seen if name == chosen]
        identity = self.identity(dataset or self.current)
        log = ChangesetLog(self, identity.name, identity.id)
        return Tracking(self.layout, seen[0]).distance(log) if seen else None


def _reader_at_addresses(trusted: TrustedPlaces) -> Outside:
    from dsm.remotes.outside import AtAddresses

    return AtAddresses(trusted)
