"""The nouns that people use: a repository with datasets, and a dataset with its verbs.

Each verb is a few lines that put the layers below together; how a thing is done is told there. The
clock and the author are given to the repository when it is opened, nothing here asks for them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, BinaryIO

from dsm.errors import AnswerIsNo, InvalidInput, NotFound
from dsm.format.index import ABSENT
from dsm.model.changeset import Changeset, Counts
from dsm.model.example import Example
from dsm.model.names import check_label, check_path, dataset_name_for
from dsm.model.reports import AddReport, Diff, RestoreReport, Status
from dsm.model.rows import FORGET
from dsm.progress import SILENT, Progress
from dsm.repo.log import ChangesetLog, Tag
from dsm.repo.repository import DatasetIdentity, Repository
from dsm.worktree.publish import publishing
from dsm.worktree.tree import WorkTree

if TYPE_CHECKING:
    import pyarrow as pa

    from dsm.history.commit import Intent
    from dsm.history.snapshot import Snapshots
    from dsm.model.rows import Rows
    from dsm.views.view import View
    from dsm.worktree.add import Request

Paths = Sequence[str | os.PathLike[str]]


class Repo(Repository):
    """An opened repository with its datasets.

    `clock` returns microseconds UTC, `author` the name for changesets; `current_folder` is what
    relative paths start from.
    """

    created = False

    def __init__(
        self,
        root: str,
        *,
        clock: Callable[[], int],
        author: Callable[[Repository], str],
        current_folder: Callable[[], str] = os.getcwd,
    ):
        super().__init__(root)
        self.clock = clock
        self._author = author
        self.current_folder = current_folder

    @property
    def author(self) -> str:
        """Who is named in new changesets."""
        return self._author(self)

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
        """Makes a dataset the current one of this copy."""
        self.identity(name)
        self.config.set("core.dataset", name)

    def dataset(self, name: str | None = None) -> Dataset:
        """Opens a dataset, the current one by default. Raises NotFound with near matches."""
        return Dataset(self, self.identity(name or self.current))

    def create_dataset(
        self, name: str, *, pattern: str | None = None, root: str = "."
    ) -> Dataset:
        """Creates a dataset whose examples lie below `root`, a folder in the repository.

        Raises InvalidInput when the name is taken or impossible.
        """
        if pattern is not None:
            from dsm.model.pattern import PathPattern

            PathPattern.parse(pattern)
        root = os.path.normpath(root)
        identity = DatasetIdentity(os.urandom(16).hex(), name, self.clock(), root, pattern)
        if not self.create_identity(identity):
            raise InvalidInput(f"there is a dataset {name!r} already", hint="`dsm dataset list`")
        return self.dataset(name)

    def view(self, version: str) -> View:
        """Opens a prepared view by version, unique prefix of 8 or more digits, or name."""
        from dsm.views.view import View, find_view

        name, query = find_view(self, version)
        return View(self, name, self.dataset(name).snapshots, query)


class Dataset:
    """One dataset of a repository."""

    def __init__(self, repo: Repo, identity: DatasetIdentity):
        self.repo = repo
        self.identity = identity
        self.log_ = ChangesetLog(repo, identity.name, identity.id)
        self.tree = WorkTree(repo, self.log_, self.root, lambda: self.snapshots)

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

    # --- staging ---------------------------------------------------------------------------

    def _paths(self, paths: Paths | None) -> tuple[str, ...]:
        if paths is None:
            return ("",)
        if isinstance(paths, (str, os.PathLike)):
            paths = [paths]
        here = self.repo.current_folder()
        return tuple(self.tree.relative(os.fspath(path), here) for path in paths)

    def add(
        self,
        paths: Paths | Mapping[str, bytes | BinaryIO],
        *,
        labels: Sequence[str] = (),
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
        dataset's root and need no file. `labels` go on everything; `deletions` also stages the
        deletion of tracked files that are gone. Raises FilesUnreadable, InvalidInput, NotFound.
        """
        from dsm.worktree import add

        if isinstance(paths, Mapping):
            return self._add_content(paths, tuple(map(check_label, labels)), pattern, label_file)
        request = self._request(
            self._paths(paths), labels, pattern, label_file, strict=strict, deletions=deletions,
            dry_run=dry_run, follow_symlinks=follow_symlinks, keep_going=keep_going,
        )  # fmt: skip
        with publishing(self.repo) as publish:
            adder = add.Adder(self.tree, request, progress)
            before = publish.stored_bytes()
            outcome = adder.run()
            if not dry_run:
                with publish:
                    add.stage_rows(self.tree, adder.index, adder.staged, outcome.rows, outcome.marks)
            used = request.pattern or request.default_pattern
            return add.report(
                outcome, publish.stored_bytes() - before, pattern=used.text if used else None,
                dry_run=dry_run,
            )  # fmt: skip

    def _request(
        self,
        paths: tuple[str, ...],
        labels: Sequence[str],
        pattern: str | None,
        label_file: str | None,
        **flags: bool,
    ) -> Request:
        from dsm.worktree.add import Request

        compiled = default = rows = None
        if pattern is not None or self.pattern is not None:
            from dsm.model.pattern import PathPattern

            compiled = PathPattern.parse(pattern) if pattern is not None else None
            default = PathPattern.parse(self.pattern) if self.pattern is not None else None
        if label_file is not None:
            from dsm.worktree.label_file import read_label_file

            rows = read_label_file(os.path.join(self.repo.current_folder(), label_file)).rows
        given = tuple(sorted({check_label(label) for label in labels}))
        return Request(paths, given, compiled, default, rows, **flags)

    def _add_content(
        self,
        content: Mapping[str, bytes | BinaryIO],
        labels: tuple[str, ...],
        pattern: str | None,
        label_file: str | None,
    ) -> AddReport:
        from dsm.worktree import add
        from dsm.worktree.edit import kind_against_head

        paths = [check_path(path) for path in content]
        request = self._request((), labels, pattern, label_file)
        now = self.repo.clock()
        with publishing(self.repo) as publish:
            before = publish.stored_bytes()
            adder = add.Adder(self.tree, request)
            known = self.tree.lookup(paths, adder.staged)
            committed = self.tree.committed(paths)
            rows, size = adder.out.rows, 0
            for path, oid, length in self.repo.store.put_many(content.items()):
                size += length
                old = known.get(path)
                stat = (now * 1000, 0, 0, length)
                values = adder._meaning(path, stat, old)
                time = old.time if old and old.oid == oid else values[1]
                example = Example(path, oid, length, time, values[0], values[3], values[2])
                kind = kind_against_head(example, committed.get(path))
                if kind == FORGET:
                    rows.delete(path, FORGET)
                elif example != old:
                    rows.put(kind, example)
                on_disk = os.path.lexists(os.path.join(self.root, path))
                adder.out.marks[path] = oid if on_disk else ABSENT
            self.repo.store.flush()
            with publish:
                add.stage_rows(self.tree, adder.index, adder.staged, rows, adder.out.marks)
            adder.out.files, adder.out.size = len(paths), size
            return add.report(
                adder.out, publish.stored_bytes() - before, pattern=pattern, dry_run=False
            )

    def _stage(self, rows: Rows, marks: dict[str, int | bytes | None]) -> Counts:
        """Stages rows that need no content, on top of what is staged now."""
        from dsm.worktree.add import counts_of, stage_rows

        staged = self.tree.stage.load()
        with publishing(self.repo) as publish, publish:
            stage_rows(self.tree, self.tree.index(staged), staged, rows, marks)
        return counts_of(rows)

    def label(
        self,
        paths: Paths,
        *,
        set: Sequence[str] | None = None,
        add: Sequence[str] = (),
        remove: Sequence[str] = (),
    ) -> Counts:
        """Relabels tracked examples at or below the paths; content is not touched.

        `set` replaces all labels, then `add` and `remove` apply. Raises NotFound.
        """
        from dsm.worktree import edit

        if set is None and not add and not remove:
            raise InvalidInput("no label given", hint="use --set, --add or --remove with a label")
        staged = self.tree.stage.load()
        index = self.tree.index(staged)
        rows = edit.relabel_rows(
            self.tree, staged, edit.tracked_below(index, self._paths(paths)),
            replacing=None if set is None else tuple(map(check_label, set)),
            add=tuple(map(check_label, add)), remove=tuple(map(check_label, remove)),
        )  # fmt: skip
        return self._stage(rows, {})

    def remove(
        self, paths: Paths, *, keep_files: bool = False, force: bool = False, dry_run: bool = False
    ) -> tuple[str, ...]:
        """Stages the removal of tracked examples and removes their files; returns their paths.

        Raises NotFound, or UnsavedChanges when a file differs from what was added of it.
        """
        from dsm.worktree import edit

        staged = self.tree.stage.load()
        index = self.tree.index(staged)
        listed = edit.tracked_below(index, self._paths(paths))
        if not keep_files and not force:
            edit.refuse_unsaved(self.tree, index, staged, listed)
        if not dry_run:
            self._stage(edit.removal_rows(self.tree, staged, listed), dict.fromkeys(listed))
            if not keep_files:
                edit.remove_files(self.root, listed)
        return tuple(listed)

    def move(
        self, source: str, target: str, *, force: bool = False
    ) -> tuple[tuple[str, str], ...]:
        """Renames a tracked file or folder, with its labels; returns (old, new) paths."""
        from dsm.worktree import edit

        staged = self.tree.stage.load()
        index = self.tree.index(staged)
        (old,), (new,) = self._paths([source]), self._paths([target])
        moves = edit.plan_move(self.tree, index, old, new, force=force)
        rows = edit.move_rows(self.tree, staged, moves)
        known = self.tree.lookup([path for path, _ in moves], staged)
        marks = edit.move_files(self.tree, moves)
        for path, new_path in moves:
            on_disk = os.path.lexists(os.path.join(self.root, new_path))
            marks[new_path] = known[path].oid if on_disk else ABSENT
        self._stage(rows, marks)
        return tuple(moves)

    def unstage(self, paths: Paths | None = None) -> int:
        """Forgets staged changes (all, or at and below the paths); returns how many."""
        if paths is None:
            self.tree.stage.discard_damaged()
        staged = self.tree.stage.load()
        chosen = None
        if paths is not None:
            wanted = self._paths(paths)
            chosen = {
                path for path in staged.where
                if any(not w or path == w or path.startswith(w + "/") for w in wanted)
            }  # fmt: skip
        index = self.tree.index(staged)
        gone = [path for path in staged.where if chosen is None or path in chosen]
        committed = self.tree.committed(gone)
        with self.tree.locked():
            count = self.tree.stage.drop(chosen)
        for path in gone:
            if path in committed:
                on_disk = os.path.lexists(os.path.join(self.root, path))
                index.set(path, committed[path].oid if on_disk else ABSENT)
            else:
                index.remove(path)
        self._settle(index)
        return count

    def _settle(self, index: Any) -> None:
        """Records that the index mirrors the head and the stage as they are now."""
        from dsm.worktree.index import Position

        head = self.log_.head()
        names = self.tree.stage.load().names
        index.position = Position(head, self.log_.get(head).id if head else "", names)
        self.tree.save(index)

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
    ) -> Changeset:
        """Records the stage as the next changeset; durable when it returns.

        With `paths`, adds and commits exactly those, apart from what else is staged; with `all`,
        first stages the changes and deletions of tracked files. Raises AnswerIsNo when there is
        nothing to commit, ChangedMeanwhile with the paths when others changed the same examples.
        """
        from dsm.worktree.committing import commit_paths, commit_stage

        intent = self._intent(message, author, source=source, note=note)
        if paths is not None:
            if all:
                raise InvalidInput("give paths or --all, not both")
            request = self._request(self._paths(paths), (), None, None, deletions=True)
            return commit_paths(self.tree, request, intent, progress, allow_empty=allow_empty)
        if all:
            from dsm.worktree import add

            request = self._request(("",), (), None, None, only_tracked=True)
            with publishing(self.repo) as publish:
                adder = add.Adder(self.tree, request, progress)
                outcome = adder.run()
                with publish:
                    add.stage_rows(self.tree, adder.index, adder.staged, outcome.rows, outcome.marks)
        return commit_stage(self.tree, intent, allow_empty=allow_empty)

    def _intent(self, message: str, author: str | None, **fields: Any) -> Intent:
        from dsm.history.commit import Intent

        text = message.strip()
        if not text:
            raise InvalidInput("a changeset needs a message", hint='use -m "what changed"')
        if len(text.encode("utf-8", "replace")) > 100_000:
            raise InvalidInput("the message is longer than 100,000 bytes")
        for value in (text, author, *fields.values()):
            if isinstance(value, str) and any("\ud800" <= char <= "\udfff" for char in value):
                raise InvalidInput("the message, author or provenance is not valid UTF-8")
        transaction = os.urandom(16).hex()
        return Intent(text, author or self.repo.author, self.repo.clock(), transaction, **fields)

    def log(self, limit: int | None = None, paths: Paths | None = None) -> Iterator[Changeset]:
        """Yields changesets, newest first; with `paths`, only those that touched them."""
        wanted = self._paths(paths) if paths else None
        count = 0
        for changeset in self.log_.newest_first():
            if limit is not None and count >= limit:
                return
            if wanted is None or self._touches(changeset.number, wanted):
                count += 1
                yield changeset

    def _touches(self, number: int, wanted: tuple[str, ...]) -> bool:
        table = self.snapshots.manifest(number)
        if table is None:
            return False
        return any(
            not w or path == w or path.startswith(w + "/")
            for path in table.column("path").to_pylist() for w in wanted
        )  # fmt: skip

    def resolve(self, reference: str | int | None) -> int:
        """Turns a number, `head`, `head~2`, a tag or an id prefix into a number."""
        return self.log_.resolve("head" if reference is None else reference)

    def changeset(self, reference: str | int) -> Changeset:
        """Returns one changeset. Raises NotFound."""
        return self.log_.get(self.resolve(reference))

    def changes(self, reference: str | int) -> Diff:
        """Returns what one changeset did to the snapshot before it."""
        from dsm.history.difference import between

        number = self.resolve(reference)
        changes = between(self.snapshots, number - 1, number)
        return Diff(str(number - 1), str(number), tuple(changes))

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
        wanted = None if not paths else self._paths(paths)
        return diff(self.tree, first, second, staged=staged, paths=wanted)

    def snapshot(self, reference: str | int | None = None) -> pa.Table:
        """Returns the live examples after a changeset (the head by default) as an Arrow table."""
        if reference is None and not self.head:
            return self.snapshots.table(0)
        return self.snapshots.table(self.resolve(reference))

    def ls(
        self, paths: Paths | None = None, reference: str | int | None = None
    ) -> Iterator[Example]:
        """Yields the examples of a snapshot, sorted by path; with `paths`, those at or below."""
        from dsm.history.snapshot import examples_of

        wanted = self._paths(paths) if paths else ("",)
        found = dict.fromkeys(wanted, False)
        for example in examples_of(self.snapshot(reference)):
            for w in wanted:
                if not w or example.path == w or example.path.startswith(w + "/"):
                    found[w] = True
                    yield example
                    break
        for w, seen in found.items():
            if w and not seen:
                raise NotFound(f"no example is {w!r} or lies below it", items=(w,))

    def example(self, path: str, reference: str | int | None = None) -> Example:
        """Returns one example of a snapshot, by its path below the dataset's root."""
        number = self.resolve(reference)
        found = self.snapshots.lookup(number, [path])
        if path not in found:
            from dsm.model.names import close_matches, printable

            table = self.snapshots.table(number)
            near = close_matches(path, table.column("path").to_pylist()[:20000])
            raise NotFound(
                f"changeset {number} of {self.name} has no example {printable(path)}",
                hint=f"did you mean {printable(near[0])}?" if near else "`dsm ls` lists them",
            )
        return found[path]

    def open(self, path: str, reference: str | int | None = None) -> BinaryIO:
        """Opens an example's bytes, verified as they are read."""
        stream: BinaryIO = self.repo.store.open(self.example(path, reference).oid)
        return stream

    def read(self, path: str, reference: str | int | None = None) -> bytes:
        """Returns an example's bytes, verified."""
        data: bytes = self.repo.store.read(self.example(path, reference).oid)
        return data

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

        `to` names another folder. Raises UnsavedWork, before anything is written, when a file
        with content that is stored nowhere would be overwritten.
        """
        from dsm.worktree.restoring import restore

        number = None if source is None else self.resolve(source)
        target = None if to is None else os.path.join(self.repo.current_folder(), to)
        return restore(
            self.tree, self._paths(paths) if paths else None, number, target,
            force=force, dry_run=dry_run, progress=progress,
        )  # fmt: skip

    # --- tags and views --------------------------------------------------------------------

    def tag(self, name: str, reference: str | int | None = None, message: str = "") -> Tag:
        """Names a changeset (the head by default). Tags never move. Raises InvalidInput."""
        if not self.head:
            raise AnswerIsNo(f"dataset {self.name} has no changeset to tag yet")
        changeset = self.changeset("head" if reference is None else reference)
        tag = Tag(name, changeset.number, changeset.id, self.repo.clock(), message or "")
        if not self.log_.create_tag(tag):
            raise InvalidInput(
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

    def prepare(
        self,
        *,
        labels: Iterable[str] = (),
        all_labels: bool = False,
        exclude: Iterable[str] = (),
        at: str | int | None = None,
        name: str | None = None,
    ) -> View:
        """Names a query over the snapshot `at` (the head by default); see `dsm.views`.

        Raises AnswerIsNo when no example fits, NotFound for a label that no example has.
        """
        from dsm.views.query import Query
        from dsm.views.view import prepare

        if not self.head:
            raise AnswerIsNo(f"dataset {self.name} has no changeset yet", hint="`dsm commit` first")
        changeset = self.changeset("head" if at is None else at)
        query = Query(
            self.id, changeset.number, changeset.id,
            tuple(sorted(set(map(check_label, labels)))), all_labels,
            tuple(sorted(set(map(check_label, exclude)))),
        )  # fmt: skip
        return prepare(self.repo, self.name, self.snapshots, query, name=name)


