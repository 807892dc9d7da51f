"""Receipts: what is kept of every run of a query, in the place of its rows.

Who asked what of which source, when, for which view, and how it ended; two sealed documents a run,
one before the first row is passed on and one after the last. The invariant: nothing of a row is in
them but a digest that only this machine's key can compute again. Specified in
docs/format/receipt.md.
"""

from __future__ import annotations

import errno
import itertools
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dsm.errors import DamagedData, DsmError, InvalidInput, StorageFailed
from dsm.repo import documents
from dsm.repo.documents import Documents
from dsm.repo.repository import Repository
from dsm.sources.query import SourceQuery
from dsm.sources.schema import type_text
from dsm.sources.source import Source
from dsm.store import disk
from dsm.store.whole_file import read_file

if TYPE_CHECKING:
    import pyarrow as pa

COMPLETE, STOPPED, FAILED, UNFINISHED = "complete", "stopped", "failed", "unfinished"
ENDS = (COMPLETE, STOPPED, FAILED)
CONSUMERS = ("get", "iterate", "columns", "torch", "labels", "count")
KEY_BYTES = 32
TYPE_CHARS_MAX = 200
_TRIES = 3
_BEGIN, _END = ".json", ".end.json"
_ID = re.compile(r"[0-9]{20}-[0-9a-f]{16}")
_PREFIX = re.compile(r"[0-9a-f]{1,64}")


@dataclass(frozen=True, slots=True)
class Receipt:
    """One run of a query. `time` is its begin in microseconds UTC, `duration` is in seconds.

    `rows` and `bytes` count what was passed on; `columns` are names and types of the source's
    answer; `error` is the code of an error class. An unfinished run is going on, or was killed.
    """

    id: str
    time: int
    author: str
    dataset: str
    version: str
    query: str
    changeset: int
    source: str
    source_id: str
    driver: str
    purpose: str | None
    consumer: str
    outcome: str
    rows: int
    bytes: int
    duration: float
    columns: tuple[tuple[str, str], ...]
    digest: str | None
    error: str | None


class Log:
    """Where runs are noted. `author` is who asks, `clock` gives microseconds UTC."""

    def __init__(self, repository: Repository, *, author: str, clock: Callable[[], int]):
        self._layout = repository.layout
        self._author = author.encode("utf-8", "backslashreplace").decode()
        self._clock = clock

    def begin(
        self,
        query: SourceQuery,
        source: Source,
        *,
        dataset: str,
        version: str,
        changeset: int,
        consumer: str,
        columns: pa.Schema,
    ) -> Running:
        """Notes that a run begins; durable when this returns, and only then may a row be passed on.

        Raises StorageFailed when it cannot be noted.
        """
        if consumer not in CONSUMERS:
            raise InvalidInput(f"a run is for one of {', '.join(CONSUMERS)}")
        if not os.path.isdir(self._layout.receipts):
            disk.make_dirs(self._layout.receipts)
        time = self._clock()
        fields = {
            "time": time, "author": self._author, "dataset": dataset, "version": version,
            "query": query.name, "changeset": changeset, "source": source.name,
            "source_id": source.id, "driver": source.driver, "purpose": query.purpose,
            "consumer": consumer,
            "columns": [[each.name, type_text(each.type)[:TYPE_CHARS_MAX]] for each in columns],
        }  # fmt: skip
        for _ in range(_TRIES):
            receipt = f"{max(0, time):020d}-{os.urandom(8).hex()}"
            if documents.receipts(self._layout).create(receipt, {"receipt": receipt, **fields}):
                return Running(receipt, documents.receipts(self._layout, ended=True))
        raise StorageFailed(f"no receipt can be created in {self._layout.receipts}")


class Running:
    """A run that has begun; `end` notes how it ended."""

    def __init__(self, receipt: str, ends: Documents):
        self.id = receipt
        self._ends = ends

    def end(
        self,
        outcome: str,
        rows: int,
        size: int,
        duration: float,
        digest: str | None,
        error: DsmError | None = None,
    ) -> None:
        """Notes the end; `size` is in bytes, `duration` in seconds. The first call counts.

        Of `error` its code is kept, never its message. Raises StorageFailed.
        """
        if outcome not in ENDS:
            raise InvalidInput(f"a run ends as one of {', '.join(ENDS)}")
        fields = {
            "receipt": self.id, "outcome": outcome, "rows": rows, "bytes": size,
            "duration": round(duration * 1_000_000), "digest": digest,
            "error": None if error is None else error.code,
        }  # fmt: skip
        self._ends.create(self.id, fields)


# --- reading -------------------------------------------------------------------------------------


def receipts(
    repository: Repository, *, version: str | None = None, dataset: str | None = None
) -> list[Receipt]:
    """Returns receipts, newest first; `version` is that of a view, or how it begins.

    Raises DamagedData when one of them is damaged.
    """
    return list(newest(repository, version, dataset))


