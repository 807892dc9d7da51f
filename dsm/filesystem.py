"""Views for fsspec: `dsm://dataset@version/path` opens an example in pandas, Arrow and others.

Read-only. What stands after the @ is a view's version, a prefix of 8 or more digits, a view's name,
or a changeset (`head`, `7`, a tag): then it is its snapshot. The repository is the storage option
`repo`, else the one at or above the current folder. Every byte is verified.
"""

from __future__ import annotations

import io
import os
from bisect import bisect_left
from collections.abc import Callable
from operator import itemgetter
from typing import TYPE_CHECKING, Any, BinaryIO

from dsm.errors import InvalidInput, NotFound, Refused

try:
    from fsspec.spec import AbstractFileSystem
except ImportError as error:
    raise ImportError("dsm.filesystem needs fsspec: pip install fsspec") from error

if TYPE_CHECKING:
    import pyarrow as pa

    from dsm.model.example import Example

PROTOCOL = "dsm"
HELD_BYTES = 64 << 20  # larger objects are streamed


class ExampleNotFound(NotFound, FileNotFoundError):
    """The dataset, the version or the example does not exist."""

    code = "example-not-found"

    def __init__(self, message: str, *, hint: str | None = None, items: tuple[str, ...] = ()):
        NotFound.__init__(self, message, hint=hint, items=items)

    def __str__(self) -> str:
        return self.message


class ReadOnly(Refused, PermissionError):
    """Views are not written."""

    code = "read-only"

    def __str__(self) -> str:
        return self.message


class DsmFileSystem(AbstractFileSystem):  # type: ignore[misc]
    """Views and snapshots of one repository as folders: `dataset@version/path`."""

    protocol = PROTOCOL
    root_marker = ""
    cachable = False  # the same address means another repository in another folder

    def __init__(self, repo: str | os.PathLike[str] | None = None, **options: Any):
        super().__init__(**options)
        from dsm.api import open as open_repository

        try:
            self._repo = open_repository("." if repo is None else repo)
        except NotFound as error:
            raise ExampleNotFound(error.message, hint=error.hint) from error
        self._folders: dict[str, _Folder] = {}

    @property
    def fsid(self) -> str:
        """Names the repository."""
        return f"dsm-{self._repo.id}"

    # --- looking ---

    def ls(self, path: str, detail: bool = True, **options: Any) -> list[Any]:
        """Lists what lies directly below a folder, or the file itself; sorted by name."""
        top, below = self._split(path)
        if not top:
            found = [_as_folder(f"{name}@head") for name in self._repo.datasets()]
        else:
            found = self._folder(top).listing(top, below)
        return found if detail else [entry["name"] for entry in found]

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        """Returns name, size in bytes and type; of an example also its id, time, labels and
        attributes."""
        top, below = self._split(path)
        if not top:
            return _as_folder("")
        return self._folder(top).info(top, below)

    def created(self, path: str) -> Any:
        """Returns the time of an example."""
        return self.modified(path)

    def modified(self, path: str) -> Any:
        """Returns the time of an example."""
        from datetime import UTC, datetime, timedelta

        micros = self._example(path).time
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)

    def checksum(self, path: str) -> str:
        """Returns the id of an example's object: the BLAKE3 of its bytes."""
        return self._example(path).oid.hex()

    def ukey(self, path: str) -> str:
        """Names the content of a file: its object's id."""
        return self.checksum(path)

    # --- reading ---

    def _open(self, path: str, mode: str = "rb", **options: Any) -> BinaryIO:
        if mode != "rb":
            raise ReadOnly("a view is read-only", hint="commit to the dataset instead")
        example = self._example(path)
        store = self._repo.store
        if example.size <= HELD_BYTES:
            return io.BytesIO(store.read(example.oid))
        raw = _Streamed(lambda: store.open(example.oid), example.size)
        return io.BufferedReader(raw, 1 << 20)

    def cat_file(
        self, path: str, start: int | None = None, end: int | None = None, **options: Any
    ) -> bytes:
        """Returns the bytes of an example, or a part of them."""
        if start is None and end is None:
            data: bytes = self._repo.store.read(self._example(path).oid)
            return data
        with self._open(path) as file:
            size = self._example(path).size
            first, last, _ = slice(start, end).indices(size)
            file.seek(first)
            return file.read(max(0, last - first))

    # --- refused ---

    def _refuse(self, *arguments: Any, **options: Any) -> Any:
        raise ReadOnly("a view is read-only", hint="commit to the dataset instead")

    mkdir = makedirs = rmdir = _rm = rm = rm_file = cp_file = mv = touch = pipe_file = _refuse
    put_file = _refuse

    # --- finding ---

    def _split(self, path: str) -> tuple[str, str]:
        top, _, below = self._strip_protocol(path).strip("/").partition("/")
        return top, below

    def _example(self, path: str) -> Example:
        top, below = self._split(path)
        if not top:
            raise IsADirectoryError("dsm:// is no file")
        return self._folder(top).example(top, below)

    def _folder(self, top: str) -> _Folder:
        folder = self._folders.get(top)
        if folder is None:
            try:
                folder, lasting = self._evaluated(top)
            except NotFound as error:
                raise ExampleNotFound(error.message, hint=error.hint) from error
            if lasting:
                self._folders[top] = folder
        return folder

    def _evaluated(self, top: str) -> tuple[_Folder, bool]:
        """Evaluates what `dataset@version` names; whether it stays the same for ever."""
        name, at, version = top.rpartition("@")
        if not at or not name or not version:
            raise InvalidInput(f"{top!r} is not dataset@version", hint="dsm://pets@head/a.jpg")
        dataset = self._repo.dataset(name)
        from dsm.views.selection.prepared import PREFIX_MIN, list_records

        found = [
            record.version for record in list_records(self._repo, name)
            if version in record.names
            or (len(version) >= PREFIX_MIN and record.version.startswith(version.lower()))
        ]  # fmt: skip
        if len(found) > 1:
            raise InvalidInput(f"{version!r} could be {len(found)} views", hint="give more digits")
        if found:
            return _Folder(self._repo.view(found[0]).table()), True
        try:
            number = dataset.resolve(version)
        except (NotFound, InvalidInput) as error:
            raise NotFound(
                f"{name} has neither a view nor a changeset {version!r}",
                hint="`dsm prepare` names views, `dsm log` lists changesets",
            ) from error
        return _Folder(dataset.snapshot(number)), version == str(number)


