"""dsm sweep: prepare one view with several newest shares or samples."""

from __future__ import annotations

from typing import Annotated

import typer

from dsm.cli.output import print_json
from dsm.cli.series import print_steps
from dsm.cli.session import Session
from dsm.cli.suggestions import view_names


def command(
    ctx: typer.Context,
    version: Annotated[
        str,
        typer.Argument(metavar="VIEW", autocompletion=view_names, help="Version or name"),
    ],
    newest: Annotated[
        str | None,
        typer.Option("--newest", metavar="P,P...", help="Newest shares: 10%,20%,50%,100%"),
    ] = None,
    sample: Annotated[
        str | None,
        typer.Option(
            "--sample", metavar="S,S...", help="Shares or numbers drawn by hash: 100,1000"
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document")] = False,
) -> None:
    """Prepare a view with several newest shares or samples

    Prints one version a line, in the order that was asked, for a loop in a shell. A larger share
    or sample holds what a smaller one does. It stands for the one that the view has.

    \b
    Examples:
      dsm sweep baseline --newest 10%,20%,50%,100%
      dsm sweep baseline --sample 100,1000,10000
      for v in $(dsm sweep -q baseline --newest 10%,50%); do dsm get $v -o data/$v; done
    """
    with Session(ctx) as s:
        view = s.repo.view(version)
        steps = s.repo.sweep(
            view,
            newest=None if newest is None else _listed(newest),
            sample=None if sample is None else _listed(sample),
        )
        by = "sample" if newest is None else "newest"
        if as_json:
            from dsm.answers.views import series_answer

            print_json(series_answer(view, by, steps))
        else:
            print_steps(s, f"{by} {{}}", steps)


def _listed(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
