"""A label file as bytes or text, and the errors that name its place."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from dsm.errors import InvalidInput, NotFound
from dsm.model.names import printable
from dsm.worktree.missing_values import without_missing

# A table has a separator a cell. Rows that leave members out, and columns that Parquet packs, may
# come to more cells than the file has bytes, but not to any number of them.
CELLS_MAX, CELLS_PER_BYTE = 10_000_000, 8
PATH_COLUMNS = ("path", "file", "filename", "file_name")


class LabelSource:
    """The file being read: its bytes, and errors that name it.

    Its `path` counts from `folder`; `unit` is what its lines are called; `data` is what it holds,
    where that has been read. Cells that hold one of the texts in `missing` say nothing.
    """

    def __init__(
        self,
        path: str,
        folder: str,
        unit: str,
        data: bytes | None = None,
        *,
        missing: frozenset[str],
    ) -> None:
        self._data = data
        self.missing = missing
        self._path = path
        self._full = os.path.join(folder, path)
        self.unit = unit

    def told(self, name: str, values: Sequence[Any]) -> list[Any]:
        """Returns the values of a column with None for those that are missing.

        A path, and a transcript or another annotation, is what it is.
        """
        if name == "annotation" or name in PATH_COLUMNS:
            return list(values)
        return without_missing(values, self.missing)

    def wrong(self, problem: str, line: int | None = None, hint: str | None = None) -> InvalidInput:
        """Returns the error that says what is wrong, and where."""
        place = "" if line is None else f", {self.unit} {line}"
        return InvalidInput(f"{printable(self._path)}{place}: {problem}", hint=hint)

    def refuse_too_many(self, rows: int, columns: int, size: int) -> None:
        """Raises InvalidInput for more cells than a file of `size` bytes may stand for."""
        if rows * columns > max(CELLS_MAX, CELLS_PER_BYTE * size):
            raise self.wrong(
                f"{rows:,} rows of {columns:,} columns are too many for {size:,} bytes",
                None,
                "give it in several files, each with the columns that its rows fill in",
            )

    def read(self) -> bytes:
        """Returns all bytes. Raises NotFound, InvalidInput."""
        if self._data is not None:
            return self._data
        try:
            with open(self._full, "rb") as file:
                return file.read()
        except FileNotFoundError:
            raise NotFound(
                f"there is no label file {printable(self._path)}",
                hint="a path counts from where you are; --label gives one label to all files",
            ) from None
        except OSError as error:
            raise self.wrong(f"cannot be read: {error.strerror}") from error

    def text(self) -> str:
        """Returns the text, without a byte order mark. Raises NotFound, InvalidInput."""
        data = self.read().removeprefix(b"\xef\xbb\xbf")
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise self.wrong("the text is not UTF-8", line, "save the file as UTF-8") from None
