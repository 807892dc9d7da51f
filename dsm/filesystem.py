"""Views for fsspec: `dsm://dataset@version/path` opens an example in pandas, Arrow and others.

Read-only. What stands after the @ is a view's version, a prefix of 8 or more digits, a view's name,
or a changeset (`head`, `7`, a tag): then it is its snapshot. The repository is the storage option
`repo`, else the one at or above the current folder when the file system is made: it is remembered
with its whole path, so that a copy which wakes up in another process or folder reads the same one.
Every byte is verified. Threads may share a file system.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from io import BufferedReader, RawIOBase
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from dsm.errors import DsmError, InvalidInput, NotFound, Refused

try:
    from fsspec.config import apply_config
    from fsspec.spec import AbstractFileSystem
except ImportError as error:
    raise ImportError("dsm.filesystem needs fsspec: pip install fsspec") from error

if TYPE_CHECKING:
    import pyarrow as pa

    from dsm.model.example import Example

PROTOCOL = "dsm"
BLOCK_BYTES = 1 << 16


class ExampleNotFound(NotFound, FileNotFoundError):
    """The dataset, the version or the example does not exist."""

    code = "example-not-found"

    def __init__(self, message: str, *, hint: str | None = None, items: tuple[str, ...] = ()):
        NotFound.__init__(self, message, hint=hint, items=items)

    def __str__(self) -> str:
        return self.message


class NotAnAddress(InvalidInput, FileNotFoundError):
    """What stands for `dataset@version` names no view and no snapshot, or more than one."""

    code = "not-an-address"

    def __init__(self, message: str, *, hint: str | None = None, items: tuple[str, ...] = ()):
        InvalidInput.__init__(self, message, hint=hint, items=items)

    def __str__(self) -> str:
        return self.message


class ReadOnly(Refused, PermissionError):
    """Views are not written."""

    code = "read-only"

    def __str__(self) -> str:
        return self.message


class _Nearest(str):
    """The repository at or above the current folder, as an address names none.

    fsspec takes an option from an address when the caller has given none or another one; then it
    finds it twice. This one is never another one: it yields to what the caller has given.
    """

    def __ne__(self, other: object) -> bool:
        return False

    __hash__ = str.__hash__

    def __reduce__(self) -> tuple[Any, ...]:
        return str, (str(self),)


class _AtRepository(type(AbstractFileSystem)):  # type: ignore[misc]
    """Makes file systems. Their options name the repository by its whole path from the beginning:
    copies, comparisons and tokens are made of the options."""

    def __call__(cls, repo: str | os.PathLike[str] | None = None, **options: Any) -> Any:
        nearest = repo if isinstance(repo, _Nearest) else None
        given = {} if repo is None or nearest else {"repo": repo}
        options = apply_config(cls, options | given)
        repo = options.pop("repo", nearest)
        from dsm.repo.repository import discover

        try:
            root = discover("." if repo is None else os.fspath(repo))
        except NotFound as error:
            raise ExampleNotFound(error.message, hint=error.hint) from error
        return super().__call__(repo=root, **options)


class DsmFileSystem(AbstractFileSystem, metaclass=_AtRepository):  # type: ignore[misc]
    """Views and snapshots of one repository as folders: `dataset@version/path`."""

    protocol = PROTOCOL
    root_marker = ""
    cachable = False  # another repository may come to lie in the same folder

    def __init__(self, repo: str, **options: Any):
        super().__init__(**options)
        from dsm.api import open as open_repository

        self._repo = open_repository(repo)
        self._folders: dict[str, _Folder] = {}

    @staticmethod
    def _get_kwargs_from_urls(path: str) -> dict[str, Any]:
        """Names the repository for what keeps options, not file systems: fsspec's caches."""
        from dsm.repo.repository import discover

        try:
            return {"repo": _Nearest(discover("."))}
        except DsmError:
            return {}  # an option names one, or it is said when the file system is made

    @property
    def fsid(self) -> str:
        """Names the repository."""
        return f"dsm-{self._repo.id}"

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (type(self), self._repo.id, dict(self.storage_options))

    def __dask_tokenize__(self) -> tuple[str, ...]:
        return type(self).__qualname__, self._repo.root, self._repo.id

    # --- looking ---

    def ls(self, path: str, detail: bool = True, **options: Any) -> list[Any]:
        """Lists what lies directly below a folder, or the file itself; sorted by name."""
        top, below = self._split(path)
        if top:
            return self._folder(top).listing(top, below, detail=detail)
        names = [f"{name}@head" for name in self._repo.datasets()]
        return [_as_folder(name) for name in names] if detail else names

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        """Returns name, size in bytes and type; of an example also its id, time (microseconds UTC,
        and `mtime` in seconds), labels and attributes."""
        top, below = self._split(path)
        if not top:
            return _as_folder("")
        return self._folder(top).info(top, below)

    def find(
        self,
        path: str,
        maxdepth: int | None = None,
        withdirs: bool = False,
        detail: bool = False,
        **options: Any,
    ) -> Any:
        """Lists all examples below a folder: names, or by name what `info` says."""
        top, below = self._split(path)
        if not top or maxdepth is not None or withdirs:
            return super().find(path, maxdepth, withdirs, detail, **options)
        try:
            folder = self._folder(top)
            return folder.found(top, below, detail=detail)
        except FileNotFoundError:
            return {} if detail else []

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

    def _open(self, path: str, mode: str = "rb", **options: Any) -> ExampleFile:
        if set(mode) & set("wax+"):
            raise _read_only()
        if mode != "rb":
            raise InvalidInput(f"{mode!r} is no mode to open a file in", hint="r or rb")
        example = self._example(path)
        name = self._strip_protocol(path)
        return ExampleFile(self._repo.store.open(example.oid).detach(), self, name)

    def cat_file(
        self, path: str, start: int | None = None, end: int | None = None, **options: Any
    ) -> bytes:
        """Returns the bytes of an example, or a part of them."""
        if start is None and end is None:
            data: bytes = self._repo.store.read(self._example(path).oid)
            return data
        with self._open(path) as file:
            first, last, _ = slice(start, end).indices(file.size)
            file.seek(first)
            return file.read(max(0, last - first))

    # --- refused ---

    def _refuse(self, *arguments: Any, **options: Any) -> Any:
        raise _read_only()

    mkdir = makedirs = mkdirs = rmdir = _rm = rm = rm_file = cp_file = copy = mv = mv_file = _refuse
    touch = pipe = pipe_file = put = put_file = write_bytes = write_text = _refuse

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
        """Returns what `dataset@version` names; what moves, such as `head`, is looked up anew."""
        folder = self._folders.get(top)
        if folder is not None and folder.number is None:
            return folder
        name, at, version = top.rpartition("@")
        if not at or not name or not version:
            raise NotAnAddress(f"{top!r} is not dataset@version", hint="dsm://pets@head/a.jpg")
        try:
            folder = self._evaluated(name, version, folder)
        except NotFound as error:
            raise ExampleNotFound(error.message, hint=error.hint) from error
        self._folders[top] = folder
        return folder

    def _evaluated(self, name: str, version: str, before: _Folder | None) -> _Folder:
        dataset = self._repo.dataset(name)
        from dsm.views.selection.prepared import PREFIX_MIN, list_records

        found = [
            record.version for record in list_records(self._repo, name)
            if version in record.names
            or (len(version) >= PREFIX_MIN and record.version.startswith(version.lower()))
        ]  # fmt: skip
        if len(found) > 1:
            raise NotAnAddress(f"{version!r} could be {len(found)} views", hint="give more digits")
        if found:
            return _Folder(self._repo.view(found[0]).table())
        try:
            number = dataset.resolve(version)
        except (NotFound, InvalidInput) as error:
            raise NotFound(
                f"{name} has neither a view nor a changeset {version!r}",
                hint="`dsm prepare` names views, `dsm log` lists changesets",
            ) from error
        if before is not None and before.number == number:
            return before
        return _Folder(dataset.snapshot(number), None if version == str(number) else number)


