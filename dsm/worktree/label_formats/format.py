"""What a format of labels has to do, and the file or folder that it reads.

A format is a module with a `FORMAT` (a `LabelFormat`) and a row of `table.py`. It gives what is
said of each example under the names that the file uses; `places.py` finds the examples.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import BinaryIO, NamedTuple

from dsm.errors import DsmError, InvalidInput, NotFound
from dsm.model.categories import Category
from dsm.model.names import check_label, printable
from dsm.worktree.label_formats.places import Places
from dsm.worktree.label_row import LabelRow

HEAD_BYTES = 64 * 1024
TEXT_BYTES_MAX = 256 << 20  # of a list of transcripts, which is read as a whole
SMALL_BYTES_MAX = 16 << 20  # of what is said of one image


class NamedRow(NamedTuple):
    """What a file says of one example.

    `names` are those that the example may have, the likeliest first; `place` is where it is said.
    An `exact` one is of the path of the dataset that its only name is, and of no other.
    """

    names: tuple[str, ...]
    row: LabelRow
    place: str
    exact: bool = False


@dataclass
class LabelInput:
    """A file or folder with labels, as typed, and the files that it may speak of.

    `read` collects the files that were read beside the one that was named, relative to the
    dataset's root, as far as they lie there; `categories` the classes that it lists, if it does.
    """

    path: str
    full: str
    places: Places
    missing: frozenset[str]
    read: set[str] = field(default_factory=set)
    categories: list[Category] = field(default_factory=list)

    @cached_property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return os.path.isdir(self.full)

    @cached_property
    def name(self) -> str:
        """The last part of its path, in small letters."""
        return os.path.basename(os.path.abspath(self.full)).lower()

    @cached_property
    def head(self) -> str:
        """The first characters of the file; nothing of a folder, or of what cannot be read."""
        try:
            with self._opened() as file:
                data = file.read(HEAD_BYTES)
        except DsmError:
            return ""
        return data.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")

    @property
    def folder(self) -> str:
        """The folder that its names may count from."""
        return self.full if self.is_folder else os.path.dirname(self.full)

    def wrong(self, problem: str, place: str = "", hint: str | None = None) -> InvalidInput:
        """Returns the error that says what is wrong, and where in the file."""
        where = f", {place}" if place else ""
        return InvalidInput(f"{printable(self.path)}{where}: {problem}", hint=hint)

    def not_there(self) -> NotFound:
        """Returns the error for a file that is not there."""
        return NotFound(
            f"there is no label file {printable(self.path)}",
            hint="a path counts from where you are; --label gives one label to all files",
        )

    def beside(self, full: str) -> LabelInput:
        """Returns another file that belongs to this one; it is noted as read."""
        inside = self.places.inside(full)
        if inside is not None:
            self.read.add(inside)
        shown = os.path.normpath(os.path.join(self.path, os.path.relpath(full, self.full)))
        return LabelInput(shown, full, self.places, self.missing)

    def _opened(self) -> BinaryIO:
        """Opens the file, and nothing but a file. Raises NotFound, InvalidInput."""
        try:
            fd = os.open(self.full, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            raise self.not_there() from None
        except OSError as error:
            raise self.wrong(f"cannot be read: {error.strerror}") from error
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise self.wrong("this is not a file")
        return open(fd, "rb")

    def stream(self) -> io.TextIOWrapper:
        """Returns the text, to be read piece by piece. Raises NotFound, InvalidInput."""
        return io.TextIOWrapper(self._opened(), encoding="utf-8-sig", newline="")

    def data(self, limit: int) -> bytes:
        """Returns the whole file. Raises NotFound, InvalidInput, also when it has more bytes."""
        with self._opened() as file:
            data = file.read(limit + 1)
        if len(data) > limit:
            raise self.wrong(f"is larger than {limit >> 20} MiB, which is the most that is read")
        return data

    def text(self, limit: int = TEXT_BYTES_MAX) -> str:
        """Returns the whole text. Raises NotFound, InvalidInput, also when it has more bytes."""
        data = self.data(limit).removeprefix(b"\xef\xbb\xbf")
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise self.wrong("the text is not UTF-8", f"line {line}") from None

    def lines(self, limit: int = TEXT_BYTES_MAX) -> Iterator[tuple[int, str]]:
        """Yields the lines that are not blank, with their numbers."""
        for number, line in enumerate(self.text(limit).split("\n"), 1):
            if line.strip():
                yield number, line.removesuffix("\r")

    def label(self, text: object, place: str) -> str:
        """Returns a label as it is kept. Raises InvalidInput."""
        if not isinstance(text, str):
            raise self.wrong("a label is text", place)
        try:
            return check_label(text)
        except InvalidInput as error:
            raise self.wrong(error.message, place, error.hint) from None


class LabelFormat:
    """How one format is recognised and read."""

    def recognises(self, file: LabelInput) -> bool:
        """Whether the file is, by its first characters or what the folder holds, of this format."""
        raise NotImplementedError

    def rows(self, file: LabelInput) -> Iterable[NamedRow]:
        """Yields what the file says. Raises InvalidInput that names the file and the place."""
        raise NotImplementedError
