"""What a pull notes before it moves a dataset, and how `pull --abort` goes back by it.

The note lies in `local/stage`: which changeset was the head, and where the folder with the history
of that time is, if changesets were renumbered. It goes when the files have followed. A pull that
was refused leaves one that says how many examples wait for a choice. Going back is the same step as
a renumbering, the other way: files first, then the two folders are exchanged.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, fields, replace
from typing import Any

from dsm.datasets import Dataset
from dsm.errors import AnswerIsNo, Conflict, DamagedData
from dsm.format import document, header
from dsm.model.changeset import Changeset
from dsm.model.example import Example
from dsm.model.names import printable
from dsm.remotes.collisions import rows_of
from dsm.remotes.exchange import copy_history
from dsm.remotes.reports import PullAborted, PullUnderWay
from dsm.remotes.tracking import Tracking
from dsm.repo.layout import NUMBER_DIGITS
from dsm.repo.renaming import REMOVED
from dsm.repo.repository import Repository
from dsm.store import disk
from dsm.store.whole_file import read_file
from dsm.views.selection.prepared import list_records
from dsm.worktree.committing import COMMIT_PATIENCE
from dsm.worktree.following import Followed, Following, forget_following
from dsm.worktree.publish import publishing


class NoPull(AnswerIsNo):
    """A pull was to be given up, and none is under way."""

    code = "no-pull"


class PullGoesOn(Conflict):
    """A pull cannot be taken back any more without losing something."""

    code = "pull-goes-on"


@dataclass(frozen=True, slots=True)
class Pulling:
    """A pull that has begun to move a dataset, or that waits.

    It was at changeset `number` with the id `id`, and is to be at `to` with `to_id`; up to `base`
    both histories are the same. `aside` is the name of the folder with the other history. With
    `files` (1) the work tree comes along. A pull that waits for the choice of `waits` examples has
    moved nothing.
    """

    remote: str
    number: int
    id: str
    base: int = 0
    to: int = 0
    to_id: str = ""
    aside: str = ""
    files: int = 0
    waits: int = 0


def note_pulling(repository: Repository, name: str, note: Pulling) -> None:
    """Writes it down, durably. Raises WriteFailed."""
    layout = repository.layout
    told = {each.name: getattr(note, each.name) for each in fields(note)}
    temporary = os.path.join(layout.temporary, f"pulling-{os.urandom(8).hex()}")
    disk.make_dirs(layout.stage(name))
    disk.rewrite(layout.pulling(name), document.encode(told), temporary, durable=True)


def pulling(repository: Repository, name: str) -> Pulling | None:
    """Returns what is noted of a dataset; None for nothing, or for what is no such note."""
    path = repository.layout.pulling(name)
    try:
        data = read_file(path, document.DOCUMENT_BYTES_MAX)
        told: dict[str, Any] = {} if data is None else document.decode(data, path)
    except DamagedData:
        return None
    found = {each.name: told.get(each.name) for each in fields(Pulling)}
    kinds = {"int": int, "str": str}
    if any(type(found[each.name]) is not kinds[str(each.type)] for each in fields(Pulling)):
        return None
    note = Pulling(**found)  # type: ignore[arg-type]
    return note if not note.aside or _is_aside(note.aside) else None


def _is_aside(name: str) -> bool:
    return name.startswith(REMOVED) and "/" not in name


def forget_pulling(repository: Repository, name: str) -> None:
    """Removes the note, and the other history: the pull is complete, or was given up."""
    note = pulling(repository, name)
    disk.discard(repository.layout.pulling(name))
    if note is not None and note.aside:
        folder = os.path.join(repository.layout.datasets, note.aside)
        if os.path.isdir(folder):
            disk.remove_tree(folder)


def under_way(repository: Repository, name: str) -> PullUnderWay | None:
    """Returns the pull of a dataset that was stopped or refused; None where none is under way."""
    note = pulling(repository, name)
    if note is None:
        return None
    dataset = Dataset(repository, repository.identity(name))
    if not (note.waits or _is_where_it_was(dataset, note)) and _moved_on(repository, dataset, note):
        return None
    return PullUnderWay(note.remote, note.waits)


def _is_where_it_was(dataset: Dataset, note: Pulling) -> bool:
    """Whether the pull has moved nothing yet."""
    head = dataset.head
    return (head, dataset.log_.get(head).id if head else "") == (note.number, note.id)


def abort(repository: Repository, names: list[str]) -> tuple[PullAborted, ...]:
    """Gives up the pulls of datasets: what was there before is there again, and no file is lost.

    Raises NoPull when none is under way, PullGoesOn when something was recorded or named since, and
    what writing raises.
    """
    told = []
    for name in names:
        note = pulling(repository, name)
        if note is None:
            disk.discard(repository.layout.pulling(name))  # damaged: it says nothing
            continue
        dataset = Dataset(repository, repository.identity(name))
        head, stays = dataset.head, _is_where_it_was(dataset, note)
        if note.waits or stays:
            if stays and not note.waits:
                forget_following(dataset.tree)
            forget_pulling(repository, name)
            told.append(PullAborted(name, note.remote, head, head, waited=bool(note.waits)))
        elif _moved_on(repository, dataset, note):
            forget_pulling(repository, name)
        else:
            told.append(_go_back(repository, dataset, note))
    if not told:
        raise NoPull(
            "no pull is under way",
            hint="one that is complete stays; `dsm log` shows what came, `dsm revert` undoes it by"
            " a new changeset",
        )
    return tuple(told)


def _moved_on(repository: Repository, dataset: Dataset, note: Pulling) -> bool:
    """Whether the history is another one than the pull makes: something was recorded since, or the
    folder with the other history is gone."""
    log, head = dataset.log_, dataset.head
    if note.aside:
        there = os.path.isdir(os.path.join(repository.layout.datasets, note.aside))
        return not there or head != note.to or log.get(head).id != note.to_id
    if not note.number < head <= note.to:
        return True
    if head == note.to:
        return log.get(head).id != note.to_id
    # Stopped among the headers: what was fetched tells whose the last one is.
    path = Tracking(repository.layout, note.remote).header_path(dataset.id, head)
    data = read_file(path, document.DOCUMENT_BYTES_MAX)
    try:
        return data is None or header.decode(data, path).id != log.get(head).id
    except DamagedData:
        return True


def _go_back(repository: Repository, dataset: Dataset, note: Pulling) -> PullAborted:
    head, tree = dataset.head, dataset.tree
    _refuse_losses(repository, dataset, note)
    mine = _headers_aside(repository, note)
    with publishing(repository):
        lock = disk.lock(repository.layout.commit_lock, exclusive=True, patience=COMMIT_PATIENCE)
        try:
            files = _files_back(dataset, note, mine) if note.files else Followed()
            # An index that knows of a later changeset than the head would tell of a loss.
            tree.go_back(tree.index(tree.stage.load()), note.number, note.id)
            _exchange(repository, dataset, note, head)
            forget_following(tree)
        finally:
            if lock is not None:
                disk.unlock(lock)
    _unsee(repository, dataset, note)
    forget_pulling(repository, dataset.name)
    return PullAborted(
        dataset.name, note.remote, note.number, head, written=files.written,
        removed=files.removed, left=files.left,
    )  # fmt: skip


def _files_back(dataset: Dataset, note: Pulling, mine: tuple[Changeset, ...]) -> Followed:
    """Makes files what they were, where they hold what the pull has put there."""
    new, old, touched = _before_and_after(dataset, note, mine)
    paths = {path for path in {*new, *old} if new.get(path) != old.get(path)}
    now = {path: example for path, example in new.items() if path in paths}
    was = {path: old.get(path) for path in paths & touched}
    follow = Following(dataset.tree, paths, note.base, now, given_up=was)
    wanted = {path: old[path] for path in paths & old.keys()}
    files = follow.to(dataset.tree, wanted, "the changesets of the pull are still here")
    follow.save(dataset.tree)
    return files


def _refuse_losses(repository: Repository, dataset: Dataset, note: Pulling) -> None:
    """Raises PullGoesOn when something is staged, or was named, that only the new history has."""
    since: list[str] = []
    if dataset.tree.stage.load().names:
        since.append("what is staged")
    before = set[str]()
    if note.aside:
        before = _names_in(os.path.join(repository.layout.datasets, note.aside))
    since += [
        f"tag {tag.name}" for tag in dataset.tags()
        if tag.number > note.base and f"tags/{tag.name}.json" not in before
    ]  # fmt: skip
    since += [
        f"view {name}" for record in list_records(repository, dataset.name)
        if record.query.at > note.base
        for name in record.names if f"views/{name}.name.json" not in before
    ]  # fmt: skip
    if since:
        raise PullGoesOn(
            f"{since[0]} of dataset {dataset.name} came after the pull had moved it, and would be"
            " lost",
            hint="nothing was changed; `dsm pull` completes the pull, or take that away first",
            items=tuple(since),
        )


def _names_in(folder: str) -> set[str]:
    found = set[str]()
    for kind in ("tags", "views"):
        place = os.path.join(folder, kind)
        if os.path.isdir(place):
            found |= {f"{kind}/{name}" for name in os.listdir(place)}
    return found


def _headers_aside(repository: Repository, note: Pulling) -> tuple[Changeset, ...]:
    """Returns the local changesets as they were before they were renumbered."""
    if not note.aside:
        return ()
    folder = os.path.join(repository.layout.datasets, note.aside, "changesets")
    found = []
    for number in range(note.base + 1, note.number + 1):
        path = os.path.join(folder, f"{number:0{NUMBER_DIGITS}d}.json")
        data = read_file(path, document.DOCUMENT_BYTES_MAX)
        if data is None:
            raise DamagedData(f"{printable(path)} is gone", hint="`dsm pull` completes the pull")
        found.append(header.decode(data, path))
    return tuple(found)


def _before_and_after(
    dataset: Dataset, note: Pulling, mine: tuple[Changeset, ...]
) -> tuple[dict[str, Example], dict[str, Example], set[str]]:
    """Returns the examples that may differ, as they are now and as they were before the pull, and
    which of them the local changesets had touched."""
    log, head = dataset.log_, dataset.head
    new = [log.get(number) for number in range(note.base + 1, head + 1)]
    touched = set[str]()
    was: dict[str, Example | None] = {}
    for each in (*new, *mine):
        rows = rows_of(dataset, each)
        touched.update(() if rows is None else rows.paths)
    for each in mine:
        rows = rows_of(dataset, each)
        if rows is not None:
            was.update((path, rows.example(row)) for row, path in enumerate(rows.paths))
    base = note.base
    old = dict(dataset.snapshots.lookup(base, touched)) if base and touched else {}
    for path, example in was.items():
        if example is None:
            old.pop(path, None)
        else:
            old[path] = example
    new_ones = dict(dataset.snapshots.lookup(head, touched)) if touched else {}
    return new_ones, old, set(was)


def _exchange(repository: Repository, dataset: Dataset, note: Pulling, head: int) -> None:
    """Gives the dataset the history that it had, under the lock that keeps out all others."""
    layout = repository.layout
    lock = disk.lock(layout.store_lock, exclusive=True)
    if lock is None:
        raise disk.Busy(layout.store_lock)
    made = os.path.join(layout.datasets, REMOVED + os.urandom(8).hex())
    try:
        dataset.log_.require()
        if len(dataset.log_.numbers()) != head:
            raise PullGoesOn("something was recorded in this moment", hint="run the command again")
        copy_history(
            dataset, made, note.base,
            os.path.join(layout.datasets, note.aside) if note.aside else None,
        )  # fmt: skip
        disk.exchange(made, layout.dataset(dataset.name))
        disk.sync_dir(layout.datasets)
    finally:
        disk.unlock(lock)
        if os.path.isdir(made):
            disk.remove_tree(made)


def _unsee(repository: Repository, dataset: Dataset, note: Pulling) -> None:
    """Says that what is the same here and on the remote ends where it did before."""
    tracking = Tracking(repository.layout, note.remote)
    seen = tracking.seen(dataset.id)
    if seen is not None and seen.base > note.base:
        now = Dataset(repository, dataset.identity)
        id = now.log_.get(note.base).id if note.base else ""
        tracking.saw(dataset.id, replace(seen, base=note.base, base_id=id))
