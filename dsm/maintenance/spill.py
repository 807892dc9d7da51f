"""Searching for texts that must not be kept: in all of `.dsm`, and where programs leave things.

Every file is searched as it lies, and once more as what it stands for: objects decompressed, large
ones across the borders of their chunks, rows of manifests, snapshots and segments, names in the
index, strings of documents. The invariant: no report holds a text, nor a path that does.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from blake3 import blake3

from dsm.errors import DamagedData, DsmError
from dsm.format import chunk_list, reference, segment
from dsm.format import index as index_format
from dsm.format import pack as pack_format
from dsm.history import snapshot_file
from dsm.maintenance import walk
from dsm.maintenance.texts import Texts
from dsm.maintenance.uses import STAGED, dataset_log, uses
from dsm.progress import SILENT, Progress
from dsm.repo.copy_key import CopyKey
from dsm.repo.repository import Repository
from dsm.store.packs import Pack
from dsm.store.whole_file import read_file

BLOCK_BYTES = 4 << 20
ROWS_AT_ONCE = 1 << 14
EXAMPLES_LISTED = 1000
# The columns of rows in which people write; the others hold ids, sizes and times.
_TOLD = ("path", "labels", "annotation", "attr.")
Identity = tuple[int, int]  # device and inode
Example = tuple[str, int, str]


@dataclass(frozen=True, slots=True)
class Spill:
    """Texts that were found in one place; `lines` are their numbers, sorted.

    `kind` is `file`, `name` (of a file) or `object`. `examples` holds (dataset, changeset number,
    path) of what holds them, with 0 for the stage, the first 1,000.
    """

    kind: str
    where: str
    lines: tuple[int, ...]
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True)
class SpillReport:
    """What was searched and found; `unread` are places in `.dsm` that could not be searched whole.

    `size` is in bytes, as they lie on disk.
    """

    files: int
    size: int
    objects: int
    spills: tuple[Spill, ...]
    unread: tuple[str, ...]


def find_spills(
    repository: Repository,
    texts: Texts,
    *,
    folders: Iterable[str] = (),
    skip: Iterable[Identity] = (),
    progress: Progress = SILENT,
) -> SpillReport:
    """Searches `.dsm`, and the files of this user in `folders` but for those of the work tree.

    `skip` are files outside `.dsm` to leave out: the one that holds the texts.
    """
    search = _Search(repository, texts, frozenset(skip), progress)
    progress.start("searching", None, None)
    search.repository_folder()
    for folder in dict.fromkeys(os.path.realpath(folder) for folder in folders):
        search.other_folder(folder)
    progress.finish()
    return SpillReport(
        search.files, search.size, search.objects.count, tuple(search.spills),
        tuple(texts.masked(each) for each in search.unread),
    )  # fmt: skip


class _Search:
    def __init__(
        self, repository: Repository, texts: Texts, skip: frozenset[Identity], progress: Progress
    ):
        self.repository, self.texts, self.skip, self.progress = repository, texts, skip, progress
        self.files = self.size = 0
        self.spills: list[Spill] = []
        self.unread: list[str] = []
        self.objects = _Objects(repository, texts)

    def repository_folder(self) -> None:
        """Searches all of `.dsm`; packs last, for the search of their files saves reading them."""
        packs: list[tuple[str, set[int]]] = []
        decoded = _Decoded(self.repository, self.texts)
        for path in _files(self.repository.path, self._unreadable):
            self._name(path)
            lines: set[int] = set()
            examples: list[Example] = []
            try:
                lines = self._raw(path)
                if path.endswith(".pack"):
                    packs.append((path, lines))
                    continue
                for example, more in decoded.lines(path):
                    lines |= more
                    if example is not None and len(examples) < EXAMPLES_LISTED:
                        examples.append(example)
            except FileNotFoundError:
                continue  # ended with the process that it belonged to
            except (DsmError, OSError, ValueError, RecursionError) as error:
                self._unreadable(path, error)
            self._report("file", path, lines, examples)
        for path, lines in packs:
            try:
                lines -= self.objects.search_pack(path, lines)
            except FileNotFoundError:
                continue  # gc has just removed it
            except DsmError as error:
                self._unreadable(path, error)
            self._report("file", path, lines)
        self._objects()

    def other_folder(self, folder: str) -> None:
        """Searches the files of this user below a folder that is no part of the repository."""
        user, root = os.getuid(), os.path.realpath(self.repository.root)
        if folder == root:
            return
        for path in _files(folder, lambda *_: None, pruned=root):
            try:
                found = os.lstat(path)
                if found.st_uid != user or (found.st_dev, found.st_ino) in self.skip:
                    continue
                self._name(path)
                self._report("file", path, self._raw(path))
            except OSError:
                continue  # not there any more, or not for us to read

    def _raw(self, path: str) -> set[int]:
        """Searches a file as it lies, up to the length that it has now."""
        found: set[int] = set()
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            left, tail, keep = os.fstat(fd).st_size, b"", self.texts.longest - 1
            while left > 0 and (block := os.read(fd, min(left, BLOCK_BYTES))):
                left -= len(block)
                data = tail + block
                if len(found) < self.texts.count:
                    found |= self.texts.lines_in(data)
                tail = data[-keep:]
                self.size += len(block)
                self.progress.advance(0, len(block))
        finally:
            os.close(fd)
        self.files += 1
        self.progress.advance(1, 0)
        return found

    def _name(self, path: str) -> None:
        self._report("name", path, self.texts.lines_in(os.fsencode(self._shown(path))))

    def _objects(self) -> None:
        for oid, lines, examples in self.objects.finish():
            self._report("object", oid.hex(), lines, examples)
        self.unread += self.objects.unread

    def _report(
        self, kind: str, where: str, lines: set[int], examples: Iterable[Example] = ()
    ) -> None:
        if lines:
            masked = self.texts.masked
            told = tuple((name, number, masked(path)) for name, number, path in examples)
            self.spills.append(Spill(kind, masked(self._shown(where)), tuple(sorted(lines)), told))

    def _unreadable(self, path: str, error: Exception) -> None:
        what = error.message if isinstance(error, DsmError) else type(error).__name__
        self.unread.append(f"{self._shown(path)}: {what}")

    def _shown(self, path: str) -> str:
        return path.removeprefix(self.repository.root + "/")


def _files(
    top: str, failed: Callable[[str, OSError], object], pruned: str | None = None
) -> Iterator[str]:
    """Yields the regular files below a folder; no link is followed, `pruned` is not entered."""

    def told(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            failed(str(error.filename), error)

    for file in walk.files(top, enters=lambda folder: folder.path != pruned, failed=told):
        if file.is_file(follow_symlinks=False):
            yield file.path


# --- what files stand for ------------------------------------------------------------------------


class _Decoded:
    """What the files of `.dsm` but for packs hold when they are read as what they are."""

    def __init__(self, repository: Repository, texts: Texts):
        self._repository, self._texts = repository, texts
        self._numbers: dict[str, dict[str, int]] = {}
        self._key = CopyKey(repository.layout)

    def lines(self, path: str) -> Iterator[tuple[Example | None, set[int]]]:
        """Yields (example if there is one, lines found). Raises what reading damaged files does."""
        parts = os.path.relpath(path, self._repository.path).split("/")
        kind, dataset = parts[-1].rpartition(".")[2], parts[2] if len(parts) > 2 else ""
        if kind == "json":
            yield None, self._texts.lines_in("\n".join(_strings(_json(path))).encode())
        elif kind == "parquet" and len(parts) > 3:
            number = self._changesets(parts[1]).get(parts[-1].removesuffix(".parquet"))
            for example, found in self._rows(_manifest(path)):
                name = None if number is None else (parts[1], number, str(example["path"]))
                yield name, found
        elif kind == "snapshot":
            for example, found in self._rows(self._snapshot(path)):
                yield (dataset, example["changeset"], str(example["path"])), found
        elif kind == "stage":
            yield from self._segment(path, dataset)
        elif (parts[:2] == ["local", "index"] and len(parts) == 4) or parts[3:4] == [".absent"]:
            for names in _indexed(path):
                yield None, self._texts.lines_in("\n".join(names).encode(errors="surrogateescape"))

    def _snapshot(self, path: str) -> Iterator[Any]:
        table = snapshot_file.read(path, self._key)
        if table is not None:  # else it is derived, and no one reads it
            yield from table.to_batches(ROWS_AT_ONCE)

    def _changesets(self, dataset: str) -> dict[str, int]:
        """The number of the changeset of each manifest, as far as headers are whole."""
        if dataset not in self._numbers:
            known = self._numbers[dataset] = {}
            try:
                log, _ = dataset_log(self._repository, dataset)
                for number in range(1, log.head() + 1):
                    known.setdefault(log.get(number).manifest or "", number)
            except DsmError:
                pass  # named by fsck; the texts are found without their number
        return self._numbers[dataset]

    def _segment(self, path: str, dataset: str) -> Iterator[tuple[Example, set[int]]]:
        _, rows = segment.decode(read_file(path) or b"", path)
        kept = list(zip(rows.paths, rows.labels, rows.annotations, rows.attributes, strict=True))
        for first in range(0, len(kept), ROWS_AT_ONCE):
            texts = [
                "\n".join([name, *labels, note or "", *_strings(values)])
                for name, labels, note, values in kept[first : first + ROWS_AT_ONCE]
            ]
            for row, found in self._in_rows(texts):
                yield (dataset, STAGED, kept[first + row][0]), found

    def _rows(self, batches: Iterable[Any]) -> Iterator[tuple[dict[str, Any], set[int]]]:
        """Yields the rows of Arrow batches that hold a text, by their path and changeset."""
        for batch in batches:
            names = [name for name in batch.schema.names if name.startswith(_TOLD)]
            if not any(self._texts.lines_in(_column_text(batch.column(name))) for name in names):
                continue
            named = [name for name in ("path", "changeset") if name in batch.schema.names]
            rows = batch.select(names).to_pylist()
            for row, found in self._in_rows(["\n".join(_strings(list(r.values()))) for r in rows]):
                # Not the times, which may lie outside of what Python's times can be.
                yield {name: batch[name][row].as_py() for name in named}, found

    def _in_rows(self, rows: list[str]) -> Iterator[tuple[int, set[int]]]:
        if self._texts.lines_in("\n".join(rows).encode(errors="surrogateescape")):
            for number, row in enumerate(rows):
                found = self._texts.lines_in(row.encode(errors="surrogateescape"))
                if found:
                    yield number, found


def _column_text(column: Any) -> bytes:
    """The text of all values of an Arrow column, one after the other."""
    import pyarrow as pa
    import pyarrow.types as t

    if t.is_list(column.type):
        column = column.flatten()
    column = column.cast(pa.string()).cast(pa.large_binary())
    _, offsets, data = column.buffers()
    if data is None:
        return b""
    ends = memoryview(offsets).cast("q")[column.offset :]
    text: bytes = data[ends[0] : ends[len(column)]].to_pybytes()
    return text


def _strings(value: Any) -> Iterator[str]:
    """Yields all text and numbers within a JSON value, also the keys."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield str(key)
            yield from _strings(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _strings(item)
    elif value is not None:
        yield str(value)


def _json(path: str) -> Any:
    return json.loads(read_file(path) or b"null")


def _manifest(path: str) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(ROWS_AT_ONCE)
    except pa.ArrowException as error:
        raise ValueError("not a manifest") from error


def _indexed(path: str) -> Iterator[Iterable[str]]:
    """Yields paths that the index knows. What is not intact of it is derived, and no one reads."""
    folder, name = os.path.split(path)
    data = read_file(os.path.join(folder, "base"))
    try:
        base = index_format.Base(data or b"")
        if name == "base":
            for inner in base.folders():
                yield [os.path.join(inner, each) for each in base.page(inner)]
        elif name == "log":
            for _, changes in index_format.decode_log(read_file(path) or b"", base.digest)[0]:
                yield changes
    except ValueError:
        return


# --- objects -------------------------------------------------------------------------------------


class _Objects:
    """The objects in the packs."""

    def __init__(self, repository: Repository, texts: Texts):
        self._repository, self._texts = repository, texts
        self.count = 0
        self.unread: list[str] = []
        self._hits: dict[bytes, set[int]] = {}
        self._large: set[bytes] = set()

    def search_pack(self, path: str, lines: set[int]) -> set[int]:
        """Searches the objects of one pack, whose file holds `lines` as it lies.

        Returns the lines that are in its objects. Raises DamagedData, StorageFailed,
        FileNotFoundError.
        """
        pack = Pack(path, verify=True)
        explained: set[int] = set()
        try:
            contents = pack.contents
            frames = self._frames(pack)
            tops = contents.locations[pack_format.LOCATION - 1 :: pack_format.LOCATION]
            lists = [row for row, top in enumerate(tops) if top & 0x80]
            self.count += len(pack)
            # An object in a frame that is not compressed lies in the file just as it is.
            for row in range(len(pack)) if frames or lines else ():
                frame, offset, size, is_list = pack.place(row)
                raw = bool(size) and contents.frames[frame][2] == pack_format.RAW
                if is_list or not size or not (lines if raw else frame in frames):
                    continue
                data = pack.read(frame, offset, size)
                found = self._texts.lines_in(data)
                if found:
                    self._hits.setdefault(blake3(data).digest(), set()).update(found)
                    explained |= found
            if not path.startswith(self._repository.layout.packs + "/"):
                lists = []  # condemned by gc: the chunks may be anywhere
            for row in lists:
                frame, offset, size, _ = pack.place(row)
                payload = pack.read(frame, offset, size)
                if not chunk_list.names(payload, payload[4:36]):
                    raise DamagedData(f"pack {pack.name}: a chunk list is damaged")
                if not reference.is_one(payload):  # what it names is not kept here
                    self._large.add(payload[4:36])
        finally:
            pack.close()
        return explained

    def _frames(self, pack: Pack) -> set[int]:
        """Returns the compressed frames that hold a text somewhere."""
        found = set()
        starts = pack.contents.raw_starts
        for frame, (_, _, codec) in enumerate(pack.contents.frames):
            if codec in (pack_format.RAW, pack_format.DICTIONARY_FRAME):
                continue
            if self._texts.lines_in(pack.read(frame, 0, starts[frame + 1] - starts[frame])):
                found.add(frame)
        return found

    def finish(self) -> Iterator[tuple[bytes, set[int], list[Example]]]:
        """Yields (id, lines, examples) of all objects that hold texts, once all packs are searched.

        Where a manifest is damaged, those after it are told without all examples.
        """
        pieces: set[bytes] = set()
        for oid in sorted(self._large):
            try:
                lines, hit = self._stream(oid)
            except DsmError as error:
                self.unread.append(error.message)
                continue
            pieces |= hit
            if lines:
                self._hits.setdefault(oid, set()).update(lines)
        holders: dict[bytes, list[Example]] = {oid: [] for oid in self._hits}
        try:
            for each in uses(self._repository) if holders else ():
                found = holders.get(each.oid)
                if found is not None and len(found) < EXAMPLES_LISTED:
                    found.append((each.dataset, each.number, each.path))
        except DsmError as error:
            self.unread.append(error.message)
        for oid in sorted(self._hits):
            if holders[oid] or oid not in pieces:  # a chunk is told as the object it is of
                yield oid, self._hits[oid], holders[oid]

    def _stream(self, oid: bytes) -> tuple[set[int], set[bytes]]:
        """Searches a large object across the borders of its chunks; what lies within was searched.

        Returns the lines in all of it, and its chunks that hold some.
        """
        lines: set[int] = set()
        hit: set[bytes] = set()
        keep, tail = self._texts.longest - 1, b""
        for piece in self._repository.store.stream(oid):
            if self._hits:
                name = blake3(piece).digest()
                if name in self._hits:
                    hit.add(name)
                    lines |= self._hits[name]
            if tail:
                lines |= self._texts.lines_in(tail + piece[:keep])
            tail = (tail + piece[-keep:])[-keep:]
        return lines, hit