class _Folder:
    """A table of examples, sorted by path, as a tree."""

    def __init__(self, table: pa.Table):
        self._table = table
        self._paths = table.column("path")  # folders are ranges of it

    def example(self, top: str, path: str) -> Example:
        """Returns one example. Raises ExampleNotFound, IsADirectoryError."""
        row = self._first_from(path)
        if row == len(self._paths) or self._paths[row].as_py() != path:
            if self._is_folder(path):
                raise IsADirectoryError(f"{top}/{path} is a folder")
            raise self._missing(top, path)
        from dsm.history.snapshot import example_at

        example = example_at(self._table, row)
        assert example is not None
        return example

    def info(self, top: str, path: str) -> dict[str, Any]:
        """Describes an example or a folder. Raises ExampleNotFound."""
        if self._is_folder(path):
            return _as_folder(f"{top}/{path}".rstrip("/"))
        example = self.example(top, path)
        return {
            "name": f"{top}/{path}", "size": example.size, "type": "file",
            "id": example.oid.hex(), "time": example.time, "labels": list(example.labels),
            "attributes": dict(example.attributes),
        }  # fmt: skip

    def listing(self, top: str, path: str) -> list[dict[str, Any]]:
        """Describes what lies directly below a folder, or the example itself."""
        if not self._is_folder(path):
            return [self.info(top, path)]
        before = path + "/" if path else ""
        sizes = self._table.column("size")
        found = []
        row = self._first_from(before)
        while row < len(self._paths) and (whole := self._paths[row].as_py()).startswith(before):
            name, slash, _ = whole[len(before) :].partition("/")
            full = f"{top}/{before}{name}"
            if slash:
                found.append(_as_folder(full))
                # "0" comes right after "/": the first path that is not below this folder.
                row = self._first_from(f"{before}{name}0", row)
            else:
                found.append({"name": full, "size": sizes[row].as_py() or 0, "type": "file"})
                row += 1
        return sorted(found, key=itemgetter("name"))  # a file `a.txt` lies before a folder `a`

    def _is_folder(self, path: str) -> bool:
        if not path:
            return True
        row = self._first_from(path + "/")
        return row < len(self._paths) and self._paths[row].as_py().startswith(path + "/")

    def _first_from(self, path: str, low: int = 0) -> int:
        """The first row whose path is this one or comes after it."""
        rows = range(len(self._paths))
        return bisect_left(rows, path, low, key=lambda row: self._paths[row].as_py())

    def _missing(self, top: str, path: str) -> ExampleNotFound:
        from dsm.model.names import close_matches, printable

        near = close_matches(path, self._paths[:20000].to_pylist())
        hint = f"did you mean {printable(near[0])}?" if near else None
        return ExampleNotFound(f"{top} has no example {printable(path)}", hint=hint)


class _Streamed(io.RawIOBase):
    """A large object as a seekable file in bounded memory: going back reads it from the start."""

    def __init__(self, reopen: Callable[[], BinaryIO], size: int):
        self._reopen = reopen
        self._size = size
        self._file = reopen()
        self._read = 0  # of what is open
        self._at = 0  # where the caller is

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        if self._at >= self._size:
            return 0
        if self._at < self._read:
            self._file.close()
            self._file, self._read = self._reopen(), 0
        while self._read < self._at:
            self._read += len(self._file.read(min(1 << 20, self._at - self._read)))
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        self._read += len(data)
        self._at = self._read
        return len(data)


def _as_folder(name: str) -> dict[str, Any]:
    return {"name": name, "size": 0, "type": "directory"}
