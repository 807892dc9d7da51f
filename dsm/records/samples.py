"""What members of an archive say of each other, as WebDataset lays them out.

Members behind each other with one name up to its first dot are a sample. What is said of a sample
(`.json`, `.cls`, `.txt`) makes the fields of its other members, each of which is an example; alone,
it is an example itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from dsm.errors import InvalidInput
from dsm.model.names import check_path, printable
from dsm.model.record_path import spelt_key
from dsm.records.gathering import LOOKED_AT, Gathering

# Longer ones are examples, whatever their name.
SAID_BYTES_MAX = 1 << 20
_SAID = ("json", "cls", "txt", "text", "caption")
_FIELDS = {"text": "txt", "caption": "txt"}


@dataclass(slots=True)
class Member:
    """A file in an archive; `content` is held of what may be said of others."""

    name: str
    number: int
    oid: bytes
    size: int
    content: bytes | None = None

    @property
    def extension(self) -> str:
        """Returns what is behind the first dot, in lower case."""
        return self.name.rpartition("/")[2].partition(".")[2].lower()

    @property
    def sample(self) -> str:
        """Returns the name up to the first dot of its last part."""
        folder, slash, last = self.name.rpartition("/")
        return folder + slash + last.partition(".")[0]


def may_say(name: str, size: int) -> bool:
    """Whether a member may be one that is said of others, so that its content is to be held."""
    last = name.rpartition("/")[2].partition(".")[2].lower()
    return last in _SAID and size <= SAID_BYTES_MAX


@dataclass(slots=True)
class Samples:
    """Takes the members of an archive in their order, and makes records of them."""

    gathered: Gathering
    say: Callable[[dict[str, Any]], object] | None = None  # is told the fields of each example
    taken: list[Member] = field(default_factory=list)  # those that became examples
    _names: dict[str, int] = field(default_factory=dict)
    _open: list[Member] = field(default_factory=list)
    _sample: str = ""  # the name of the open ones

    def checked(self, name: str, number: int) -> str:
        """Returns the name of a member as that of an example. Raises RecordsInvalid for one that
        leads out of the archive, or comes twice."""
        try:
            path = check_path(name.removeprefix("./"))
        except (InvalidInput, UnicodeEncodeError):
            raise self.gathered.wrong(
                number,
                f"has the name '{printable(name[:200])}', which no file of a dataset can have",
                "dsm unpacks nothing; pack it again with plain names below one folder",
            ) from None  # fmt: skip
        other = self._names.setdefault(path, number)
        if other != number:
            shown = printable(name[:200])
            raise self.gathered.wrong(
                number, f"has the name '{shown}', as member {other} has",
                "pack it again with each file once",
            )  # fmt: skip
        return path

    def add(self, member: Member) -> None:
        """Takes the next member."""
        sample = member.sample
        if self._open and self._sample != sample:
            self.close()
        self._sample = sample
        self._open.append(member)

    def close(self) -> None:
        """Makes records of the sample that is open; to be called behind the last member, too."""
        if len(self._open) == 1:
            self._record(self._open[0], {"name": self._open[0].name})
            self._open = []
            return
        said = [m for m in self._open if m.content is not None and m.extension in _SAID]
        examples = [m for m in self._open if m not in said]
        if not examples and said:
            texts = [m for m in said if _FIELDS.get(m.extension, m.extension) == "txt"]
            examples = [(texts or said)[0]]
        fields: dict[str, Any] = {}
        for member in said:
            if member not in examples:
                fields.update(self._fields(member))
        for member in examples:
            self._record(member, {"name": member.name, **fields})
        self._open = []

    def _record(self, member: Member, fields: dict[str, Any]) -> None:
        gathered = self.gathered
        gathered.take(member.oid, member.size, member.number)
        self.taken.append(member)
        if len(gathered.out) <= LOOKED_AT:
            gathered.look_at(fields)
        if self.say is not None:
            self.say(fields)
        if gathered.listens:
            gathered.hear(fields, member.number, f"('{printable(member.name)}') ")
        if not gathered.settings.key:
            gathered.out.keys.append(spelt_key(member.name))

    def _fields(self, member: Member) -> Iterator[tuple[str, Any]]:
        """Yields what is said of a sample, by fields."""
        assert member.content is not None
        try:
            text = str(member.content, "utf-8")
            if member.extension != "json":
                yield _FIELDS.get(member.extension, member.extension), text.strip()
                return
            found = json.loads(text)
        except (ValueError, RecursionError) as error:
            kind = "UTF-8" if isinstance(error, UnicodeDecodeError) else "JSON"
            raise self.gathered.wrong(
                member.number, f"('{printable(member.name)}') is not {kind}, so it says nothing of"
                " its sample", "mend it, or pack it under a name of its own",
            ) from None  # fmt: skip
        if isinstance(found, dict):
            yield from found.items()
        else:
            yield "json", found