def last_two(repository: Repository, version: str, query: str) -> tuple[Receipt, ...]:
    """Returns the last complete receipts of one view and query, two at most, newest first.

    Those without a digest are left out: such runs saw other columns or counted only.
    """
    found = (
        each
        for each in newest(repository, version)
        if (each.query, each.outcome) == (query, COMPLETE) and each.digest is not None
    )
    return tuple(itertools.islice(found, 2))


def damaged(repository: Repository) -> Iterator[tuple[str, str]]:
    """Yields (path, what is wrong) of whatever is no receipt in their folder, and of a bad key."""
    layout = repository.layout
    for entry in _listing(layout.receipts):
        path = os.path.join(layout.receipts, entry)
        receipt = entry.removesuffix(_BEGIN).removesuffix(".end")
        if entry not in (receipt + _BEGIN, receipt + _END) or not _ID.fullmatch(receipt):
            yield path, "is no file of dsm"
        elif entry.endswith(_END) and not os.path.exists(documents.receipts(layout).path(receipt)):
            yield path, "the end of a run whose begin is missing"
        else:
            try:
                _read(repository, receipt)
            except DsmError as error:
                yield path, error.message
    try:
        _read_key(layout.receipt_key)
    except DsmError as error:
        yield layout.receipt_key, error.message


def _listing(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []


def newest(
    repository: Repository, version: str | None = None, dataset: str | None = None
) -> Iterator[Receipt]:
    """Yields what `receipts` returns, read one by one."""
    wanted = "" if version is None else version.lower()
    if wanted and not _PREFIX.fullmatch(wanted):
        raise InvalidInput("a version is up to 64 hex digits")
    for entry in reversed(_listing(repository.layout.receipts)):
        receipt = entry.removesuffix(_BEGIN)
        if not _ID.fullmatch(receipt):
            continue  # the end of one; whatever else lies here is named by fsck
        found = _read(repository, receipt)
        if found.version.startswith(wanted) and dataset in (None, found.dataset):
            yield found


def _read(repository: Repository, receipt: str) -> Receipt:
    begun = documents.receipts(repository.layout)
    ends = documents.receipts(repository.layout, ended=True)
    path = where = begun.path(receipt)
    begin = begun.read(receipt)
    try:
        if begin is None:
            raise DamagedData(f"{path} is missing")
        columns = tuple((str(name), str(kind)) for name, kind in begin["columns"])
        where = ends.path(receipt)
        end: dict[str, Any] = ends.read(receipt) or {
            "receipt": receipt, "outcome": UNFINISHED, "rows": 0, "bytes": 0, "duration": 0,
            "digest": None, "error": None,
        }  # fmt: skip
        found = Receipt(
            id=receipt,
            time=begin["time"],
            author=begin["author"],
            dataset=begin["dataset"],
            version=begin["version"],
            query=begin["query"],
            changeset=begin["changeset"],
            source=begin["source"],
            source_id=begin["source_id"],
            driver=begin["driver"],
            purpose=begin["purpose"],
            consumer=begin["consumer"],
            outcome=end["outcome"],
            rows=end["rows"],
            bytes=end["bytes"],
            duration=end["duration"] / 1_000_000,
            columns=columns,
            digest=end["digest"],
            error=end["error"],
        )
        numbers = (found.time, found.changeset, found.rows, found.bytes)
        texts = (
            found.author, found.dataset, found.version, found.query, found.source,
            found.source_id, found.driver, found.consumer, found.outcome, found.purpose or "",
            found.digest or "", found.error or "",
        )  # fmt: skip
        kinds = {type(n) for n in numbers} == {int} and {type(t) for t in texts} == {str}
        if (begin["receipt"], end["receipt"]) != (receipt, receipt) or not kinds:
            raise ValueError("a field is of a kind that does not belong there")
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedData(f"{where} is no receipt: {error}") from error
    return found


# --- digests -------------------------------------------------------------------------------------


def digest_key(repository: Repository) -> bytes:
    """Returns this machine's key of digests, made when first asked for. It is never shown.

    Without it, digests of rows with few possible values could be guessed. Raises StorageFailed.
    """
    layout = repository.layout
    for _ in range(_TRIES):
        key = _read_key(layout.receipt_key)
        if key is not None:
            return key
        temporary = os.path.join(layout.temporary, f"new-{os.urandom(8).hex()}")
        try:
            disk.write_new(temporary, os.urandom(KEY_BYTES), mode=0o600)
            disk.claim(temporary, layout.receipt_key)  # whoever wins, that key counts
        except disk.WriteFailed as error:
            disk.discard(temporary)
            if error.errno != errno.ENOENT:  # gc may take it for a dead writer's: once more
                raise
            continue
        disk.sync_dir(layout.local)
    raise StorageFailed(f"{layout.receipt_key} cannot be created")


def _read_key(path: str) -> bytes | None:
    key = read_file(path)
    if key is not None and len(key) != KEY_BYTES:
        raise DamagedData(
            f"{path} is damaged: it is not a key",
            hint="remove it; digests of earlier runs can then not be compared with later ones",
        )
    return key
