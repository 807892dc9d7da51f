"""dsm failures: list what a run got wrong, and prepare it as a view."""

from __future__ import annotations

from typing import Annotated

import typer

from dsm import imports
from dsm.answers.next_labels import failures_answer
from dsm.cli.output import count_text, print_json
from dsm.cli.prediction_options import PredictedView
from dsm.cli.run_options import RunName
from dsm.cli.session import Session
from dsm.cli.tables import table
from dsm.errors import AnswerIsNo

LISTED = 20


def command(
    ctx: typer.Context,
    run: RunName,
    view: PredictedView = None,
    true: Annotated[
        str | None, typer.Option("--true", metavar="CLASS", help="Only examples of this class")
    ] = None,
    predicted: Annotated[
        str | None,
        typer.Option("--predicted", metavar="CLASS", help="Only those taken for this class"),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option("--target", metavar="ATTR", help="Attribute that has the true numbers"),
    ] = None,
    limit: Annotated[
        int, typer.Option("-n", "--max-count", metavar="N", min=0, help="List at most N")
    ] = LISTED,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="Prepare all of them as a view of this name"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document")] = False,
) -> None:  # fmt: skip
    """List what a run got wrong, and prepare it as a view

    Those of which the model was most sure come first; of numbers those with the largest error.
    With --name they become a view, as `dsm prepare --pick` makes one: at the changeset of the view
    that was evaluated.

    \b
    Examples:
      dsm failures baseline
      dsm failures baseline --true cat --predicted dog
      dsm failures baseline --name to-look-at
    """
    with Session(ctx) as s:
        imports.bring_numpy_back()
        found = s.repo.predictions.failures(
            run, view=view, true=true, predicted=predicted, target=target
        )
        version = None
        if name is not None:
            if not len(found):
                raise AnswerIsNo(f"nothing of that is wrong in run {run}", hint="no view was made")
            selection = found.outcome.selection
            dataset = s.repo.dataset(selection.dataset)
            version = dataset.prepare(pick=found.paths(), at=selection.query.at, name=name).version
        first = found.first(limit)
        if as_json:
            print_json(failures_answer(found, first, version))
            return
        rows = [(each.path, each.truth, each.predicted, each.confidence) for each in first]
        if rows:
            for line in table(("example", "true", "predicted", "confidence"), rows):
                print(line)
        s.say(f"{len(found):,} of {count_text(len(found.outcome), 'example')} wrong")
        if version is not None:
            s.say(f"prepared view {version[:12]} ({name})")
