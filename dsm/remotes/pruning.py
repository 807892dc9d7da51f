"""gc of a remote: what no header refers to is condemned first, and removed when time has passed.

A pack of which little is needed is rewritten: a new one with what is, whole and listed there; then
the old one is condemned, and goes as any other. Killed in between, both are there, and the next run
does without the old one.

Interrupted pushes leave packs and manifests that nothing names. Others may be pushing just now, and
count on what they have listed. So what is garbage gets a marker beside it, which keeps later pushes
from counting on it; a run that finds a marker older than the grace time looks again whether
anything refers to it by now, and removes it if not. A push that takes less than the grace time
loses nothing. Ages are by the clock of the place, which is asked what time it is.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace

from dsm.errors import DsmError, InvalidInput, NotFound, Refused
from dsm.format.pack import PREFIX, Contents
from dsm.progress import SILENT, Progress
from dsm.remotes.backend import Entry, NotOnRemote, RemoteDamaged, RemoteFailed, retried
from dsm.remotes.contents import DATASETS, RemoteDataset, decoded, get_document, list_datasets
from dsm.remotes.incoming import HistoryRewritten, get_header, get_manifest, read_header
from dsm.remotes.listing_file import keep_listing
from dsm.remotes.merging import MergePlan, merge, plan_merge, rewrite
from dsm.remotes.parallel import side_by_side
from dsm.remotes.probe import FOLDER as PROBE
from dsm.remotes.remote import Remote
from dsm.remotes.tables import CONDEMNED, PACKS, Tables, condemned_packs, pack_name, remote_path
from dsm.store.pieces import pieces_of
from dsm.store.repacking import REPACK_BELOW, bytes_of, prefixes_of
from dsm.views.filters.picks import lists_in

DAY = 86_400


@dataclass(frozen=True, slots=True)
class RemoteGc:
    """What gc of a remote does, or would do.

    `condemned` (name, bytes) get their marker now; `waiting` have one that is younger than the
    grace time; `removed` go; `lifted` are needed again. `rewritten` (pack, bytes, bytes that are
    needed) are packs of which little is needed, and are condemned when that lies in new ones.
    `merge` says which small packs become fewer.
    """

    remote: str
    url: str
    grace: float
    condemned: tuple[tuple[str, int], ...]
    waiting: tuple[tuple[str, int], ...]
    removed: tuple[tuple[str, int], ...]
    lifted: tuple[str, ...]
    merge: MergePlan
    rewritten: tuple[tuple[str, int, int], ...] = ()

    @property
    def reclaimable(self) -> int:
        whole = sum(size for _, size in (*self.condemned, *self.waiting, *self.removed))
        return whole + sum(size - needed for _, size, needed in self.rewritten)


def plan_prune(remote: Remote, grace: float, progress: Progress = SILENT) -> RemoteGc:
    """Returns what can go from a remote, with a grace time in seconds; changes nothing but for a
    file that asks the place what time it is.

    Raises NotFound when there is no remote, Refused when it cannot be told what large files consist
    of, RemoteDamaged when something that may refer cannot be read, HistoryRewritten when it is
    missing, InvalidInput, RemoteFailed, RemoteRefused, OtherRepository.
    """
    return _planned(remote, grace, progress)[0]


def _planned(remote: Remote, grace: float, progress: Progress) -> tuple[RemoteGc, set[bytes]]:
    """Returns the plan, and the prefixes of the objects that are needed."""
    if grace < 0:
        raise InvalidInput("a grace time is 0 days or more")
    if not remote.require_ours():
        raise NotFound(f"there is no dsm remote at {remote.entry.url}")
    now = _time_there(remote)
    entries = {entry.name: entry for entry in remote.backend.entries("")}
    entries |= {entry.name: entry for entry in remote.backend.entries("tmp/")}
    survey = _survey(remote, list(entries.values()), progress)
    garbage = survey.garbage
    condemned: list[tuple[str, int]] = []
    waiting: list[tuple[str, int]] = []
    removed: list[tuple[str, int]] = []
    for entry in garbage:
        marker = entries.get(_marker(entry.name))
        aged = entry if marker is None else marker
        old = aged.modified is not None and now - aged.modified >= grace
        passing = entry.name.startswith((f"{PROBE}/", "tmp/"))  # nobody counts on these
        if passing:
            (removed if old else waiting).append((entry.name, entry.size))
        elif marker is None and grace > 0:
            condemned.append((entry.name, entry.size))
        else:
            (removed if old or not grace else waiting).append((entry.name, entry.size))
    idle = {_marker(entry.name) for entry in garbage}
    lifted = [name for name in entries if name.endswith(CONDEMNED) and name not in idle]
    plan = RemoteGc(
        remote=remote.entry.name, url=remote.entry.url, grace=grace,
        condemned=tuple(condemned), waiting=tuple(waiting), removed=tuple(removed),
        lifted=tuple(lifted), merge=plan_merge(remote), rewritten=tuple(survey.rewritten),
    )  # fmt: skip
    return plan, survey.live


def prune_remote(remote: Remote, plan: RemoteGc, progress: Progress = SILENT) -> RemoteGc:
    """Carries a plan out, which is made again: only what both list is removed, and merges packs.

    Returns what was done. Raises what `plan_prune` and `merge` raise.
    """
    backend = remote.backend
    again, live = _planned(remote, plan.grace, progress)
    removed = tuple(each for each in again.removed if each in plan.removed)
    for name in again.lifted:
        retried(lambda: backend.delete(name))  # noqa: B023
    for name, _ in again.condemned:
        retried(lambda: backend.put(_marker(name), b""))  # noqa: B023
    markers = {e.name for e in backend.entries("") if e.name.endswith(CONDEMNED)} if removed else ()
    for name, _ in removed:
        if again.grace and _counted(name) and _marker(name) not in markers:
            continue  # somebody lifted it in this moment
        retried(lambda: backend.delete(name))  # noqa: B023
        if _marker(name) in markers:
            retried(lambda: backend.delete(_marker(name)))  # noqa: B023
    rewritten = tuple(each for each in again.rewritten if each in plan.rewritten)
    rewrite(remote, [(name, size) for name, size, _ in rewritten], live, progress)
    for name, _, _ in rewritten:
        old = remote_path(name)
        if again.grace:
            retried(lambda: backend.put(_marker(old), b""))  # noqa: B023
        else:
            retried(lambda: backend.delete(old))  # noqa: B023
    if removed or rewritten:
        keep_listing(backend, backend.entries(PACKS))
    done = merge(remote, plan_merge(remote), progress)
    return replace(again, removed=removed, rewritten=rewritten, merge=done)


def _counted(name: str) -> bool:
    return name.startswith((PACKS, DATASETS))


def _marker(name: str) -> str:
    return name.rpartition(".")[0] + CONDEMNED


def _time_there(remote: Remote) -> float:
    """Returns what time it is by the clock of the place, by a file that is written there."""
    backend, name = remote.backend, f"{PROBE}/{os.urandom(16).hex()}"
    try:
        backend.put(name, b"what time is it?")
        found = {entry.name: entry for entry in backend.entries(f"{PROBE}/")}.get(name)
    finally:
        backend.delete(name)
    if found is None or found.modified is None:
        raise RemoteFailed(
            f"{remote.entry.url} does not tell when a file was written",
            hint="nothing was removed; --grace 0 removes at once, when nobody pushes",
        )
    return found.modified


@dataclass(frozen=True, slots=True)
class _Survey:
    """What is on a remote: files that can go, packs to rewrite with what is left of each, and the
    prefixes of the objects that are needed."""

    garbage: list[Entry]
    rewritten: list[tuple[str, int, int]]
    live: set[bytes]


def _survey(remote: Remote, entries: list[Entry], progress: Progress) -> _Survey:
    """Finds what nothing refers to, of the kinds of files that dsm writes."""
    datasets = list_datasets(remote.backend)
    _refuse_lost(remote, datasets)
    needed: set[bytes] = set()
    manifests: set[str] = set()
    for dataset in datasets.values():
        named, objects = _referenced(remote, dataset, progress)
        manifests |= named
        needed |= objects
    garbage = [e for e in entries if e.name.startswith((f"{PROBE}/", "tmp/"))]
    for dataset in datasets.values():
        folder = dataset.path("manifests", "")
        garbage += [
            e for e in entries
            if e.name.startswith(folder) and e.name.endswith(".parquet") and e.name not in manifests
        ]  # fmt: skip
    return _with_packs(remote, entries, needed, garbage)


def _refuse_lost(remote: Remote, datasets: Mapping[str, RemoteDataset]) -> None:
    """Raises HistoryRewritten when changesets are missing that were seen there: what they need is
    no garbage, as long as nobody says so."""
    for id, folder in remote.tracking.folders().items():
        seen = remote.tracking.seen(id)
        found = datasets.get(folder)
        if seen is not None and seen.head and (found is None or seen.head not in found.headers):
            url = remote.entry.url
            raise HistoryRewritten(
                f"changeset {seen.head} of dataset {folder} is missing on {url}, where it was",
                hint="nothing was removed. Ask who did that; `dsm fsck --remote --repair` puts it"
                f" back, `dsm remote set-url {remote.entry.name} {url}` forgets what was seen",
            )


def _with_packs(
    remote: Remote, entries: list[Entry], needed: set[bytes], garbage: list[Entry]
) -> _Survey:
    """Decides about packs: one whose live objects all lie in others that stay is garbage, too.

    Those that are condemned, and then those with much that is dead, are the first to be done
    without; so of a rewritten pack and the new one that holds the rest of it the new one stays.
    """
    packs = {name: entry for entry in entries if (name := pack_name(entry)) is not None}
    condemned = condemned_packs(entries)
    held: dict[str, Contents] = {}
    lists: set[bytes] = set()
    for name, contents in Tables(remote.repository.layout).of(remote.backend, packs.values()):
        held[name] = contents
        lists.update(
            contents.prefixes[row * PREFIX : row * PREFIX + PREFIX]
            for row in range(len(contents)) if contents.location(row)[2]
        )  # fmt: skip
    live = {oid[:PREFIX] for oid in needed}
    for oid in needed:
        if oid[:PREFIX] in lists:
            live.update(piece[:PREFIX] for piece in _pieces(remote, oid))
    shares = {name: _share(contents, live) for name, contents in held.items()}
    covered: set[bytes] = set()
    rewritten: list[tuple[str, int, int]] = []
    for name in sorted(held, key=lambda name: (name in condemned, -shares[name], name)):
        found = prefixes_of(held[name].prefixes) & live
        if found <= covered:
            garbage.append(packs[name])
            continue
        covered |= found
        if name not in condemned and shares[name] < REPACK_BELOW:
            size = packs[name].size
            rewritten.append((name, size, int(size * shares[name])))
    return _Survey(garbage, rewritten, live)


def _share(contents: Contents, live: set[bytes]) -> float:
    """Returns which share of the bytes in a pack is live."""
    everything, kept = [], []
    for row in range(len(contents)):
        span = contents.location(row)[:2]
        everything.append(span)
        if contents.prefixes[row * PREFIX : row * PREFIX + PREFIX] in live:
            kept.append(span)
    return bytes_of(kept) / max(1, bytes_of(everything))


def _pieces(remote: Remote, oid: bytes) -> set[bytes]:
    try:
        return pieces_of(remote.repository.store, oid)
    except DsmError:
        raise Refused(
            "this copy does not have all large files of the remote, and cannot tell what they"
            " consist of there",
            hint="nothing was removed; `dsm pull` first, or run it in a copy that has all",
        ) from None


def _referenced(
    remote: Remote, dataset: RemoteDataset, progress: Progress
) -> tuple[set[str], set[bytes]]:
    """Returns the manifests (by name) and the objects that a dataset of the remote refers to."""
    backend = remote.backend
    dataset.require_whole(remote.entry.url)
    numbers = sorted(dataset.headers)
    dataset.id = _id_of(remote, dataset)
    headers = [
        read_header(backend, dataset, number, data)
        for number, data in zip(
            numbers, side_by_side(lambda n: get_header(backend, dataset, n), numbers), strict=True
        )
    ]
    progress.start(f"reading changesets of {dataset.folder}", len(headers))
    with_rows = [each for each in headers if each.manifest is not None]
    objects: set[bytes] = set()
    for _, table in side_by_side(lambda each: get_manifest(backend, dataset, each), with_rows, 4):
        objects.update(oid for oid in table.column("object").unique().to_pylist() if oid)
        progress.advance(1)
    progress.finish()
    for kind in ("views", "segments"):
        for file in sorted(dataset.documents.get(kind, ())):
            where = dataset.path(kind, file)
            try:
                objects |= set(lists_in(decoded(backend, where, get_document(backend, where))))
            except NotOnRemote:
                continue  # it was removed in this moment
    return {dataset.manifest_path(each.manifest or "") for each in with_rows}, objects


def _id_of(remote: Remote, dataset: RemoteDataset) -> str:
    where = dataset.path("dataset.json")
    try:
        data = get_document(remote.backend, where)
    except NotOnRemote as error:
        raise RemoteDamaged(
            f"{error.message}: dataset {dataset.folder} has lost its identity",
            hint="nothing was removed; `dsm fsck --remote --repair` puts it back",
        ) from None
    return str(decoded(remote.backend, where, data).get("dataset"))
