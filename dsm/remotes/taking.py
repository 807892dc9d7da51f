"""Taking fetched changesets into a dataset: packs are here, then manifests, then headers in order.

What a crash leaves is a shorter history that is whole, and files that gc removes. Documents (tags,
views, names) come after the changesets that they speak of, settings before those that name them.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import islice

from dsm.errors import DamagedData, InvalidInput
from dsm.format import document
from dsm.model.changeset import Changeset
from dsm.model.names import check_path
from dsm.remotes.backend import NotOnRemote, RemoteDamaged
from dsm.remotes.contents import RemoteDataset, decoded, get_document
from dsm.remotes.differing import differing_documents, note_documents
from dsm.remotes.incoming import as_written, read_manifest
from dsm.remotes.objects import bring_objects
from dsm.remotes.parallel import side_by_side
from dsm.remotes.remote import Remote
from dsm.repo import documents
from dsm.repo.layout import NUMBER_DIGITS
from dsm.repo.log import ChangesetLog
from dsm.sources import source as sources
from dsm.store import disk
from dsm.store.whole_file import create_file, read_file
from dsm.views.filters.picks import lists_in
from dsm.worktree.publish import publishing

# Manifests are verified before they are put, and take their memory; headers are small.
MANIFESTS_AT_ONCE, HEADERS_AT_ONCE = 4, 64


def put_manifests(remote: Remote, name: str, dataset: str, changesets: Iterable[Changeset]) -> None:
    """Gives fetched manifests their names among those of a dataset; durable when it returns."""
    layout = remote.repository.layout

    def put(changeset: Changeset) -> None:
        if changeset.manifest is None:
            return
        target = layout.manifest(name, changeset.manifest)
        if os.path.exists(target):
            return  # the very same rows were put by a changeset before
        data = read_file(remote.tracking.manifest_path(dataset, changeset.manifest))
        if data is None:
            raise DamagedData("a fetched manifest is gone", hint="run the command again")
        if not as_written(data, changeset):  # else these are the bytes whose rows were verified
            read_manifest(remote.tracking, dataset, changeset)
        create_file(target, data, layout.temporary, sync_folder=False)

    for _ in side_by_side(put, list(changesets), MANIFESTS_AT_ONCE):
        pass
    disk.sync_dir(layout.manifests(name))


def put_headers(
    remote: Remote, log: ChangesetLog, changesets: Iterable[Changeset]
) -> Changeset | None:
    """Creates fetched headers in order; returns the first whose number was taken, None if none was.

    Each is durable before the next.
    """
    place = documents.headers(remote.repository.layout, log.name)
    disk.sync_dir(place.folder)
    rest = iter(changesets)
    while some := list(islice(rest, HEADERS_AT_ONCE)):
        wheres = [f"{changeset.number:0{NUMBER_DIGITS}d}" for changeset in some]
        fetched = [_fetched_header(remote, log, changeset) for changeset in some]
        taken = place.create_in_order(list(zip(wheres, fetched, strict=True)))
        if taken is not None:
            return some[wheres.index(taken)]
    return None


def _fetched_header(remote: Remote, log: ChangesetLog, changeset: Changeset) -> bytes:
    path = remote.tracking.header_path(log.dataset_id, changeset.number)
    data = read_file(path, document.DOCUMENT_BYTES_MAX)
    if data is None or not same_id(data, changeset.id):
        raise DamagedData(f"{path} is not what was fetched", hint="run the command again")
    return data


def same_id(data: bytes, id: str) -> bool:
    """Whether bytes are those of a document that is named by their hash."""
    from blake3 import blake3

    return str(blake3(data).hexdigest()) == id


def adopt(remote: Remote, dataset: RemoteDataset, name: str) -> None:
    """Makes a dataset of a remote one of this repository, without a changeset.

    Raises RemoteDamaged for an identity that no dsm would have written.
    """
    repository = remote.repository
    layout = repository.layout
    data = dataset.identity
    if not data:
        data = get_document(remote.backend, dataset.path("dataset.json"))
    where = dataset.path("dataset.json")
    fields = decoded(remote.backend, where, data)
    try:
        root = fields["root"]
        if fields["dataset"] != dataset.id:
            raise InvalidInput("it is another dataset")
        if not isinstance(root, str) or (root != "." and check_path(root) != root):
            raise InvalidInput("it names no folder")
    except (KeyError, InvalidInput) as error:
        raise RemoteDamaged(f"{where} on {remote.entry.url} is no dataset: {error}") from None
    identities = documents.datasets(layout)
    identities.claim(name)
    for folder in layout.dataset_folders(name):
        disk.make_dirs(folder)
    if fields.get("name") != name:
        given = documents.given_names(layout, name)
        disk.make_dirs(given.folder)
        given.create(name, {"dataset": dataset.id, "name": name})
    identities.create_bytes(name, data)
    repository.identity(name)  # it is one that can be read


def put_documents(
    remote: Remote,
    dataset: RemoteDataset,
    log: ChangesetLog,
    kinds: Iterable[str],
    *,
    objects: bool = True,
) -> tuple[int, tuple[str, ...]]:
    """Takes over documents of these kinds, some of KINDS, that are not here.

    With `objects` the lists that they pick by come first. Returns how many came, and those that are
    here with another content: they stay as they are.
    Raises RemoteDamaged for what is no document of this dataset.
    """
    layout = remote.repository.layout
    folder = layout.dataset(log.name)
    kinds = tuple(kinds)
    count, differing = 0, list(differing_documents(remote, dataset, folder, kinds))
    new: dict[str, bytes] = {}
    for kind in kinds:
        wanted = [
            file for file in sorted(dataset.documents.get(kind, ()))
            if not os.path.lexists(os.path.join(folder, kind, file))
        ]  # fmt: skip
        answers = side_by_side(partial(_document, remote, dataset, kind), wanted)
        came = [(f, data) for f, data in zip(wanted, answers, strict=True) if data is not None]
        lists: set[bytes] = set()
        for file, data in came:
            lists |= lists_in(_check_document(remote, dataset, log, kind, file, data))
        with _with_lists(remote, lists if objects else set()):
            for file, data in came:
                disk.make_dirs(os.path.join(folder, kind))
                if create_file(os.path.join(folder, kind, file), data, layout.temporary):
                    count += 1
                    new[f"{kind}/{file}"] = data
                else:
                    differing.append(f"{kind}/{file}")
    note_documents(remote, dataset.id, new)
    return count, tuple(differing)


@contextlib.contextmanager
def _with_lists(remote: Remote, lists: set[bytes]) -> Iterator[None]:
    """Brings lists that documents pick by; within it gc takes none of them."""
    if not lists:
        yield
        return
    with publishing(remote.repository) as publish:
        bring_objects(remote.repository, remote.backend, lists)
        with publish:
            yield


def _document(remote: Remote, dataset: RemoteDataset, kind: str, file: str) -> bytes | None:
    try:
        return get_document(remote.backend, dataset.path(kind, file))
    except NotOnRemote:
        return None  # it was removed meanwhile


def _check_document(
    remote: Remote, dataset: RemoteDataset, log: ChangesetLog, kind: str, file: str, data: bytes
) -> Mapping[str, object]:
    """Returns the fields of a document, which is what its place says. Raises RemoteDamaged."""
    where = dataset.path(kind, file)
    fields = decoded(remote.backend, where, data)
    name = file.removesuffix(".json").removesuffix(".name")
    named = {"tags": fields.get("name"), "names": fields.get("name"), "views": name}
    if fields.get("dataset", dataset.id) != dataset.id or named.get(kind, name) != name:
        raise RemoteDamaged(f"{where} on {remote.entry.url} is of another name or dataset")
    if kind == "tags":
        number = fields.get("number")
        if type(number) is not int or not 1 <= number <= log.head():
            raise RemoteDamaged(f"{where} on {remote.entry.url} names no changeset")
        if log.get(number).id != fields.get("changeset"):
            raise RemoteDamaged(f"{where} on {remote.entry.url} was given to another changeset")
    return fields


def put_sources(remote: Remote) -> int:
    """Takes over sources that are not here; nobody trusts them by that. Raises RemoteDamaged."""
    layout = remote.repository.layout
    place = documents.sources(layout)
    known = {name.casefold() for name in place.names()}
    count = 0
    for entry in remote.backend.entries("sources/"):
        name = entry.name.removeprefix("sources/").removesuffix(".json")
        if not entry.name.endswith(".json") or "/" in name or name.casefold() in known:
            continue
        data = get_document(remote.backend, entry.name)
        fields = decoded(remote.backend, entry.name, data)
        try:
            sources.check_source_name(name)
            sources.decode(dict(fields), name, entry.name)
        except (InvalidInput, DamagedData) as error:
            raise RemoteDamaged(f"{entry.name} on {remote.entry.url}: {error.message}") from None
        disk.make_dirs(os.path.dirname(place.path(name)))
        place.claim(name)
        count += place.create_bytes(name, data)
    return count
