"""dsm suggest: tell which examples to label next."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from dsm import imports
from dsm.answers.next_labels import suggestions_answer
from dsm.cli.label_table import print_csv
from dsm.cli.output import print_json
from dsm.cli.run_options import RUN_HELP
from dsm.cli.session import Session
from dsm.cli.suggestions import view_names
from dsm.cli.tables import table
from dsm.errors import InvalidInput

MEDIA = "image"


def command(
    ctx: typer.Context,
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help=RUN_HELP)],
    count: Annotated[
        int, typer.Option("-n", "--max-count", metavar="N", min=1, help="How many")
    ] = 100,
    strategy: Annotated[
        str,
        typer.Option("--strategy", metavar="NAME",
                     help="entropy, margin, least-confident; of several runs: committee"),
    ] = "entropy",
    diverse: Annotated[
        bool, typer.Option("--diverse", help="Each one unlike those before it")
    ] = False,
    labelled: Annotated[
        bool, typer.Option("--labelled", help="Examples that have a label, too")
    ] = False,
    view: Annotated[
        str | None,
        typer.Option("--view", metavar="VIEW", autocompletion=view_names,
                     help="The view, where a run has predictions for several"),
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print a queue as CSV")] = False,
    tasks: Annotated[
        bool, typer.Option("--label-studio", help="Print tasks for Label Studio")
    ] = False,
    media: Annotated[
        str, typer.Option("--media", metavar="FIELD", help="Field of the tasks with the path")
    ] = MEDIA,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document")] = False,
) -> None:  # fmt: skip
    """Tell which examples to label next, the most useful first

    Of the unlabelled examples that the run predicted, those of which it is least sure; with
    --strategy committee those about which several runs disagree. The answers come back as labels:
    `dsm label --labels queue.csv`, or the export of Label Studio.

    \b
    Examples:
      dsm suggest baseline -n 100 --csv > queue.csv
      dsm suggest baseline --strategy margin --diverse --label-studio > tasks.json
      dsm suggest one two three --strategy committee
    """
    if as_csv + tasks + as_json > 1:
        raise InvalidInput("give one of --csv, --label-studio and --json")
    with Session(ctx) as s:
        imports.bring_numpy_back()
        found = s.repo.predictions.suggest(
            runs, count, strategy=strategy, diverse=diverse, labelled=labelled, view=view
        )
        if as_json:
            print_json(suggestions_answer(strategy, found))
        elif as_csv:
            print_csv(("path", "label"), ((each.path, "") for each in found))
        elif tasks:
            from dsm.evaluation.suggest import tasks as tasks_of

            print(json.dumps(tasks_of(found, media, " ".join(runs)), indent=1))
        else:
            rows = [(each.path, each.score, each.predicted, each.confidence) for each in found]
            for line in table(("example", strategy, "predicted", "confidence"), rows):
                print(line)
