"""dsm switch: choose the dataset that commands use."""

from __future__ import annotations

from typing import Annotated

import typer

from dsm.cli.session import Session
from dsm.cli.suggestions import dataset_names


def command(
    ctx: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="NAME", autocompletion=dataset_names, help="Dataset to use")
    ],
) -> None:
    """Choose the dataset that commands use

    The choice is kept in this copy of the repository; -d and DSM_DATASET go before it.

    \b
    Examples:
      dsm switch speech
    """
    with Session(ctx) as s:
        s.repo.switch(name)
        s.say(f"now using dataset {name}")
