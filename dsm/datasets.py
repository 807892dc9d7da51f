"""A dataset with its verbs: the noun that people use.

Each verb is a few lines that put the layers below together; how a thing is done is told there. The
clock and the author come from the environment that the repository was opened with.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO, Unpack

from dsm.errors import AlreadyExists, AnswerIsNo, InvalidInput
from dsm.model.changeset import Changeset, Counts
from dsm.model.example import Example
from dsm.model.names import check_label, check_path
from dsm.model.queries import query_changes
from dsm.progress import SILENT, Progress
from dsm.repo.log import ChangesetLog, Tag
from dsm.repo.repository import DatasetIdentity, Repository

if TYPE_CHECKING:
    import pyarrow as pa

    from dsm.history.commit import Intent
    from dsm.history.snapshot import Snapshots
    from dsm.model.reports import AddReport, Diff, MassDeletion, RestoreReport, Status
    from dsm.sources.query import SourceQuery
    from dsm.sources.recording import QueryAsked
    from dsm.views.query.resolve import Asked
    from dsm.views.query.view_query import ViewQuery
    from dsm.views.view import View
    from dsm.worktree.request import Request
    from dsm.worktree.tree import WorkTree

Paths = Sequence[str | os.PathLike[str]]


class Dataset:
    """One dataset of a repository.

    Paths name examples and folders, and count from the current folder. `None` stands for what is
    not given, an empty sequence for nothing: `restore()` brings all files back, `restore([])` none.
    """

    def __init__(self, repo: Repository, identity: DatasetIdentity):
        self.repo = repo
        self._environment = repo.environment
        self.identity = identity
        self.log_ = ChangesetLog(repo, identity.name, identity.id)

    @property
    def name(self) -> str:
        return self.identity.name

    @property
    def id(self) -> str:
        return self.identity.id

    @property
    def pattern(self) -> str | None:
        return self.identity.pattern

    @property
    def created(self) -> int:
        """When it was created, in microseconds UTC."""
        return self.identity.created

    @property
    def root(self) -> str:
        """The folder that its examples lie below."""
        if self.identity.root == ".":
            return self.repo.root
        return os.path.join(self.repo.root, self.identity.root)

    @property
    def head(self) -> int:
        """The newest changeset's number, 0 when there is none."""
        return self.log_.head()

    @cached_property
    def snapshots(self) -> Snapshots:
        """Snapshots by number; imports pyarrow."""
        from dsm.history.snapshot import Snapshots

        return Snapshots(self.repo, self.log_)

    @cached_property
    def tree(self) -> WorkTree:
        """The files below its root, of no use to who reads a view: imported when asked for."""
        from dsm.worktree.tree import WorkTree

        return WorkTree(self.repo, self.log_, self.root, lambda: self.snapshots)

    # --- staging ---------------------------------------------------------------------------

    def _paths(self, paths: Paths | None) -> tuple[str, ...]:
        """Returns paths below the root: all of it for None, none for an empty sequence."""
        if paths is None:
            return ("",)
        here = self._environment.current_folder()
        given = [paths] if isinstance(paths, (str, os.PathLike)) else paths
        return tuple(self.tree.relative(os.fspath(path), here) for path in given)

    def add(
        self,
        paths: Paths | Mapping[str, bytes | BinaryIO],
        *,
        labels: Sequence[str] | None = None,
        pattern: str | None = None,
        label_file: str | None = None,
        strict: bool = False,
        deletions: bool = False,
        dry_run: bool = False,
        follow_symlinks: bool = False,
        keep_going: bool = False,
        progress: Progress = SILENT,
    ) -> AddReport:
        """Stages new and changed files, or bytes given by path.

        Files and folders are relative to the current folder; a mapping's paths are below the
        dataset's root and need no file. `labels` go on everything; `deletions` also stages that
        tracked files are gone. Raises DatabaseInTree, FilesUnreadable, InvalidInput, NotFound.
        """
        from dsm.worktree.staging import add_content, add_files

        if isinstance(paths, Mapping):
            request = self._request(
                (), labels, pattern, label_file, strict=strict, deletions=deletions, dry_run=dry_run
            )
            return add_content(self.tree, request, paths, self._environment.clock())
        request = self._request(
            self._paths(paths), labels, pattern, label_file, strict=strict, deletions=deletions,
            dry_run=dry_run, follow_symlinks=follow_symlinks, keep_going=keep_going,
        )  # fmt: skip
        return add_files(self.tree, request, progress)

    def _request(
        self,
        paths: tuple[str, ...],
        labels: Sequence[str] | None,
        pattern: str | None,
        label_file: str | None,
        **flags: bool,
    ) -> Request:
        from dsm.worktree.databases import refuse_databases
        from dsm.worktree.request import request_for

        request = request_for(
            paths, _labels(labels), pattern, self.pattern, label_file,
            folder=self._environment.current_folder(), **flags,
        )  # fmt: skip
        refuse_databases(self.repo, self.tree, request)
        return request

    def add_query(
        self, source: str, sql: str, *, name: str | None = None, **asked: Unpack[QueryAsked]
    ) -> SourceQuery:
        """Stages a query whose rows are examples of the dataset, read when a view is.

        `name` (the source's by default) comes first in their paths, `NAME/KEY.EXTENSION`; `key`,
        `label` and `time` are columns of the answer; `payload` columns make a JSON object (all by
        default), or with another `extension` one of them is the payload. `parameters` are bound to
        `:name` in the text; `max_rows` and `timeout` (seconds) end a run, `purpose` is told in
        receipts. The source is asked for the columns of the answer. Raises BadQuery, SourceFailed,
        SourceRefused, InvalidInput, NotFound.
        """
        from dsm.sources.recording import query_of
        from dsm.worktree.staging import stage_query

        query = query_of(self.repo, source, sql, name=name, **asked)
        stage_query(self.tree, query.name, query.to_json())
        return query

    def remove_query(self, name: str) -> None:
        """Stages the removal of a query. Raises NotFound."""
        from dsm.worktree.staging import stage_query

        stage_query(self.tree, name, None)

    def queries(self, reference: str | int | None = None) -> dict[str, SourceQuery]:
        """Returns the queries that stand after a changeset (the head by default), by name."""
        from dsm.sources.recording import decoded

        return decoded(self.log_.queries(self._number(reference)))

    def staged_queries(self) -> dict[str, SourceQuery]:
        """Returns the queries that the next commit puts, by name."""
        from dsm.sources.recording import decoded

        staged = self.tree.stage.load().queries
        return decoded({n: each.document for n, each in staged.items() if each.document})

    def label(
        self,
        paths: Paths,
        *,
        set: Sequence[str] | None = None,
        add: Sequence[str] | None = None,
        remove: Sequence[str] | None = None,
    ) -> Counts:
        """Relabels tracked examples at or below the paths; content is not touched.

        `set` replaces all labels, then `add` and `remove` apply. Raises NotFound.
        """
        from dsm.worktree import edit
        from dsm.worktree.staging import stage_without_content

        if set is None and not add and not remove:
            raise InvalidInput("no label given", hint="use --set, --add or --remove with a label")
        staged = self.tree.stage.load()
        index = self.tree.index(staged)
        rows = edit.relabel_rows(
            self.tree, staged, edit.tracked_below(index, self._paths(paths)),
            replacing=None if set is None else _labels(set),
            add=_labels(add), remove=_labels(remove),
        )  # fmt: skip
        return stage_without_content(self.tree, index, staged, rows, {})

    def remove(
        self, paths: Paths, *, keep_files: bool = False, force: bool = False, dry_run: bool = False
    ) -> tuple[str, ...]:
        """Stages the removal of tracked examples and removes their files; returns their paths.

        Raises NotFound, or UnsavedWork when a file differs from what was added of it.
        """
        from dsm.worktree.removing import remove

        wanted = self._paths(paths)
        return remove(self.tree, wanted, keep_files=keep_files, force=force, dry_run=dry_run)

    def move(self, source: str, target: str, *, force: bool = False) -> tuple[tuple[str, str], ...]:
        """Renames a tracked file or folder, with its labels; returns (old, new) paths.

        Files that lie at their new names already, moved by hand, are only recorded.
        """
        from dsm.worktree.moving import move

        (old,), (new,) = self._paths([source]), self._paths([target])
        return move(self.tree, old, new, force=force)

    def unstage(self, paths: Paths | None = None) -> int:
        """Forgets staged changes (all, or at and below the paths); returns how many.

        Raises NotFound for a path that is neither tracked nor staged.
        """
        from dsm.worktree.staging import unstage

        return unstage(self.tree, None if paths is None else self._paths(paths))

    def status(self, *, progress: Progress = SILENT) -> Status:
        """Compares head, stage and work tree."""
        from dsm.worktree.status import status

        return status(self.tree, self.name, progress=progress)

    # --- history ---------------------------------------------------------------------------

    def commit(
        self,
        message: str,
        *,
        paths: Paths | None = None,
        all: bool = False,
        allow_empty: bool = False,
        author: str | None = None,
        source: str | None = None,
        note: str | None = None,
        progress: Progress = SILENT,
        tell: Callable[[AddReport | MassDeletion], None] | None = None,
        allow_mass_delete: bool = False,
    ) -> Changeset:
        """Records the stage as the next changeset; durable when it returns.

        With `paths`, adds and commits exactly those, apart from what else is staged; with `all`,
        first stages the changes and deletions of tracked files. Before anything is recorded, `tell`
        is given what `add` would answer of the paths, and the MassDeletion, if it is one. Raises
        AnswerIsNo when there is nothing to commit, ChangedMeanwhile with the paths when others
        changed the same examples, MassDeletionRefused when `all`, or the dataset's root as a path,
        finds one; `allow_mass_delete`, or the setting commit.allow-mass-delete, lets it pass.
        """
        from dsm.worktree.committing import commit_paths, commit_stage

        intent = self._intent(message, author, source=source, note=note)
        allowed = allow_mass_delete or self.repo.config.flag("commit.allow-mass-delete")
        if paths is not None:
            if all:
                raise InvalidInput("give paths or --all, not both")
            wanted = self._paths(paths)
            request = self._request(
                wanted, (), None, None, deletions=True, spares_lost_folders=True,
                allows_mass_deletion=allowed or "" not in wanted,
            )  # fmt: skip
            return commit_paths(
                self.tree, request, intent, progress, allow_empty=allow_empty, tell=tell
            )
        if all:
            from dsm.worktree.staging import add_files

            flags = {"only_tracked": True, "allows_mass_deletion": allowed}
            add_files(self.tree, self._request(("",), (), None, None, **flags), progress)
        return commit_stage(self.tree, intent, allow_empty=allow_empty, tell=tell)

    def _intent(self, message: str, author: str | None, **fields: Any) -> Intent:
        from dsm.history.commit import intended

        author = author or self.repo.author
        return intended(message, author, self._environment.clock(), **fields)

    def log(self, limit: int | None = None, paths: Paths | None = None) -> Iterator[Changeset]:
        """Yields changesets, newest first; with `paths`, only those that touched them."""
        wanted = None if paths is None else self._paths(paths)
        found = self.log_.newest_first()
        if wanted is not None:
            from dsm.history.difference import touches

            found = (c for c in found if touches(self.log_, self.snapshots, c.number, wanted))
        yield from islice(found, None if limit is None else max(0, limit))

    def resolve(self, reference: str | int | None) -> int:
        """Turns a number, `head`, `head~2`, a tag or an id prefix into a number."""
        return self.log_.resolve("head" if reference is None else reference)

    def changeset(self, reference: str | int) -> Changeset:
        """Returns one changeset. Raises NotFound."""
        return self.log_.get(self.resolve(reference))

    def changes(self, reference: str | int) -> Diff:
        """Returns what one changeset did to the snapshot before it."""
        from dsm.history.difference import between
        from dsm.model.reports import Diff

        number = self.resolve(reference)
        changes = between(self.snapshots, number - 1, number)
        queries = query_changes(self.log_.queries(number - 1), self.log_.queries(number))
        return Diff(str(number - 1), str(number), tuple(changes), tuple(queries))

    def diff(
        self,
        a: str | int | None = None,
        b: str | int | None = None,
        *,
        staged: bool = False,
        paths: Paths | None = None,
    ) -> Diff:
        """Compares: stage and head with the work tree; snapshot A with the work tree; A with B;
        with `staged`, the head (or A) with the stage."""
        from dsm.worktree.comparing import diff

        first = None if a is None else self.resolve(a)
        second = None if b is None else self.resolve(b)
        wanted = None if paths is None else self._paths(paths)
        return diff(self.tree, first, second, staged=staged, paths=wanted)

    def snapshot(self, reference: str | int | None = None) -> pa.Table:
        """Returns the live examples after a changeset (the head by default) as an Arrow table.

        A row each, sorted by path.

        Columns: `path` (text); `object` (32 bytes: the BLAKE3 of its bytes); `offset` and `length`
        (int64, null); `size` (int64, bytes); `time` (timestamp in microseconds, UTC); `labels`
        (list of text, sorted); `annotation` (text of a JSON document, or null); `attr.NAME` for
        each attribute of the dataset (text, int64, float64 or bool; null where an example has
        none); `changeset` (int32: the number of the one that last put it).

        Raises NotFound for a changeset that there is not, DamagedData when one cannot be read.
        """
        return self.snapshots.table(self._number(reference))

    def _number(self, reference: str | int | None) -> int:
        """Like `resolve`, 0 for the head of a dataset without a changeset."""
        return 0 if reference is None and not self.head else self.resolve(reference)

    def ls(
        self, paths: Paths | None = None, reference: str | int | None = None
    ) -> Iterator[Example]:
        """Yields the examples of a snapshot, sorted by path; with `paths`, those at or below."""
        from dsm.history.snapshot import examples_below

        return examples_below(self.snapshot(reference), self._paths(paths))

    def example(self, path: str, reference: str | int | None = None) -> Example:
        """Returns one example of a snapshot, by its path below the dataset's root."""
        return self.snapshots.example(self.resolve(reference), check_path(path))

    def open(self, path: str, reference: str | int | None = None) -> BinaryIO:
        """Opens an example's bytes, verified as they are read."""
        return self.repo.store.open(self.example(path, reference).oid)

    def read(self, path: str, reference: str | int | None = None) -> bytes:
        """Returns an example's bytes, verified."""
        return self.repo.store.read(self.example(path, reference).oid)

    def revert(
        self,
        reference: str | int,
        *,
        force: bool = False,
        message: str | None = None,
        author: str | None = None,
        keep_files: bool = False,
    ) -> Changeset:
        """Commits a changeset that undoes another one, and brings unchanged files along.

        Raises TouchedLater when later changesets touched the same examples (`force` keeps those),
        AnswerIsNo when nothing is left to undo.
        """
        from dsm.worktree.committing import commit_revert

        number = self.resolve(reference)
        undone = self.log_.get(number)
        subject = undone.message.splitlines()[0]
        text = message or f'Revert changeset {number}: "{subject}"'
        intent = self._intent(text, author, kind="revert", reverts=number)
        return commit_revert(self.tree, number, intent, force=force, keep_files=keep_files)

    def restore(
        self,
        paths: Paths | None = None,
        *,
        source: str | int | None = None,
        to: str | None = None,
        force: bool = False,
        dry_run: bool = False,
        progress: Progress = SILENT,
    ) -> RestoreReport:
        """Writes examples back to files: staged or head state, or that of changeset `source`.

        `to` names another folder. Raises UnsavedWork or UnsafeTarget, before anything is written,
        when content that is stored nowhere would be lost.
        """
        from dsm.worktree.restoring import restore

        number = None if source is None else self.resolve(source)
        target = None if to is None else os.path.join(self._environment.current_folder(), to)
        return restore(
            self.tree, None if paths is None else self._paths(paths), number, target,
            force=force, dry_run=dry_run, progress=progress,
        )  # fmt: skip

    # --- tags and views --------------------------------------------------------------------

    def tag(self, name: str, reference: str | int | None = None, message: str = "") -> Tag:
        """Names a changeset (the head by default). Tags never move. Raises AlreadyExists."""
        if not self.head:
            raise AnswerIsNo(f"dataset {self.name} has no changeset to tag yet")
        changeset = self.changeset("head" if reference is None else reference)
        tag = Tag(name, changeset.number, changeset.id, self._environment.clock(), message or "")
        if not self.log_.create_tag(tag):
            raise AlreadyExists(
                f"there is a tag {name!r} already",
                hint=f"tags never move: delete it with `dsm tag -d {name}` first",
            )
        return tag

    def tags(self) -> list[Tag]:
        """Returns all tags, sorted by name."""
        return self.log_.tags()

    def delete_tag(self, name: str) -> None:
        """Removes a tag. Raises NotFound."""
        self.log_.delete_tag(name)

    def query(self, **query: Unpack[Asked]) -> ViewQuery:
        """Resolves what `prepare` is asked to a query; its `.version` costs O(1) in the data.

        Reads no manifest and no object. Raises InvalidInput, NotFound for changesets and
        attributes that there are not.
        """
        from dsm.views.query.resolve import resolve

        return resolve(self.log_, self.id, query, now_us=self._environment.clock())

    def prepare(self, *, name: str | None = None, **query: Unpack[Asked]) -> View:
        """Names a query over the snapshot of a changeset and returns its view.

        `labels` asks for examples with any of them (`all_labels`: all of them), `exclude` for none
        of them; `since` (included) and `until` (excluded) for times: text such as "2026-01-31" or
        "7d", datetimes, or microseconds UTC; `percent` for the newest share of what the other
        filters leave, 0 < percent <= 1 or "80%", ordered by time and then path, rounded up;
        `changesets` ("1,3-5", or numbers) folds only those; `at` (a number or tag, the head by
        default) everything up to one; `paths` are globs, `where` conditions such as "width>=512".
        `name` is a name to find the view by.

        Raises AnswerIsNo when no example fits, NotFound for a label that no example has.
        """
        from dsm.views.prepare import prepare

        resolved = self.query(**query)
        return prepare(self.repo, self.name, lambda: self.snapshots, resolved, name=name)


def _labels(given: Iterable[str] | None) -> tuple[str, ...]:
    """Checks and sorts labels; a text by itself is one label, not one for each letter."""
    return tuple(sorted({*map(check_label, [given] if isinstance(given, str) else given or ())}))
