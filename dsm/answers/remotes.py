"""What the commands of remotes answer; sizes are in bytes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from dsm.model.timespec import format_time

if TYPE_CHECKING:
    from dsm.maintenance.repair import RepairReport
    from dsm.remotes.book import RemoteEntry
    from dsm.remotes.checking import RemoteCheck, RemoteFinding
    from dsm.remotes.merging import MergePlan, RemoteStats
    from dsm.remotes.pruning import RemoteGc
    from dsm.remotes.reports import (
        CloneReport,
        Collision,
        CollisionSide,
        DatasetPulled,
        FetchReport,
        LastTransfer,
        ObjectsFetched,
        PullAborted,
        PullReport,
        PushReport,
        Transfer,
    )


def remote_answer(entry: RemoteEntry) -> dict[str, Any]:
    """Returns what `dsm remote add`, `show` and the like answer."""
    return {
        "name": entry.name,
        "url": entry.url,
        "default": entry.default,
        "datasets": list(entry.datasets),
        "single_writer": entry.single_writer,
        "read_only": entry.read_only,
    }


def listing_answer(entry: RemoteEntry, files: int) -> dict[str, Any]:
    """Returns what `dsm remote write-listing` answers."""
    return {"remote": entry.name, "url": entry.url, "files": files}


def remotes_answer(entries: Iterable[RemoteEntry]) -> dict[str, Any]:
    """Returns what `dsm remote list` answers."""
    return {"remotes": [remote_answer(entry) for entry in entries]}


def push_answer(report: PushReport) -> dict[str, Any]:
    """Returns what `dsm push` answers."""
    return {
        "remote": report.remote,
        "url": report.url,
        "dry_run": report.dry_run,
        "references": report.references,
        "datasets": [
            {
                "dataset": each.dataset,
                "first": each.first,
                "last": each.last,
                "documents": each.documents,
                "differing": list(each.differing),
            }
            for each in report.datasets
        ],
        "transfer": _transfer(report.transfer),
    }


def objects_answer(report: ObjectsFetched) -> dict[str, Any]:
    """Returns what `dsm fetch --objects` answers."""
    return {
        "remote": report.remote,
        "url": report.url,
        "datasets": [],
        "objects": report.objects,
        "fetched": report.fetched,
        "referenced": report.referenced,
        "transfer": _transfer(report.transfer),
    }


def fetch_answer(report: FetchReport) -> dict[str, Any]:
    """Returns what `dsm fetch` answers."""
    return {
        "remote": report.remote,
        "url": report.url,
        "datasets": [
            {
                "dataset": each.dataset,
                "head": each.head,
                "ahead": each.ahead,
                "behind": each.behind,
                "new": each.new,
            }
            for each in report.datasets
        ],
        "transfer": _transfer(report.transfer),
    }


def pull_answer(report: PullReport) -> dict[str, Any]:
    """Returns what `dsm pull` answers."""
    return {
        "remote": report.remote,
        "url": report.url,
        "datasets": [_pulled(each) for each in report.datasets],
        "collisions": [_collision(each) for each in report.collisions],
        "transfer": _transfer(report.transfer),
    }


def aborted_answer(found: Iterable[PullAborted]) -> dict[str, Any]:
    """Returns what `dsm pull --abort` answers."""
    return {
        "datasets": [
            {
                "dataset": each.dataset,
                "remote": each.remote,
                "head": each.number,
                "was": each.was,
                "waited": each.waited,
                "written": each.written,
                "removed": each.removed,
                "left": list(each.left),
            }
            for each in found
        ]
    }


def _collision(each: Collision) -> dict[str, Any]:
    return {
        "dataset": each.dataset,
        "path": each.path,
        "side": each.side,
        "records": each.records,
        "ours": _collision_side(each.ours),
        "theirs": _collision_side(each.theirs),
    }


def _collision_side(side: CollisionSide) -> dict[str, Any]:
    return {
        "change": side.change,
        "object": side.object,
        "size": side.size,
        "labels": list(side.labels),
        "nested": side.nested,
    }


def clone_answer(report: CloneReport) -> dict[str, Any]:
    """Returns what `dsm clone` answers."""
    return {
        "folder": report.folder,
        "url": report.url,
        "datasets": [_pulled(each) for each in report.datasets],
        "transfer": _transfer(report.transfer),
    }


def stats_answer(stats: RemoteStats) -> dict[str, Any]:
    """Returns what `dsm remote stats` answers."""
    return {
        "remote": stats.remote,
        "url": stats.url,
        "datasets": stats.datasets,
        "changesets": stats.changesets,
        "packs": stats.packs,
        "pack_bytes": stats.pack_bytes,
        "files": stats.files,
        "size": stats.size,
        "last": None if stats.last is None else _last_transfer(stats.last),
    }


def _last_transfer(last: LastTransfer) -> dict[str, Any]:
    return {
        "command": last.command,
        "time": format_time(last.time),
        "seconds": last.duration / 1_000_000,
        "requests": dict(last.requests),
        "sent": last.sent,
        "received": last.received,
        "ended": last.ended,
    }


def merge_answer(plan: MergePlan, *, dry_run: bool) -> dict[str, Any]:
    """Returns what `dsm remote merge-packs` answers."""
    return {
        "remote": plan.remote,
        "url": plan.url,
        "dry_run": dry_run,
        "packs": [{"pack": name, "size": size} for name, size in plan.packs],
        "size": plan.size,
        "made": plan.made,
    }


def check_answer(
    check: RemoteCheck, mended: Iterable[str], left: Iterable[RemoteFinding] | None
) -> dict[str, Any]:
    """Returns what `dsm fsck --remote` answers; `left` is found after a repair, None without."""
    return {
        "remote": check.remote,
        "url": check.url,
        "share": check.share,
        "datasets": check.datasets,
        "changesets": check.changesets,
        "packs": check.packs,
        "packs_read": check.packs_read,
        "size": check.size,
        "size_read": check.size_read,
        "objects": check.objects,
        "findings": [_finding(each) for each in check.findings],
        "mended": list(mended),
        "left": None if left is None else [_finding(each) for each in left],
    }


def _finding(finding: RemoteFinding) -> dict[str, Any]:
    return {
        "kind": finding.kind,
        "where": finding.where,
        "what": finding.what,
        "examples": [
            {"dataset": name, "changeset": number, "path": path}
            for name, number, path in finding.examples
        ],
    }


def repair_answer(report: RepairReport) -> dict[str, Any]:
    """Returns what `dsm fsck --repair` answers."""
    return {
        "remote": report.remote,
        "headers": list(report.headers),
        "manifests": list(report.manifests),
        "aside": list(report.aside),
        "packs": report.packs,
        "size": report.size,
    }


def remote_gc_answer(plan: RemoteGc, *, pruned: bool) -> dict[str, Any]:
    """Returns what `dsm gc --remote` answers; `pruned` when the plan was carried out."""
    return {
        "remote": plan.remote,
        "url": plan.url,
        "pruned": pruned,
        "grace": plan.grace,
        "marked": [{"file": name, "size": size} for name, size in plan.condemned],
        "waiting": [{"file": name, "size": size} for name, size in plan.waiting],
        "removed": [{"file": name, "size": size} for name, size in plan.removed],
        "needed_again": list(plan.lifted),
        "rewritten": [
            {"pack": name, "size": size, "needed": needed} for name, size, needed in plan.rewritten
        ],
        "merged": [{"pack": name, "size": size} for name, size in plan.merge.packs],
        "made": plan.merge.made,
    }


def _pulled(each: DatasetPulled) -> dict[str, Any]:
    return {
        "dataset": each.dataset,
        "first": each.first,
        "last": each.last,
        "written": each.written,
        "removed": each.removed,
        "left": list(each.left),
        "documents": each.documents,
        "differing": list(each.differing),
        "renumbered": [
            {"old": moved.old, "new": moved.new, "id": moved.id} for moved in each.renumbered
        ],
        "carried": list(each.carried),
        "uncarried": list(each.uncarried),
        "dropped": list(each.dropped),
        "settled": [_collision(one) for one in each.settled],
    }


def _transfer(transfer: Transfer) -> dict[str, Any]:
    return {
        "packs": transfer.packs,
        "size": transfer.size,
        "requests": transfer.requests,
    }
