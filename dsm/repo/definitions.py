"""Named definitions of a dataset, splits and segments: who made each, when, why and how.

A definition is created under its name and never changed: another one needs another name, or the
removal of this one. No view depends on a name: what is defined becomes part of its query.
Specified in docs/format/split.md and docs/format/segment.md.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dsm.errors import AlreadyExists, DamagedData, InvalidInput, NotFound
from dsm.model.names import check_tag_name, close_matches
from dsm.repo import documents
from dsm.repo.documents import Documents
from dsm.repo.repository import Repository
from dsm.store import disk

SPLIT, SEGMENT = KINDS = ("split", "segment")
TEXT_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Definition:
    """What a name stands for: `fields` say it; `number` and `changeset` were the head then.

    `time` is in microseconds UTC, `message` says why.
    """

    name: str
    fields: dict[str, Any]
    number: int
    changeset: str
    author: str
    time: int
    message: str = ""


class Definitions:
    """The splits, or the segments, of one dataset.

    `check` refuses fields that are not what `kind` says, with a DamagedData.
    """

    def __init__(
        self,
        repository: Repository,
        dataset: str,
        dataset_id: str,
        kind: str,
        check: Callable[[dict[str, Any], str], object],
    ):
        self.kind = kind
        self._dataset = dataset_id
        self._check = check
        self._place: Documents = documents.definitions(repository.layout, dataset, kind)

    def names(self) -> list[str]:
        """Returns the names of all, sorted."""
        return self._place.names()

    def all(self) -> list[Definition]:
        """Returns all, sorted by name. Raises DamagedData."""
        found = [self._read(name) for name in self.names()]
        return [each for each in found if each is not None]

    def get(self, name: str) -> Definition:
        """Returns the one of this name. Raises NotFound with near matches, DamagedData."""
        found = self._read(name)
        if found is None:
            near = close_matches(name, self.names())
            raise NotFound(
                f"there is no {self.kind} {name!r}",
                hint=f"did you mean {near[0]}?" if near
                else f"`dsm {self.kind} list` lists them, `dsm {self.kind} create` makes one",
            )  # fmt: skip
        return found

    def create(self, definition: Definition) -> None:
        """Creates one; durable when it returns. Raises AlreadyExists, InvalidInput."""
        check_definition_name(self.kind, definition.name)
        for text in (definition.author, definition.message):
            if len(text) > TEXT_MAX or any("\ud800" <= char <= "\udfff" for char in text):
                raise InvalidInput(f"a description has at most {TEXT_MAX:,} characters of UTF-8")
        disk.make_dirs(self._place.folder)
        fields = {
            "kind": self.kind, "name": definition.name, "dataset": self._dataset,
            "definition": definition.fields,
            "at": {"number": definition.number, "changeset": definition.changeset},
            "author": definition.author, "time": definition.time, "message": definition.message,
        }  # fmt: skip
        if not self._place.create(definition.name, fields):
            raise AlreadyExists(
                f"there is a {self.kind} {definition.name!r} already, and it never changes",
                hint=f"choose another name, or remove that one: dsm {self.kind} rm"
                f" {definition.name}",
            )

    def remove(self, name: str) -> Definition:
        """Removes one and returns it; views made with it stay. Raises NotFound, DamagedData."""
        found = self.get(name)
        self._place.remove(name)
        return found

    def _read(self, name: str) -> Definition | None:
        try:
            check_definition_name(self.kind, name)
        except InvalidInput:
            return None
        path, fields = self._place.path(name), self._place.read(name)
        if fields is None:
            return None
        try:
            found = Definition(
                fields["name"], fields["definition"], fields["at"]["number"],
                author=fields["author"], time=fields["time"], message=fields["message"],
                changeset=fields["at"]["changeset"],
            )  # fmt: skip
            kinds = [found.name, found.changeset, found.author, found.message]
            if not all(isinstance(text, str) for text in kinds):
                raise ValueError("a field is of a kind that does not belong there")
            if type(found.number) is not int or type(found.time) is not int:
                raise ValueError("a field is of a kind that does not belong there")
            said = (fields["kind"], fields["dataset"], found.name)
        except (KeyError, TypeError, ValueError) as error:
            raise DamagedData(f"{path} is no {self.kind}: {error}") from error
        if said != (self.kind, self._dataset, name):
            raise DamagedData(f"{path} is the {self.kind} of another name or dataset")
        self._check(found.fields, path)
        return found


def check_definition_name(kind: str, name: str) -> str:
    """Returns `name`, a legal name of a split or a segment; raises InvalidInput."""
    return check_tag_name(name, kind)


def made_at(repository: Repository, dataset: str) -> dict[int, list[str]]:
    """Returns which definitions were made when a changeset was the head: "split cv".

    Raises DamagedData for one that does not say it.
    """
    found: dict[int, list[str]] = {}
    for kind in KINDS:
        place = documents.definitions(repository.layout, dataset, kind)
        for name in place.names():
            fields = place.read(name) or {}
            at = fields.get("at")
            number = at.get("number") if isinstance(at, dict) else None
            if type(number) is not int:
                raise DamagedData(f"{place.path(name)} does not say when it was made")
            found.setdefault(number, []).append(f"{kind} {name}")
    return found
