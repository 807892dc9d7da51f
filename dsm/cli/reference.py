"""dsm reference: where examples lie whose bytes stay at an address, and which places are read."""

from __future__ import annotations

from typing import Annotated

import typer

from dsm.answers.references import references_answer
from dsm.cli.group import Command, new_app
from dsm.cli.output import count_text, print_json, size_text
from dsm.cli.session import Session
from dsm.model.names import printable

app = new_app()

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document")]
Address = Annotated[
    str, typer.Argument(metavar="ADDRESS", help="A folder or a URL, as `dsm reference list` has it")
]


@app.callback(invoke_without_command=True)
def reference(ctx: typer.Context) -> None:
    """List and trust the places that references lead to

    `dsm import --reference` leaves the bytes of examples where they are. They are read there once
    you trust the place: one that you imported from is trusted, one that came with a repository is
    not, for its author chose it. `dsm fsck --references` looks whether they are whole. Without a
    command, lists the places.

    \b
    Examples:
      dsm reference list
      dsm reference trust s3://lab-bucket/scans
    """
    if ctx.invoked_subcommand is None:
        list_(ctx)


@app.command("list", cls=Command)
def list_(ctx: typer.Context, as_json: Json = False) -> None:
    """List the places that references lead to; none is asked

    \b
    Examples:
      dsm reference list --json
    """
    with Session(ctx) as s:
        found = s.repo.references.list()
        if as_json:
            print_json(references_answer(found))
            return
        for place in found:
            rest = "" if place.trusted else "  (not trusted)"
            objects = count_text(place.objects, "object")
            print(f"{printable(place.address)}  {objects}, {size_text(place.size)}{rest}")
        if not found:
            s.say("no references: all bytes are in the store")


@app.command("trust", cls=Command)
def trust(ctx: typer.Context, address: Address) -> None:
    """Let dsm read what is referenced at an address, or below it

    Read it first: requests go there from this machine, with your credentials, and folders are those
    of this machine. What comes is compared with the id that it must have. That you trust a place is
    noted in your own folder, for this copy alone.

    \b
    Examples:
      dsm reference trust s3://lab-bucket/scans
    """
    with Session(ctx) as s:
        s.say(f"references to {printable(s.repo.references.trust(address))} are read from now on")


@app.command("distrust", cls=Command)
def distrust(ctx: typer.Context, address: Address) -> None:
    """Read nothing that is referenced at an address any more

    \b
    Examples:
      dsm reference distrust s3://lab-bucket/scans
    """
    with Session(ctx) as s:
        was = s.repo.references.distrust(address)
        shown = printable(address)
        s.say(f"references to {shown} are {'read no more' if was else 'not trusted by that name'}")
