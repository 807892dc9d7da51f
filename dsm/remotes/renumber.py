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
from dsm.errors import Conflict
from dsm.format import header
from dsm.format import manifest as manifests
from dsm.history.conflicts import folders_of
from dsm.history.counting import counts_of, size_put
from dsm.history.manifests import write_manifest
from dsm.model.changeset import Changeset
from dsm.model.example import Example
from dsm.model.names import printable
from dsm.model.rows import ADDED, MODIFIED, RELABELLED, Rows
from dsm.remotes.incoming import Incoming, read_manifest
from dsm.remotes.remote import Remote
from dsm.remotes.reports import Renumbered

OURS, THEIRS = "ours", "theirs"
PATHS_LISTED = 1000

Live = dict[str, Example | None]


class HistoriesDiverged(Conflict):
    """Both sides changed the same examples, or what cannot be put on top of another history."""

    code = "diverged"


@dataclass(frozen=True, slots=True)
class RenumberPlan:
    """What a renumbering does: the new changesets, with their ids, in the place of the old ones.

    `incoming` are those of the remote that come before them; `dropped` are examples of which one
    side gives way.
    """

    base: int
    incoming: tuple[Changeset, ...]
    old: tuple[Changeset, ...]
    new: tuple[Changeset, ...]
    dropped: tuple[str, ...]

    def number_of(self, number: int) -> int:
        """Returns the number that a local changeset has after it."""
        return number if number <= self.base else number + len(self.incoming)

    def moved(self) -> tuple[Renumbered, ...]:
        """Returns what was renumbered, for the report."""
        pairs = zip(self.old, self.new, strict=True)
        return tuple(Renumbered(old.number, new.number, new.id) for old, new in pairs)


def plan_renumbering(
    remote: Remote, dataset: Dataset, incoming: Incoming, side: str | None
) -> RenumberPlan:
    """Plans it; manifests of changesets that lose rows are written, and nothing else.

    `side` is OURS, THEIRS or None. Raises HistoriesDiverged with the colliding examples.
    """
    log, base = dataset.log_, incoming.base
    old = tuple(log.get(number) for number in range(base + 1, log.head() + 1))
    staged = dataset.tree.stage.load()
    if staged.names:
        raise HistoriesDiverged(
            f"dataset {dataset.name} has staged changes, and changesets of its own to put on top of"
            f" those of {remote.entry.name}",
            hint="nothing was changed; `dsm commit` what is staged, or `dsm restore --staged` it",
        )
    theirs = _theirs(remote, incoming)
    mine = _mine(dataset, old)
    nested = _nested(mine, theirs)
    collisions = _collisions(dataset, base, mine, theirs) | nested
    queries = _refuse_queries(dataset, incoming, old)
    if collisions and (side is None or (nested and side == OURS)):
        raise HistoriesDiverged(
            f"{len(collisions)} example{'s' * (len(collisions) != 1)} of dataset {dataset.name}"
            f" changed both here and on {remote.entry.name}",
            hint="nothing was changed; `dsm pull --ours` keeps yours, `--theirs` those of the"
            " remote; `dsm log -- PATH` tells who changed one here",
            items=tuple(sorted(collisions))[:PATHS_LISTED],
        )
    given_up = collisions if side == THEIRS else set[str]()
    shared = mine.keys() & theirs.keys()
    new = _renumbered(dataset, incoming, old, theirs if shared else {}, shared, given_up)
    if queries:
        _refuse_folders(dataset, new[-1], mine, theirs)
    return RenumberPlan(base, incoming.changesets, old, new, tuple(sorted(collisions)))


def _rows_of(dataset: Dataset, changeset: Changeset) -> Rows | None:
    table = dataset.snapshots.manifests.read(changeset)
    return None if table is None else manifests.to_rows(table)


def _last(rows: Rows | None, live: Live) -> None:
    if rows is not None:
        live.update((path, rows.example(row)) for row, path in enumerate(rows.paths))


def _theirs(remote: Remote, incoming: Incoming) -> Live:
    """Returns what the remote's changesets make of the examples that they touch."""
    live: Live = {}
    for changeset in incoming.changesets:
        table = read_manifest(remote.tracking, incoming.dataset.id, changeset)
        _last(None if table is None else manifests.to_rows(table), live)
    return live


def _mine(dataset: Dataset, old: tuple[Changeset, ...]) -> Live:
    live: Live = {}
    for changeset in old:
        _last(_rows_of(dataset, changeset), live)
    return live


