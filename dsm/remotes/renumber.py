"""Putting local changesets on top of those of a remote: new numbers, new parents, new ids.

All of it is made ready beside the dataset's folder, of links to its files and of new headers, tags
and manifests; then the two folders are exchanged, which is one step of the file system. So there is
no moment at which a part is done, and nothing to complete or to abort: a crash leaves the dataset
as it was before, or as it is after. What is made ready and not used is removed by gc.

It is done only where it loses nothing: examples that both sides changed to different things are
listed, and the caller says whose count.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from dsm.datasets import Dataset
from dsm.format import header
from dsm.history.counting import counted_over, size_put
from dsm.history.manifests import write_manifest
from dsm.model.changeset import Changeset
from dsm.model.example import Example
from dsm.model.names import printable
from dsm.model.rows import ADDED, MODIFIED, RELABELLED, Rows
from dsm.remotes.collisions import (
    OURS,
    THEIRS,
    BothSides,
    HistoriesDiverged,
    Live,
    alike,
    rows_of,
)
from dsm.remotes.incoming import Incoming
from dsm.remotes.remote import Remote
from dsm.remotes.reports import Collision, Renumbered
from dsm.repo import documents


@dataclass(frozen=True, slots=True)
class RenumberPlan:
    """What a renumbering does: the new changesets, with their ids, in the place of the old ones.

    `incoming` are those of the remote that come before them; of `collisions`, one side gives way.
    """

    base: int
    incoming: tuple[Changeset, ...]
    old: tuple[Changeset, ...]
    new: tuple[Changeset, ...]
    collisions: tuple[Collision, ...]

    def number_of(self, number: int) -> int:
        """Returns the number that a local changeset has after it."""
        return number if number <= self.base else number + len(self.incoming)

    def moved(self) -> tuple[Renumbered, ...]:
        """Returns what was renumbered, for the report."""
        pairs = zip(self.old, self.new, strict=True)
        return tuple(Renumbered(old.number, new.number, new.id) for old, new in pairs)


def plan_renumbering(
    remote: Remote, dataset: Dataset, incoming: Incoming, sides: BothSides
) -> RenumberPlan:
    """Plans it; manifests of changesets that lose rows are written, and nothing else.

    `sides` has a side for each collision. Raises HistoriesDiverged for what cannot be put on top.
    """
    log = dataset.log_
    if log.head() != sides.head:
        raise HistoriesDiverged(
            "something was recorded in this moment", hint="run the command again"
        )
    old = tuple(log.get(number) for number in range(incoming.base + 1, log.head() + 1))
    queries = refuse_what_stays(remote, dataset, incoming)
    new = _Renumbering(dataset, incoming, sides).changesets(old)
    if queries:
        _refuse_folders(dataset, new[-1], sides.mine, sides.theirs)
    return RenumberPlan(incoming.base, incoming.changesets, old, new, sides.collisions)


def refuse_what_stays(remote: Remote, dataset: Dataset, incoming: Incoming) -> bool:
    """Raises HistoriesDiverged for what no choice settles: what is staged, exact shares of what
    would change, and queries that both sides moved. Returns whether a side moved any."""
    if dataset.tree.stage.load().names:
        raise HistoriesDiverged(
            f"dataset {dataset.name} has staged changes, and changesets of its own to put on top of"
            f" those of {remote.entry.name}",
            hint="nothing was changed; `dsm commit` what is staged, or `dsm restore --staged` it",
        )
    _refuse_exact_shares(dataset, incoming.base)
    log = dataset.log_
    old = tuple(log.get(number) for number in range(incoming.base + 1, log.head() + 1))
    return _refuse_queries(dataset, incoming, old)


def _refuse_exact_shares(dataset: Dataset, base: int) -> None:
    """Raises HistoriesDiverged for a split whose shares are dealt out of a changeset after `base`:
    with the remote's examples in it, what was trained on could become what is tested on."""
    place = documents.definitions(dataset.repo.layout, dataset.name, "split")
    for name in place.names():
        fields = place.read(name) or {}
        definition = fields.get("definition")
        at = definition.get("at") if isinstance(definition, Mapping) else None
        number = at.get("number") if isinstance(at, Mapping) else None
        if type(number) is int and number > base:
            raise HistoriesDiverged(
                f"split {name} deals out the examples of changeset {number}, which would get"
                " another number, and the remote's examples",
                hint=f"nothing was changed; `dsm split rm {name}`, pull, and create it again: it"
                " deals them out anew, so models that were tested by it have to be trained anew",
                items=(name,),
            )


def _refuse_queries(dataset: Dataset, incoming: Incoming, old: tuple[Changeset, ...]) -> bool:
    """Returns whether a side moved queries; HistoriesDiverged when both moved the same one."""
    base = dict(dataset.log_.get(incoming.base).queries) if incoming.base else {}

    def moved(changesets: tuple[Changeset, ...]) -> set[str]:
        names: set[str] = set()
        before = base
        for each in changesets:
            after = dict(each.queries)
            names |= {n for n in {*before, *after} if before.get(n) != after.get(n)}
            before = after
        return names

    both = moved(old) & moved(incoming.changesets)
    if both:
        raise HistoriesDiverged(
            f"query {printable(min(both))} changed both here and on the remote",
            hint="nothing was changed; revert your changeset of it, pull, and add it again",
            items=tuple(sorted(both)),
        )
    return bool(moved(old) or moved(incoming.changesets))


def _refuse_folders(dataset: Dataset, last: Changeset, mine: Live, theirs: Live) -> None:
    """Raises HistoriesDiverged when stored examples would lie where those of a query do."""
    for path, example in {**theirs, **mine}.items():
        if example is not None and path.partition("/")[0] in last.queries:
            raise HistoriesDiverged(
                f"{printable(path)} would lie among the examples of a query of dataset"
                f" {dataset.name}",
                hint="nothing was changed; move it elsewhere by a changeset of your own, then pull",
                items=(path,),
            )