class ExampleFile(BufferedReader):
    """An example opened for reading: a file that can seek, with what fsspec's files tell.

    `size` is in bytes; `path` has no protocol.
    """

    mode = "rb"
    blocksize = BLOCK_BYTES

    def __init__(self, raw: RawIOBase, fs: DsmFileSystem, path: str):
        super().__init__(raw, BLOCK_BYTES)
        self.fs, self.path = fs, path
        self.size: int = raw.size  # type: ignore[attr-defined]

    @property
    def name(self) -> str:
        """Its path."""
        return self.path

    @property
    def full_name(self) -> str:
        """Its path with the protocol."""
        return f"{PROTOCOL}://{self.path}"

    def info(self) -> dict[str, Any]:
        """Returns what the file system tells of it."""
        return self.fs.info(self.path)

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return _opened_at, (self.fs, self.path, self.tell())


def _opened_at(fs: DsmFileSystem, path: str, at: int) -> ExampleFile:
    file = fs._open(path)
    file.seek(at)
    return file


def _again(cls: type[DsmFileSystem], repository: str, options: dict[str, Any]) -> DsmFileSystem:
    """Makes a file system that was sent by pickle: of the same repository, or of none."""
    from dsm.api import opened_again

    try:
        opened_again(options["repo"], repository)
    except NotFound as error:
        raise ExampleNotFound(error.message, hint=error.hint) from error
    return cls(**options)


