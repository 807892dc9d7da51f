"""push: packs, then manifests, then headers, each durable there before the next begins.

The header of the next number is created exclusively: that is the commit of a push, as it is of a
commit. Whoever finds the number taken has lost, changes nothing, and pulls first. An answer that is
lost is settled by looking: a header holds a random transaction id, so one that equals ours is ours.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from dsm.errors import Conflict, DamagedData, NotFound, OutcomeUnknown, Refused
from dsm.format import document
from dsm.history.manifests import Manifests
from dsm.progress import SILENT, Progress
from dsm.remotes.backend import (
    Entry,
    NotOnRemote,
    RemoteFailed,
    RemoteRefused,
    Unsettled,
    retried,
)
from dsm.remotes.book import not_exclusive
from dsm.remotes.contents import (
    AFTER_HEADERS,
    BEFORE_HEADERS,
    IDENTITY,
    RemoteDataset,
    get_document,
)
from dsm.remotes.differing import differing_documents, note_documents
from dsm.remotes.fetch import folders_of, refuse_emptied
from dsm.remotes.listing_file import keep_listing
from dsm.remotes.outgoing import Shipment, packs_of, plan_shipment, send
from dsm.remotes.parallel import side_by_side
from dsm.remotes.probe import creates_exclusively
from dsm.remotes.remote import Remote
from dsm.remotes.reports import DatasetPushed, PushReport
from dsm.remotes.settings import wait_for_pull
from dsm.remotes.tables import CONDEMNED, PACKS, condemned_packs, counted_on
from dsm.remotes.tracking import Seen
from dsm.repo import documents
from dsm.repo.layout import NUMBER_DIGITS
from dsm.repo.log import ChangesetLog
from dsm.store.whole_file import read_file
from dsm.views.filters.picks import lists_in


class RemoteMoved(Conflict):
    """The remote has changesets that are not here: a push would not go on top of them."""

    code = "remote-moved"


class PushUnknown(OutcomeUnknown):
    """Whether a changeset was pushed could not be found out."""

    code = "push-unknown"


@dataclass(slots=True)
class _Outgoing:
    """One dataset on its way: local name, log, what the remote has of it, and the common head."""

    name: str
    log: ChangesetLog
    there: RemoteDataset
    base: int

    def numbers(self) -> range:
        return range(self.base + 1, self.log.head() + 1)


def push(
    remote: Remote,
    names: list[str],
    *,
    tags: bool = False,
    dry_run: bool = False,
    recreate: bool = False,
    progress: Progress = SILENT,
) -> PushReport:
    """Pushes datasets by name. Raises RemoteMoved when the remote has changesets that are not here.

    Raises also HistoryRewritten for a place that was emptied since, unless it is to be made anew
    (`recreate`); OtherRepository, NotExclusive, RemoteRefused, RemoteDamaged, RemoteFailed, and
    PushUnknown when it cannot be told whether a changeset landed.
    """
    repository, backend = remote.repository, remote.backend
    if not backend.writable:
        backend.refuse_writing()
    there = remote.require_ours()
    # Where some were seen, its identity alone may have been lost.
    known = _known(remote, names) if there or remote.tracking.folders() else {}
    if not there and not known:
        if not recreate:
            refuse_emptied(remote)
        _refuse_strays(remote)
    if not dry_run:
        require_exclusive(remote, again=recreate)
        if not there:
            _create_identity(remote)
    outgoing = [_judged(remote, known, name) for name in names]
    listed = backend.entries(PACKS) if there or known else []
    entries = counted_on(listed)
    shipment = _planned(remote, outgoing, entries)
    if dry_run:
        told = tuple(_told(each) for each in outgoing)
        packs = len(shipment.whole) + bool(shipment.parts)
        return PushReport(
            remote.entry.name, remote.entry.url, told,
            remote.transfer(packs, shipment.size), dry_run=True, references=shipment.references,
        )  # fmt: skip
    sent = send(repository, backend, shipment, progress, condemned_packs(listed))
    remote.tracking.saw_packs(packs_of([*entries, *sent]))
    pushed = [_push_dataset(remote, each, tags=tags, progress=progress) for each in outgoing]
    if any(each.documents or each.last for each in pushed):
        _push_sources(remote)
    keep_listing(backend, listed)
    return PushReport(
        remote.entry.name, remote.entry.url, tuple(pushed),
        remote.transfer(len(sent), sum(entry.size for entry in sent)),
        references=shipment.references,
    )  # fmt: skip


def require_exclusive(remote: Remote, *, again: bool = False) -> None:
    """Makes sure that two who push do not overwrite each other. Raises NotExclusive.

    With `again` what an earlier probe found does not count.
    """
    known = not again and remote.tracking.is_exclusive(remote.entry.url)
    if remote.entry.single_writer or known:
        return
    if not creates_exclusively(remote.backend):
        raise not_exclusive(remote.entry.url)
    remote.tracking.saw_exclusive(remote.entry.url)


def _refuse_strays(remote: Remote) -> None:
    """Raises Refused for a place that holds something else, which is not to be mixed with ours."""
    strays = [entry.name for entry in remote.backend.entries("")]
    ours = ("probe/", PACKS)  # a push that was interrupted leaves packs
    if not all(name.startswith(ours) for name in strays):
        raise Refused(
            f"{remote.entry.url} is not empty, and no remote: it holds {strays[0]}",
            hint="choose an empty folder or prefix",
        )


def _create_identity(remote: Remote) -> None:
    """Makes an empty place, or one whose identity was lost, a remote of this repository."""
    if not remote.backend.create_settled(IDENTITY, remote.identity()):
        remote.require_ours()  # somebody else was first: with which repository?


def _known(remote: Remote, names: list[str]) -> dict[str, RemoteDataset]:
    """Returns the datasets of a remote by id: all, or those that are pushed, if all of these are
    there. A new one must get along with the others, also in a copy that is limited to some."""
    if remote.entry.datasets:
        found = remote.datasets(folders_of(remote, names))
        if {remote.repository.identity(name).id for name in names} <= found.keys():
            return found
    return remote.datasets(())


def _judged(remote: Remote, known: dict[str, RemoteDataset], name: str) -> _Outgoing:
    """Compares a dataset with what the remote has of it. Raises RemoteMoved."""
    repository = remote.repository
    log = ChangesetLog(repository, name, repository.identity(name).id)
    there = known.get(log.dataset_id)
    if there is None:
        twins = [
            each.folder for each in known.values() if each.folder.casefold() == name.casefold()
        ]
        if twins:
            raise Conflict(
                f"{remote.entry.url} has another dataset {twins[0]!r}",
                hint=f"`dsm dataset rename {name} NEW` gives yours another name",
            )
        return _Outgoing(name, log, RemoteDataset(name, log.dataset_id), 0)
    head = log.head()
    # A header that is gone there, though it is here, is brought back: what follows it must fit.
    whole = {n for n in there.headers if n <= head}
    last = max(there.headers, default=0)
    if last > head:
        raise _moved(remote, name, head, last)
    if last:
        theirs = _header_id(remote, there, last)
        if theirs != log.get(last).id:
            raise _moved(remote, name, head, last)
    if wait_for_pull(remote, there, name):
        raise RemoteMoved(
            f"the settings of dataset {name} were changed here and on {remote.entry.name}",
            hint="nothing was pushed; `dsm pull` puts both together",
        )
    base = 0
    while base + 1 in whole:
        base += 1
    return _Outgoing(name, log, there, base)


def _header_id(remote: Remote, there: RemoteDataset, number: int) -> str:
    from blake3 import blake3

    try:
        data = get_document(remote.backend, there.header_path(number))
    except NotOnRemote as error:
        raise RemoteFailed(f"{error.message}, though it was listed") from None
    return str(blake3(data).hexdigest())


def _moved(remote: Remote, name: str, head: int, theirs: int) -> RemoteMoved:
    return RemoteMoved(
        f"dataset {name} on {remote.entry.name} has changesets that are not here: it is at"
        f" {theirs}, this copy at {head}",
        hint="nothing was pushed; `dsm pull` brings them here and puts yours on top",
    )


def _planned(remote: Remote, outgoing: list[_Outgoing], entries: list[Entry]) -> Shipment:
    """Decides which objects go up: those of new changesets, and all when something was lost."""
    repository = remote.repository
    vanished = remote.tracking.packs - packs_of(entries)
    oids: set[bytes] = set()
    for each in outgoing:
        manifests = Manifests(repository.layout, each.log)
        head = each.log.head()
        new = range(1, head + 1) if vanished else each.numbers()
        for number in new:
            table = manifests.read(each.log.get(number))
            if table is not None:
                oids.update(oid for oid in table.column("object").unique().to_pylist() if oid)
        oids |= _picked(remote, each, every=bool(vanished))
    return plan_shipment(repository, remote.backend, oids, entries)


def _picked(remote: Remote, each: _Outgoing, *, every: bool) -> set[bytes]:
    """Returns the lists that views and segments pick by, of those that are to go up."""
    found: set[bytes] = set()
    for kind in ("views", "segments"):
        there = each.there.documents.get(kind, set())
        for file, data in local_documents(remote.repository.layout.dataset(each.name), kind):
            if every or file not in there:
                found |= lists_in(document.decode(data, file))
    return found - remote.repository.store.missing(found)


def _told(each: _Outgoing) -> DatasetPushed:
    new = each.numbers()
    return DatasetPushed(each.name, new[0] if new else 0, new[-1] if new else 0)


def _push_dataset(
    remote: Remote, each: _Outgoing, *, tags: bool, progress: Progress
) -> DatasetPushed:
    repository, backend, log, there = remote.repository, remote.backend, each.log, each.there
    layout = repository.layout
    if not there.has_identity:
        data = documents.datasets(layout).read_bytes(each.name)
        if data is not None and not backend.create_settled(there.path("dataset.json"), data):
            raise Conflict(
                f"another dataset {there.folder!r} came to {remote.entry.url} in this moment",
                hint="run the command again",
            )
    head = log.head()
    wanted = {log.get(number).manifest for number in range(1, head + 1)}
    missing = sorted(m for m in wanted if m is not None and m not in there.manifests)
    progress.start(f"pushing changesets of {each.name}", len(missing) + len(each.numbers()))

    def send_manifest(manifest: str) -> None:
        data = read_file(layout.manifest(each.name, manifest))
        if data is None:
            raise DamagedData(
                f"{layout.manifest(each.name, manifest)} is missing", hint="run `dsm fsck`"
            )
        path = there.manifest_path(manifest)
        if manifest in there.condemned:
            retried(lambda: backend.delete(path.removesuffix(".parquet") + CONDEMNED))
        retried(lambda: backend.put(path, data))

    for _ in side_by_side(send_manifest, missing):
        progress.advance(1)
    said = _push_documents(remote, each, BEFORE_HEADERS)
    headers = documents.headers(layout, each.name)
    first = last = 0
    for number in each.numbers():
        if number in there.headers:
            continue
        data = headers.read_bytes(f"{number:0{NUMBER_DIGITS}d}")
        if data is None:
            raise NotFound(f"changeset {number} of dataset {each.name} is missing")
        _push_header(remote, each, number, data)
        first, last = first or number, number
        progress.advance(1)
    progress.finish()
    id = log.get(head).id if head else ""
    remote.tracking.saw(log.dataset_id, Seen(there.folder, head, id, head, id))
    rest = _push_documents(remote, each, [k for k in AFTER_HEADERS if tags or k != "tags"])
    return DatasetPushed(each.name, first, last, said[0] + rest[0], said[1] + rest[1])


def _push_header(remote: Remote, each: _Outgoing, number: int, data: bytes) -> None:
    """Creates one header on the remote: the commit point of a push."""
    try:
        if remote.backend.create_settled(each.there.header_path(number), data):
            return
    except Unsettled as error:
        transaction = each.log.get(number).transaction
        raise PushUnknown(
            f"{error.message}: changeset {number} (transaction {transaction})",
            hint="run the command again when the remote answers: it finds out, and goes on",
        ) from error
    raise RemoteMoved(
        f"somebody else pushed changeset {number} of dataset {each.name} in this moment",
        hint="`dsm pull` brings it here and puts yours on top, then push again",
    )


def _push_documents(
    remote: Remote, each: _Outgoing, kinds: Iterable[str]
) -> tuple[int, tuple[str, ...]]:
    """Creates documents of these kinds that the remote lacks; returns how many, and which it has
    with another content."""
    kinds = tuple(kinds)
    folder = remote.repository.layout.dataset(each.name)
    wanted: list[tuple[str, bytes]] = []
    differing = list(differing_documents(remote, each.there, folder, kinds))
    sent: dict[str, bytes] = {}
    for kind in kinds:
        there = each.there.documents.get(kind, set())
        for file, data in local_documents(folder, kind):
            if file not in there:
                wanted.append((f"{kind}/{file}", data))

    def send_document(item: tuple[str, bytes]) -> bool:
        name, data = item
        return remote.backend.create_settled(each.there.path(name), data)

    count = 0
    for (name, data), made in zip(wanted, side_by_side(send_document, wanted), strict=True):
        if made:
            count += 1
            sent[name] = data
        else:
            differing.append(name)
    note_documents(remote, each.log.dataset_id, sent)
    return count, tuple(differing)


def local_documents(folder: str, kind: str) -> list[tuple[str, bytes]]:
    """Returns (file name, bytes) of the documents of a kind in a dataset's folder."""
    try:
        names = sorted(os.listdir(os.path.join(folder, kind)))
    except FileNotFoundError:
        return []
    found = []
    for name in names:
        if name.endswith(".json"):
            data = read_file(os.path.join(folder, kind, name), document.DOCUMENT_BYTES_MAX)
            if data is not None:
                found.append((name, data))
    return found


def _push_sources(remote: Remote) -> None:
    """Creates the sources that the remote lacks: a source names no secret."""
    place = documents.sources(remote.repository.layout)
    names = place.names()
    if not names:
        return
    there = {entry.name for entry in remote.backend.entries("sources/")}
    for name in names:
        data = place.read_bytes(name)
        if data is not None and f"sources/{name}.json" not in there:
            try:
                remote.backend.create_settled(f"sources/{name}.json", data)
            except RemoteRefused:
                return
