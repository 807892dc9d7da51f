"""dsm rerun: run the program of a run again, on the same data or on another changeset."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from dsm import tracking
from dsm.cli.run import record, status_of_a_shell
from dsm.cli.run_options import RunName
from dsm.cli.session import Session
from dsm.runs.replay import as_text, other_data, same_data
from dsm.views.prepare import prepare

if TYPE_CHECKING:
    from dsm.runs.run import Run, Start
    from dsm.views.query.view_query import ViewQuery
    from dsm.views.view import View


def command(
    ctx: typer.Context,
    run: RunName,
    at: Annotated[
        str | None,
        typer.Option("--at", metavar="N", help="Read the views as they are at this changeset"),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="Name of the new run")
    ] = None,
) -> int:
    """Run the program of a run again, on the same or other data

    The command, parameters and files are those of RUN, the current folder and the code are those of
    now. Without --at the program reads what it read then, also when it prepares views of the newest
    changeset itself. With --at it is given the same views of changeset N where it asks for those
    that RUN read. The exit status is that of the program.

    \b
    Examples:
      dsm rerun baseline
      dsm rerun baseline --at head --name on-new-data
    """
    with Session(ctx) as s, status_of_a_shell():
        found = s.repo.runs.find(run)
        views = [s.repo.view(each.version) for each in found.views]
        if at is None:
            replaced = same_data(views)
        else:
            replaced = other_data(
                views, lambda view: s.repo.dataset(view.dataset).changeset(at),
                lambda view, query: prepared(s, view, query),
            )  # fmt: skip
        return record(s, again(s, found, name), {tracking.DATA: as_text(replaced)})[1]


def prepared(s: Session, view: View, query: ViewQuery) -> View:
    """Prepares a query of the dataset of a view. Raises AnswerIsNo when it is empty."""
    dataset = s.repo.dataset(view.dataset)
    return prepare(s.repo, dataset.name, lambda: dataset.snapshots, query)


def again(s: Session, run: Run, name: str | None) -> partial[Start]:
    """Returns what begins a run like another one."""
    begun = run.start
    return partial(
        tracking.start, s.repo, name or begun.name, begun.command, begun.parameters,
        metric_files=begun.metric_files, output_files=begun.output_files,
        host=begun.host is not None,
    )  # fmt: skip
