"""Datasets: what `dsm dataset list` and `dsm dataset show` answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dsm.answers.views import sizes_fields, times_fields
from dsm.catalog import Catalog
from dsm.datasets import Dataset
from dsm.errors import NotFound
from dsm.model.timespec import format_time

if TYPE_CHECKING:
    from dsm.model.removal_reports import DatasetRemoval
    from dsm.model.target import Target
    from dsm.views.comparison.statistics import Histogram, Sizes


def _target_fields(target: Target) -> dict[str, Any]:
    fields = {"classes": None, **target.to_json()}
    return fields | {"categories": [each.name for each in target.categories]}


def dataset_answer(dataset: Dataset, current: str | None) -> dict[str, Any]:
    """Returns what `dsm dataset show` answers; `current` names the current dataset."""
    head = dataset.head
    return {
        "name": dataset.name,
        "id": dataset.id,
        "current": dataset.name == current,
        "root": dataset.root,
        "pattern": dataset.pattern,
        "unmatched": dataset.unmatched,
        "target": _target_fields(dataset.target),
        "created": format_time(dataset.created),
        "head": head,
        "examples": dataset.changeset(head).examples if head else 0,
    }


def dataset_details_answer(
    dataset: Dataset, current: str | None, sizes: Sizes | None, times: Histogram | None
) -> dict[str, Any]:
    """Returns what `dsm dataset show` answers: the dataset, and what its head holds."""
    head = dataset.head
    return {
        **dataset_answer(dataset, current),
        "labels": dataset.labels(),
        "attributes": dict(dataset.changeset(head).attributes) if head else {},
        "sizes": None if sizes is None else sizes_fields(sizes),
        "times": None if times is None else times_fields(times),
        "queries": sorted(dataset.changeset(head).queries) if head else [],
        "tags": [tag.name for tag in dataset.tags()],
    }


def removed_dataset_answer(removal: DatasetRemoval, *, dry_run: bool) -> dict[str, Any]:
    """Returns what `dsm dataset rm` answers."""
    return {
        "name": removal.name,
        "dry_run": dry_run,
        "changesets": removal.changesets,
        "examples": removal.examples,
        "tags": removal.tags,
        "views": removal.views,
        "staged": removal.staged,
    }


def init_answer(repo: Catalog, dataset: str) -> dict[str, Any]:
    """Returns what `dsm init` answers; `dataset` is the one that was asked for."""
    return {
        "path": repo.path,
        "repository": repo.id,
        "org": repo.org,
        "dataset": dataset,
        "created": repo.created,
        "added": repo.created or repo.added is not None,
    }


def datasets_answer(repo: Catalog) -> dict[str, Any]:
    """Returns what `dsm dataset list` answers."""
    current = current_dataset(repo)
    rows = (dataset_answer(repo.dataset(name), current) for name in repo.datasets())
    return {"current": current, "datasets": rows}


def current_dataset(repo: Catalog) -> str | None:
    """Returns the name of the current dataset; None while several could be meant."""
    try:
        return repo.current
    except NotFound:
        return None
