"""dsm labels: find labels that are probably wrong, and how far annotators agree."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

import typer

from dsm import imports
from dsm.answers.next_labels import agreement_answer, suspects_answer
from dsm.cli.group import Command, new_app
from dsm.cli.label_table import print_csv
from dsm.cli.output import count_text, print_json
from dsm.cli.prediction_options import PredictedView
from dsm.cli.run_options import RunName
from dsm.cli.session import Session
from dsm.cli.suggestions import view_names
from dsm.cli.tables import number, table
from dsm.errors import InvalidInput
from dsm.model.names import printable

LISTED = 20

app = new_app()

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document")]
AsCsv = Annotated[
    bool, typer.Option("--csv", help="Print a label file: correct it, then `dsm label --labels`")
]


@app.callback()
def labels() -> None:
    """Find labels that are probably wrong, and how annotators agree

    \b
    Examples:
      dsm labels suspect baseline
      dsm labels agreement reviewed --annotator ann --annotator bob
    """


@app.command("suspect", cls=Command)
def suspect(
    ctx: typer.Context,
    run: RunName,
    view: PredictedView = None,
    limit: Annotated[
        int | None,
        typer.Option("-n", "--max-count", metavar="N", min=0,
                     help="At most N (20; with --csv and --json all)"),
    ] = None,
    as_csv: AsCsv = False,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """List the labels that are probably wrong, the most suspect first

    By confident learning: a model is as sure of another class as it is of examples of that class.
    The run must have predicted probabilities of examples that it was not trained on.

    \b
    Examples:
      dsm labels suspect baseline
      dsm labels suspect baseline -n 200 --csv > to-correct.csv
      dsm label --labels to-correct.csv
    """
    with Session(ctx) as s:
        imports.bring_numpy_back()
        if as_csv and as_json:
            raise InvalidInput("give --csv or --json, not both")
        found = s.repo.predictions.suspects(run, view=view)
        most = limit if limit is not None or as_csv or as_json else LISTED
        first = list(islice(found.found, most))
        if as_json:
            print_json(suspects_answer(s.repo.runs.find(run).id, found, first))
        elif as_csv:
            print_csv(("path", "label"), ((each.path, each.suggested) for each in first))
        elif first:
            rows = [(each.path, each.label, each.suggested, each.margin) for each in first]
            for line in table(("example", "label", "suggested", "margin"), rows):
                print(line)
        s.say(
            f"{count_text(len(found.found), 'suspect label')} of"
            f" {count_text(found.examples, 'example')}"
        )


@app.command("agreement", cls=Command)
def agreement(
    ctx: typer.Context,
    view: Annotated[
        str, typer.Argument(metavar="VIEW", autocompletion=view_names, help="Version or name")
    ],
    annotator: Annotated[
        list[str],
        typer.Option("--annotator", metavar="ATTR", help="What one said; give two or more"),
    ],
    as_csv: AsCsv = False,
    as_json: AsJson = False,
) -> None:
    """Tell how far annotators agree, by Cohen's and Fleiss' kappa

    Each annotator's labels are an attribute; a label file with a column for each makes them. With
    --csv the examples of which they say different things, each with what most of them said.

    \b
    Examples:
      dsm labels agreement reviewed --annotator ann --annotator bob
      dsm labels agreement reviewed --annotator ann --annotator bob --csv > disputed.csv
    """
    with Session(ctx) as s:
        imports.bring_numpy_back()
        if as_csv and as_json:
            raise InvalidInput("give --csv or --json, not both")
        found = s.repo.predictions.agreement(view, annotator)
        if as_json:
            print_json(agreement_answer(s.repo.view(view).version, found))
            return
        if as_csv:
            print_csv(("path", "label"), ((e.path, e.majority or "") for e in found.disputed))
            return
        rows = [(e.one, e.two, e.examples, e.agreed, e.kappa) for e in found.pairs]
        for line in table(("annotator", "and", "examples", "agreed", "Cohen's kappa"), rows):
            print(line)
        print(f"Fleiss' kappa of all: {number(found.fleiss)}"
              f" ({count_text(found.complete, 'example')} that all labelled)")  # fmt: skip
        for each in found.disputed[:LISTED]:
            said = ", ".join(f"{who}: {label}" for who, label in each.said.items())
            print(printable(f"{each.path}  ({said})"))
        s.say(f"{count_text(len(found.disputed), 'example')} disputed")
