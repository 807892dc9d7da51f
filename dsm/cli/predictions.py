"""dsm predictions: add, list and remove what runs predicted."""

from __future__ import annotations

from typing import Annotated

import typer

from dsm.answers.predictions import added_predictions_answer, predictions_answer
from dsm.cli.group import Command, new_app
from dsm.cli.output import count_text, listed, message, print_json, size_text
from dsm.cli.run_options import RunName
from dsm.cli.session import Session
from dsm.cli.standard_input import standard_input
from dsm.cli.suggestions import view_names
from dsm.model.names import printable

app = new_app()

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document")]
ForView = Annotated[
    str | None,
    typer.Option(
        "--view", metavar="VIEW", autocompletion=view_names,
        help="The view that was evaluated, where the run read several",
    ),
]  # fmt: skip


@app.callback()
def predictions() -> None:
    """Add, list and remove what runs predicted

    \b
    Examples:
      dsm predictions add baseline predictions.csv
      dsm predictions list baseline
      dsm evaluate baseline
    """


@app.command("add", cls=Command)
def add(
    ctx: typer.Context,
    run: RunName,
    source: Annotated[
        str, typer.Argument(metavar="FILE", help="CSV, TSV, JSON Lines or Parquet; - for a pipe")
    ],
    view: ForView = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Put them in the place of those added before")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Add predictions of a run, for the view that it evaluated

    The columns are `path` and one of `label` (the predicted class), `value` (a predicted number) or
    `prob.CLASS` for each class (JSON Lines: an object `probabilities`); `score` says how sure the
    model is of its label. Rows of no example of the view are counted and left out.

    \b
    Examples:
      dsm predictions add baseline predictions.csv
      dsm predictions add baseline test.parquet --view test
      python predict.py | dsm predictions add baseline - --replace
    """
    with Session(ctx) as s:
        given = standard_input() if source == "-" else source
        added = s.repo.predictions.add_file(run, given, view=view, replace=replace)
        if as_json:
            print_json(added_predictions_answer(added))
        stored = added.stored
        s.say(f"added {count_text(stored.predicted, 'prediction')} for view {stored.view[:12]}")
        if stored.missing:
            message(f"warning: {count_text(stored.missing, 'example')} of the view not predicted")
        if stored.unknown:
            what = "prediction is" if stored.unknown == 1 else "predictions are"
            message(f"warning: {stored.unknown:,} {what} of no example of the view")
            for path in listed(list(added.unknown_paths)):
                message(f"  {printable(path)}")


@app.command("list", cls=Command)
def list_predictions(ctx: typer.Context, run: RunName, as_json: AsJson = False) -> None:
    """List the predictions of a run, a line for each view

    \b
    Examples:
      dsm predictions list baseline
    """
    with Session(ctx) as s:
        found = s.repo.predictions.of(run)
        if as_json:
            print_json(predictions_answer(s.repo.runs.find(run).id, found))
            return
        for each in found:
            share = f"{each.predicted:,} of {each.examples:,} examples"
            classes = f", {count_text(each.classes, 'class', 'classes')}" if each.classes else ""
            print(f"{s.paint(each.view[:12], 'id')}  {share}{classes}, {size_text(each.size)}")
        if not found:
            s.say(f"run {run} has no predictions; `dsm predictions add` adds some")


@app.command("rm", cls=Command)
def remove(ctx: typer.Context, run: RunName, view: ForView = None, as_json: AsJson = False) -> None:
    """Remove predictions of a run; `dsm gc --prune` frees their space

    \b
    Examples:
      dsm predictions rm baseline
    """
    with Session(ctx) as s:
        found = s.repo.predictions.remove(run, view)
        if as_json:
            print_json(predictions_answer(s.repo.runs.find(run).id, [found]))
        s.say(f"removed {count_text(found.predicted, 'prediction')}; `dsm gc --prune` frees them")
