"""The changeset log of a dataset: numbered headers, each created exactly once.

The creation of `changesets/<number>.json` IS the commit: a hard link either makes the name or
fails, so two writers cannot both have number 8. The head is the highest number; there is no
mutable reference that could be lost or disagree. Parents chain by hash.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsm.errors import (
    AmbiguousName,
    DamagedData,
    InvalidInput,
    NotFound,
    OutcomeUnknown,
    StorageFailed,
)
from dsm.format import header
from dsm.model.changeset import Changeset
from dsm.model.moments import datetime_of
from dsm.model.names import check_tag_name, close_matches
from dsm.repo import documents
from dsm.repo.layout import NUMBER_DIGITS
from dsm.repo.repository import Repository
from dsm.store import disk
from dsm.store.whole_file import read_file

if TYPE_CHECKING:
    from datetime import datetime as Moment

    from dsm.model.queries import Document

_HEADER_NAME = re.compile(r"(?!0+\.)[0-9]{8}\.json")
_NUMBER = re.compile(r"[0-9]{1,18}")
# A name and what goes back from it: `head`, `v1~2`, `head^^`, `head^~3`.
_BACK = r"([^~^]*)((?:~[0-9]{0,18}|\^)*)"
_STEP = r"~[0-9]*|\^"


class DatasetMoved(StorageFailed):
    """A dataset was renamed or removed after it was opened, so that nothing can be recorded."""

    code = "dataset-moved"


@dataclass(frozen=True, slots=True)
class Tag:
    """A name for a changeset; `time` in microseconds UTC."""

    name: str
    number: int
    id: str
    time: int
    message: str = ""

    @property
    def datetime(self) -> Moment:
        """Its time with the zone UTC."""
        return datetime_of(self.time)


class ChangesetLog:
    """Reads and extends one dataset's log."""

    def __init__(self, repository: Repository, name: str, dataset_id: str):
        self.layout = repository.layout
        self._headers = documents.headers(repository.layout, name)
        self._tags = documents.tags(repository.layout, name)
        self.name = name
        self.dataset_id = dataset_id
        self._read: dict[int, Changeset] = {}

    def head(self) -> int:
        """Returns the newest changeset's number, 0 for none. Raises DamagedData on gaps."""
        numbers = self.numbers()
        if numbers and len(numbers) != max(numbers):
            there = set(numbers)
            missing = next(n for n in range(1, max(numbers) + 1) if n not in there)
            raise DamagedData(
                f"changeset {missing} of dataset {self.name} is missing,"
                f" though {max(numbers)} is there",
                hint="run `dsm fsck`; copy the missing header back from a backup",
            )
        return len(numbers)

    def require(self) -> None:
        """Raises DatasetMoved when the dataset has another name by now, or is gone.

        Before a changeset or a segment of the stage is recorded, call it with the lock held that
        keeps gc out: no dataset is renamed or removed under it.
        """
        fields = documents.datasets(self.layout).read(self.name)
        if fields is None or fields.get("dataset") != self.dataset_id:
            raise DatasetMoved(
                f"dataset {self.name} was renamed or removed meanwhile; nothing was recorded",
                hint="`dsm dataset list` lists what is there",
            )

    def numbers(self) -> list[int]:
        """Returns the numbers of all headers that are there, in no order."""
        try:
            names = os.listdir(self.layout.changesets(self.name))
        except FileNotFoundError:
            return []
        return [int(name[:-5]) for name in names if _HEADER_NAME.fullmatch(name)]

    def get(self, number: int) -> Changeset:
        """Reads one header. Raises NotFound or DamagedData."""
        known = self._read.get(number)
        if known is not None:
            return known
        where = f"{number:0{NUMBER_DIGITS}d}"
        path, data = self._headers.path(where), self._headers.read_bytes(where)
        if data is None:
            raise NotFound(
                f"dataset {self.name} has no changeset {number}",
                hint=f"its newest one is {max(self.numbers(), default=0)}",
            )
        changeset = header.decode(data, path)
        if changeset.number != number or changeset.dataset != self.dataset_id:
            raise DamagedData(f"{path} is the header of another changeset")
        before = self._read.get(number - 1)
        after = self._read.get(number + 1)
        if (before and changeset.parent != before.id) or (after and after.parent != changeset.id):
            raise DamagedData(
                f"the chain is broken: changesets next to {number} name another parent",
                hint="run `dsm fsck` to see which header was changed",
            )
        self._read[number] = changeset
        return changeset

    def newest_first(self, start: int | None = None) -> Iterator[Changeset]:
        """Yields headers from `start` (default: the head) down to 1, checking the chain."""
        for number in range(self.head() if start is None else start, 0, -1):
            yield self.get(number)

    def find_transaction(self, transaction: str, after: int) -> Changeset | None:
        """Returns the changeset of a transaction if it landed after the given number."""
        for number in range(after + 1, self.head() + 1):
            changeset = self.get(number)
            if changeset.transaction == transaction:
                return changeset
        return None

    def append(self, changeset: Changeset) -> Changeset | None:
        """Creates the header of a changeset that has no id yet, and returns it with its id; None
        when its number was just taken.

        Durable when it returns: the header file is synced before it is linked, and the folder
        after. Raises OutcomeUnknown when the header is there but could not be made durable.
        """
        self.require()
        where = f"{changeset.number:0{NUMBER_DIGITS}d}"
        path, data = self._headers.path(where), header.encode(changeset)
        if changeset.number > 1:
            # The header before may be of a writer that has not yet synced it, or died before: a
            # power cut must not leave this one without that one.
            disk.sync_dir(os.path.dirname(path))
        try:
            if not self._headers.create_bytes(where, data):
                return None
        except disk.WriteFailed as error:
            if os.path.exists(path) and read_file(path) == data:
                raise OutcomeUnknown(
                    f"{error.message}; changeset {changeset.number} (transaction"
                    f" {changeset.transaction}) is there, but may not outlast a power cut",
                    hint="`dsm log` shows whether it is there; running the command again is safe",
                ) from error
            raise
        return header.decode(data, path)

    # --- queries ---

    def queries(self, number: int) -> dict[str, Document]:
        """Returns the documents of the queries that stand after a changeset, by name."""
        if not number:
            return {}
        live = self.get(number).queries
        return {name: self.get(put).documents[name] for name, put in sorted(live.items())}

    def queries_moved(self, number: int) -> dict[str, tuple[int | None, int | None]]:
        """Returns the queries that a changeset put or removed: where each was before, and is."""
        after = self.get(number).queries
        before = self.get(number - 1).queries if number > 1 else {}
        names = sorted({*before, *after})
        return {
            name: (before.get(name), after.get(name))
            for name in names if before.get(name) != after.get(name)
        }  # fmt: skip

    # --- names for changesets ---

    def resolve(self, reference: str | int) -> int:
        """Turns a number, `head`, a tag or an id prefix into a number; `head~2` and `head^^` are
        two before.

        Raises NotFound, with near matches among the tags, AmbiguousName for the beginning of
        several ids, InvalidInput, and DamagedData for a tag of another history.
        """
        text = str(reference).strip()
        name, steps = _steps_back(text)
        head = self.head()
        if _NUMBER.fullmatch(name) and not (int(name) > head and self._with_id(name)):
            number = int(name)
        elif name.lower() == "head":
            number = head
        else:
            tag = self.read_tag(name)
            number = tag.number if tag else self._by_id(name)
            if tag and 1 <= number <= head and self.get(number).id != tag.id:
                raise DamagedData(f"tag {name} was given to another changeset than {number}")
        number -= steps
        if not head:
            raise NotFound(
                f"dataset {self.name} has no changeset yet", hint="`dsm commit` makes the first one"
            )
        if not 1 <= number <= head:
            raise NotFound(
                f"dataset {self.name} has no changeset {text}", hint=f"its newest one is {head}"
            )
        return number

    def _with_id(self, prefix: str) -> list[int]:
        """Returns the changesets whose id begins so, newest first; none for less than 8 digits."""
        if len(prefix) < 8 or any(c not in "0123456789abcdef" for c in prefix.lower()):
            return []
        return [c.number for c in self.newest_first() if c.id.startswith(prefix.lower())]

    def _by_id(self, prefix: str) -> int:
        found = self._with_id(prefix)
        if len(found) == 1:
            return found[0]
        if found:
            raise AmbiguousName(
                f"{prefix!r} could be {len(found)} changesets",
                hint="give more digits, or the number",
                items=tuple(str(number) for number in reversed(found)),
            )
        near = close_matches(prefix, [tag.name for tag in self.tags()] + ["head"])
        hint = f"did you mean {near[0]}?" if near else "`dsm log` lists changesets, `dsm tag` tags"
        raise NotFound(f"dataset {self.name} has no changeset or tag {prefix!r}", hint=hint)

    def tags(self) -> list[Tag]:
        """Returns all tags, sorted by name."""
        tags = [self.read_tag(name) for name in self._tags.names()]
        return [tag for tag in tags if tag is not None]

    def read_tag(self, name: str) -> Tag | None:
        """Reads a tag; None when there is none of that name."""
        try:
            check_tag_name(name)
        except InvalidInput:
            return None
        path, fields = self._tags.path(name), self._tags.read(name)
        if fields is None:
            return None
        try:
            tag = Tag(
                fields["name"],
                fields["number"],
                fields["changeset"],
                fields["time"],
                fields["message"],
            )
            dataset = fields["dataset"]
        except KeyError as error:
            raise DamagedData(f"{path} lacks {error}") from error
        if (tag.name, dataset) != (name, self.dataset_id):
            raise DamagedData(f"{path} is the tag {tag.name!r} of another name or dataset")
        if [type(v) for v in (tag.number, tag.id, tag.time, tag.message)] != [int, str, int, str]:
            raise DamagedData(f"{path} is no tag: a field is of a kind that does not belong there")
        return tag

    def create_tag(self, tag: Tag) -> bool:
        """Creates a tag; False when the name is taken. Tags never move."""
        check_tag_name(tag.name)
        self.require()
        fields = {
            "name": tag.name,
            "number": tag.number,
            "changeset": tag.id,
            "dataset": self.dataset_id,
            "time": tag.time,
            "message": tag.message,
        }
        return self._tags.create(tag.name, fields)

    def delete_tag(self, name: str) -> None:
        """Removes a tag. Raises NotFound."""
        if self.read_tag(name) is None:
            raise NotFound(f"there is no tag {name!r}")
        self._tags.remove(name)


def _steps_back(text: str) -> tuple[str, int]:
    """Splits `v1^~3` into a name and how many changesets before it are meant. Raises InvalidInput.

    A history has no branches: `^` is always the one before, and there is no `^2`.
    """
    match = re.fullmatch(_BACK, text)
    if match is None:
        raise InvalidInput(f"{text!r} is not a changeset", hint="write head~2, head^, or a number")
    steps = sum(int(step[1:] or "1") for step in re.findall(_STEP, match[2]))
    return match[1], steps
