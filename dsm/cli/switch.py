"""dsm switch: choose the dataset that commands use."""

from __future__ import annotations

from typing import Annotated

import typer

from dsm.answers.datasets import dataset_answer
from dsm.cli.output import print_json
from dsm.cli.session import Session
from dsm.cli.suggestions import dataset_names


def command(
    ctx: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="NAME", autocompletion=dataset_names, help="Dataset to use")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document")] = False,
) -> None:
    """Choose the dataset that commands use

    The choice is kept in this copy of the repository; -d and DSM_DATASET go before it.

    \b
    Examples:
      dsm switch speech
    """
    with Session(ctx) as s:
        s.repo.switch(name)
        if as_json:
            print_json(dataset_answer(s.repo.dataset(name), name))
        s.say(f"now using dataset {name}")
