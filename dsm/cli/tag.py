"""dsm tag: list, create and delete names of changesets."""

from __future__ import annotations

from typing import Annotated

import typer

from dsm.answers.changesets import tags_answer
from dsm.cli.output import print_json
from dsm.cli.session import Session
from dsm.cli.suggestions import changeset_names, tag_names
from dsm.errors import InvalidInput
from dsm.model.names import printable


def command(
    ctx: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", autocompletion=tag_names, help="Tag to create or delete"),
    ] = None,
    ref: Annotated[
        str | None,
        typer.Argument(
            metavar="N", autocompletion=changeset_names, help="Changeset (default: head)"
        ),
    ] = None,
    message: Annotated[
        str | None, typer.Option("-m", "--message", metavar="M", help="What the tag stands for")
    ] = None,
    delete: Annotated[bool, typer.Option("-d", "--delete", help="Delete the tag NAME")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document")] = False,
) -> None:
    """List, create and delete names of changesets

    A tag keeps its changeset findable and can be used wherever a changeset is asked for.

    \b
    Examples:
      dsm tag
      dsm tag v1
      dsm tag before-cleanup 12 -m "as trained in March"
      dsm tag -d v1
    """
    if delete and (name is None or ref is not None or message is not None):
        raise InvalidInput("-d takes the name of one tag and nothing else")
    with Session(ctx) as s:
        if name is None:
            if message is not None:
                raise InvalidInput("a message needs the name of a tag")
            _list(s, as_json)
        elif delete:
            found = [tag for tag in s.dataset.tags() if tag.name == name] if as_json else []
            s.dataset.delete_tag(name)
            if as_json:
                print_json(tags_answer(s.dataset.name, found))
            s.say(f"deleted tag {name}")
        else:
            tag = s.dataset.tag(name, ref, message or "")
            if as_json:
                print_json(tags_answer(s.dataset.name, [tag]))
            s.say(f"tag {tag.name} names changeset {tag.number}")


def _list(s: Session, as_json: bool) -> None:
    tags = s.dataset.tags()
    if as_json:
        print_json(tags_answer(s.dataset.name, tags))
        return
    width = max((len(tag.name) for tag in tags), default=0)
    for tag in tags:
        number = s.paint(str(tag.number), "id")
        print(f"{tag.name:{width}}  {number}  {printable(tag.message)}".rstrip())
    if not tags:
        s.say("there is no tag; `dsm tag NAME` makes one")
