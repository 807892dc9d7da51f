"""The state of the stage and the files: what `dsm status` answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from dsm.answers.examples import records_files_fields
from dsm.answers.queries import check_fields
from dsm.model.example import Change

if TYPE_CHECKING:
    from dsm.model.status_report import Status
    from dsm.remotes.reports import ObjectsHere, PullUnderWay
    from dsm.remotes.tracking import Distance
    from dsm.sources.checking import QueryCheck


def status_answer(
    status: Status,
    distance: Distance | None = None,
    checks: Iterable[QueryCheck] | None = None,
    lock: Sequence[str] | None = None,
    here: ObjectsHere | None = None,
    pull: PullUnderWay | None = None,
) -> dict[str, Any]:
    """Returns what `dsm status` answers; with `checks` also what the sources said.

    `distance` is how far the dataset is from its remote, if that was ever seen; `lock` says how it
    differs from dsm.lock, if there is one; `here` how much is here of a copy that fetches objects
    when they are read; `pull` is one that was stopped or refused.
    """
    fields: dict[str, Any] = {
        "dataset": status.dataset,
        "head": status.head,
        "examples": status.examples,
        "clean": status.clean,
        "queries": list(status.queries),
        "staged_queries": [{"kind": c.kind, "name": c.name} for c in status.staged_queries],
        "staged": [_change_fields(change) for change in status.staged],
        "unstaged": [_change_fields(change) for change in status.unstaged],
        "staged_records": records_files_fields(status.staged),
        "unstaged_records": records_files_fields(status.unstaged),
        "untracked": list(status.untracked),
        "left_out": list(status.left_out),
        "absent": status.absent,
        "files_at": status.files_at,
        "remote": None if distance is None else _distance_fields(distance),
        "pull": None if pull is None else {"remote": pull.remote, "waits": pull.waits},
        "objects": None if here is None else _objects_fields(here),
        "lock": None if lock is None else list(lock),
        "failed": [{"path": p.path, "reason": p.reason} for p in status.failed],
    }
    if checks is not None:
        fields["sources"] = [check_fields(check) for check in checks]
    return fields


def _objects_fields(here: ObjectsHere) -> dict[str, Any]:
    return {
        "remote": here.remote,
        "stored": here.stored,
        "cached": here.cached,
        "limit": here.limit,
    }


def _distance_fields(distance: Distance) -> dict[str, Any]:
    return {"name": distance.remote, "ahead": distance.ahead, "behind": distance.behind}


def _change_fields(change: Change) -> dict[str, Any]:
    # Sizes and labels are for `dsm diff --json`: finding them out would cost status its speed.
    return {"kind": change.kind, "path": change.path, "renamed_from": change.renamed_from}
