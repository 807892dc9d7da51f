"""Changesets and tags: what `dsm log`, `dsm show` and `dsm tag` answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from dsm.answers.examples import change_fields, records_files_fields
from dsm.answers.queries import query_change_fields
from dsm.model.changeset import Changeset
from dsm.model.example import kinds_by_folder
from dsm.model.timespec import format_time

if TYPE_CHECKING:
    from dsm.dataset_history import Paths
    from dsm.datasets import Dataset
    from dsm.history.difference import Trail
    from dsm.model.difference_report import Diff
    from dsm.model.restore_reports import RevertReport
    from dsm.repo.log import Tag


def changeset_fields(changeset: Changeset) -> dict[str, Any]:
    """Returns a changeset; the time in RFC 3339."""
    counts = changeset.counts
    return {
        "number": changeset.number,
        "id": changeset.id,
        "parent": changeset.parent,
        "dataset_id": changeset.dataset,
        "transaction": changeset.transaction,
        "kind": changeset.kind,
        "message": changeset.message,
        "author": changeset.author,
        "time": format_time(changeset.time),
        "added": counts.added,
        "modified": counts.modified,
        "relabelled": counts.relabelled,
        "deleted": counts.deleted,
        "size": changeset.size,
        "examples": changeset.examples,
        "manifest": changeset.manifest,
        "manifest_bytes": changeset.manifest_bytes,
        "source": changeset.source,
        "note": changeset.note,
        "reverts": changeset.reverts,
        "trailers": {key: list(values) for key, values in changeset.trailers.items()},
        "verdict": None if changeset.verdict is None else changeset.verdict.to_json(),
        "attributes": dict(changeset.attributes),
        "live_queries": dict(changeset.queries),
    }


def log_answer(
    dataset: Dataset,
    changesets: Iterable[Changeset],
    paths: Paths | Trail | None = None,
    *,
    stat: bool = False,
    patch: bool = False,
) -> dict[str, Any]:
    """Returns what `dsm log` answers; with `stat` each changeset's changes by folder, too, with
    `patch` the changes themselves, those at or below `paths`."""
    return {"dataset": dataset.name, "changesets": _log(dataset, changesets, paths, stat, patch)}


def _log(
    dataset: Dataset,
    changesets: Iterable[Changeset],
    paths: Paths | Trail | None,
    stat: bool,
    patch: bool,
) -> Iterator[dict[str, Any]]:
    made = dataset.definitions_at()
    for changeset in changesets:
        fields = changeset_fields(changeset)
        fields["definitions"] = made.get(changeset.number, [])
        if stat or patch:
            diff = dataset.changes(changeset.number, paths)
            fields["queries"] = [query_change_fields(change) for change in diff.queries]
            if stat:
                folders = kinds_by_folder(diff.changes)
                fields["folders"] = [{"folder": name, **kinds} for name, kinds in folders.items()]
            if patch:
                fields["changes"] = [change_fields(change) for change in diff.changes]
        yield fields


def changeset_answer(dataset: str, changeset: Changeset) -> dict[str, Any]:
    """Returns what `commit`, `revert` and `rollback` answer: the changeset that was made."""
    return {"dataset": dataset, **changeset_fields(changeset)}


def revert_plan_answer(dataset: str, planned: RevertReport) -> dict[str, Any]:
    """Returns what `dsm revert --dry-run` answers."""
    return {
        "dataset": dataset,
        "reverts": planned.number,
        "kept": list(planned.kept),
        **_planned(planned),
    }


def rollback_plan_answer(dataset: str, planned: RevertReport) -> dict[str, Any]:
    """Returns what `dsm rollback --dry-run` answers."""
    return {"dataset": dataset, "to": planned.number, **_planned(planned)}


def _planned(planned: RevertReport) -> dict[str, Any]:
    return {
        "written": list(planned.written),
        "removed": list(planned.removed),
        "queries": [query_change_fields(change) for change in planned.queries],
        "changes": map(change_fields, planned.changes),
    }


def show_answer(dataset: str, changeset: Changeset, diff: Diff) -> dict[str, Any]:
    """Returns what `dsm show` answers; `diff` is what the changeset did."""
    return {
        "dataset": dataset,
        **changeset_fields(changeset),
        "queries": [query_change_fields(change) for change in diff.queries],
        "records_files": records_files_fields(diff.changes),
        "changes": map(change_fields, diff.changes),
    }


def tags_answer(dataset: str, tags: Iterable[Tag]) -> dict[str, Any]:
    """Returns what `dsm tag` answers: the tags that it lists, made or deleted."""
    return {"dataset": dataset, "tags": map(_tag_fields, tags)}


def _tag_fields(tag: Tag) -> dict[str, Any]:
    return {
        "name": tag.name,
        "number": tag.number,
        "id": tag.id,
        "time": format_time(tag.time),
        "message": tag.message,
    }
