"""Examples that both sides changed, each to something else: found, described, and settled.

An example is settled by itself. A records file that both sides changed is settled with all its
records, whose bytes are the file's; records that both only labelled anew are settled one by one.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from dsm.datasets import Dataset
from dsm.errors import Conflict, InvalidInput
from dsm.format import manifest as manifests
from dsm.history.conflicts import folders_of
from dsm.model.changeset import Changeset
from dsm.model.example import Example
from dsm.model.globs import check_glob, matches
from dsm.model.names import printable
from dsm.model.record_path import RECORD, parts_of
from dsm.model.rows import Rows
from dsm.remotes.incoming import Incoming, read_manifest
from dsm.remotes.remote import Remote
from dsm.remotes.reports import Collision, CollisionSide, PullReport
from dsm.views.filters.paths import spelt

OURS, THEIRS = "ours", "theirs"
PATHS_LISTED = 1000

Live = dict[str, Example | None]


class HistoriesDiverged(Conflict):
    """Both sides changed the same examples, or what cannot be put on top of another history.

    `report` is that of the pull that was refused; examples are its `collisions`.
    """

    code = "diverged"
    report: PullReport | None = None


@dataclass(frozen=True, slots=True)
class Choices:
    """Whose version of examples that both sides changed counts: globs of paths, and the rest."""

    ours: tuple[str, ...] = ()
    theirs: tuple[str, ...] = ()
    rest: str | None = None

    @classmethod
    def checked(cls, ours: Iterable[str], theirs: Iterable[str], rest: str | None) -> Choices:
        """Returns choices whose globs can be evaluated. Raises InvalidInput."""
        if rest not in (None, OURS, THEIRS):
            raise InvalidInput(f"side is 'ours' or 'theirs', not {rest!r}")
        one, other = (tuple(spelt(check_glob(glob)) for glob in each) for each in (ours, theirs))
        return cls(one, other, rest)


@dataclass(frozen=True, slots=True)
class BothSides:
    """What both sides made of the examples that they touched since changeset `base`, here up to
    `head`, and which of these collide. `before` is what those were, `members` the paths that go
    with each collision."""

    base: int
    head: int
    mine: Live
    theirs: Live
    before: Live
    collisions: tuple[Collision, ...]
    members: dict[str, frozenset[str]]

    def settled(self, found: Sequence[Collision]) -> BothSides:
        """Returns the same with collisions of which each has its side."""
        return replace(self, collisions=tuple(found))

    def of(self, side: str) -> set[str]:
        """Returns the paths of all collisions that are settled so."""
        chosen = (self.members[each.path] for each in self.collisions if each.side == side)
        return set().union(*chosen)


def both_sides(remote: Remote, dataset: Dataset, incoming: Incoming) -> BothSides:
    """Compares what both sides did since they were the same; needs no object.

    Raises DamagedData for a manifest that is gone.
    """
    log, base = dataset.log_, incoming.base
    mine: Live = {}
    for number in range(base + 1, log.head() + 1):
        _last(rows_of(dataset, log.get(number)), mine)
    theirs: Live = {}
    for changeset in incoming.changesets:
        table = read_manifest(remote.tracking, incoming.dataset.id, changeset)
        _last(None if table is None else manifests.to_rows(table), theirs)
    shared = {path for path in mine.keys() & theirs.keys() if not alike(mine[path], theirs[path])}
    before: Live = dict(dataset.snapshots.lookup(base, shared)) if base and shared else {}
    members = {path: frozenset((path,)) for path in shared}
    for file in _files_changed(shared, mine, theirs, before):
        within = {p for p in {*mine, *theirs} if p == file or _file_of(p, mine, theirs) == file}
        for path in within:
            members.pop(path, None)
        members[file] = frozenset(within)
    more = set().union(*members.values()) - shared
    before.update(dataset.snapshots.lookup(base, more) if base and more else {})
    nested = _nested(mine, theirs)
    members.update({path: frozenset((path,)) for path in nested if path not in members})
    found = []
    for path in sorted(members):
        was, one, other = before.get(path), mine.get(path), theirs.get(path)
        ours, others = _side(was, one), _side(was, other)
        if path in nested:
            others = CollisionSide("nested", nested=nested[path])
        elif path not in mine:
            ours = CollisionSide("records")
        elif path not in theirs:
            others = CollisionSide("records")
        found.append(Collision(dataset.name, path, ours, others, records=len(members[path]) > 1))
    return BothSides(
        base=base, head=log.head(), mine=mine, theirs=theirs, before=before,
        collisions=tuple(found), members=members,
    )  # fmt: skip


def rows_of(dataset: Dataset, changeset: Changeset) -> Rows | None:
    """Returns the rows of a changeset of this copy; None when it has none."""
    table = dataset.snapshots.manifests.read(changeset)
    return None if table is None else manifests.to_rows(table)


def _last(rows: Rows | None, live: Live) -> None:
    if rows is not None:
        live.update((path, rows.example(row)) for row, path in enumerate(rows.paths))


def alike(one: Example | None, other: Example | None) -> bool:
    """Whether two say the same, but for times that nobody gave: those are of their files."""
    if one is None or other is None or one.time_given or other.time_given:
        return one == other
    return replace(one, time=other.time) == other


def _files_changed(shared: set[str], mine: Live, theirs: Live, before: Live) -> set[str]:
    """Returns the records files whose content, or that of a colliding record, differs."""
    files: set[str] = set()
    for path in shared:
        three = [live.get(path) for live in (mine, theirs, before)]
        told = {each.records for each in three if each is not None} - {None}
        if RECORD in told and len({each and each.oid for each in three}) > 1:
            files.add(parts_of(path)[0])
        elif told - {RECORD}:
            files.add(path)
    return files


def _file_of(path: str, mine: Live, theirs: Live) -> str | None:
    """Returns the file of a record; None for a path that cannot be one's."""
    each = mine.get(path) or theirs.get(path)
    if each is not None and each.records != RECORD:
        return None
    return parts_of(path)[0] or None  # of one that was deleted the path has to tell


