"""dsm label: stage other labels for examples, leaving their content alone."""

from __future__ import annotations

from typing import Annotated

import typer

from dsm.answers.staging import labelled_answer
from dsm.cli import suggestions
from dsm.cli.listed_paths import FromFile, listed_paths
from dsm.cli.output import count_text, print_json
from dsm.cli.session import Session
from dsm.cli.standard_input import standard_input
from dsm.errors import InvalidInput
from dsm.model.changeset import Counts
from dsm.model.example import AttributeValue
from dsm.model.names import printable

Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="L",
        autocompletion=suggestions.labels,
        help="Label them so and not otherwise; '' for no label",
    ),
]
Add = Annotated[
    list[str] | None,
    typer.Option(
        "--add",
        metavar="L",
        autocompletion=suggestions.labels,
        help="Give them this label, too",
    ),
]
Remove = Annotated[
    list[str] | None,
    typer.Option(
        "--remove",
        metavar="L",
        autocompletion=suggestions.labels,
        help="Take this label from them",
    ),
]
Attributes = Annotated[
    list[str] | None,
    typer.Option(
        "--attr",
        metavar="K=V",
        autocompletion=suggestions.attributes,
        help="Set this attribute; 'K=' takes it away",
    ),
]
Annotation = Annotated[
    str | None,
    typer.Option(metavar="JSON", help="Annotate them so; '' takes the annotation away"),
]
Where = Annotated[
    list[str] | None,
    typer.Option(
        metavar="COND",
        autocompletion=suggestions.condition_names,
        help="Only examples that meet this, such as 'width>=512'",
    ),
]


def command(
    ctx: typer.Context,
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="PATH...", help="Examples, folders and globs")
    ] = None,
    set_: Set = None,
    add: Add = None,
    remove: Remove = None,
    attributes: Attributes = None,
    annotation: Annotation = None,
    label_file: Annotated[
        str | None,
        typer.Option("--labels", metavar="FILE", help="Say what a table says; '-' is stdin"),
    ] = None,
    label_format: Annotated[
        str | None,
        typer.Option("--labels-format", metavar="F", help="Format of FILE, see `dsm add`"),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse rows of FILE that fit no tracked example")
    ] = False,
    where: Where = None,
    from_file: FromFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document")] = False,
) -> None:
    """Stage other labels for examples, leaving their content alone

    Options that take a label, an attribute or a condition can be given several times. Without a
    PATH all examples are meant, if --where or --labels says which. The next commit records what is
    staged; no file is read or written.

    \b
    Examples:
      dsm label images/0001.jpg --set dog
      dsm label 'images/night/*.jpg' --add night --remove day
      dsm label --where 'camera=north' --attr checked=true
      grep -l blurred notes/* | dsm label --from-file - --add blurred
    """
    said = label_file is not None or annotation is not None or bool(attributes)
    _refuse_wrong(set_, [*(add or ()), *(remove or ())], said)
    everywhere = _all_are_meant(paths, from_file, label_file, chosen=bool(where or label_file))
    named = [*(paths or ()), *listed_paths(from_file)]
    wanted = None if set_ is None else [label for label in set_ if label]
    with Session(ctx) as s:
        counts = s.dataset.label(
            s.dataset.root if everywhere else named, set=wanted, add=add, remove=remove,
            attributes=_typed(s, attributes or []), annotation=annotation, where=where,
            label_file=standard_input() if label_file == "-" else label_file,
            label_format=label_format, strict=strict,
        )  # fmt: skip
        s.warn("warning", counts.warnings)
        if as_json:
            print_json(labelled_answer(s.dataset.name, counts))
        s.say(_summary(counts))


def _refuse_wrong(set_: list[str] | None, changes: list[str], said: bool) -> None:
    if set_ is None and not (changes or said):
        raise InvalidInput(
            "no label is given", hint="use --set, --add or --remove; --attr, --annotation, --labels"
        )
    if set_ is not None and changes:
        raise InvalidInput("--set cannot be combined with --add and --remove")


def _summary(counts: Counts) -> str:
    if not counts.rows:
        return "no labels changed"
    return f"staged other labels for {count_text(counts.rows, 'example')}"


def _all_are_meant(
    paths: list[str] | None, from_file: str | None, label_file: str | None, *, chosen: bool
) -> bool:
    if from_file == label_file == "-":
        raise InvalidInput("standard input is either a list of paths or a table")
    everywhere = not paths and from_file is None
    if everywhere and not chosen:
        raise InvalidInput("name examples or folders", hint="or say which: --where, --from-file")
    return everywhere


def _typed(s: Session, given: list[str]) -> dict[str, AttributeValue | None]:
    from dsm.worktree.relabelling import typed_attributes

    texts: dict[str, str] = {}
    for each in given:
        name, equals, text = each.partition("=")
        if not equals:
            raise InvalidInput(f"{printable(each)!r} is no attribute", hint="write NAME=VALUE")
        texts[name.strip()] = text
    types = s.dataset.changeset("head").attributes if texts and s.dataset.head else {}
    return typed_attributes(texts, types)