def _read_only() -> ReadOnly:
    return ReadOnly("a view is read-only", hint="commit to the dataset instead")


class _Folder:
    """A table of examples, sorted by path, as a tree; `number` is that of a snapshot whose name may
    come to mean another one."""

    def __init__(self, table: pa.Table, number: int | None = None):
        self.number = number
        self._table = table
        self._paths = table.column("path")  # folders are ranges of it

    def example(self, top: str, path: str) -> Example:
        """Returns one example. Raises ExampleNotFound, IsADirectoryError."""
        from dsm.history.snapshot import example_at

        example = example_at(self._table, self._row(top, path))
        assert example is not None
        return example

    def _row(self, top: str, path: str) -> int:
        row = self._first_from(path)
        if row == len(self._paths) or self._paths[row].as_py() != path:
            if self._is_folder(path):
                raise IsADirectoryError(f"{top}/{path} is a folder")
            raise self._missing(top, path)
        return row

    def info(self, top: str, path: str) -> dict[str, Any]:
        """Describes an example or a folder. Raises ExampleNotFound."""
        if self._is_folder(path):
            return _as_folder(f"{top}/{path}".rstrip("/"))
        row = self._row(top, path)
        return _described(top, self._table.slice(row, 1))[0]

    def found(self, top: str, path: str, *, detail: bool) -> Any:
        """Returns the names of all examples at or below a path, or by name what `info` says."""
        if self._is_folder(path):
            before = path + "/" if path else ""
            first = self._first_from(before)
            # "0" comes right after "/": the first path that is not below this folder.
            end = self._first_from(path + "0", first) if path else len(self._paths)
        else:
            first = self._row(top, path)
            end = first + 1
        part = self._table.slice(first, end - first)
        if detail:
            return {entry["name"]: entry for entry in _described(top, part)}
        return [f"{top}/{found}" for found in part.column("path").to_pylist()]

    def listing(self, top: str, path: str, *, detail: bool) -> list[Any]:
        """Describes what lies directly below a folder, or the example itself."""
        if not self._is_folder(path):
            found = self.info(top, path)
            return [found] if detail else [found["name"]]
        before = path + "/" if path else ""
        folders, files = [], []
        row = self._first_from(before)
        while row < len(self._paths) and (whole := self._paths[row].as_py()).startswith(before):
            name, slash, _ = whole[len(before) :].partition("/")
            if slash:
                folders.append(_as_folder(f"{top}/{before}{name}"))
                row = self._first_from(f"{before}{name}0", row)
            else:
                files.append(row)
                row += 1
        if not detail:
            names = [f"{top}/{self._paths[row].as_py()}" for row in files]
            return sorted([*names, *(folder["name"] for folder in folders)])
        described = _described(top, self._table.take(files)) if files else []
        # A file `a.txt` lies before a folder `a`.
        return sorted([*folders, *described], key=itemgetter("name"))

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


def _as_folder(name: str) -> dict[str, Any]:
    return {"name": name, "size": 0, "type": "directory"}


def _described(top: str, table: pa.Table) -> list[dict[str, Any]]:
    """Describes the examples of a table; `time` is in microseconds since 1970, UTC."""
    from dsm.history.snapshot import examples_of

    return [
        {
            "name": f"{top}/{example.path}", "size": example.size, "type": "file",
            "id": example.oid.hex(), "time": example.time, "mtime": example.time / 1_000_000,
            "labels": list(example.labels), "attributes": dict(example.attributes),
        }
        for example in examples_of(table)
    ]  # fmt: skip
