"""dsm dataset: create, list and describe datasets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dsm.cli.group import Command, new_app
from dsm.cli.output import count_text, print_json
from dsm.cli.session import Session
from dsm.cli.suggestions import dataset_names
from dsm.errors import NotFound
from dsm.model.names import printable
from dsm.model.timespec import format_time

if TYPE_CHECKING:
    from dsm.datasets import Dataset
    from dsm.repos import Repo

app = new_app()


@app.callback(invoke_without_command=True)
def dataset(ctx: typer.Context) -> None:
    """Create, list and describe datasets

    Without a command, lists them.

    \b
    Examples:
      dsm dataset create speech --pattern '{speaker}/{name}.wav' --root speech
      dsm dataset list
      dsm dataset show speech --json
    """
    if ctx.invoked_subcommand is None:
        list_datasets(ctx)


@app.command("create", cls=Command)
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the new dataset")],
    pattern: Annotated[
        str | None,
        typer.Option(
            "--pattern", metavar="P", help="Where labels and attributes stand in paths; kept"
        ),
    ] = None,
    root: Annotated[
        str,
        typer.Option("--root", metavar="DIR", help="Its folder, below the repository's"),
    ] = ".",
) -> None:
    """Create a dataset

    \b
    Examples:
      dsm dataset create speech --pattern '{speaker}/{name}.wav' --root speech
    """
    with Session(ctx) as s:
        made = s.repo.create_dataset(name, pattern=pattern, root=root)
        s.say(f"created dataset {made.name}; `dsm switch {made.name}` makes it the current one")


@app.command("list", cls=Command)
def list_datasets(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document")] = False,
) -> None:
    """List the datasets of the repository

    \b
    Examples:
      dsm dataset list
    """
    with Session(ctx) as s:
        current = _current(s.repo)
        rows = [_fields(s.repo.dataset(name), current) for name in s.repo.datasets()]
        if as_json:
            print_json({"current": current}, "datasets", rows)
            return
        names = [printable(str(row["name"])) for row in rows]
        wide = max(map(len, names), default=0)
        for name, row in zip(names, rows, strict=True):
            mark = s.paint("*", "current") if row["current"] else " "
            head = f"changeset {row['head']}" if row["head"] else "no changeset yet"
            count = count_text(int(str(row["examples"])), "example")
            print(f"{mark} {name:{wide}}  {head}, {count}")


@app.command("show", cls=Command)
def show(
    ctx: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", autocompletion=dataset_names, help="Default: the current"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document")] = False,
) -> None:
    """Describe a dataset

    \b
    Examples:
      dsm dataset show
      dsm dataset show speech --json
    """
    with Session(ctx) as s:
        fields = _fields(s.dataset if name is None else s.repo.dataset(name), _current(s.repo))
        if as_json:
            print_json(fields)
            return
        told = {**fields, "head": fields["head"] or None, "examples": f"{fields['examples']:,}"}
        for key, value in told.items():
            print(f"{key + ':':10} {printable(_words(value))}")


def _words(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _current(repo: Repo) -> str | None:
    """Returns the current dataset; None while several could be meant."""
    try:
        return repo.current
    except NotFound:
        return None


def _fields(found: Dataset, current: str | None) -> dict[str, object]:
    head = found.head
    return {
        "name": found.name,
        "id": found.id,
        "current": found.name == current,
        "root": found.root,
        "pattern": found.pattern,
        "created": format_time(found.created),
        "head": head,
        "examples": found.changeset(head).examples if head else 0,
    }
