"""What people open: the datasets and views of a repository, by name."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Unpack

from dsm.datasets import Dataset
from dsm.errors import AlreadyExists, DamagedData, DsmError, NotFound, Refused
from dsm.files.typed_path import refuse_address, refuse_root
from dsm.model.keywords import verbs_suggest
from dsm.model.names import check_dataset_name, check_path, dataset_name_for
from dsm.model.unmatched import SKIP, check_unmatched
from dsm.remotes.shared import SharedRepository
from dsm.repo.repository import DatasetIdentity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dsm.evaluation.predictions import Predictions
    from dsm.example_sets import ExampleSet
    from dsm.lineage.graph import Graph
    from dsm.lineage.used import UsedBy
    from dsm.model.removal_reports import DatasetRemoval
    from dsm.remotes.objects_here import Objects
    from dsm.repo.lock_file import LockReport
    from dsm.runs.book import Runs
    from dsm.sources.source import Source
    from dsm.statistics.drift import Drift, DriftAsked
    from dsm.views.query.resolve import Percent
    from dsm.views.query.view_query import ViewQuery
    from dsm.views.series import Step
    from dsm.views.view import View


NAMED_MAX = 8  # how many datasets a repr names


class DatasetHoldsData(Refused):
    """A dataset with changesets, or something staged, was to be removed, unconfirmed."""

    code = "dataset-holds-data"


@verbs_suggest
class Catalog(SharedRepository):
    """The datasets and views of an opened repository, by name."""

    created = False
    # The dataset that `init` made in a repository that was there.
    added: str | None = None

    @property
    def current(self) -> str:
        """The dataset that is meant when none is named. Raises NotFound when that is unclear."""
        name = self.config.get("core.dataset")
        if name is not None:
            return name
        names = self.datasets()
        if len(names) == 1:
            return names[0]
        own = dataset_name_for(os.path.basename(self.root))
        if own in names:
            return own
        raise NotFound(
            f"which dataset? {self.root} has {len(names)}: {', '.join(names[:10])}",
            hint="choose one with `dsm switch NAME` or -d NAME",
        )

    def switch(self, name: str) -> None:
        """Makes a dataset the current one of this copy. Raises NotFound with near matches."""
        self.identity(name)
        self.config.set("core.dataset", name)

    def dataset(self, name: str | None = None) -> Dataset:
        """Opens a dataset, the current one by default.

        Raises NotFound with near matches, InvalidInput for what names no dataset, also in the
        settings.
        """
        return Dataset(self, self.identity(name or self.current))

    def create_dataset(
        self,
        name: str,
        *,
        pattern: str | None = None,
        root: str | os.PathLike[str] = ".",
        unmatched: str = SKIP,
    ) -> Dataset:
        """Creates a dataset whose examples lie below `root`, a folder in the repository.

        `unmatched` says what `add` does with new files that the pattern does not match: "skip" them
        with a count, take them "unlabelled", or "refuse" to stage anything. One that was alone
        until now stays the current one. Raises AlreadyExists when the name is taken, InvalidInput
        when it, the pattern, the root or `unmatched` is not a legal one.
        """
        if pattern is not None:
            from dsm.model.pattern import PathPattern

            PathPattern.parse(pattern)
        check_unmatched(unmatched)
        check_dataset_name(name)
        root = os.fspath(root)
        refuse_address(root)
        root = os.path.normpath(root)
        if root != ".":
            refuse_root(self.root, os.path.join(self.root, check_path(root)))
        identity = DatasetIdentity(
            os.urandom(16).hex(), name, self.environment.clock(), root, pattern, unmatched
        )
        others = self.datasets()
        if len(others) == 1 and others[0] != name and self.config.get("core.dataset") is None:
            # Before the second is there: an interruption must not leave two and no choice.
            self.config.set("core.dataset", others[0])
        if not self.create_identity(identity):
            raise AlreadyExists(
                f"there is a dataset {name!r} already", hint="`dsm dataset list` lists them"
            )
        return self.dataset(name)

    def rename_dataset(self, name: str, new: str) -> Dataset:
        """Gives a dataset another name, and returns it under that one.

        Its id, changesets, tags, views with their versions and what is staged stay; files of the
        work tree are not touched. Objects that were opened by the old name can read no more.
        Raises NotFound with near matches, AlreadyExists when the name is taken, InvalidInput when
        it is none, and Busy while gc or a writer does not let go.
        """
        from dsm.repo.renaming import rename_dataset

        self.require_ours()
        rename_dataset(self, name, new)
        return self.dataset(new)

    def plan_remove_dataset(self, name: str) -> DatasetRemoval:
        """Returns what `remove_dataset` removes. Raises NotFound with near matches."""
        from dsm.model.removal_reports import DatasetRemoval
        from dsm.views.selection.prepared import list_records

        found = self.dataset(name)
        staged = found.tree.stage.load()
        return DatasetRemoval(
            found.name, found.head, len(found), len(found.tags()), len(list_records(self, name)),
            len(staged.where) + len(staged.queries),
        )  # fmt: skip

    def remove_dataset(self, name: str, *, confirmed: bool = False) -> DatasetRemoval:
        """Removes a dataset with its changesets, tags, views and what is staged, for good.

        Files of the work tree stay, and so does the content of its examples until gc finds that
        nothing refers to it. Raises NotFound with near matches, DatasetHoldsData for one that is
        not empty unless `confirmed`, and Busy while gc or a writer does not let go.
        """
        from dsm.repo.renaming import remove_dataset

        self.require_ours()
        planned = self.plan_remove_dataset(name)
        if (planned.changesets or planned.staged) and not confirmed:
            raise DatasetHoldsData(
                f"dataset {name} has {planned.changesets:,} changesets and {planned.staged:,}"
                " staged changes, which would be gone for good",
                hint=f"`dsm dataset rm -n {name}` says what goes; --yes removes it",
            )
        remove_dataset(self, name)
        return planned

    def trust_source(self, name: str) -> Source:
        """Lets the queries of a source run for this user, as the source is written now.

        For a source that came with the repository; one that was added here is trusted. Raises
        NotFound with near matches, InvalidInput for what names no source, and Refused where this
        user has no folder to note it in.
        """
        from dsm.sources import source as sources
        from dsm.sources.access import Access

        found = sources.find(self, name)
        Access(self).grant(found)
        return found

    def distrust_source(self, name: str) -> bool:
        """Takes back what `trust_source` or adding the source allowed; False if there was nothing.

        Raises NotFound with near matches, InvalidInput for what names no source.
        """
        from dsm.sources import source as sources
        from dsm.sources.access import Access

        return Access(self).revoke(sources.find(self, name))

    @property
    def runs(self) -> Runs:
        """The runs of programs that were recorded: `dsm run`."""
        from dsm.runs.book import Runs

        return Runs(self)

    @property
    def predictions(self) -> Predictions:
        """What runs predicted, and what is made of it: `dsm predictions`, `dsm evaluate`."""
        from dsm.evaluation.predictions import Predictions

        return Predictions(self)

    @property
    def objects(self) -> Objects:
        """What is here of the objects of a copy that fetches them when they are read."""
        from dsm.remotes.objects_here import Objects

        return Objects(self, self.dataset, self.view)

    def lock(self, *, dry_run: bool = False, force: bool = False) -> LockReport:
        """Writes `dsm.lock` beside `.dsm`: the newest changeset of each dataset, and the version
        and digest of each named view, for git to keep with the code.

        With `dry_run` it only says what differs. Raises LockConflict for a file with both sides of
        a merge, one of which names what is not here, and BadLock for one that dsm did not write;
        `force` writes all the same.
        """
        from dsm.repo.lock_file import lock

        return lock(self, dry_run=dry_run, force=force)

    def locked(self) -> dict[str, int]:
        """Returns the changeset that `dsm.lock` names of each dataset, by the dataset's name.

        Raises NotFound without the file, and for a dataset or changeset that is not here,
        LockConflict and BadLock.
        """
        from dsm.repo.lock_file import locked_numbers, read_lock

        found = read_lock(self)
        if found is None:
            raise NotFound(f"there is no dsm.lock in {self.root}", hint="`dsm lock` writes one")
        return locked_numbers(self, found)

    def lock_differences(self, dataset: str | None = None) -> tuple[str, ...] | None:
        """Returns in words how a dataset (the current one) differs from what `dsm.lock` says of it.

        None where there is no such file. Raises NotFound with near matches.
        """
        if not os.path.lexists(os.path.join(self.root, "dsm.lock")):
            return None
        from dsm.repo.lock_file import BadLock, LockConflict, differences, read_lock

        try:
            found = read_lock(self)
        except (BadLock, LockConflict) as error:
            return (error.message, *error.items)
        return None if found is None else differences(self, found, dataset or self.current)

    def views(self, dataset: str | None = None) -> list[View]:
        """Returns the prepared views of a dataset (the current one): the oldest changesets first.

        Raises NotFound with near matches.
        """
        from dsm.views.selection.prepared import list_records
        from dsm.views.view import View

        found = self.dataset(dataset)
        return [
            View(self, found.name, lambda: found.snapshots, record.query, record)
            for record in list_records(self, found.name)
        ]

    def __repr__(self) -> str:
        held = ""
        with contextlib.suppress(DsmError):
            names = self.datasets()
            told = [self._told(name) for name in names[:NAMED_MAX]]
            more = [f"… and {len(names) - NAMED_MAX} more"] if len(names) > NAMED_MAX else []
            held = ": " + ", ".join([*told, *more]) if names else ": no dataset"
        return f"<repository {self.root}{held}>"

    def _told(self, name: str) -> str:
        dataset = self.dataset(name)
        head = dataset.head
        examples = dataset.changeset(head).examples if head else 0
        return f"{name} ({examples:,} example{'s' * (examples != 1)})"

    def view(self, version: str) -> View:
        """Opens a prepared view by version, unique prefix of 8 or more digits, or name.

        Raises NotFound with near matches, InvalidInput for a prefix that is too short, and
        AmbiguousName for one of several versions or a name that views of several datasets have.
        """
        from dsm.views.selection.prepared import find_record
        from dsm.views.view import View

        record = find_record(self, version)
        if (other := self.environment.replaced().get(record.version)) is not None:
            record = find_record(self, other)  # in a run that is made again
        dataset = self.dataset(record.dataset)
        if record.query.dataset != dataset.id:
            raise DamagedData(f"view {record.version[:12]} is recorded for another dataset")
        if (run := self.environment.run()) is not None:
            self.runs.note_view(run, record)
        return View(self, dataset.name, lambda: dataset.snapshots, record.query, record)

    # --- lineage ---

    def lineage(
        self,
        what: str | None = None,
        *,
        up: bool = True,
        down: bool = True,
        dataset: str | None = None,
    ) -> Graph:
        """Returns what something was made of (`up`), and what was made of it (`down`), as a graph.

        `what` is an example's path, a changeset, a view, a run, a source or a file that a run
        wrote; None for all. Raises NotFound with near matches, DamagedData.
        """
        from dsm.lineage.graph import lineage

        asked = dataset is not None or (what is not None and self.datasets())
        return lineage(self.dataset(dataset) if asked else None, self, what, up=up, down=down)

    def used(self, path: str, *, dataset: str | None = None) -> UsedBy:
        """Returns every prepared view, and every run, that had an example of a dataset.

        Raises NotFound for what no changeset ever had, DamagedData.
        """
        from dsm.lineage.used import used

        return used(self.dataset(dataset), path)

    # --- figures ---

    def example_set(self, word: str | None = None, *, dataset: str | None = None) -> ExampleSet:
        """Finds the examples that a word names; they have `table`, `stats` and `drift`.

        A changeset of the dataset (the current one; the head by default), a range of changesets
        `A..B` (what they put), a view by name or version, or the name of another dataset. Raises
        NotFound with near matches, AmbiguousName, InvalidInput.
        """
        from dsm.example_sets import find

        return find(self, self.dataset(dataset), self.dataset, word)

    def drift(self, a: str, b: str, **asked: Unpack[DriftAsked]) -> Drift:
        """Compares what two words name (see `example_set`), A the reference; see `View.drift`.

        Raises NotFound, AmbiguousName, InvalidInput, DamagedData.
        """
        return self.example_set(a).drift(self.example_set(b), **asked)

    def sweep(
        self,
        view: View | str,
        *,
        newest: Iterable[Percent] | None = None,
        sample: Iterable[str | int | float] | None = None,
    ) -> list[Step]:
        """Prepares a view (or its version or name) with each of some newest shares or samples.

        They stand for the share, or the sample, that it has: `newest=["10%", "50%"]`. Raises what
        `view` raises, InvalidInput for none of the two, both, or an empty list, and AnswerIsNo when
        no example fits.
        """
        from dsm.views.series import sweep

        found = self.view(view) if isinstance(view, str) else view
        return sweep(found, self._preparing(found), newest=newest, sample=sample)

    def ablate(self, view: View | str, drop: str) -> list[Step]:
        """Prepares a view (or its version or name) without each changeset, label or segment.

        `drop` is "changeset" (as if it had not been made), "label" or "segment" (without the
        examples that have it, or that it takes). A step has no view where nothing is left, and is
        `same` where nothing is missing. Raises what `view` raises, and InvalidInput for another
        word, for changesets of a view that is put together of others, and for too many views.
        """
        from dsm.views.series import ablate

        found = self.view(view) if isinstance(view, str) else view
        return ablate(found, self._preparing(found), drop)

    def _preparing(self, view: View) -> Callable[[ViewQuery], View]:
        from dsm.views.prepare import prepare

        dataset = self.dataset(view.dataset)
        return lambda query: prepare(self, dataset.name, lambda: dataset.snapshots, query)
