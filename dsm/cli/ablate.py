"""dsm ablate: prepare one view without each of its changesets, labels or segments."""

from __future__ import annotations

from typing import Annotated

import typer

from dsm.cli.output import print_json
from dsm.cli.series import print_steps
from dsm.cli.session import Session
from dsm.cli.suggestions import view_names
from dsm.errors import AnswerIsNo


def command(
    ctx: typer.Context,
    version: Annotated[
        str,
        typer.Argument(metavar="VIEW", autocompletion=view_names, help="Version or name"),
    ],
    drop: Annotated[
        str,
        typer.Option("--drop", metavar="KIND", help="changeset, label or segment"),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document")] = False,
) -> None:
    """Prepare a view without each of its changesets, labels or segments

    Prints one version a line, for a loop in a shell. Without a changeset is as if it had not been
    made; without a label (or a segment) are the examples that do not have it (that it does not
    take), as `dsm prepare --view V --minus W` gives them. What would be empty, or the same as the
    whole, is left out with a note. Exit status 1 when nothing is printed.

    \b
    Examples:
      dsm ablate baseline --drop changeset
      dsm ablate baseline --drop label --json
      for v in $(dsm ablate -q baseline --drop segment); do dsm get $v -o data/$v; done
    """
    with Session(ctx) as s:
        view = s.repo.view(version)
        steps = s.repo.ablate(view, drop)
        if as_json:
            from dsm.answers.views import series_answer

            print_json(series_answer(view, drop, steps))
        else:
            print_steps(s, f"without {drop} {{}}", steps)
        if all(step.view is None or step.same for step in steps):
            raise AnswerIsNo(f"the view has no {drop} that could be dropped")
