"""Prepared views on disk: a query, what it selected, and the names given to it.

A view's document is created once and never changed: preparing the same query anywhere writes the
same bytes. Removing one loses nothing but the record; the query can be prepared again. Where the
repository cannot be written, the document goes to the user's cache folder, and is found there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from dsm.errors import (
    AlreadyExists,
    AmbiguousName,
    DamagedData,
    DsmError,
    InvalidInput,
    NotFound,
)  # fmt: skip
from dsm.format.document import DocumentTooLarge
from dsm.model.names import check_tag_name, close_matches
from dsm.repo import documents
from dsm.repo.documents import Documents
from dsm.repo.repository import Repository
from dsm.store import disk
from dsm.views.query.view_query import ViewQuery
from dsm.views.selection.content import ContentSummary

PREFIX_MIN = 8
MANY_LABELS = 1000  # fewer do not make a document too large
_HEX = re.compile(r"[0-9a-f]+").fullmatch


@dataclass(frozen=True, slots=True)
class Record:
    """A prepared view of a dataset, with the names it was given.

    `unknown_labels` were to be left out, and no example had them. Where the newest share ends
    among examples of equal time, `ties` says how many there are and how many of them are taken.
    """

    dataset: str
    query: ViewQuery
    content: ContentSummary
    names: tuple[str, ...] = ()
    unknown_labels: tuple[str, ...] = ()
    ties: tuple[int, int] | None = None

    @property
    def version(self) -> str:
        return self.query.version


def write_record(
    repository: Repository,
    dataset: str,
    query: ViewQuery,
    content: ContentSummary,
    unknown_labels: tuple[str, ...] = (),
    *,
    ties: tuple[int, int] | None = None,
    to_be_named: bool = False,
) -> None:
    """Remembers a view. Raises DamagedData when it once held something else, DocumentTooLarge when
    it has more labels than can be told.

    Where nothing can be written it goes to the user's cache, but for one that is `to_be_named`: a
    name in the repository must not lead to a record elsewhere.
    """
    fields: dict[str, Any] = {
        "query": query.to_json(), "version": query.version, "content": content.to_json(),
    }  # fmt: skip
    if unknown_labels:
        fields["unknown_labels"] = list(unknown_labels)
    if ties is not None:
        fields["ties"] = list(ties)
    try:
        if documents.views(repository.layout, dataset).create(query.version, fields):
            return
    except DocumentTooLarge as error:
        if len(content.labels) < MANY_LABELS:
            raise
        raise DocumentTooLarge(
            f"the view has {len(content.labels):,} labels, more than a view can tell of",
            hint="choose some with --label, or keep such values as attributes, not as labels",
        ) from error
    except disk.Unwritable as error:
        if to_be_named or (isinstance(error, disk.WriteFailed) and not error.not_allowed):
            raise
        _write_to_cache(repository, dataset, query.version, fields)
        return
    known = read_record(repository, dataset, query.version)
    if known is not None and known.content != content:
        raise DamagedData(
            f"view {query.version[:12]} held {known.content.examples} examples with digest"
            f" {known.content.digest[:12]} when it was prepared, now {content.examples} with"
            f" {content.digest[:12]}",
            hint="`dsm fsck` checks the changesets that it is made of",
        )


def read_record(repository: Repository, dataset: str, version: str) -> Record | None:
    """Reads a prepared view; None when it is not recorded. Raises DamagedData."""
    place, *caches = _places(repository, dataset)
    record = _read(place, dataset, version)
    for cache in caches if record is None else ():
        with suppress(DsmError):  # what is in a cache can be lost
            record = _read(cache, dataset, version)
    return record


def _read(place: Documents, dataset: str, version: str) -> Record | None:
    path, fields = place.path(version), place.read(version)
    if fields is None:
        return None
    query = ViewQuery.from_json(fields.get("query", {}), path)
    if query.version != version:
        raise DamagedData(f"{path} does not hold the query of its name")
    unknown = fields.get("unknown_labels", [])
    if not isinstance(unknown, list) or not all(isinstance(label, str) for label in unknown):
        raise DamagedData(f"{path} does not say which labels are unknown")
    ties = fields.get("ties")
    if ties is not None and (
        not isinstance(ties, list) or len(ties) != 2 or any(type(n) is not int for n in ties)
    ):
        raise DamagedData(f"{path} does not say how many examples have the time of its cut-off")
    content = ContentSummary.from_json(fields.get("content"), path)
    return Record(
        dataset, query, content, unknown_labels=tuple(unknown),
        ties=None if ties is None else (ties[0], ties[1]),
    )  # fmt: skip


def list_records(repository: Repository, dataset: str) -> list[Record]:
    """Returns all prepared views of a dataset: by changeset, then by version."""
    names: dict[str, list[str]] = {}
    for name, version in _names(repository, dataset):
        names.setdefault(version, []).append(name)
    found: list[Record] = []
    for version in _versions(repository, dataset):
        record = read_record(repository, dataset, version)
        if record is not None:
            given = tuple(sorted(names.get(version, ())))
            found.append(replace(record, names=given))
    return sorted(found, key=lambda record: (record.query.at, record.version))


def names_of(repository: Repository, dataset: str, version: str) -> tuple[str, ...]:
    """Returns the names that were given to a view, sorted."""
    return tuple(sorted(n for n, v in _names(repository, dataset) if v == version))


def check_view_name(name: str) -> str:
    """Returns `name`, a legal name of a view: no changeset, no version; else InvalidInput."""
    check_tag_name(name, "view")
    if len(name) == 64 and _HEX(name.lower()):
        raise InvalidInput(f"the view name '{name}' looks like a version", hint="choose a word")
    return name


def give_name(repository: Repository, dataset: str, name: str, version: str) -> None:
    """Names a view. Raises AlreadyExists when the name stands for another one."""
    check_view_name(name)
    names = documents.view_names(repository.layout, dataset)
    present = names.read(name)
    if present is not None or not names.create(name, {"name": name, "version": version}):
        present = present or names.read(name)
        if present is None or present.get("version") != version:
            raise AlreadyExists(
                f"the name {name!r} stands for another view already",
                hint=f"choose another name, or remove that view: dsm view rm {name}",
            )


def rename(repository: Repository, old: str, new: str) -> Record:
    """Replaces a name of a view by another one; returns the view.

    The new one comes first: an interruption leaves both, and never none. Raises NotFound,
    InvalidInput, and AlreadyExists when the new one stands for another view.
    """
    record = find_named(repository, old)
    if old != check_view_name(new):
        give_name(repository, record.dataset, new, record.version)
        documents.view_names(repository.layout, record.dataset).remove(old)
    return record


def take_name(repository: Repository, name: str) -> Record:
    """Takes a name from its view, which stays; returns the view. Raises NotFound."""
    record = find_named(repository, name)
    documents.view_names(repository.layout, record.dataset).remove(name)
    return record


def find_named(repository: Repository, name: str) -> Record:
    """Finds a prepared view by a name alone. Raises NotFound, AmbiguousName, InvalidInput."""
    record = find_record(repository, name)
    if name not in names_of(repository, record.dataset, record.version):
        raise NotFound(
            f"{name!r} is a version, not a name of a view", hint="`dsm view rm` forgets a view"
        )
    return record


def _where(repository: Repository) -> str:
    return f"at {repository.opened_from}" if repository.opened_from else "here"


def _how_to_get_one(repository: Repository) -> str:
    if not repository.opened_from:
        return "`dsm prepare` names a view and prints its version"
    return "`dsm push` in the copy where it was prepared brings it there, with its dataset"


def remove_record(repository: Repository, dataset: str, version: str) -> None:
    """Forgets a view and its names; its examples are untouched."""
    for name in names_of(repository, dataset, version):
        documents.view_names(repository.layout, dataset).remove(name)
    for place in _places(repository, dataset):
        if os.path.lexists(place.path(version)):
            place.remove(version)


def find_record(repository: Repository, text: str) -> Record:
    """Finds a prepared view by version, unique prefix of at least 8 digits, or name.

    Raises NotFound with near matches, AmbiguousName, InvalidInput when the prefix is too short.
    """
    wanted = text.strip()
    digits = wanted.lower() if _HEX(wanted.lower()) else ""
    found: dict[str, str] = {}
    known: list[str] = []
    for dataset in repository.datasets():
        names = dict(_names(repository, dataset))
        known += names
        # A whole version is never taken for a name.
        version = None if len(digits) == 64 else names.get(wanted)
        if version is not None:
            found[version] = dataset
        elif len(digits) >= PREFIX_MIN:
            versions = _versions(repository, dataset)
            found.update((v, dataset) for v in versions if v.startswith(digits))
    if not found:
        near = close_matches(wanted, known)
        if digits and len(digits) < PREFIX_MIN:
            more = f"give {PREFIX_MIN} digits or more"
            raise InvalidInput(
                f"{wanted!r} is too short for a version, and no view has that name",
                hint=f"did you mean {' or '.join(near)}? else {more}" if near else more,
            )
        raise NotFound(
            f"there is no view {wanted!r} {_where(repository)}",
            hint=f"did you mean {near[0]}?" if near else _how_to_get_one(repository),
        )
    if len(found) > 1:
        named = wanted in known
        raise AmbiguousName(
            f"{wanted!r} could be {len(found)} views",
            hint="give the version of the one that is meant" if named else "give more digits",
            items=tuple(sorted(found)),
        )
    version, dataset = next(iter(found.items()))
    record = read_record(repository, dataset, version)
    if record is None:
        raise NotFound(f"the view {wanted!r} is named but not recorded", hint="prepare it again")
    return record


def _places(repository: Repository, dataset: str) -> list[Documents]:
    """Where the views of a dataset may lie: in the repository, then in the user's cache."""
    places = [documents.views(repository.layout, dataset)]
    cache = repository.environment.cache_folder()
    if cache is not None:
        places.append(documents.cached_views(cache, repository.id, dataset))
    return places


def _write_to_cache(
    repository: Repository, dataset: str, version: str, fields: dict[str, Any]
) -> None:
    """Remembers a view for this user alone; without a cache, this process is all that has it."""
    for place in _places(repository, dataset)[1:]:
        with suppress(disk.WriteFailed):
            disk.make_dirs(place.folder, mode=0o700, durable=False)
            place.create(version, fields)


def _versions(repository: Repository, dataset: str) -> list[str]:
    found: set[str] = set()
    for place in _places(repository, dataset):
        with suppress(OSError):
            found.update(place.names())
    return sorted(found)


def _names(repository: Repository, dataset: str) -> Iterator[tuple[str, str]]:
    """Yields (name, version) of all names. Raises DamagedData."""
    names = documents.view_names(repository.layout, dataset)
    for given in names.names():
        fields = names.read(given) or {}
        name, version = fields.get("name"), fields.get("version")
        if name != given or not isinstance(version, str) or len(version) != 64:
            raise DamagedData(f"{names.path(given)} does not hold the name of a view")
        yield name, version
