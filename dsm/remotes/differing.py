"""Documents of a dataset that are here and on a remote under one name, and say something else.

Neither side's is changed: people are told. A document never changes, so each is read there once.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from blake3 import blake3

from dsm.format import document
from dsm.remotes.backend import NotOnRemote
from dsm.remotes.contents import RemoteDataset, get_document
from dsm.remotes.parallel import side_by_side
from dsm.remotes.remote import Remote
from dsm.store.whole_file import read_file


def note_documents(remote: Remote, dataset: str, documents: Mapping[str, bytes]) -> None:
    """Notes what documents on the remote say, by kind and file name, such as "tags/v1.json"."""
    remote.tracking.saw_documents(dataset, {name: _hash(data) for name, data in documents.items()})


def differing_documents(
    remote: Remote, dataset: RemoteDataset, folder: str, kinds: Iterable[str]
) -> tuple[str, ...]:
    """Returns the documents of these kinds that both sides have, each with another content.

    `folder` is that of the dataset here. Raises RemoteFailed, RemoteRefused, RemoteDamaged.
    """
    both = [
        f"{kind}/{file}" for kind in kinds for file in sorted(dataset.documents.get(kind, ()))
        if kind != "settings"  # those of both sides are put together
        and not _is_named_by_content(kind, file)
        and os.path.lexists(os.path.join(folder, kind, file))
    ]  # fmt: skip
    known = remote.tracking.documents(dataset.id)
    unknown = [name for name in both if name not in known]

    def read(name: str) -> bytes | None:
        try:
            return get_document(remote.backend, dataset.path(*name.split("/", 1)))
        except NotOnRemote:
            return None  # it was removed meanwhile

    answers = zip(unknown, side_by_side(read, unknown), strict=True)
    came = {name: data for name, data in answers if data is not None}
    note_documents(remote, dataset.id, came)
    there = {**known, **{name: _hash(data) for name, data in came.items()}}
    found = []
    for name in both:
        data = read_file(os.path.join(folder, name), document.DOCUMENT_BYTES_MAX)
        if data is not None and name in there and _hash(data) != there[name]:
            found.append(name)
    return tuple(found)


def _is_named_by_content(kind: str, file: str) -> bool:
    """Whether a name leaves no choice of what the document says: that of a view, its version."""
    return kind == "views" and not file.endswith(".name.json")


def _hash(data: bytes) -> str:
    return str(blake3(data).hexdigest())
