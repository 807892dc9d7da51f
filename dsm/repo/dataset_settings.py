"""What can be changed of a dataset after it was made: each change is a document of its own.

The newest document counts, and says everything. The next one is made by creating its number, so
that of two processes that change something neither undoes the other's change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from dsm.errors import DamagedData, InvalidInput, StorageFailed
from dsm.model.record_path import above
from dsm.model.target import DEFAULT, Target
from dsm.model.unmatched import check_unmatched
from dsm.repo import documents
from dsm.repo.layout import NUMBER_DIGITS
from dsm.repo.log import ChangesetLog
from dsm.repo.repository import DatasetIdentity, Repository
from dsm.store import disk

if TYPE_CHECKING:
    from dsm.model.categories import Category
    from dsm.model.changeset import Changeset
    from dsm.records.settings import RecordSettings

_ATTEMPTS = 100


@dataclass(frozen=True, slots=True)
class DatasetSettings:
    """What counts for a dataset: `target` is that of views that are made from now on.

    `pattern` and `unmatched` take the place of what the dataset was created with, None being that;
    an empty pattern is none. `records` says by path, of a file or a folder, how files are read that
    `add` finds there, `record_globs` by glob; of several that fit the last counts.
    """

    target: Target = DEFAULT
    pattern: str | None = None
    unmatched: str | None = None
    records: Mapping[str, RecordSettings] = field(default_factory=dict)
    record_globs: tuple[tuple[str, RecordSettings], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Returns the settings as their document has them."""
        fields: dict[str, Any] = {"pattern": self.pattern, "unmatched": self.unmatched}
        if self.target != DEFAULT:
            fields["target"] = self.target.to_json()
        if self.records:
            fields["records"] = {path: each.to_json() for path, each in self.records.items()}
        if self.record_globs:
            fields["record_globs"] = [
                {"glob": glob, **each.to_json()} for glob, each in self.record_globs
            ]
        return {name: value for name, value in fields.items() if value is not None}

    def pattern_of(self, identity: DatasetIdentity) -> str | None:
        """Returns the pattern of a dataset with these settings."""
        return identity.pattern if self.pattern is None else self.pattern or None

    def unmatched_of(self, identity: DatasetIdentity) -> str:
        """Returns what is done with new files that the pattern does not match."""
        return identity.unmatched if self.unmatched is None else self.unmatched

    def records_at(self, path: str) -> tuple[RecordSettings, bool] | None:
        """Returns how a new file is read as records, and whether it was meant itself; None when it
        is one example.

        What is said of a file itself counts, else the last glob that fits it, else what is said of
        the nearest folder above it.
        """
        if path in self.records:
            return self.records[path], True
        if self.record_globs:
            from dsm.model.globs import matches

            for glob, each in reversed(self.record_globs):
                if matches(glob, path):
                    return each, True
        for folder in above(path) if self.records else ():
            if folder in self.records:
                return self.records[folder], False
        return (self.records[""], False) if "" in self.records else None


def read_settings(repository: Repository, dataset: str) -> DatasetSettings:
    """Returns the settings of a dataset that count now. Raises DamagedData, StorageFailed."""
    return _read(repository, dataset)[1]


def change_settings(
    repository: Repository, dataset: str, change: Callable[[DatasetSettings], DatasetSettings]
) -> DatasetSettings:
    """Makes a change durable, unless it changes nothing. Raises DamagedData, StorageFailed."""
    place = documents.dataset_settings(repository.layout, dataset)
    identity = repository.identity(dataset)
    for _ in range(_ATTEMPTS):
        log = ChangesetLog(repository, dataset, identity.id)
        head = log.head()
        # A number that was lost stays free for the document that had it. It is taken before the
        # settings are read, so that nobody's are replaced that were not seen.
        number = newest_settings(repository, dataset, log.get(head) if head else None) + 1
        settings = _read(repository, dataset)[1]
        changed = change(settings)
        if changed == settings:
            return settings
        disk.make_dir(place.folder)  # not those above it, which a rename may have moved
        fields = {"number": number, "settings": changed.to_json()}
        if place.create(f"{number:0{NUMBER_DIGITS}d}", fields):
            return changed
    raise StorageFailed(
        f"the settings of {dataset} are changed by others without end", hint="try again"
    )


def settings_numbers(repository: Repository, dataset: str) -> set[int]:
    """Returns the numbers of all settings of a dataset that are there."""
    names = documents.dataset_settings(repository.layout, dataset).names()
    return {int(name) for name in names if name.isdecimal()}


def newest_settings(repository: Repository, dataset: str, head: Changeset | None) -> int:
    """Returns the highest number that settings of a dataset have had, as far as documents and the
    head tell; 0 for none."""
    known = head.settings if head else 0
    return max(known, *settings_numbers(repository, dataset), 0)


def know_classes(repository: Repository, dataset: str, listed: Sequence[Category]) -> None:
    """Notes the classes that a file of labels lists. Raises DamagedData, StorageFailed."""
    if listed:
        change_settings(
            repository, dataset, lambda now: replace(now, target=now.target.knowing(listed))
        )


def _records_of(fields: dict[str, Any]) -> dict[str, RecordSettings]:
    from dsm.records.settings import RecordSettings  # few datasets have records

    return {path: RecordSettings.from_json(each) for path, each in fields.items()}


def _globs_of(listed: list[dict[str, Any]]) -> tuple[tuple[str, RecordSettings], ...]:
    from dsm.model.globs import check_glob
    from dsm.records.settings import RecordSettings

    return tuple(
        (
            check_glob(each["glob"]),
            RecordSettings.from_json({n: v for n, v in each.items() if n != "glob"}),
        )
        for each in listed
    )


def settings_of(fields: dict[str, Any], where: str) -> DatasetSettings:
    """Reads a document of settings. Raises DamagedData."""
    try:
        found = fields["settings"]
        target = Target.from_json(found["target"]) if "target" in found else DEFAULT
        records = _records_of(found["records"]) if "records" in found else {}
        globs = _globs_of(found["record_globs"]) if "record_globs" in found else ()
        pattern, unmatched = found.get("pattern"), found.get("unmatched")
        if not isinstance(pattern, str | None):
            raise TypeError("the pattern is no text")
        if unmatched is not None:
            check_unmatched(unmatched)
        settings = DatasetSettings(target, pattern, unmatched, records, globs)
    except (KeyError, TypeError, ValueError, AttributeError, InvalidInput) as error:
        raise DamagedData(f"{where} does not hold settings of a dataset: {error}") from error
    if settings.to_json() != found:
        raise DamagedData(
            f"{where} sets something that this dsm does not know",
            hint="it was written by a newer dsm: use that one",
        )
    return settings


def _read(repository: Repository, dataset: str) -> tuple[int, DatasetSettings]:
    place = documents.dataset_settings(repository.layout, dataset)
    numbers = [name for name in place.names() if name.isdecimal()]
    if not numbers:
        return 0, DatasetSettings()
    newest = max(numbers)
    fields = place.read(newest)
    path = place.path(newest)
    if fields is None or fields.get("number") != int(newest):
        raise DamagedData(f"{path} is not where its number belongs")
    return int(newest), settings_of(fields, path)
