"""dsm.lock: which data belongs to a state of somebody's code, for git to keep with it.

It names the newest changeset of each dataset, and what the names of views stand for. It lies beside
`.dsm`, is written by `dsm lock` and read as text of strangers: it came with a checkout. Specified
in docs/format/lock-file.md.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dsm.errors import Conflict, DamagedData, InvalidInput, NotFound
from dsm.model.names import printable
from dsm.repo import documents
from dsm.repo.log import ChangesetLog
from dsm.repo.repository import Repository
from dsm.store import disk
from dsm.store.whole_file import read_file

NAME = "dsm.lock"
FORMAT = 1
BYTES_MAX = 1 << 24
ANEW = "`dsm lock --force` writes it anew"
_is_id = re.compile(r"[0-9a-f]{64}").fullmatch
_is_short_id = re.compile(r"[0-9a-f]{32}").fullmatch
_CONFLICT = re.compile(r"^(?:<{7}|={7}|>{7})(?: |$)", re.MULTILINE)


class BadLock(InvalidInput):
    """dsm.lock cannot be used: it is not what `dsm lock` writes."""

    code = "bad-lock"


class LockConflict(Conflict):
    """dsm.lock holds both sides of a merge; `items` say what each of them names.

    `missing` says whether one of them names what is not here.
    """

    code = "lock-conflict"
    missing = True


@dataclass(frozen=True, slots=True)
class LockedView:
    """What the name of a view stands for: its version, and the digest of what it selects."""

    version: str
    digest: str


@dataclass(frozen=True, slots=True)
class LockedDataset:
    """A dataset (`id`: 32 hexadecimal digits) at a changeset; 0 and "" where it has none yet."""

    name: str
    id: str
    number: int
    changeset: str
    views: Mapping[str, LockedView] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Lock:
    """What a lock file says, by dataset."""

    repository: str
    datasets: tuple[LockedDataset, ...]

    def of(self, dataset_id: str) -> LockedDataset | None:
        """Returns what it says of a dataset."""
        return next((each for each in self.datasets if each.id == dataset_id), None)

    def text(self) -> str:
        """Returns the bytes of the file as text: a line for each thing, so that git can merge."""
        datasets = {
            each.name: {
                "dataset": each.id,
                "number": each.number,
                "changeset": each.changeset,
                "views": {
                    name: {"version": view.version, "digest": view.digest}
                    for name, view in sorted(each.views.items())
                },
            }
            for each in sorted(self.datasets, key=lambda each: each.name)
        }
        fields = {"format": FORMAT, "repository": self.repository, "datasets": datasets}
        return json.dumps(fields, indent=2, ensure_ascii=False) + "\n"


@dataclass(frozen=True, slots=True)
class LockReport:
    """What `lock` wrote to `path`, or with `dry_run` would write; no `changes`: nothing new."""

    path: str
    datasets: tuple[LockedDataset, ...]
    changes: tuple[str, ...]
    dry_run: bool


def lock(repository: Repository, *, dry_run: bool = False, force: bool = False) -> LockReport:
    """Writes the lock file of this moment, if it says something else; see `Catalog.lock`."""
    now = Lock(repository.id, tuple(_present(repository, each) for each in repository.datasets()))
    path = os.path.join(repository.root, NAME)
    changes: tuple[str, ...]
    try:
        before = read_lock(repository)
        changes = _changes(repository, before, now)
    except LockConflict as error:
        if error.missing and not force:
            raise
        changes = error.items or (error.message,)
    except BadLock as error:
        if not force:
            raise
        changes = (error.message,)
    if changes and not dry_run:
        repository.require_ours()
        temporary = os.path.join(repository.layout.temporary, f"lock-{os.urandom(8).hex()}")
        disk.rewrite(path, now.text().encode(), temporary)
    return LockReport(path, now.datasets, changes, dry_run)


def _changes(repository: Repository, before: Lock | None, now: Lock) -> tuple[str, ...]:
    if before is None:
        return (f"there was no {NAME}",)
    told: list[str] = []
    for each in now.datasets:
        told += (f"{each.name}: {text}" for text in differences(repository, before, each.name))
    here = {each.id for each in now.datasets}
    gone = (each for each in before.datasets if each.id not in here)
    told += (f"{printable(each.name)}: it names this dataset, which is not here" for each in gone)
    if not told and before.text() != now.text():
        told.append("it names this repository or a dataset by another name")
    return tuple(told)


def _present(repository: Repository, name: str) -> LockedDataset:
    """Returns what a lock of this moment says of a dataset. Raises NotFound, DamagedData."""
    identity = repository.identity(name)
    log = ChangesetLog(repository, name, identity.id)
    head = log.head()
    names = documents.view_names(repository.layout, name)
    records = documents.views(repository.layout, name)
    views: dict[str, LockedView] = {}
    for given in names.names():
        version = (names.read(given) or {}).get("version")
        record = records.read(version) if isinstance(version, str) and _is_id(version) else None
        content = (record or {}).get("content")
        digest = content.get("digest") if isinstance(content, dict) else None
        if isinstance(version, str) and isinstance(digest, str):
            views[given] = LockedView(version, digest)
    return LockedDataset(name, identity.id, head, log.get(head).id if head else "", views)


def read_lock(repository: Repository) -> Lock | None:
    """Reads the lock file beside `.dsm`; None without one. Raises BadLock, LockConflict."""
    path = os.path.join(repository.root, NAME)
    if not os.path.lexists(path):
        return None
    if not os.path.isfile(path):
        raise BadLock(f"{path} is no file")
    try:
        data = read_file(os.path.realpath(path), BYTES_MAX)
        if data is None:
            return None
        text = data.decode()
    except DamagedData as error:
        raise BadLock(error.message, hint=ANEW) from None
    except UnicodeDecodeError:
        raise BadLock(f"{path} is not UTF-8", hint=ANEW) from None
    if _CONFLICT.search(text):
        raise _conflict(repository, path, text)
    return _parsed(text, path)


def _parsed(text: str, path: str) -> Lock:
    try:
        fields = json.loads(text)
        if fields["format"] != FORMAT:
            raise BadLock(
                f"{path} has format {str(fields['format'])[:20]!r}; this dsm reads format {FORMAT}",
                hint="a newer dsm wrote it: upgrade with `pip install --upgrade dsm-datasets`",
            )
        datasets = tuple(_dataset(name, each) for name, each in fields["datasets"].items())
        if not isinstance(fields["repository"], str):
            raise ValueError
        return Lock(fields["repository"], datasets)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, BadLock):
            raise
        raise BadLock(
            f"{path} is not what dsm writes", hint="`dsm lock --force` writes it anew"
        ) from None


def _dataset(name: str, fields: Any) -> LockedDataset:
    """Reads what is said of one dataset. Raises ValueError, KeyError, TypeError, AttributeError."""
    number, changeset, id = fields["number"], fields["changeset"], fields["dataset"]
    if type(number) is not int or not 0 <= number < 10**8 or not _is_short_id(id):
        raise ValueError
    if not (_is_id(changeset) if number else changeset == ""):
        raise ValueError
    views = {}
    for view, each in fields["views"].items():
        if not (_is_id(each["version"]) and _is_id(each["digest"])):
            raise ValueError
        views[view] = LockedView(each["version"], each["digest"])
    return LockedDataset(name, id, number, changeset, views)


# --- what differs --------------------------------------------------------------------------------


def differences(repository: Repository, lock: Lock, name: str) -> tuple[str, ...]:
    """Returns in words how a dataset differs from what the lock file says of it."""
    here = _present(repository, name)
    locked = lock.of(here.id)
    if locked is None:
        return ("it says nothing of this dataset",)
    told = []
    if locked.changeset != here.changeset:
        told.append(f"it names changeset {locked.number}, {_where(repository, here, locked)}")
    changed = sorted(v for v, held in locked.views.items() if here.views.get(v) != held)
    new = sorted(here.views.keys() - locked.views.keys())
    for views, what in ((changed, "is another one, or missing, here"), (new, "is not in it")):
        told += [f"view {printable(view)} {what}" for view in views]
    return tuple(told)


def _where(repository: Repository, here: LockedDataset, locked: LockedDataset) -> str:
    if number_of(repository, here.name, locked) is None and locked.number:
        return "which is not here"
    return f"and the newest one here is {here.number}"


def number_of(repository: Repository, name: str, locked: LockedDataset) -> int | None:
    """Returns the number that a locked changeset has here; None where it is not here."""
    log = ChangesetLog(repository, name, locked.id)
    if not locked.number or locked.number > log.head():
        return None
    if log.get(locked.number).id == locked.changeset:
        return locked.number
    # Put on top of others by a pull, a changeset has another id; what remains is one that moved.
    return next((c.number for c in log.newest_first() if c.id == locked.changeset), None)


def locked_numbers(repository: Repository, lock: Lock) -> dict[str, int]:
    """Returns the changeset of each locked dataset, by the name that the dataset has here.

    Those without a changeset are left out. Raises NotFound for a dataset or a changeset that is not
    here.
    """
    names = {repository.identity(name).id: name for name in repository.datasets()}
    found: dict[str, int] = {}
    for locked in lock.datasets:
        if not locked.number:
            continue
        name = names.get(locked.id)
        if name is None:
            raise NotFound(
                f"{NAME} names dataset {printable(locked.name)}, which is not here",
                hint=f"`dsm pull -d {printable(locked.name)}` brings it, if the remote has it",
            )
        number = number_of(repository, name, locked)
        if number is None:
            raise NotFound(
                f"{NAME} names changeset {locked.number} ({locked.changeset[:12]}) of dataset"
                f" {name}, which is not here",
                hint="`dsm pull` brings it, if the remote has it; else `dsm lock` names what is"
                " here",
            )
        found[name] = number
    return found


# --- both sides of a merge -----------------------------------------------------------------------


def _conflict(repository: Repository, path: str, text: str) -> LockConflict:
    """Explains a merge that git left to people: which changesets the two sides name."""
    ours, theirs = (_side(text, which, path) for which in (0, 1))
    if ours is None or theirs is None:
        return LockConflict(
            f"{path} holds a merge conflict that cannot be read",
            hint="`dsm lock --force` writes what is here; then `git add dsm.lock`",
        )
    told = []
    missing = False
    for id in dict.fromkeys(each.id for each in (*ours.datasets, *theirs.datasets)):
        words = []
        for word, side in (("ours", ours), ("theirs", theirs)):
            locked = side.of(id)
            name = _name_here(repository, id)
            here = locked is not None and (
                not locked.number
                or (name is not None and number_of(repository, name, locked) is not None)
            )
            missing |= locked is not None and not here
            words.append(
                f"{word} has nothing" if locked is None
                else f"{word} has changeset {locked.number}{'' if here else ', which is not here'}"
            )  # fmt: skip
        known = ours.of(id) or theirs.of(id)
        assert known is not None
        told.append(f"{printable(known.name)}: {'; '.join(words)}")
    hint = (
        "`dsm pull` brings what is not here, then `dsm lock` names the head; --force does at once"
        if missing
        else "both are in the history here: `dsm lock` names its head, then `git add dsm.lock`"
    )
    error = LockConflict(f"{path} holds a merge conflict", hint=hint, items=tuple(told))
    error.missing = missing
    return error


def _name_here(repository: Repository, id: str) -> str | None:
    return next((n for n in repository.datasets() if repository.identity(n).id == id), None)


def _side(text: str, which: int, path: str) -> Lock | None:
    """Returns one side of a file with conflicts: 0 for ours, 1 for theirs; None if it is none."""
    lines = []
    part: int | None = None  # None: both sides have it; 2: what both came from
    for line in text.splitlines():
        if line.startswith("<<<<<<<"):
            part = 0
        elif line.startswith("|||||||") and part == 0:
            part = 2
        elif line.startswith("=======") and part in (0, 2):
            part = 1
        elif line.startswith(">>>>>>>") and part == 1:
            part = None
        elif part in (None, which):
            lines.append(line)
    try:
        return _parsed("\n".join(lines), path)
    except BadLock:
        return None
