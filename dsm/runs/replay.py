"""A run made again on other data: which views stand in for those that it read.

A program names its views itself, so nothing in its command line is changed: the library hands it
another view where it asks for one that the first run read (`Environment.replaced`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from dsm.errors import InvalidInput
from dsm.model.changeset import Changeset
from dsm.runs.run import Run
from dsm.views.query.view_query import ViewQuery
from dsm.views.view import View


def query_at(view: View, changeset: Changeset) -> ViewQuery:
    """Returns what a view asks, of another changeset of its dataset.

    Raises InvalidInput for a view of chosen changesets, or put together of others: what it asks is
    of those.
    """
    query = view.query
    if query.runs or "views" in query.to_json():
        raise InvalidInput(
            f"view {view.version[:12]} asks for changesets of its own, or for other views",
            hint="such a view is not asked of another changeset",
        )
    return replace(query, at=changeset.number, at_id=changeset.id)


def same_data(views: Iterable[View]) -> dict[str, str]:
    """Returns what makes a program read what a run read, though there are newer changesets."""
    found: dict[str, str] = {}
    for view in views:
        at = found.get(view.query.dataset)
        if at is None or int(at) < view.query.at:
            found[view.query.dataset] = str(view.query.at)
    return found


def other_data(
    views: Iterable[View],
    changeset_of: Callable[[View], Changeset],
    prepare: Callable[[View, ViewQuery], View],
) -> dict[str, str]:
    """Returns what makes a program read its views at other changesets; they are prepared.

    Raises InvalidInput as `query_at`, and what `prepare` raises.
    """
    found: dict[str, str] = {}
    for view in views:
        changeset = changeset_of(view)
        found[view.version] = prepare(view, query_at(view, changeset)).version
        found[view.query.dataset] = str(changeset.number)
    return found


def as_text(replaced: dict[str, str]) -> str:
    """Returns what `DSM_RUN_DATA` says."""
    return ",".join(f"{old}={new}" for old, new in replaced.items())


def made_already(
    runs: Iterable[Run], command: list[str], parameters: dict[str, str], version: str
) -> Run | None:
    """Returns the last complete run of a command and parameters that read a view, if there is."""
    return next(
        (
            run for run in runs
            if run.state == "complete" and run.start.command == command
            and run.start.parameters == parameters
            and any(view.version == version for view in run.views)
        ),
        None,
    )  # fmt: skip
