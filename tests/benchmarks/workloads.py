"""The list of all workloads, in the order in which they share what they have written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from . import (
    checks,
    growth,
    large_files,
    many_files,
    queries,
    records,
    remotes,
    runs,
    splits,
    startup,
    views,
)
from .bench import Bench
from .report import Row


@dataclass(frozen=True, slots=True)
class Workload:
    """A named part of the suite: yields its rows as it measures them."""

    name: str
    rows: Callable[[Bench], Iterator[Row]]
    about: str


WORKLOADS = (
    Workload("startup", startup.everyday_commands, "status, log, --version on a small repository"),
    Workload("durability", startup.durability, "fsync calls of every side (needs strace)"),
    Workload("add", many_files.add_and_commit, "add + commit of 100k files against cp and peers"),
    Workload("status", many_files.status, "status of 100k unchanged files against git"),
    Workload("restore", many_files.restore, "restore of 100k files against cp"),
    Workload("get", views.get, "views of 100k files as tar and shards, against tar and webdataset"),
    Workload("iterate", views.iterate, "reading a view in Python against reading the files"),
    Workload("changed", many_files.changed, "1 % of 100k files changed, against git"),
    Workload("changeset", growth.changeset_bytes, "bytes of changesets of 10, 1k and 100k rows"),
    Workload("large", large_files.blobs, "add of 10 x 200 MB against cp"),
    Workload("jsonl", large_files.jsonl, "new bytes of an edited 1 GB JSONL"),
    Workload("records", records.records, "records of a 1 GB JSONL: stored, edited, read"),
    Workload("cifar", large_files.cifar, "bytes of CIFAR-10 (needs --cifar)"),
    Workload("growth", growth.commit_of_few, "100 changes on 1 M examples against 10 k"),
    Workload("queries", queries.queries, "rows of PostgreSQL by dsm and by the driver alone"),
    Workload("prepare", views.prepare, "naming and evaluating views of 1 M examples"),
    Workload("splits", splits.splits, "splits and segments of 1 M examples, against scikit-learn"),
    Workload("near", splits.near, "near-duplicates among pictures (needs --cifar)"),
    Workload("runs", runs.runs, "runs of programs, what used an example, predictions of 1 M"),
    Workload("checks", checks.checks, "rules without content, on what is staged, and decoding"),
    Workload("remotes", remotes.remotes, "pushes, clones and epochs by a folder and by S3"),
    Workload("huge", views.huge, "preparing a view of 10 M examples"),
)
