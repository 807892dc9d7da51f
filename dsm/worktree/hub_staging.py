"""Staging the rows of a dataset of Hugging Face that lies in a folder of this machine."""

from __future__ import annotations

from dataclasses import replace

from dsm.model.categories import Category
from dsm.model.reports import AddReport, Problem
from dsm.repo.dataset_settings import know_classes
from dsm.worktree.hub_dataset import read_hub_dataset
from dsm.worktree.label_rows import LabelRows
from dsm.worktree.request import Request
from dsm.worktree.staging import add_content
from dsm.worktree.tree import WorkTree


def add_hub_rows(
    tree: WorkTree, request: Request, folder: str, shown: str, below: str, now: int
) -> tuple[AddReport, list[str]]:
    """Stages the rows of the tables in a folder, with the time `now` (microseconds UTC), and notes
    their classes; returns also the paths of all rows. `shown` is the folder in errors.

    Raises NotFound, InvalidInput.
    """
    found = read_hub_dataset(folder, shown, below)
    request = replace(request, label_rows=LabelRows(found.rows))
    report = add_content(tree, request, found.rows, found.content(), now)
    know_classes(tree.repository, tree.log.name, [*map(Category, found.classes)])
    reason = "is a further column of images, sounds or other bytes, which no example keeps"
    left = tuple(Problem(column, reason) for column in found.left_out)
    return replace(report, warnings=(*report.warnings, *left)), list(found.rows)
