"""A dataset as its changesets tell it: what can be read, named and prepared without a work tree.

A server would have this much of a dataset. Each verb is a few lines that put the layers below
together.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO, Unpack

from dsm.errors import AlreadyExists, AnswerIsNo, DsmError, InvalidInput, NotFound
from dsm.files.typed_path import below_root
from dsm.model.changeset import Changeset
from dsm.model.example import Example
from dsm.model.keywords import refuse_unknown, verbs_suggest
from dsm.model.names import check_path, quoted
from dsm.model.unmatched import check_unmatched
from dsm.repo.log import ChangesetLog, Tag
from dsm.repo.repository import DatasetIdentity, Repository

if TYPE_CHECKING:
    import pyarrow as pa

    from dsm.history.difference import Trail
    from dsm.history.listing import LogAsked
    from dsm.history.snapshot import Snapshots
    from dsm.model.difference_report import Diff
    from dsm.model.target import Target
    from dsm.repo.dataset_settings import DatasetSettings
    from dsm.sources.query import SourceQuery
    from dsm.views.query.resolve import Asked, Named
    from dsm.views.query.view_query import ViewQuery
    from dsm.views.segment import Segments
    from dsm.views.selection.narrowed import Narrowing
    from dsm.views.split import Split, Splits
    from dsm.views.view import View

Paths = Sequence[str | os.PathLike[str]]


@verbs_suggest
class DatasetHistory:
    """The changesets, snapshots, tags and views of one dataset.

    A `reference` is the number of a changeset, `head`, `head~2`, a tag, or 8 or more digits of an
    id. Paths name examples and folders, and count from the current folder. `None` stands for what
    is not given, an empty sequence for nothing: `ls()` yields all examples, `ls([])` none.

    Beside what it says of itself, any verb raises DamagedData when what is stored cannot be
    trusted, StorageFailed when the disk fails or the dataset was renamed or removed since it was
    opened (DatasetMoved), and Refused when permission is missing.
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
        """What paths say about new examples, as it is set now."""
        return self._settings().pattern_of(self.identity)

    @property
    def unmatched(self) -> str:
        """What `add` does with new files that the pattern does not match, as it is set now.

        "skip" leaves them out and counts them, "unlabelled" takes them, "refuse" stages nothing.
        """
        return self._settings().unmatched_of(self.identity)

    def set_pattern(self, pattern: str | None) -> None:
        """Sets the pattern that new examples are labelled by; None: by none.

        Examples that are there keep what is said of them. Raises InvalidInput, StorageFailed.
        """
        if pattern:
            from dsm.model.pattern import PathPattern

            PathPattern.parse(pattern)
        self._change(pattern=pattern or "")

    def set_unmatched(self, unmatched: str) -> None:
        """Sets what `add` does with files that the pattern does not match; see `unmatched`.

        Raises InvalidInput, StorageFailed.
        """
        self._change(unmatched=check_unmatched(unmatched))

    def _settings(self) -> DatasetSettings:
        from dsm.repo.dataset_settings import read_settings

        return read_settings(self.repo, self.name)

    def _change(self, **changed: Any) -> None:
        from dsm.repo.dataset_settings import change_settings

        self.log_.require()
        change_settings(self.repo, self.name, lambda settings: replace(settings, **changed))

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

    def __len__(self) -> int:
        """How many examples the newest snapshot has."""
        head = self.head
        return self.log_.get(head).examples if head else 0

    def __bool__(self) -> bool:
        return True  # an empty dataset is one, too

    def __contains__(self, path: object) -> bool:
        """Whether the newest snapshot has an example of this path, below the dataset's root."""
        return isinstance(path, str) and path in self.snapshots.lookup(self.head, [path])

    def __repr__(self) -> str:
        held = ""
        with contextlib.suppress(DsmError):
            head = self.head
            if head:
                examples = self.log_.get(head).examples
                held = f": {head:,} changeset{'s' * (head != 1)},"
                held += f" {examples:,} example{'s' * (examples != 1)}"
        return f"<dataset {self.name} in {self.root}{held}>"

    @property
    def head(self) -> int:
        """The newest changeset's number, 0 when there is none."""
        return self.log_.head()

    @property
    def target(self) -> Target:
        """What the class of an example is, and which classes there are, for views made from now."""
        return self._settings().target

    def set_target(self, column: str = "labels", classes: Iterable[str] | None = None) -> Target:
        """Sets the target of views that are made from now on; those made before keep theirs.

        `column` is "labels" or "attr.NAME"; without `classes` they are those of the snapshot.
        "labels" without classes forgets those that files of labels list.
        Raises InvalidInput, NotFound for an attribute that no example has, StorageFailed.
        """
        from dsm.model.target import DEFAULT, target_of

        target = target_of(column, classes)
        if self.head:
            target.refuse_unknown(self.log_.get(self.head).attributes)
        found = target if target == DEFAULT else target.with_categories_of(self.target)
        self._change(target=found)
        return found

    @cached_property
    def snapshots(self) -> Snapshots:
        """Snapshots by number; imports pyarrow."""
        from dsm.history.snapshot import Snapshots

        return Snapshots(self.repo, self.log_)

    def _paths(self, paths: Paths | None) -> tuple[str, ...]:
        """Returns paths below the root: all of it for None, none for an empty sequence."""
        if paths is None:
            return ("",)
        here = self._environment.current_folder()
        given = [paths] if isinstance(paths, (str, os.PathLike)) else paths
        return tuple(below_root(self.root, os.fspath(path), here) for path in given)

    # --- changesets -------------------------------------------------------------------------------

    def log(
        self,
        limit: int | None = None,
        paths: Paths | Trail | None = None,
        **asked: Unpack[LogAsked],
    ) -> Iterator[Changeset]:
        """Yields changesets, newest first; with `paths`, only those that touched them.

        `reference` is the newest one to tell (the head by default), `after` and what came before
        it are left out. `since` (included) and `until` (excluded) are times as in `prepare`;
        `author` and `grep` a text, or several, that the author or the message must hold, whatever
        its letter case; `where` are conditions on trailers, which all hold. With `reverse`, the
        same ones are told oldest first. Where an example at one of the paths was renamed, those of
        its old path follow, unless `follow` is False.

        Raises what `resolve` raises; InvalidInput for a path outside the dataset's root, or a
        time or text that is none.
        """
        from dsm.history.listing import listed

        trail = None if paths is None else self.trail(paths, follow=asked.get("follow", True))
        found = listed(self.log_, asked, trail, now_us=self._environment.clock())
        found = islice(found, None if limit is None else max(0, limit))
        return reversed(list(found)) if asked.get("reverse") else found

    def resolve(self, reference: str | int | None) -> int:
        """Turns a number, `head`, `head~2`, a tag or an id prefix into a number.

        Raises NotFound, AmbiguousName for the beginning of several ids, and InvalidInput for what
        names no changeset.
        """
        return self.log_.resolve("head" if reference is None else reference)

    def changeset(self, reference: str | int) -> Changeset:
        """Returns one changeset. Raises what `resolve` raises."""
        return self.log_.get(self.resolve(reference))

    def trail(self, paths: Paths | Trail, *, follow: bool = True) -> Trail:
        """Returns paths that `log` and then `changes` take: with each changeset that the log has
        told, they go by the names that these paths had before it.

        Raises InvalidInput for a path outside the dataset's root.
        """
        from dsm.history.difference import Trail

        if isinstance(paths, Trail):
            return paths
        return Trail(self.log_, self.snapshots, self._paths(paths), follow=follow)

    def changes(self, reference: str | int, paths: Paths | Trail | None = None) -> Diff:
        """Returns what one changeset did to the snapshot before it, at or below the paths.

        Raises what `resolve` raises, and InvalidInput for a path outside the dataset's root.
        """
        from dsm.history.difference import between, changes_below, queries_below
        from dsm.model.difference_report import Diff
        from dsm.model.queries import query_changes

        wanted = None if paths is None else self.trail(paths).paths
        number = self.resolve(reference)
        changes = changes_below(between(self.snapshots, number - 1, number), wanted)
        queries = query_changes(self.log_.queries(number - 1), self.log_.queries(number))
        return Diff(str(number - 1), str(number), changes, queries_below(queries, wanted))

    def has_path(self, path: str) -> bool:
        """Whether an example, or a query, is or ever was at or below a path.

        Raises InvalidInput for a path outside the dataset's root.
        """
        wanted = self._paths([path])
        if self.head and self._stands(wanted[0]):
            return True
        return any(True for _ in self.log(1, [path]))

    def _stands(self, path: str) -> bool:
        from dsm.history.snapshot import has_any

        return not path or has_any(self.snapshot(), path)

    def definitions_at(self) -> dict[int, list[str]]:
        """Returns the splits and segments by the changeset that was the head: "split cv"."""
        from dsm.repo.definitions import made_at

        return made_at(self.repo, self.name)

    # --- snapshots --------------------------------------------------------------------------------

    def snapshot(self, reference: str | int | None = None) -> pa.Table:
        """Returns the live examples after a changeset (the head by default) as an Arrow table.

        A row each, sorted by path.

        Columns: `path` (text); `object` (32 bytes: the BLAKE3 of its bytes); `offset` and `length`
        (int64, null); `size` (int64, bytes); `time` (timestamp in microseconds, UTC); `labels`
        (list of text, sorted); `annotation` (text of a JSON document, or null); `attr.NAME` for
        each attribute of the dataset (text, int64, float64 or bool; null where an example has
        none); `time_given` (bool: whether somebody gave the time; null is false); `records` (text:
        "#" for a record, else null); `changeset` (int32: the number of the one that last put it).

        Raises what `resolve` raises.
        """
        return self.snapshots.examples(self._number(reference))

    def _number(self, reference: str | int | None) -> int:
        """Like `resolve`, 0 for the head of a dataset without a changeset."""
        return 0 if reference is None and not self.head else self.resolve(reference)

    def ls(
        self,
        paths: Paths | None = None,
        reference: str | int | None = None,
        *,
        view: str | None = None,
        **asked: Unpack[Narrowing],
    ) -> Iterator[Example]:
        """Yields the examples of a snapshot, or of a view, sorted by path.

        With `paths`, those at or below any of them; where no example is, `*`, `?` and `[` make a
        path a glob. `labels`, `all_labels`, `exclude`, `where`, `since` and `until` narrow it as in
        `prepare`; `view` is a prepared one of this dataset, by name or version: what it stores.

        Raises what `resolve` raises, NotFound for a path, a label or an attribute that none has,
        InvalidInput for a path outside the dataset's root, or a condition that is none.
        """
        from dsm.history.snapshot import examples_of
        from dsm.views.filters.filter import Asking
        from dsm.views.selection.narrowed import Narrowing, narrowed

        refuse_unknown("ls", asked, [*Narrowing.__annotations__, "view", "paths", "reference"])
        if view is None:
            number, table = self._number(reference), self.snapshot(reference)
        elif reference is not None:
            raise InvalidInput("give a view or a changeset, not both", hint="leave out one of them")
        else:
            found = self._view(view)
            number, table = found.query.at, found.table()
        head = self.log_.get(number) if number else None
        asking = Asking.of(head, self._environment.clock())
        return examples_of(narrowed(table, number, asking, asked, self._paths(paths)))

    def _view(self, view: str) -> View:
        from dsm.views.selection.prepared import find_record
        from dsm.views.view import View

        record = find_record(self.repo, view)
        if record.query.dataset != self.id:
            raise NotFound(
                f"view {view!r} is one of dataset {record.dataset}, not of {self.name}",
                hint=f"choose that one with -d {record.dataset}",
            )
        return View(self.repo, self.name, lambda: self.snapshots, record.query, record)

    def labels(self, reference: str | int | None = None) -> dict[str, int]:
        """Returns how many examples of a snapshot have each label, sorted by label.

        Raises what `resolve` raises.
        """
        from dsm.views.filters.label_counts import counts

        return counts(self.snapshot(reference))

    def example(self, path: str, reference: str | int | None = None) -> Example:
        """Returns one example of a snapshot, by its path below the dataset's root.

        Raises what `resolve` raises, NotFound, and InvalidInput for what is no path.
        """
        return self.snapshots.example(self.resolve(reference), check_path(path))

    def open(self, path: str, reference: str | int | None = None) -> BinaryIO:
        """Opens an example's bytes, verified as they are read. Raises what `example` raises."""
        return self.repo.store.open(self.example(path, reference).oid)

    def read(self, path: str, reference: str | int | None = None) -> bytes:
        """Returns an example's bytes, verified. Raises what `example` raises."""
        return self.repo.store.read(self.example(path, reference).oid)

    def queries(self, reference: str | int | None = None) -> dict[str, SourceQuery]:
        """Returns the queries that stand after a changeset (the head by default), by name.

        Raises what `resolve` raises.
        """
        from dsm.sources.recording import decoded

        return decoded(self.log_.queries(self._number(reference)))

    # --- tags and views ---------------------------------------------------------------------------

    def tag(self, name: str, reference: str | int | None = None, message: str = "") -> Tag:
        """Names a changeset (the head by default). Tags never move.

        Raises what `resolve` raises, AlreadyExists, InvalidInput for what is no name, and
        AnswerIsNo when the dataset has no changeset yet.
        """
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
        """Removes a tag. Raises NotFound, and InvalidInput for what is no name."""
        self.log_.delete_tag(name)

    def query(self, **query: Unpack[Asked]) -> ViewQuery:
        """Resolves what `prepare` is asked to a query; its `.version` costs O(1) in the data.

        Reads no manifest and no object, but for `pick` the snapshot. Raises InvalidInput, NotFound
        for changesets, attributes and picked examples that there are not, and AnswerIsNo when there
        is no changeset yet.
        """
        from dsm.views.filters.conditions import NumberAgainstText
        from dsm.views.query.resolve import resolve

        now_us = self._environment.clock()
        try:
            return resolve(
                self.log_, self.id, query, now_us=now_us, named=self._named,
                target=lambda: self.target,
            )  # fmt: skip
        except NumberAgainstText as error:
            from dsm.views.selection.text_values import first_that_is_no_number

            at = query.get("at")
            found = first_that_is_no_number(self.snapshot(at), error.attribute)
            raise (
                error
                if found is None
                else NumberAgainstText(
                    f"{error.message}: {quoted(found[0])} has {quoted(found[1])}", hint=error.hint
                )
            ) from None

    def _named(self) -> Named:
        from dsm.views.selection.named import NamedThings

        return NamedThings(self.repo, self.name, self.id, lambda: self.snapshots)

    @property
    def splits(self) -> Splits:
        """The splits of the dataset: `create`, `get`, `remove`; iterating yields them by name."""
        from dsm.views.split import Splits

        return Splits(
            self.repo, self.log_, lambda: self.snapshots, lambda **asked: self.prepare(**asked)
        )

    def split(self, name: str) -> Split:
        """Returns a split: its parts as views, its folds. Raises NotFound with near matches."""
        return self.splits.get(name)

    @property
    def segments(self) -> Segments:
        """The segments of the dataset: `create`, `get`, `remove`, `stats`, `coverage`; iterable."""
        from dsm.views.segment import Segments

        return Segments(
            self.repo, self.log_, lambda: self.snapshots, lambda **asked: self.prepare(**asked)
        )

    def prepare(self, *, name: str | None = None, **query: Unpack[Asked]) -> View:
        """Names a query over the snapshot of a changeset and returns its view.

        `labels` asks for examples with any of them (`all_labels`: all of them), `exclude` for none
        of them; `since` (included) and `until` (excluded) for times: text such as "2026-01-31" or
        "7d", datetimes, or microseconds UTC; `percent` for the newest share of what the other
        filters leave, 0 < percent <= 1 or "80%", by time (of equal ones, by a hash of the path),
        rounded up;
        `changesets` ("1,3-5", or numbers) folds only those; `at` (a number or tag, the head by
        default) everything up to one; `paths` are globs, `where` conditions such as "width>=512".
        `target` ("labels" or "attr.NAME") says what the class of an example is, `classes` which
        there are and in which order; by default they are the dataset's. `split` takes a part of a
        split ("cv:train", "cv:not-fold3"), or several: what is in all of them; `segment`
        adds the filters of a segment, or of several. `pick` takes exactly these: paths, object ids
        (hex digits) or examples; those that are unknown are refused, or dropped with
        `missing="ignore"`. `view` (one, or its version or
        name) takes what another view takes, by path; of it `and_` keeps what others take, too,
        `or_` adds what others take, and `minus` takes away. `changeset_where` are conditions on the
        trailers of the changeset that last put an example ("ticket=A-17"); `only_passed` takes
        those alone whose changeset passed the rules of its contract. Of what `percent` leaves,
        `per_label` takes so many of each label, or `balance` ("label", an attribute) as many of
        each value as the rarest has; of that, `sample` takes a share ("10%", 0.1) or a number, by a
        hash of the path and `seed`. `name` is a name to find the view by.

        Raises what `query` raises, AnswerIsNo when no example fits, NotFound for a label that no
        example has, and AlreadyExists when another view has the name.
        """
        from dsm.views.prepare import prepare

        number = self._environment.replaced().get(self.id)  # in a run that is made again
        if number is not None and query.get("at") is query.get("changesets") is None:
            query["at"] = number
        resolved = self.query(**query)
        self.log_.require()
        view = prepare(self.repo, self.name, lambda: self.snapshots, resolved, name=name)
        if (run := self.repo.environment.run()) is not None:
            from dsm.runs.book import Runs

            Runs(self.repo).note_view(run, view)
        return view