def _nested(mine: Live, theirs: Live) -> dict[str, str]:
    """Returns the examples of this side that lie in, or have in them, one of the other's, and that
    one: no example is a folder as well, so only this side's can give way."""
    found: dict[str, str] = {}
    for one, other in ((mine, theirs), (theirs, mine)):
        above: dict[str, str] = {}
        for path, example in other.items():
            if example is not None:
                above.update(dict.fromkeys(folders_of(path), path))
        for path, example in one.items():
            if example is not None and path in above:
                found.update({path: above[path]} if one is mine else {above[path]: path})
    return found


def _side(before: Example | None, now: Example | None) -> CollisionSide:
    if now is None:
        return CollisionSide("deleted")
    change = "added"
    if before is not None:
        change = "relabelled" if before.oid == now.oid else "modified"
    return CollisionSide(change, now.oid.hex(), now.size, now.labels)


def settle(found: Sequence[Collision], choices: Choices) -> tuple[list[Collision], set[str]]:
    """Returns collisions with the sides that choices give them, and the globs that took any.

    Raises InvalidInput when two choices take one, when ours is taken of what only the other side
    can have, and when a record is named whose file goes with it.
    """
    used: set[str] = set()
    settled = []
    exact = {each.path for each in found}
    for each in found:
        sides = {}
        for whose, globs in ((OURS, choices.ours), (THEIRS, choices.theirs)):
            taking = [glob for glob in globs if _takes(glob, each, exact)]
            used.update(taking)
            if taking:
                sides[whose] = taking[0]
        if len(sides) > 1:
            raise InvalidInput(
                f"{printable(each.path)} is told to be ours and theirs",
                hint="nothing was changed; name it once",
            )
        side: str | None = next(iter(sides), choices.rest)
        if side == OURS and each.theirs.change == "nested":
            if sides:
                raise InvalidInput(
                    f"{printable(each.path)} cannot stay: the remote has"
                    f" {printable(each.theirs.nested or '')}, and no example is a folder as well",
                    hint="nothing was changed; `--theirs-for` lets yours give way, or move it by a"
                    " changeset of your own, then pull",
                )
            side = None
        settled.append(replace(each, side=side))
    return settled, used


def _takes(glob: str, each: Collision, exact: set[str]) -> bool:
    if glob in exact:
        return glob == each.path
    if each.records and glob.startswith(each.path + "#"):
        file = printable(each.path)
        raise InvalidInput(
            f"{printable(glob)} is of a records file that both sides changed",
            hint=f"nothing was changed; file and records are settled together: name {file}",
        )
    file = parts_of(each.path)[0]
    return matches(glob, each.path) or bool(file and "#" not in glob and matches(glob, file))


def refusal(remote: Remote, found: Sequence[Collision], choices: Choices) -> HistoriesDiverged:
    """Returns the error that lists what is not settled, with the command that settles it."""
    left = [each for each in found if each.side is None]
    count = f"{len(left)} example{'s' * (len(left) != 1)} of dataset {left[0].dataset}"
    name = "" if remote.entry.default else f" {remote.entry.name}"
    chosen = [
        f" --{side}-for {shlex.quote(glob)}"
        for side, globs in ((OURS, choices.ours), (THEIRS, choices.theirs)) for glob in globs
    ]  # fmt: skip
    command = f"dsm pull{name}{''.join(chosen)}"
    first = next((each for each in left if each.theirs.change != "nested"), None)
    path = shlex.quote(as_glob((first or left[0]).path))
    if first is None:
        hint = f"`{command} --theirs-for {path}` lets yours give way, `--theirs` all of them"
    else:
        hint = (
            f"`{command} --ours-for {path}` keeps yours of one, `--theirs-for` takes the remote's;"
            " `--ours` or `--theirs` settles all that are left"
        )
    error = HistoriesDiverged(
        f"{count} changed both here and on {remote.entry.name}",
        hint=f"nothing was changed; {hint}",
        items=tuple(each.path for each in left)[:PATHS_LISTED],
    )
    error.report = PullReport(
        remote.entry.name, remote.entry.url, (), remote.transfer(), tuple(found)
    )
    return error


def as_glob(path: str) -> str:
    """Returns a path as a glob that takes it."""
    return "".join("\\" + char if char in "\\*?[" else char for char in path)
