"""Splits of a dataset: how one is made, and its parts as views.

What depends on data is settled when a split is made: for shares of time the moments, for exact
shares the changeset whose examples are dealt out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Any

from dsm.errors import AnswerIsNo, InvalidInput
from dsm.model.timespec import format_time, parse_time
from dsm.progress import SILENT, Progress
from dsm.repo.definitions import SPLIT, Definition, check_definition_name
from dsm.views.filters import split_definition as definitions
from dsm.views.selection import named

if TYPE_CHECKING:
    import pyarrow as pa

    from dsm.history.snapshot import Snapshots
    from dsm.near.find import Near
    from dsm.repo.log import ChangesetLog
    from dsm.repo.repository import Repository
    from dsm.views.comparison.partition import Leakage, Partition
    from dsm.views.selection.stored import StoredData
    from dsm.views.view import View

_LENGTH = re.compile(r"[0-9]{1,9}\s*[mhdw]")


class Splits:
    """The splits of one dataset, by name; sized, and iterable in the order of names.

    `prepare` is that of the dataset.
    """

    def __init__(
        self,
        repository: Repository,
        log: ChangesetLog,
        snapshots: Callable[[], Snapshots],
        prepare: Callable[..., View],
    ):
        self._repository = repository
        self._log = log
        self._snapshots = snapshots
        self.prepare = prepare
        self._definitions = named.definitions(SPLIT, repository, log.name, log.dataset_id)

    def __iter__(self) -> Iterator[Split]:
        return (Split(each, self) for each in self._definitions.all())

    def __len__(self) -> int:
        return len(self._definitions.names())

    def __contains__(self, name: object) -> bool:
        return name in self._definitions.names()

    def get(self, name: str) -> Split:
        """Returns a split. Raises NotFound with near matches, DamagedData."""
        return Split(self._definitions.get(name), self)

    def remove(self, name: str) -> Split:
        """Removes a split; views that were made with it stay. Raises NotFound, DamagedData."""
        return Split(self._definitions.remove(name), self)

    def create(
        self,
        name: str,
        parts: str | Sequence[str] | None = None,
        *,
        folds: int | None = None,
        time: str | Sequence[str] | None = None,
        time_folds: int | None = None,
        gap: str | None = None,
        group: str | None = None,
        by_content: bool = False,
        seed: str | None = None,
        stratify: str | None = None,
        exact: bool = False,
        at: str | int | None = None,
        description: str = "",
    ) -> Split:
        """Makes a split, for good: it never changes.

        One of: `parts` ("train=80%,test=20%"), `folds` (so many equal ones, fold1, fold2, …),
        `time` (ranges, "train=..2026-01-01,test=2026-01-01..", or shares of the order of time) and
        `time_folds` (fold N tests after what it trains on; `gap`, such as "7d", lies between).

        Examples are drawn by a hash of their path, of an attribute (`group`) or of their content,
        under `seed` (by default the name), each for itself. `exact` and `stratify` ("label" or an
        attribute) deal out those of changeset `at` (the head), so that shares are exact there, in
        each class too.

        Raises InvalidInput, NotFound for an attribute or a changeset, AlreadyExists, and AnswerIsNo
        where there is nothing to deal out.
        """
        check_definition_name("split", name)
        drawn = group is not None or by_content or exact or stratify is not None or seed is not None
        _one_way((parts, folds, time, time_folds), drawn, gap)
        if not self._log.head():
            raise AnswerIsNo(
                f"dataset {self._log.name} has no changeset yet", hint="`dsm commit` first"
            )
        number = self._log.resolve("head" if at is None else at)
        if time is not None:
            found: definitions.Split = self._by_time(time, number)
        elif time_folds is not None:
            found = self._time_folds(time_folds, gap, number)
        else:
            names, shares = (
                definitions.by_shares(parts) if parts is not None else definitions.folds(folds or 0)
            )
            found = self._by_hash(
                names, shares, number, group=group, by_content=by_content, stratify=stratify,
                seed=name if seed is None else seed, exact=exact,
            )  # fmt: skip
        environment, changeset = self._repository.environment, self._log.get(number)
        made = Definition(
            name, found.to_json(), number, changeset.id,
            author=self._repository.author, time=environment.clock(), message=description,
        )  # fmt: skip
        self._definitions.create(made)
        return Split(made, self)

    def stored(self, reference: str | int | None) -> tuple[int, pa.Table, StoredData]:
        """Returns the number and the snapshot of a changeset (the head), and what is stored."""
        from dsm.views.selection.stored import StoredData

        number = self._log.resolve("head" if reference is None else reference)
        stored = StoredData(self._repository, self._log, self._snapshots)
        return number, self._snapshots().examples(number), stored

    def stored_for(self, view: View) -> StoredData:
        """Returns what is stored of the dataset. Raises InvalidInput unless a view is all of it."""
        from dsm.views.selection.stored import StoredData

        if view.query.dataset != self._log.dataset_id:
            raise InvalidInput(f"the view is of dataset {view.dataset}, the split of another one")
        if view.queries:
            raise InvalidInput(
                "rows of queries have no positions", hint="take view.without_sources()"
            )
        return StoredData(self._repository, self._log, self._snapshots)

    def near_among(self, objects: pa.Array, progress: Progress) -> Near:
        """Finds the near ones among distinct objects. Raises what `Split.leakage` raises."""
        from dsm.near.door import near_among

        return near_among(self._repository, objects, progress)

    def _by_hash(
        self,
        names: Sequence[str],
        shares: Sequence[Fraction],
        number: int,
        *,
        group: str | None,
        by_content: bool,
        stratify: str | None,
        seed: str,
        exact: bool,
    ) -> definitions.Split:
        changeset = self._log.get(number)
        known = changeset.attributes
        by = definitions.unit_of(group=group, by_content=by_content, known=known)
        strata = None
        if stratify is not None:
            strata = definitions.column_of(stratify, "--stratify", known, labels=True)
            if strata == by:
                raise InvalidInput("the groups cannot be the classes that are dealt out alike")
        pinned = (number, changeset.id) if exact or strata is not None else None
        if pinned and not changeset.examples:
            raise AnswerIsNo(f"changeset {number} has no example that could be dealt out")
        return definitions.hash_split(names, shares, by=by, seed=seed, at=pinned, strata=strata)

    def _by_time(self, time: str | Sequence[str], number: int) -> definitions.Split:
        texts = time.split(",") if isinstance(time, str) else list(time)
        if any(".." in text for text in texts):
            return definitions.time_ranges(texts, self._repository.environment.clock())
        names, shares = definitions.by_shares(texts)
        edges = [sum(shares[:end], Fraction(0)) for end in range(1, len(shares))]
        return definitions.time_cuts(names, self._moments(edges, number))

    def _time_folds(self, count: int, gap: str | None, number: int) -> definitions.Split:
        names, _ = definitions.folds(count)
        edges = [Fraction(at, len(names) + 1) for at in range(1, len(names) + 1)]
        length = 0
        if gap is not None:
            if not _LENGTH.fullmatch(gap.strip()):
                raise InvalidInput(
                    f"{gap!r} is no length of time", hint="write it like 30m, 12h, 7d or 2w"
                )
            now = self._repository.environment.clock()
            length = now - parse_time(gap, now_us=now)
        moments = self._moments(edges, number)
        table = self._snapshots().examples(number)
        if length and _older(table, moments[0] - length) == 0:
            raise InvalidInput(
                "with this gap, fold1 has nothing to train on",
                hint="make the gap shorter, or the folds fewer",
            )
        return definitions.time_folds(moments, length)

    def _moments(self, edges: Sequence[Fraction], number: int) -> list[int]:
        """Returns at which times these shares of a changeset's examples end.

        Examples of one time stay together. Raises InvalidInput when a part would be empty.
        """
        import pyarrow.compute as pc

        times = self._snapshots().examples(number).column("time").cast("int64")
        count, found = len(times), list[int]()
        order = pc.array_sort_indices(times)
        before = times[order[0].as_py()].as_py() if count else None
        for edge in edges:
            at = -(-edge.numerator * count // edge.denominator)
            moment = times[order[at].as_py()].as_py() if at < count else None
            if moment is None or moment == before:
                told = "" if moment is None else f" (many are of {format_time(moment)})"
                raise InvalidInput(
                    f"the {count:,} examples of changeset {number} cannot be parted there by"
                    f" time{told}",
                    hint="a part would be empty: take fewer or other parts, or give ranges of time",
                )
            found.append(moment)
            before = moment
        return found


def _one_way(ways: tuple[object, ...], drawn: bool, gap: str | None) -> None:
    """Raises InvalidInput unless one of parts, folds, time and folds of time is asked for."""
    parts, folds, _, time_folds = ways
    if sum(way is not None for way in ways) != 1:
        raise InvalidInput(
            "a split needs one of --parts, --folds, --time and --time-folds",
            hint="such as --parts train=80%,test=20%",
        )
    if drawn and parts is folds is None:
        raise InvalidInput(
            "a split by time draws nothing",
            hint="leave out --group, --by-content, --seed, --exact and --stratify",
        )
    if gap is not None and time_folds is None:
        raise InvalidInput("--gap belongs to --time-folds", hint="leave it out")


def _older(table: pa.Table, moment: int) -> int:
    import pyarrow.compute as pc

    return pc.sum(pc.less(table.column("time").cast("int64"), moment)).as_py() or 0


class Split:
    """A split of a dataset: its parts as views.

    `names` are its parts; a part's view is prepared when it is asked for.
    """

    def __init__(self, definition: Definition, owner: Splits):
        self.definition = definition
        self.says = definitions.split_of(definition.fields, definition.name)
        self._owner = owner

    @property
    def name(self) -> str:
        return self.definition.name

    @property
    def parts(self) -> tuple[str, ...]:
        """The names of its parts."""
        return self.says.names

    def words(self) -> str:
        """Returns in a few words who is drawn, and how: "by attr.speaker, seed cv"."""
        return self.says.words()

    def view(self, part: str, **asked: Any) -> View:
        """Prepares the view of a part; `asked` narrows it as in `Dataset.prepare`.

        Raises what `Dataset.prepare` raises, NotFound for a part that there is not.
        """
        given = asked.pop("split", None)
        more = [given] if isinstance(given, str) else list(given or ())
        view: View = self._owner.prepare(split=[f"{self.name}:{part}", *more], **asked)
        return view

    def folds(self, **asked: Any) -> Iterator[tuple[View, View]]:
        """Yields (train, test) for each part: the part is the test, the others are the training.

        `asked` narrows both as in `Dataset.prepare`. Raises what `view` raises.
        """
        for part in self.parts:
            yield self.view(f"{definitions.NOT}{part}", **asked), self.view(part, **asked)

    def fold_indices(self, view: View) -> Iterator[tuple[Any, Any]]:
        """Yields (train, test) for each part, as positions in a view of this dataset.

        They are NumPy arrays of 64-bit numbers: what scikit-learn takes as `cv`, and PyTorch as the
        indices of a Subset. Examples of the view are in the order of their paths. Raises
        InvalidInput for a view of another dataset, and for one with rows of queries.
        """
        from dsm.views.comparison.partition import fold_positions

        stored = self._owner.stored_for(view)
        for pair in fold_positions(self.says, self.name, stored, view.table()):
            train, test = (each.to_numpy() for each in pair)
            yield train, test

    def partition(self, at: str | int | None = None) -> Partition:
        """Returns what the split makes of a snapshot (that of the head): its parts by label.

        Raises what `Dataset.resolve` raises.
        """
        from dsm.views.comparison.partition import partition

        number, table, stored = self._owner.stored(at)
        return partition(self.says, self.name, stored, table, number)

    def moved(self, since: str | int, at: str | int | None = None) -> dict[tuple[str, str], int]:
        """Counts examples that changed parts since a changeset, by the part before and after.

        Raises what `Dataset.resolve` raises.
        """
        from dsm.views.comparison.partition import moved

        _, before, _ = self._owner.stored(since)
        _, after, stored = self._owner.stored(at)
        return moved(self.says, self.name, stored, before, after)

    def leakage(
        self, at: str | int | None = None, *, near: bool = False, progress: Progress = SILENT
    ) -> Leakage:
        """Finds objects that lie in several parts: the same bytes on both sides.

        With `near` also examples that look or read nearly the same. Raises what `Dataset.resolve`
        raises, and InvalidInput where `near` needs a package that is not installed.
        """
        from dsm.views.comparison.partition import leakage, near_leakage

        _, table, stored = self._owner.stored(at)
        found = leakage(self.says, self.name, stored, table)
        if not near:
            return found
        find = partial(self._owner.near_among, progress=progress)
        told = near_leakage(self.says, self.name, stored, table, find)
        return replace(found, near=told)

    def __repr__(self) -> str:
        return f"<split {self.name}: {', '.join(self.parts)}>"
