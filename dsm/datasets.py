"""A dataset with its verbs: the noun that people use.

Each verb is a few lines that put the layers below together; how a thing is done is told there. The
clock and the author come from the environment that the repository was opened with.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, Unpack

from dsm.dataset_checks import DatasetChecks
from dsm.dataset_history import Paths
from dsm.errors import InvalidInput
from dsm.files.typed_path import file_given, refuse_address, refuse_store
from dsm.model.changeset import Changeset
from dsm.model.example import AttributeValue
from dsm.model.keywords import refuse_unknown, verbs_suggest
from dsm.model.names import check_labels
from dsm.model.unmatched import SKIP
from dsm.progress import SILENT, Progress

if TYPE_CHECKING:
    from dsm.model.difference_report import Diff
    from dsm.model.removal_reports import MassDeletion
    from dsm.model.reports import AddReport, LabelReport
    from dsm.model.restore_reports import AppliedRecords, RestoreReport
    from dsm.model.status_report import Status
    from dsm.sources.query import SourceQuery
    from dsm.sources.recording import QueryAsked
    from dsm.worktree.request import AddAsked, Request
    from dsm.worktree.stage import Staged


@verbs_suggest
class Dataset(DatasetChecks):
    """One dataset of a repository: its history, and the files that it is made of."""

    # --- staging ---------------------------------------------------------------------------

    def add(
        self,
        paths: Paths | Mapping[str, bytes | BinaryIO],
        *,
        progress: Progress = SILENT,
        **asked: Unpack[AddAsked],
    ) -> AddReport:
        """Stages new and changed files, or bytes given by path.

        Files and folders are relative to the current folder; a mapping's paths are below the
        dataset's root and need no file. `labels` go on everything, `pattern` and `label_file` say
        more of each, the latter a path or an open binary file in a `label_format` (by default the
        one that its content tells; docs/how-to/annotations.md lists them); `strict` refuses what
        the pattern does not match, and rows that name nothing. New files that it does not match are
        skipped, taken or refused as the dataset's `unmatched` says; bytes are never skipped.
        `deletions` also stages that tracked files are gone; `force` takes ignored and skipped
        files, too; ignored ones are else left out, and answered as `ignored` when they are named.
        `dry_run` stages nothing, `follow_symlinks` goes into folders behind links, `keep_going`
        stages the rest when files cannot be read.

        Raises NotFound for what is not there, InvalidInput for paths, labels, a pattern or a label
        file that cannot be, NoRowFits for a label file of nothing here, Conflict where rows of a
        query or another example are in the way, DatabaseInTree, and FilesUnreadable unless
        `keep_going` leaves such files to the report.
        """
        from dsm.repo.dataset_settings import know_classes
        from dsm.worktree.request import AddAsked
        from dsm.worktree.staging import add_content, add_files

        refuse_unknown("add", asked, [*AddAsked.__annotations__, "progress"])
        if isinstance(paths, Mapping):
            request = self._request((), **asked)
            now = self._environment.clock()
            return add_content(self.tree, request, paths, paths.items(), now)
        tree = self.tree  # first: it refuses a root that is none, by what it became
        request = self._request(self._paths(paths), **asked)
        report = add_files(tree, request, progress)
        if request.label_rows is not None and not request.dry_run:
            know_classes(self.repo, self.name, request.label_rows.categories)
        return report

    def add_streams(
        self,
        paths: Sequence[str],
        content: Iterable[tuple[str, Any]],
        times: Mapping[str, int | None],
        **asked: Any,
    ) -> AddReport:
        """Stages bytes or binary files by path, one after the other, as `add` does a mapping.

        `content` yields (path, bytes or file) of all `paths` in their order; `times` are those of
        new content (microseconds UTC), None for now. Raises what `add` raises.
        """
        from dsm.worktree.staging import add_content

        request, now = self._request((), **asked), self._environment.clock()
        return add_content(self.tree, request, paths, content, now, times)

    def add_records(
        self,
        records: Any,
        *,
        name: str,
        key: str | Sequence[str] | None = None,
        label: str | None = None,
        time: str | None = None,
        attributes: str | Sequence[str] | None = None,
        labels: Sequence[str] | None = None,
    ) -> AddReport:
        """Stages records as the lines of a JSON Lines file `name`, below the dataset's root.

        `records` are mappings, or a table of pyarrow, pandas, polars or what else hands out Arrow
        data. They become all records of that file, which needs not be there: others are deleted.
        `key`, `label`, `time` and `attributes` name fields, as `add` takes them; for a file that is
        known they may be left away, and labels given since stay until their field changes.

        Raises InvalidInput (what is no record or no name), RecordsInvalid, and Conflict.
        """
        from dsm.records.given import lines_of
        from dsm.worktree.staging import add_records

        request = self._request(
            (name,), labels=labels, records="jsonl", key_field=key, label_field=label,
            time_field=time, attr_field=attributes,
        )  # fmt: skip
        return add_records(self.tree, request, lines_of(records), self._environment.clock())

    def add_hub_dataset(
        self,
        folder: str | os.PathLike[str],
        below: str = "",
        *,
        labels: Sequence[str] | None = None,
    ) -> AddReport:
        """Stages the rows of a folder that Hugging Face's `datasets` wrote, or of the Hub.

        The first column of images or sounds, else `text`, gives the bytes of each example, which
        need no file; names of classes become labels, other columns attributes, lists and objects
        members of the annotation, the split the attribute `split`. Examples are called
        `<below>/<split>/<name>`, by the name in the row where all differ, else by its number.
        Rows are read a few at a time.

        Raises NotFound, and InvalidInput for a folder or a row that is none of this.
        """
        from dsm.worktree.hub_staging import add_hub_rows

        full = os.path.join(self._environment.current_folder(), folder)
        place = self._paths([below])[0] if below else ""
        request, now = self._request((), labels=labels), self._environment.clock()
        return add_hub_rows(self.tree, request, full, os.fspath(folder), place, now)[0]

    def _request(self, paths: tuple[str, ...], **asked: Any) -> Request:
        from dsm.worktree.asked import request_in

        folder = self._environment.current_folder()
        return request_in(self.tree, paths, self.pattern, self.unmatched, folder, asked)

    def add_query(
        self, source: str, sql: str, *, name: str | None = None, **asked: Unpack[QueryAsked]
    ) -> SourceQuery:
        """Stages a query whose rows are examples of the dataset, read when a view is.

        `name` (the source's by default) comes first in their paths, `NAME/KEY.EXTENSION`; `key`,
        `label` and `time` are columns of the answer; `payload` columns make a JSON object (all by
        default), or with another `extension` one of them is the payload. `parameters` are bound to
        `:name` in the text; `max_rows` and `timeout` (seconds) end a run, `purpose` is told in
        receipts. The source is asked for the columns of the answer.

        Raises NotFound for the source, InvalidInput for what is no query (NotOneQuery, BadQuery),
        Conflict when examples lie where its rows would, and what the source says: SourceFailed,
        SourceRefused, SecretMissing, DriverMissing, LimitReached.
        """
        from dsm.sources.recording import QueryAsked, query_of
        from dsm.worktree.staging import stage_query

        refuse_unknown("add_query", asked, [*QueryAsked.__annotations__, "name"])
        query = query_of(self.repo, source, sql, name=name, **asked)
        stage_query(self.tree, query.name, query.to_json())
        return query

    def remove_query(self, name: str) -> None:
        """Stages the removal of a query. Raises NotFound."""
        from dsm.worktree.staging import stage_query

        stage_query(self.tree, name, None)

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
        attributes: Mapping[str, AttributeValue | None] | None = None,
        annotation: str | None = None,
        where: Sequence[str] | None = None,
        label_file: str | os.PathLike[str] | BinaryIO | None = None,
        label_format: str | None = None,
        strict: bool = False,
    ) -> LabelReport:
        """Says something else of tracked examples; content and files are not touched.

        Paths are examples, folders or globs; `where` takes those of them that meet all conditions.
        `set` replaces all labels, then `add` and `remove` apply. An attribute of None is taken
        away, and an annotation of "" is; another annotation is JSON, or a text. `label_file`, a
        path or an open binary file, says of each example what its row says, in a `label_format`
        (see `add`); `strict` refuses rows that fit nothing that is tracked.

        Raises NotFound for a path, an attribute or a table that is not there, InvalidInput for what
        is no label, attribute, condition, table, or path in the dataset, NoRowFits when the table
        says nothing of them.
        """
        from dsm.model.reports import LabelReport
        from dsm.repo.dataset_settings import know_classes
        from dsm.worktree.label_formats.places import Places
        from dsm.worktree.label_formats.table import read_labels
        from dsm.worktree.missing_values import missing_values
        from dsm.worktree.relabelling import Relabelling, chosen
        from dsm.worktree.staging import refuse_other_types, stage_without_content

        folder = self._environment.current_folder()
        staged = self.tree.stage.load()
        index = self.tree.index(staged)
        table, named = None, self._paths(paths)
        if label_file is not None:
            missing = missing_values(self.repo.config)
            places = Places(self.root, named, lambda: index.below(""))
            table, _ = read_labels(file_given(label_file), folder, missing, places, label_format)
        elif label_format is not None:
            raise InvalidInput("a format of labels is given, but no labels", hint="--labels FILE")
        elif strict:
            raise InvalidInput("there is no label file to be strict about", hint="--labels FILE")
        said = Relabelling(
            None if set is None else check_labels(set), check_labels(add), check_labels(remove),
            attributes or {}, annotation, table,
        )  # fmt: skip
        if table is not None:
            table.exists = lambda path: index.get(path) is not None
        wanted = chosen(self.tree, index, staged, named)
        if where:
            wanted = self._meeting(where, wanted, staged)
        rows, warnings, unused = said.rows(self.tree, staged, wanted, strict=strict)
        refuse_other_types(self.tree, staged, rows)
        counts = stage_without_content(self.tree, index, staged, rows, {})
        if table is not None:
            know_classes(self.repo, self.name, table.categories)
        return LabelReport.of(counts, warnings, unused)

    def _meeting(self, where: Sequence[str], paths: list[str], staged: Staged) -> list[str]:
        """Returns those tracked examples that meet all conditions, as the next commit has them."""
        from dsm.history.overlaid import overlaid
        from dsm.views.filters.filter import Asking
        from dsm.views.filters.where import WhereFilter
        from dsm.worktree.tracked_records import has_records

        head = self.head
        known = self.log_.get(head).attributes if head else {}
        table, types = overlaid(self.snapshots.table(head), known, staged.rows(), head + 1)
        told = has_records(self.tree, staged)
        asking = Asking(types, self._environment.clock(), has_records=told)
        found = WhereFilter.asked({"where": where}, asking)
        for clause in () if found is None else found.clauses():
            table = table.filter(clause.mask(table))
        meeting = {*table.column("path").to_pylist()}
        return [path for path in paths if path in meeting]

    def remove(
        self, paths: Paths, *, keep_files: bool = False, force: bool = False, dry_run: bool = False
    ) -> tuple[str, ...]:
        """Stages the removal of tracked examples and removes their files; returns their paths.

        Raises NotFound, InvalidInput for a path outside the dataset's root, UnsavedWork when a
        file differs from what was added of it, UnsafeTarget for a link on the way, and FilesChanged
        when a file became another one meanwhile; then no removal is staged.
        """
        from dsm.worktree.removing import remove

        wanted = self._paths(paths)
        return remove(self.tree, wanted, keep_files=keep_files, force=force, dry_run=dry_run)

    def move(
        self,
        source: str | os.PathLike[str],
        target: str | os.PathLike[str],
        *,
        force: bool = False,
        dry_run: bool = False,
    ) -> tuple[tuple[str, str], ...]:
        """Renames a tracked file or folder, with its labels; returns (old, new) paths.

        Files that lie at their new names already, moved by hand, are only recorded. `dry_run` only
        says what would be renamed, or raises what the move would. Raises NotFound, InvalidInput for
        paths that cannot be, and Conflict when something has a new name already (`force` replaces
        it) or stands in the way; UnsafeTarget for what lies behind a link, and FilesChanged when
        something took a new name meanwhile.
        """
        from dsm.worktree.moving import move

        (old,), (new,) = self._paths([source]), self._paths([target])
        return move(self.tree, old, new, force=force, dry_run=dry_run)

    def unstage(self, paths: Paths | None = None) -> int:
        """Forgets staged changes (all, or at and below the paths); returns how many.

        Raises NotFound for a path that is neither tracked nor staged, InvalidInput for one outside
        the dataset's root.
        """
        from dsm.worktree.staging import unstage

        return unstage(self.tree, None if paths is None else self._paths(paths))

    def status(self, *, progress: Progress = SILENT) -> Status:
        """Compares head, stage and work tree.

        Where the dataset skips files that its pattern does not match, new ones of them are told
        apart, as `left_out`. Raises NotFound without the dataset's root, InvalidInput for an ignore
        file or settings that cannot be used.
        """
        from dsm.worktree.status import status

        pattern = self.pattern if self.unmatched == SKIP else None
        return status(self.tree, self.name, pattern, progress=progress)

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
        trailers: Iterable[str] | Mapping[str, str | Iterable[str]] | None = None,
        derived_from: str | Iterable[str] | None = None,
        progress: Progress = SILENT,
        tell: Callable[[AddReport | MassDeletion], None] | None = None,
        allow_mass_delete: bool = False,
        verify: bool = True,
    ) -> Changeset:
        """Records the stage as the next changeset; durable when it returns.

        With `paths`, adds and commits exactly those, apart from what else is staged; with `all`,
        first stages the changes and deletions of tracked files. `trailers` say more of the
        changeset by keys: "ticket=A-17", or values by key; `derived_from` what its data was made
        of: "photos@12", the id of a run, an address without a password. Before anything is
        recorded, `tell` is given what `add` would answer of the paths, and the MassDeletion, if it
        is one.

        Raises AnswerIsNo when there is nothing to commit, InvalidInput for the message and other
        texts, ChangedMeanwhile with the paths when others changed the same examples, and
        OutcomeUnknown when the changeset is there but may not outlast a power cut. With `paths` or
        `all` it raises what `add` raises, and MassDeletionRefused when `all`, or the dataset's root
        as a path, finds one; `allow_mass_delete`, or the setting commit.allow-mass-delete, lets it
        pass. ChecksFailed when a rule for commits of the contract, `dsm.toml`, finds an error, and
        BadContract; without `verify` no rule is asked, which the changeset says.
        """
        from dsm.worktree.committing import commit_paths, commit_stage

        said: dict[str, Any] = {"source": source, "note": note}
        if trailers or derived_from or "@" in (source or ""):
            from dsm.model.trailers import refuse_password, said_trailers

            refuse_password(source or "")
            said["trailers"] = said_trailers(trailers, derived_from)
        intent = self._intent(message, author, **said)
        judge = self._judge(verify, intent)
        allowed = allow_mass_delete or self.repo.config.flag("commit.allow-mass-delete")
        if paths is not None:
            if all:
                raise InvalidInput("give paths or --all, not both")
            wanted = self._paths(paths)
            request = self._request(
                wanted, deletions=True, spares_lost_folders=True,
                allows_mass_deletion=allowed or "" not in wanted,
            )  # fmt: skip
            return commit_paths(
                self.tree,
                request,
                intent,
                progress,
                allow_empty=allow_empty,
                tell=tell,
                judge=judge,
            )
        if all:
            from dsm.worktree.staging import add_files

            request = self._request(("",), only_tracked=True, allows_mass_deletion=allowed)
            add_files(self.tree, request, progress)
        return commit_stage(self.tree, intent, allow_empty=allow_empty, tell=tell, judge=judge)

    def diff(
        self,
        a: str | int | None = None,
        b: str | int | None = None,
        *,
        staged: bool = False,
        paths: Paths | None = None,
        fields: int = 0,
    ) -> Diff:
        """Compares: stage and head with the work tree; snapshot A with the work tree; A with B;
        with `staged`, the head (or A) with the stage. `Diff.records` tells `fields` of so many.

        Raises what `resolve` raises, and InvalidInput for what cannot be compared.
        """
        from dsm.worktree.comparing import diff

        first = None if a is None else self.resolve(a)
        second = None if b is None else self.resolve(b)
        at = None if paths is None else self._paths(paths)
        return diff(self.tree, first, second, staged=staged, paths=at, fields=fields)

    def apply_records(
        self, paths: Paths | None = None, *, dry_run: bool = False
    ) -> tuple[AppliedRecords, ...]:
        """Rewrites records files as their records are, and stages that: without withdrawn ones,
        with contents that a revert brought back. Returns those that differ.

        `paths` are files or folders, all by default; with `dry_run` nothing is written. Raises
        UnsavedWork for a file with changes that are not staged, InvalidInput for one that is
        compressed or not of lines, Conflict where its records alone do not make it up, and NotFound
        for a path without records files.
        """
        from dsm.worktree.record_apply import apply_records

        named = None if paths is None else self._paths(paths)
        return apply_records(self.tree, named, self._environment.clock(), dry_run=dry_run)

    def restore(
        self,
        paths: Paths | None = None,
        *,
        source: str | int | None = None,
        to: str | os.PathLike[str] | None = None,
        force: bool = False,
        dry_run: bool = False,
        exact: bool = False,
        progress: Progress = SILENT,
    ) -> RestoreReport:
        """Writes examples back to files: staged or head state, or that of changeset `source`.

        `to` names another folder. With `exact`, which goes with a source alone, files that other
        changesets brought here are removed, too, if their content is stored.

        Raises UnsavedWork or UnsafeTarget, before anything is written, when content that is stored
        nowhere would be lost; FilesChanged, in the end, when files appeared or changed meanwhile:
        they are left as they are. Raises what `resolve` raises of the source; NotFound for a path
        without examples, InvalidInput for one outside the dataset's root, for a folder in a `.dsm`
        and for what does not go together, and AnswerIsNo when there is no changeset and nothing
        staged.
        """
        from dsm.worktree.restore import restore

        if to is not None:
            refuse_address(os.fspath(to))
        if exact and (source is None or to is not None or paths is not None):
            raise InvalidInput("exact goes with a source alone")
        number = None if source is None else self.resolve(source)
        target = None if to is None else os.path.join(self._environment.current_folder(), to)
        if target is not None:
            refuse_store(target)
        return restore(
            self.tree, None if paths is None else self._paths(paths), number, target,
            force=force, dry_run=dry_run, exact=exact, progress=progress,
        )  # fmt: skip
