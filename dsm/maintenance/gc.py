"""Removing what nothing refers to: a plan that anyone may look at, then its performance.

Safe beside writers, without clocks or process ids. The last step of a writer runs under a shared
lock and checks that its packs are there; gc takes the lock alone, looks again, and renames what
it condemns into the trash, from where a writer can take it back. Trash is removed once no writer
lives that was alive when it was filled. Unknown files are left alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass

from dsm.errors import AmbiguousName, Conflict, DamagedData, InvalidInput, NotFound, Refused
from dsm.files.temporaries import leftovers
from dsm.format import chunk_list
from dsm.format import pack as pack_format
from dsm.maintenance.reports import PICKED, PREDICTED, GcPlan
from dsm.maintenance.uses import (
    STAGED,
    Use,
    dataset_log,
    used_ids,
    uses,
)
from dsm.model.names import printable
from dsm.repo.renaming import clear_removed
from dsm.repo.repository import Repository
from dsm.store import disk
from dsm.store.lease import SUFFIX as LEASE_SUFFIX
from dsm.store.lease import Lease, living
from dsm.store.pack_files import pack_paths, publish_pack
from dsm.store.packs import Pack, PackWriter
from dsm.store.repacking import REPACK_BELOW, bytes_of, copy_live, rows_of

TRIES, PAUSE_SECONDS = 50, 0.1
WAITING = ".waiting"
_MANIFEST_NAME = re.compile(r"[0-9a-f]{64}\.parquet")


@dataclass(frozen=True, slots=True)
class _Survey:
    """What is needed, and what is there: read once, for a plan and for its performance.

    `ids` are referred to; `live` are their prefixes and those of the pieces that they consist of.
    """

    ids: set[bytes]
    packs: list[Pack]
    live: set[bytes]


def plan_gc(repository: Repository) -> GcPlan:
    """Returns what can be removed; changes nothing.

    Raises DamagedData when a manifest, a stage segment or a chunk list cannot be read: what it
    refers to is then unknown.
    """
    return _planned(repository, _survey(repository, used_ids(repository)))


def _survey(repository: Repository, ids: set[bytes]) -> _Survey:
    packs, unreadable = _open_packs(repository)
    live = _live_prefixes(ids, packs)
    if unreadable and (needed := len(_absent(live, packs))):
        raise DamagedData(
            f"pack {unreadable[0]} cannot be read, and {needed} objects that are needed are in no"
            " other pack: what they consist of is unknown",
            hint="run `dsm fsck`; nothing was removed",
        )
    return _Survey(ids, packs, live)


def _planned(repository: Repository, survey: _Survey) -> GcPlan:
    layout, packs = repository.layout, survey.packs
    dead: list[tuple[str, int]] = []
    repack: list[tuple[str, int, int]] = []
    objects = live_objects = 0
    for pack in packs:
        rows_kept, everything, needed = 0, [], []
        for row, prefix in rows_of(pack):
            span = pack.contents.location(row)[:2]
            everything.append(span)
            if prefix in survey.live:
                needed.append(span)
                rows_kept += 1
        total, kept = bytes_of(everything), bytes_of(needed)
        objects += len(pack)
        live_objects += rows_kept
        if not rows_kept:
            dead.append((pack.name, pack.size))
        elif kept < total * REPACK_BELOW:
            repack.append((pack.name, pack.size, kept * pack.size // max(1, total)))
    size = sum(pack.size for pack in packs)
    alive = living(layout.temporary)
    left = list(leftovers(layout.temporary, alive))
    going = [each for each in left if each.may_go(survey.ids)]
    notes = [
        f"{printable(each.full)} stays: its content is stored nowhere. A restore that was killed"
        f" found it as {printable(each.path)}"
        for each in left
        if each not in going
    ]
    # Before the journals that name them.
    files = [(each.full, each.size) for each in going]
    files += [*_unreferenced_manifests(repository), *_temporary_files(layout.temporary)]
    files += _trash(layout.trash, alive)
    if dead or repack:  # a fingerprint shows what is removed
        for entry in _listed(layout.near):
            files += _sized(os.path.join(layout.near, entry))
    return GcPlan(
        tuple(dead), tuple(repack), tuple(files), objects, live_objects, size, notes=tuple(notes)
    )


def apply_gc(repository: Repository, plan: GcPlan) -> GcPlan:
    """Removes what is garbage now; returns what was done.

    The plan is made again under the lock, so an old one does no harm: only what it lists and what
    is still garbage goes. While the lock is held nothing can become needed, since writers record
    under it; so what is needed is read once. Raises Conflict when a writer holds the lock and does
    not let go.
    """
    layout = repository.layout
    lock = _alone(repository)
    try:
        ids = used_ids(repository)
        _take_back(repository, ids)
        survey = _survey(repository, ids)
        now = _planned(repository, survey)
        listed = {name for name, _ in plan.packs} | {name for name, _, _ in plan.repack}
        packs = tuple(item for item in now.packs if item[0] in listed)
        repack = tuple(item for item in now.repack if item[0] in listed)
        wanted = {path for path, _ in plan.files}
        files = tuple(item for item in now.files if item[0] in wanted)
        notes = list(now.notes)
        condemned = [name for name, _ in packs]
        done_repack = []
        # First: the history before a pull that was stopped must not outlive its objects.
        clear_removed(repository)
        for item in repack:
            try:
                _repack(repository, item[0], survey)
            except disk.WriteFailed as error:
                notes.append(f"pack {item[0][:16]} was not rewritten: {error.message}")
                continue
            condemned.append(item[0])
            done_repack.append(item)
        kept = _condemn(repository, condemned)
        left = {each.full: each for each in leftovers(layout.temporary, living(layout.temporary))}
        for path, _ in files:
            left[path].remove() if path in left else disk.remove(path)
        return GcPlan(
            packs=packs,
            repack=tuple(done_repack),
            files=files,
            objects=now.objects,
            live_objects=now.live_objects,
            size=now.size,
            kept_for_writers=kept,
            notes=tuple(notes),
        )
    finally:
        disk.unlock(lock)


def _alone(repository: Repository) -> int:
    for _ in range(TRIES):
        lock = disk.lock(repository.layout.store_lock, exclusive=True, patience=0)
        if lock is not None:
            # A second descriptor must be refused, or leases say nothing about who is alive.
            try:
                other = disk.lock(repository.layout.store_lock, exclusive=False, patience=0)
            except disk.WriteFailed:
                disk.unlock(lock)
                raise
            if other is None:
                return lock
            disk.unlock(other)
            disk.unlock(lock)
            raise Refused(
                "locks do not work on this file system, so that writers cannot be seen",
                hint="nothing was removed; copy the repository to a local disk to prune it",
            )
        time.sleep(PAUSE_SECONDS)
    raise Conflict(
        "another process is just recording its work and does not finish",
        hint="nothing was removed; run `dsm gc --prune` again when it is done",
    )


def _open_packs(repository: Repository) -> tuple[list[Pack], list[str]]:
    """Returns the packs, and the names of those that are damaged.

    A damaged pack is never removed: it may be all that is left of something.
    """
    packs, damaged = [], []
    for path in pack_paths(repository.layout.packs):
        try:
            pack = Pack(path, verify=True)
            pack.close()  # there may be more of them than a process may have open files
            packs.append(pack)
        except DamagedData:
            damaged.append(os.path.basename(path).removesuffix(".pack"))
        except FileNotFoundError:
            continue
    return packs, damaged


def _absent(live: set[bytes], packs: list[Pack]) -> set[bytes]:
    return live.difference(*({prefix for _, prefix in rows_of(pack)} for pack in packs))


def _take_back(repository: Repository, ids: set[bytes]) -> None:
    """Gives packs in the trash their names back, should anything in them be among `ids`."""
    layout = repository.layout
    trashed = [name for name in _listed(layout.trash) if name.endswith(".pack")]
    if not trashed:
        return
    taken = True
    while taken:  # what comes back may be a chunk list, whose chunks are needed as well
        taken = False
        packs, _ = _open_packs(repository)
        absent = _absent(_live_prefixes(ids, packs), packs)
        for name in trashed if absent else ():
            path = os.path.join(layout.trash, name)
            with contextlib.suppress(DamagedData, FileNotFoundError):
                if any(prefix in absent for _, prefix in rows_of(Pack(path))):
                    publish_pack(layout.packs, path, name.removesuffix(".pack"))
                    taken = True


def _live_prefixes(ids: set[bytes], packs: list[Pack]) -> set[bytes]:
    """Returns the prefixes of all referenced objects and of the pieces that they consist of."""
    live = {oid[: pack_format.PREFIX] for oid in ids}
    nested: set[bytes] = set()
    for pack in packs:
        for row, prefix in rows_of(pack):
            if pack.contents.location(row)[2] and prefix in live:
                nested |= _pieces(pack, row, packs)
        pack.close()
    return live | nested


def _pieces(pack: Pack, row: int, packs: list[Pack]) -> set[bytes]:
    frame, offset, size, _ = pack.place(row)
    payload = pack.read(frame, offset, size)
    if not chunk_list.names(payload, payload[4:36]):
        raise DamagedData(
            f"a chunk list in pack {pack.name} is damaged, so it is unknown what it refers to",
            hint="run `dsm fsck --full`; nothing was removed",
        )
    decoded = chunk_list.decode(payload)
    pieces = {piece for piece, _ in chunk_list.iterate(decoded.rows)}
    if decoded.nested:
        for part in list(pieces):
            rows = _read_piece(part, packs)
            pieces.update(piece for piece, _ in chunk_list.iterate(rows))
    return {piece[: pack_format.PREFIX] for piece in pieces}


def _read_piece(oid: bytes, packs: list[Pack]) -> bytes:
    from blake3 import blake3

    for pack in packs:
        for row in pack.find(oid):
            frame, offset, size, _ = pack.place(row)
            data = pack.read(frame, offset, size)
            if blake3(data).digest() == oid:
                return data
    raise DamagedData(f"a part of a chunk list ({oid.hex()}) is missing; nothing was removed")


def _unreferenced_manifests(repository: Repository) -> Iterator[tuple[str, int]]:
    """Manifests whose commit never happened. A running one holds the lock that gc needs."""
    for name in repository.datasets():
        log, _ = dataset_log(repository, name)
        used = {log.get(number).manifest for number in range(1, log.head() + 1)}
        folder = repository.layout.manifests(name)
        for entry in _listed(folder):
            if _MANIFEST_NAME.fullmatch(entry) and entry.removesuffix(".parquet") not in used:
                yield from _sized(os.path.join(folder, entry))


def _temporary_files(folder: str) -> Iterator[tuple[str, int]]:
    """Files of writers that are dead: the token in the name has no living lease."""
    alive = living(folder)
    for entry in _listed(folder):
        token = entry.removesuffix(LEASE_SUFFIX).partition("-")[0]
        if token not in alive:
            yield from _sized(os.path.join(folder, entry))


def _trash(folder: str, alive: set[str]) -> Iterator[tuple[str, int]]:
    """Condemned packs that no living writer can count on any more."""
    for entry in _listed(folder):
        path = os.path.join(folder, entry)
        if entry.endswith(WAITING) and not os.path.exists(path.removesuffix(WAITING)):
            yield from _sized(path)
        if not entry.endswith(".pack"):
            continue
        waiting = alive
        with contextlib.suppress(OSError, ValueError):
            with open(path + WAITING, encoding="ascii") as file:
                waiting = alive & set(json.load(file))
        if not waiting:
            yield from _sized(path)
            yield from _sized(path + WAITING)


def _listed(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []


def _sized(path: str) -> Iterator[tuple[str, int]]:
    """The path with its bytes; nothing when it is gone, or a folder, which no dsm makes there."""
    with contextlib.suppress(OSError):
        found = os.lstat(path)
        if not stat.S_ISDIR(found.st_mode):
            yield path, found.st_size


def _condemn(repository: Repository, names: list[str]) -> int:
    """Moves packs into the trash, and out of it if no writer lives; returns how many wait."""
    layout = repository.layout
    moved = []
    for name in names:
        path = os.path.join(layout.packs, name[:2], name + ".pack")
        target = os.path.join(layout.trash, name + ".pack")
        try:
            disk.rename_away(path, target)
            moved.append(target)
        except disk.WriteFailed:
            # No room even for a name: without living writers the trash is not needed.
            if living(layout.temporary):
                raise
            disk.remove(path)
    # Asked after the packs have lost their names: who starts now cannot count on them.
    alive = living(layout.temporary)
    for target in moved:
        if alive:
            with contextlib.suppress(disk.WriteFailed):
                tokens = json.dumps(sorted(alive)).encode()
                disk.write_new(target + WAITING, tokens, durable=False)
        else:
            disk.remove(target)
    for shelf in {name[:2] for name in names}:
        disk.sync_dir(os.path.join(layout.packs, shelf))
    return len(moved) if alive else 0


def _repack(repository: Repository, name: str, survey: _Survey) -> None:
    """Writes what is live in a pack to a new one. The old one goes after the new one is durable."""
    layout = repository.layout
    pack = next(pack for pack in survey.packs if pack.name == name)
    with Lease(layout.temporary) as lease:
        writer = PackWriter(lease.temporary(".pack"))
        try:
            copy_live(pack, survey.live, writer)
            new = writer.seal().hex()
            publish_pack(layout.packs, writer.path, new)
        except BaseException:
            writer.abandon()
            raise


def _line(use: Use) -> str:
    """Returns what refers to an object, for people."""
    if use.number == PICKED:
        return f"{printable(use.path)} of {use.dataset}: a list that it picks by"
    if use.number == PREDICTED:
        return f"{use.path}: its predictions"
    where = "the stage" if use.number == STAGED else f"changeset {use.number}"
    return f"{where} of {use.dataset}: {printable(use.path)}"


def explain(repository: Repository, text: str) -> list[str]:
    """Returns what keeps an object: one line per changeset, staged row or larger object.

    `text` is the object's id or a prefix of at least 8 hex digits. Raises NotFound when nothing of
    that name is stored or referred to, AmbiguousName when several objects in use begin so.
    """
    wanted = text.strip().lower()
    if len(wanted) < 8 or any(char not in "0123456789abcdef" for char in wanted):
        raise InvalidInput(f"{text!r} is not an object id", hint="give 8 hex digits or more")
    lines = []
    meant: set[bytes] = set()
    owners: dict[bytes, list[str]] = {}
    for use in uses(repository):
        line = _line(use)
        if use.oid.hex().startswith(wanted):
            lines.append(line)
            meant.add(use.oid)
        owners.setdefault(use.oid, []).append(line)
    with repository.store.alone() as store:
        for oid, users in owners.items():
            pieces = {piece for piece in store.with_pieces(oid) if piece.hex().startswith(wanted)}
            if pieces - {oid}:
                lines += [f"{line} (as a chunk of {oid.hex()[:16]})" for line in users]
                meant |= pieces
    if len(meant) > 1:
        raise AmbiguousName(
            f"{text!r} could be {len(meant)} objects",
            hint="give more digits",
            items=tuple(sorted(oid.hex() for oid in meant)),
        )
    if not lines:
        width = min(len(wanted), 2 * pack_format.PREFIX)
        for pack in _open_packs(repository)[0]:
            if any(prefix.hex()[:width] == wanted[:width] for _, prefix in rows_of(pack)):
                return [f"nothing refers to it; it lies in pack {pack.name} until gc removes it"]
        raise NotFound(f"no object {text} is stored here, and nothing refers to one")
    return lines
