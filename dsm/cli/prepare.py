"""dsm prepare: choose examples for training and print the view's version."""

from __future__ import annotations

from typing import Annotated

import typer

from dsm.cli.output import count_text, listed, print_json, size_text
from dsm.cli.session import Session
from dsm.cli.suggestions import changeset_names

LABELS_MAX = 10


def command(
    ctx: typer.Context,
    labels: Annotated[
        list[str] | None,
        typer.Option("-l", "--label", metavar="L", help="Take examples with this label"),
    ] = None,
    all_labels: Annotated[
        bool, typer.Option("--all-labels", help="Take those that have all of the labels")
    ] = False,
    exclude: Annotated[
        list[str] | None,
        typer.Option("--exclude-label", metavar="L", help="Leave out examples with this label"),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            "--at",
            metavar="N",
            autocompletion=changeset_names,
            help="Changeset or tag (default: head)",
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="What to call the view")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document")] = False,
) -> None:
    """Choose examples for training and print the view's version

    Prints nothing else to standard output. The version is the hash of what was asked for: the
    same everywhere and for ever. Exit status 1 when no example matches.

    \b
    Examples:
      dsm prepare --label cat --label dog
      dsm prepare --at v1 --exclude-label blurred
      dsm get "$(dsm prepare -q --label cat)" -o out
    """  # fmt: skip
    with Session(ctx) as s:
        view = s.dataset.prepare(
            labels=labels or (), all_labels=all_labels, exclude=exclude or (), at=at, name=name
        )
        if as_json:
            fields = {
                "version": view.version,
                "dataset": view.dataset,
                "query": view.query,
                "examples": len(view),
                "size": view.size,
                "labels": dict(view.labels),
            }
            print_json(fields)
        else:
            print(view.version)
        s.say(f"{count_text(len(view), 'example')}, {size_text(view.size)}")
        counts = sorted(view.labels.items(), key=lambda item: (-item[1], item[0]))
        if counts:
            s.say(", ".join(listed([f"{label} {n:,}" for label, n in counts], LABELS_MAX)))
        s.say(f"next: dsm get {view.version[:12]} -o DIR")