def _collisions(dataset: Dataset, base: int, mine: Live, theirs: Live) -> set[str]:
    """Returns the examples that both sides changed, each to something else.

    Raises HistoriesDiverged for records files: file and records go together.
    """
    found = {path for path in mine.keys() & theirs.keys() if not _alike(mine[path], theirs[path])}
    before = dataset.snapshots.lookup(base, found) if base and found else {}
    for path in found:
        each = (mine.get(path), theirs.get(path), before.get(path))
        if any(example is not None and example.records is not None for example in each):
            raise HistoriesDiverged(
                f"{printable(path)} is of a records file that changed on both sides",
                hint="nothing was changed; revert your changeset of it, pull, and add it again",
                items=(path,),
            )
    return found


def _alike(one: Example | None, other: Example | None) -> bool:
    """Whether two say the same, but for times that nobody gave: those are of their files."""
    if one is None or other is None or one.time_given or other.time_given:
        return one == other
    return replace(one, time=other.time) == other


def _nested(mine: Live, theirs: Live) -> set[str]:
    """Returns the examples of this side that lie in, or have in them, one of the other's: no
    example is a folder as well, so only this side's can give way."""
    found = set()
    for one, other in ((mine, theirs), (theirs, mine)):
        above: dict[str, str] = {}
        for path, example in other.items():
            if example is not None:
                above.update(dict.fromkeys(folders_of(path), path))
        for path, example in one.items():
            if example is not None and path in above:
                found.add(path if one is mine else above[path])
    return found


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


def _renumbered(
    dataset: Dataset,
    incoming: Incoming,
    old: tuple[Changeset, ...],
    theirs: Live,
    shared: set[str],
    given_up: set[str],
) -> tuple[Changeset, ...]:
    """Returns the local changesets with their new numbers, parents and ids."""
    parent = incoming.changesets[-1]
    before: Changeset | None = dataset.log_.get(incoming.base) if incoming.base else None
    state: Live = {path: theirs[path] for path in shared}
    shift = len(incoming.changesets)
    new: list[Changeset] = []
    for each in old:
        fields: dict[str, object] = {}
        touched = shared | given_up
        rows = _rows_of(dataset, each) if touched else None
        if rows is not None and touched.intersection(rows.paths):
            fields = _with_rows(dataset, each, _rebased(rows, state, shared, given_up))
        counts = fields.get("counts", each.counts)
        types = _merged_types(parent, each)
        moved = replace(
            each, number=each.number + shift, parent=parent.id, id="", attributes=types,
            examples=parent.examples + counts.added - counts.deleted,  # type: ignore[attr-defined]
            records_files=parent.records_files
            + each.records_files - (before.records_files if before else 0),
            reverts=_shifted(each.reverts, incoming.base, shift),
            queries=_queries(parent, before, each, shift), **fields,  # type: ignore[arg-type]
        )  # fmt: skip
        moved = header.decode(header.encode(moved), "a renumbered header")
        new.append(moved)
        parent, before = moved, each
    return tuple(new)


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


def _rebased(rows: Rows, state: Live, shared: set[str], given_up: set[str]) -> Rows:
    """Returns the rows that still say something over what the other side made of these examples."""
    kept: list[int] = []
    for row, path in enumerate(rows.paths):
        if path not in shared and path not in given_up:
            kept.append(row)
            continue
        after, now = rows.example(row), state.get(path)
        if path in given_up or _alike(after, now):
            continue
        state[path] = after
        kept.append(row)
        if after is not None:
            same = now is not None and now.oid == after.oid
            rows.kinds[row] = ADDED if now is None else RELABELLED if same else MODIFIED
    return rows.take(kept)


def _with_rows(dataset: Dataset, each: Changeset, rows: Rows) -> dict[str, object]:
    """Writes the manifest of rows that are fewer than they were; returns what the header says."""
    counts = counts_of(rows)
    told: dict[str, object] = {"counts": counts, "size": size_put(rows)}
    if not len(rows):
        return {**told, "manifest": None, "manifest_file": None, "manifest_bytes": 0}
    written = write_manifest(dataset.repo.layout, dataset.name, rows, each.attributes)
    return {
        **told, "manifest": written.id, "manifest_file": written.file,
        "manifest_bytes": written.bytes,
    }  # fmt: skip
