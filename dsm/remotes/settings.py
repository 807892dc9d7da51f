"""Settings of a dataset that were changed both here and on a remote: put together as one.

Each change of settings is a document with the next number, and says everything. Two copies that
change something give one number to two documents, which both stay. What counts after that is a
document above both, with what each side has changed since the newest one that both have. Of what
both changed to something else, that of this copy counts, as its changesets come on top, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from blake3 import blake3

from dsm.errors import DamagedData
from dsm.model.target import Target
from dsm.remotes.backend import NotOnRemote, RemoteDamaged, RemoteFailed
from dsm.remotes.collisions import HistoriesDiverged
from dsm.remotes.contents import RemoteDataset, decoded, get_document
from dsm.remotes.differing import note_documents
from dsm.remotes.remote import Remote
from dsm.repo import documents
from dsm.repo.dataset_settings import DatasetSettings, settings_of
from dsm.repo.layout import NUMBER_DIGITS

SETTINGS = "settings"
_FILE = re.compile(rf"([0-9]{{{NUMBER_DIGITS}}})\.json")


@dataclass(frozen=True, slots=True)
class BothSettings:
    """Numbers of settings after `base`, the newest one that both sides have (0 for none): those
    that are `ours`, and `theirs`. Both sides changed something where neither is empty."""

    base: int
    ours: tuple[int, ...]
    theirs: tuple[int, ...]

    @property
    def diverged(self) -> bool:
        return bool(self.ours and self.theirs)


def compare_settings(remote: Remote, there: RemoteDataset, name: str) -> BothSettings:
    """Compares the settings of a dataset, `name` here. Raises RemoteFailed, RemoteRefused,
    RemoteDamaged."""
    place = documents.dataset_settings(remote.repository.layout, name)
    here = {int(each) for each in place.names() if each.isdecimal()}
    listed = (_FILE.fullmatch(file) for file in there.documents.get(SETTINGS, ()))
    theirs = {int(found[1]) for found in listed if found is not None}
    base = 0
    for number in sorted(here & theirs, reverse=True):
        data = place.read_bytes(_written(number))
        if data is not None and _hash_there(remote, there, number) == _hash(data):
            base = number
            break
    return BothSettings(
        base,
        tuple(sorted(number for number in here if number > base)),
        tuple(sorted(number for number in theirs if number > base)),
    )


def merge_settings(remote: Remote, there: RemoteDataset, name: str) -> tuple[str, ...]:
    """Puts settings that both sides changed together, as a document above all of both.

    It comes before those of the remote are taken over, whose newest one would count until then.
    Returns what both sides changed to something else, of which this copy's counts. Raises
    HistoriesDiverged when somebody changes them in this moment, and what `compare_settings` does.
    """
    found = compare_settings(remote, there, name)
    if not found.diverged:
        return ()
    ours, theirs, (settings, both) = _together(remote, there, name, found)
    mine, other = found.ours[-1], found.theirs[-1]
    if (mine > other and settings == ours) or (other > mine and settings == theirs):
        return ()  # that counts already, or will when theirs is taken over
    number = max(mine, other) + 1
    place = documents.dataset_settings(remote.repository.layout, name)
    if not place.create(_written(number), {"number": number, "settings": settings.to_json()}):
        raise HistoriesDiverged(
            f"the settings of dataset {name} were changed in this moment",
            hint="run the command again",
        )
    return tuple(f"{SETTINGS}/{each}" for each in both)


def wait_for_pull(remote: Remote, there: RemoteDataset, name: str) -> bool:
    """Whether settings here would take the place of what the remote has changed since: a pull puts
    them together. Raises what `compare_settings` does."""
    found = compare_settings(remote, there, name)
    if not found.diverged:
        return False
    ours, _, (settings, _) = _together(remote, there, name, found)
    return not (found.ours[-1] > found.theirs[-1] and settings == ours)


def _together(
    remote: Remote, there: RemoteDataset, name: str, found: BothSettings
) -> tuple[DatasetSettings, DatasetSettings, tuple[DatasetSettings, tuple[str, ...]]]:
    """Returns the settings here and there, and what comes of both."""
    before = _ours(remote, name, found.base) if found.base else DatasetSettings()
    ours = _ours(remote, name, found.ours[-1])
    theirs = _theirs(remote, there, found.theirs[-1])
    return ours, theirs, put_together(before, ours, theirs)


def put_together(
    before: DatasetSettings, ours: DatasetSettings, theirs: DatasetSettings
) -> tuple[DatasetSettings, tuple[str, ...]]:
    """Returns settings with what each side changed of those `before`, and the names of what both
    changed to something else: those of `ours` count."""
    both: list[str] = []

    def one(name: str, was: Any, mine: Any, other: Any) -> Any:
        if was != mine and mine != other and other != was:
            both.append(name)
        return other if mine == was else mine

    def each(
        name: str, was: Mapping[str, Any], mine: Mapping[str, Any], other: Mapping[str, Any]
    ) -> dict[str, Any]:
        found = {
            key: one(f"{name}/{key}", was.get(key), mine.get(key), other.get(key))
            for key in dict.fromkeys((*other, *mine))
        }
        return {key: value for key, value in found.items() if value is not None}

    records = each("records", before.records, ours.records, theirs.records)
    globs = each("glob", *(dict(side.record_globs) for side in (before, ours, theirs)))
    settings = DatasetSettings(
        target=_target(one, before.target, ours.target, theirs.target),
        pattern=one("pattern", before.pattern, ours.pattern, theirs.pattern),
        unmatched=one("unmatched", before.unmatched, ours.unmatched, theirs.unmatched),
        records=dict(sorted(records.items())),
        record_globs=tuple(globs.items()),
    )
    return settings, tuple(both)


def _target(
    one: Callable[[str, Target, Target, Target], Target], was: Target, mine: Target, other: Target
) -> Target:
    """Returns the target with the classes that files of labels listed on either side."""
    chosen = one("target", *(replace(each, categories=()) for each in (was, mine, other)))
    known = other.knowing(mine.categories)
    return chosen.with_categories_of(known)


def _ours(remote: Remote, name: str, number: int) -> DatasetSettings:
    place = documents.dataset_settings(remote.repository.layout, name)
    fields = place.read(_written(number))
    if fields is None:
        raise HistoriesDiverged(
            f"the settings of dataset {name} were changed in this moment",
            hint="run the command again",
        )
    return settings_of(fields, place.path(_written(number)))


def _theirs(remote: Remote, there: RemoteDataset, number: int) -> DatasetSettings:
    where = there.path(SETTINGS, f"{_written(number)}.json")
    fields = decoded(remote.backend, where, get_document(remote.backend, where))
    try:
        return settings_of(dict(fields), f"{where} on {remote.entry.url}")
    except DamagedData as error:
        raise RemoteDamaged(error.message, hint=error.hint) from None


def _hash_there(remote: Remote, there: RemoteDataset, number: int) -> str:
    """Returns the hash of settings on a remote, which is asked for it once."""
    name = f"{SETTINGS}/{_written(number)}.json"
    known = remote.tracking.documents(there.id).get(name)
    if known is None:
        try:
            data = get_document(remote.backend, there.path(*name.split("/")))
        except NotOnRemote as error:
            raise RemoteFailed(f"{error.message}, though it was listed") from None
        note_documents(remote, there.id, {name: data})
        known = _hash(data)
    return known


def _hash(data: bytes) -> str:
    return str(blake3(data).hexdigest())


def _written(number: int) -> str:
    return f"{number:0{NUMBER_DIGITS}d}"
