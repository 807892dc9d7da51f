"""dsm attribute: which changesets moved a metric, over the runs that exist."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dsm import imports
from dsm.answers.runs import moves_answer
from dsm.cli.output import print_json
from dsm.cli.session import Session
from dsm.errors import AnswerIsNo
from dsm.model.names import printable
from dsm.runs.attribution import moves
from dsm.views.selection.prepared import read_record

if TYPE_CHECKING:
    from dsm.views.query.view_query import ViewQuery


def command(
    ctx: typer.Context,
    metric: Annotated[
        str, typer.Option("--metric", metavar="NAME", help="A metric, or a figure of evaluate")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document")] = False,
) -> None:
    """Tell which changesets moved a metric

    NAME is a metric that runs logged, or a figure of `dsm evaluate` for runs with predictions.
    Compares complete runs of one command with the same parameters, whose views ask the same of two
    changesets: what came between them moved the metric, or chance did. The greatest change comes
    first. `dsm bisect` narrows several changesets down. Exit status 1 when no two runs can be
    compared.

    \b
    Examples:
      dsm attribute --metric f1
      dsm attribute --metric loss --json
    """
    with Session(ctx) as s:
        known: dict[str, ViewQuery | None] = {}

        def query_of(dataset: str, version: str) -> ViewQuery | None:
            if version not in known:
                record = read_record(s.repo, dataset, version)
                known[version] = None if record is None else record.query
            return known[version]

        from dsm.evaluation.run_figures import with_figure

        imports.bring_numpy_back()
        runs = with_figure(s.repo, s.repo.runs, metric)
        found = moves(runs, metric, query_of)
        if as_json:
            print_json(moves_answer(metric, found))
        for each in found if not as_json else ():
            changesets = f"{each.first}" if each.first == each.last else f"{each.first}-{each.last}"
            print(
                f"{printable(each.dataset)} {changesets}: {each.before:.6g} -> {each.after:.6g}"
                f" ({each.change:+.4g})  runs {each.run_before[:8]}, {each.run_after[:8]}"
            )
        if not found:
            raise AnswerIsNo(
                f"no two runs tell what moved {printable(metric)}",
                hint="`dsm rerun RUN --at N` makes one of another changeset",
            )