class _Renumbering:
    """The course of it: what stands of the touched examples, changeset by changeset."""

    def __init__(self, dataset: Dataset, incoming: Incoming, sides: BothSides):
        self._dataset, self._incoming, self._sides = dataset, incoming, sides
        self._given_up, ours = sides.of(THEIRS), sides.of(OURS)
        shared = (sides.mine.keys() & sides.theirs.keys()) | ours
        # What the changesets before leave of these paths.
        self._state: Live = {
            path: sides.theirs.get(path, sides.before.get(path)) for path in shared
        }
        # Of records files that stay as they are here: all of each comes with its first changeset.
        self._whole = [
            sides.members[each.path] for each in sides.collisions
            if each.records and each.side == OURS
        ]  # fmt: skip

    def changesets(self, old: tuple[Changeset, ...]) -> tuple[Changeset, ...]:
        """Returns the local changesets with their new numbers, parents and ids."""
        incoming, log = self._incoming, self._dataset.log_
        parent = incoming.changesets[-1]
        before: Changeset | None = log.get(incoming.base) if incoming.base else None
        shift = len(incoming.changesets)
        touched = self._state.keys() | self._given_up
        new: list[Changeset] = []
        for each in old:
            fields: dict[str, object] = {
                "records_files": parent.records_files
                + each.records_files - (before.records_files if before else 0),
            }  # fmt: skip
            rows = rows_of(self._dataset, each) if touched else None
            if rows is not None and not touched.isdisjoint(rows.paths):
                fields = self._with_rows(each, parent, rows)
            counts = fields.get("counts", each.counts)
            moved = replace(
                each, number=each.number + shift, parent=parent.id, id="",
                attributes=_merged_types(parent, each),
                examples=parent.examples + counts.added - counts.deleted,  # type: ignore[attr-defined]
                reverts=_shifted(each.reverts, incoming.base, shift),
                queries=_queries(parent, before, each, shift), **fields,  # type: ignore[arg-type]
            )  # fmt: skip
            moved = header.decode(header.encode(moved), "a renumbered header")
            new.append(moved)
            parent, before = moved, each
        return tuple(new)

    def _with_rows(self, each: Changeset, parent: Changeset, rows: Rows) -> dict[str, object]:
        """Writes the manifest of rows that are other ones than they were; returns what the header
        says."""
        stood = dict(self._state)
        snapshots = self._dataset.snapshots

        def lookup(paths: set[str]) -> Live:
            rest = paths - stood.keys()
            found = snapshots.lookup(each.number - 1, rest) if each.number > 1 and rest else {}
            return {**found, **{path: stood[path] for path in paths & stood.keys()}}

        rows = self._rebased(rows)
        counts, files = counted_over(rows, parent.records_files, lookup)
        told: dict[str, object] = {
            "counts": counts, "records_files": files, "size": size_put(rows),
        }  # fmt: skip
        if not len(rows):
            return {**told, "manifest": None, "manifest_file": None, "manifest_bytes": 0}
        layout = self._dataset.repo.layout
        written = write_manifest(layout, self._dataset.name, rows, each.attributes)
        return {
            **told, "manifest": written.id, "manifest_file": written.file,
            "manifest_bytes": written.bytes,
        }  # fmt: skip

    def _rebased(self, rows: Rows) -> Rows:
        """Returns the rows that still say something over what stands of their examples."""
        state, kept = self._state, list[int]()
        added = Rows()
        for members in [each for each in self._whole if not each.isdisjoint(rows.paths)]:
            self._whole.remove(members)
            for path in sorted(members.difference(rows.paths)):
                self._put(added, path, self._sides.before.get(path))
        for row, path in enumerate(rows.paths):
            if path in self._given_up:
                continue
            if path not in state:
                kept.append(row)
                continue
            self._put(added, path, rows.example(row))
        rows = rows.take(kept)
        rows.extend(added)
        return rows.sorted()

    def _put(self, rows: Rows, path: str, after: Example | None) -> None:
        """Appends the row that makes an example what it is to be, if it is not that already."""
        now = self._state.get(path)
        if alike(after, now):
            return
        self._state[path] = after
        if after is None:
            rows.delete(path, records=now.records if now is not None else None)
        else:
            same = now is not None and now.oid == after.oid
            rows.put(ADDED if now is None else RELABELLED if same else MODIFIED, after)


def _shifted(number: int | None, base: int, shift: int) -> int | None:
    return number if number is None or number <= base else number + shift


def _queries(
    parent: Changeset, before: Changeset | None, each: Changeset, shift: int
) -> Mapping[str, int]:
    """Returns which queries stand: what a changeset moved, over what stood before it now."""
    was = before.queries if before else {}
    live = dict(parent.queries)
    for name in {*was, *each.queries}:
        if was.get(name) != each.queries.get(name):
            if name in each.queries:
                live[name] = each.number + shift
            else:
                live.pop(name, None)
    return dict(sorted(live.items()))


def _merged_types(parent: Changeset, each: Changeset) -> dict[str, str]:
    """Adds the attributes of a changeset. Raises HistoriesDiverged when one has two types."""
    types = dict(parent.attributes)
    for name, kind in each.attributes.items():
        if types.setdefault(name, kind) != kind:
            raise HistoriesDiverged(
                f"attribute {printable(name)} is {kind} here and {types[name]} on the remote",
                hint="nothing was changed; give yours another name by a changeset, then pull",
                items=(name,),
            )
    return types
