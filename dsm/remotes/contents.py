"""What lies on a remote, by its listing and its identities: which datasets, which files of each.

Nothing is taken for true that was not verified: names are checked here, contents by who reads them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from dsm.errors import Conflict, DamagedData, InvalidInput
from dsm.format import document
from dsm.model.names import check_dataset_name, is_plain_name, printable
from dsm.remotes.backend import Backend, NotOnRemote, RemoteDamaged
from dsm.remotes.parallel import side_by_side
from dsm.remotes.tables import CONDEMNED

DATASETS = "datasets/"
IDENTITY = "repo.json"
_ID = re.compile(r"[0-9a-f]{32}")
_HASH = re.compile(r"[0-9a-f]{64}")
_HEADER = re.compile(r"(?!0+\.)([0-9]{8})\.json")
_VERSION = re.compile(r"[0-9a-f]{64}\.json")
# Documents of a dataset that travel, by folder, in the order in which they are taken over.
KINDS = ("settings", "names", "splits", "segments", "views", "tags")
# Those that headers speak of, which come before them, and those that speak of changesets.
BEFORE_HEADERS, AFTER_HEADERS = KINDS[:1], KINDS[1:]


class OtherRepository(Conflict):
    """Another repository lives at the address."""

    code = "other-repository"


@dataclass(slots=True)
class RemoteDataset:
    """The files of one dataset on a remote; `folder` is its name there, `id` its identity.

    `identity` is its document, if it was read; `documents` has the names of files by folder, one of
    KINDS. Manifests that are `condemned` may be gone soon, and are none of `manifests`.
    """

    folder: str
    id: str = ""
    identity: bytes = b""
    has_identity: bool = False
    headers: set[int] = field(default_factory=set)
    manifests: set[str] = field(default_factory=set)
    condemned: set[str] = field(default_factory=set)
    documents: dict[str, set[str]] = field(default_factory=dict)
    last_read: tuple[int, bytes] | None = None  # a header, by its number: the head is asked twice

    @property
    def head(self) -> int:
        """The number of its newest changeset: all before it are there, or the remote is damaged."""
        return max(self.headers, default=0)

    def require_whole(self, url: str) -> None:
        """Raises RemoteDamaged when a header is missing between others."""
        if len(self.headers) != self.head:
            missing = next(n for n in range(1, self.head + 1) if n not in self.headers)
            raise RemoteDamaged(
                f"changeset {missing} of dataset {self.folder} is missing on {url}, though"
                f" {self.head} is there",
                hint="nothing was taken in; `dsm push` from a copy that has it brings it back",
            )

    def path(self, *parts: str) -> str:
        """Where a file of it lies on the remote."""
        return "/".join((DATASETS + self.folder, *parts))

    def header_path(self, number: int) -> str:
        return self.path("changesets", f"{number:08d}.json")

    def manifest_path(self, manifest: str) -> str:
        return self.path("manifests", manifest + ".parquet")


def read_identity(backend: Backend) -> bytes | None:
    """Returns the document of the repository on a remote; None where there is none yet.

    Raises RemoteDamaged.
    """
    try:
        return backend.get_right(
            IDENTITY, document.DOCUMENT_BYTES_MAX, lambda data: _judged(backend, data)
        )
    except NotOnRemote:
        return None


def require_repository(backend: Backend, id: str) -> bool:
    """Whether there is an identity at the place: that of the repository with this id.

    Raises OtherRepository, RemoteDamaged.
    """
    found = read_identity(backend)
    if found is None:
        return False
    fields = decoded(backend, IDENTITY, found)
    if fields["repository"] != id:
        raise OtherRepository(
            f"{backend.url} holds another repository"
            f" ({str(fields['repository'])[:12]}, org {str(fields['org'])[:40]!r})",
            hint="a remote holds one repository: choose an empty place, or clone that one",
        )
    return True


def _judged(backend: Backend, data: bytes) -> bytes:
    fields = decoded(backend, IDENTITY, data)
    if not all(isinstance(fields.get(key), str) for key in ("repository", "org")):
        raise RemoteDamaged(f"{IDENTITY} on {backend.url} names no repository")
    return data


def get_document(backend: Backend, name: str) -> bytes:
    """Returns a document of a remote, which can be read. Raises NotOnRemote, RemoteDamaged."""

    def judge(data: bytes) -> bytes:
        decoded(backend, name, data)
        return data

    return backend.get_right(name, document.DOCUMENT_BYTES_MAX, judge)


def decoded(backend: Backend, name: str, data: bytes) -> Mapping[str, object]:
    """Reads a document of a remote. Raises RemoteDamaged."""
    try:
        return document.decode(data, f"{name} on {backend.url}")
    except document.UnknownFormat:
        raise
    except DamagedData as error:
        raise RemoteDamaged(error.message, hint=error.hint) from error


def list_datasets(backend: Backend, only: tuple[str, ...] = ()) -> dict[str, RemoteDataset]:
    """Returns the datasets of a remote by their folders, without their identities.

    With `only`, those of these names. Files that no dsm writes are passed over.
    """
    found: dict[str, RemoteDataset] = {}
    listed = [DATASETS] if not only else [f"{DATASETS}{name}/" for name in only]
    for prefix in listed:
        for entry in backend.entries(prefix):
            folder, _, rest = entry.name.removeprefix(DATASETS).partition("/")
            try:
                check_dataset_name(folder)
            except InvalidInput:
                continue
            _sort_in(found.setdefault(folder, RemoteDataset(folder)), rest)
    for each in found.values():
        each.manifests -= each.condemned
    return {name: each for name, each in found.items() if each.has_identity or each.headers}


def _sort_in(dataset: RemoteDataset, rest: str) -> None:
    kind, _, file = rest.partition("/")
    if rest == "dataset.json":
        dataset.has_identity = True
    elif kind == "changesets" and (found := _HEADER.fullmatch(file)):
        dataset.headers.add(int(found[1]))
    elif kind == "manifests" and _HASH.fullmatch(file.removesuffix(".parquet")):
        dataset.manifests.add(file.removesuffix(".parquet"))
    elif kind == "manifests" and _HASH.fullmatch(file.removesuffix(CONDEMNED)):
        dataset.condemned.add(file.removesuffix(CONDEMNED))
    elif kind in KINDS and file.endswith(".json") and is_plain_name(file.removesuffix(".json")):
        dataset.documents.setdefault(kind, set()).add(file)


def identify(backend: Backend, datasets: Mapping[str, RemoteDataset]) -> None:
    """Reads the identity of each dataset. Raises RemoteDamaged when one has lost it."""
    wanted = [each for each in datasets.values() if not each.id]
    answers = side_by_side(lambda each: _identity(backend, each), wanted)
    for dataset, data in zip(wanted, answers, strict=True):
        fields = decoded(backend, dataset.path("dataset.json"), data)
        found = fields.get("dataset")
        if not isinstance(found, str) or not _ID.fullmatch(found):
            raise RemoteDamaged(f"dataset {dataset.folder} on {backend.url} has no id")
        dataset.id, dataset.identity = found, data
    ids = [each.id for each in datasets.values()]
    if len(set(ids)) != len(ids):
        raise RemoteDamaged(f"two datasets on {backend.url} have the same id")
    folded: dict[str, str] = {}
    for name in datasets:
        twin = folded.setdefault(name.casefold(), name)
        if twin != name:
            raise RemoteDamaged(
                f"datasets {printable(twin)} and {printable(name)} on {backend.url} differ in"
                " letter case only",
                hint="remove the folder of one there, by the tools of the place;"
                f" `dsm clone --dataset {twin}` takes one",
            )


def _identity(backend: Backend, dataset: RemoteDataset) -> bytes:
    try:
        name = dataset.path("dataset.json")
        return get_document(backend, name)
    except NotOnRemote as error:
        raise RemoteDamaged(
            f"{error.message}: dataset {dataset.folder} has lost its identity"
        ) from None


def is_manifest_id(text: object) -> bool:
    """Whether a text is the name of a manifest."""
    return isinstance(text, str) and _HASH.fullmatch(text) is not None
