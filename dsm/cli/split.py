"""dsm split: make, list, show and remove splits of a dataset."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dsm.answers.definitions import partition_answer, split_answer, splits_answer
from dsm.cli import split_options as options
from dsm.cli.group import Command, new_app
from dsm.cli.output import LISTED_MAX, count_text, listed, print_json, size_text
from dsm.cli.session import Session
from dsm.cli.suggestions import changeset_names, split_names
from dsm.errors import AnswerIsNo, InvalidInput
from dsm.model.names import printable
from dsm.model.timespec import format_time

if TYPE_CHECKING:
    from dsm.views.comparison.partition import Leakage, NearLeakage, Partition
    from dsm.views.split import Split

LABELS_MAX = 20

app = new_app()

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document")]
Name = Annotated[
    str, typer.Argument(metavar="NAME", autocompletion=split_names, help="Name of the split")
]


@app.callback(invoke_without_command=True)
def split(ctx: typer.Context) -> None:
    """Make, list, show and remove splits of a dataset

    A split assigns every example to one part, for good: nobody changes sides because others come or
    go. Use a part with `dsm prepare --split NAME:PART`. Without a command, lists the splits.

    \b
    Examples:
      dsm split create holdout --parts train=80%,val=10%,test=10%
      dsm prepare --split holdout:train
      dsm split show holdout
    """
    if ctx.invoked_subcommand is None:
        list_splits(ctx)


@app.command("create", cls=Command)
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the new split")],
    parts: options.Parts = None,
    folds: options.Folds = None,
    time: options.Time = None,
    time_folds: options.TimeFolds = None,
    gap: options.Gap = None,
    group: options.Group = None,
    by_content: options.ByContent = False,
    stratify: options.Stratify = None,
    exact: options.Exact = False,
    seed: options.Seed = None,
    at: options.At = None,
    description: options.Description = "",
    as_json: Json = False,
) -> None:  # fmt: skip
    """Make a split; it never changes

    Examples are drawn by a hash of their path and the seed, so shares are those of chance: near
    80%, not exactly. --exact and --stratify deal out the examples of the newest changeset instead;
    these keep their parts, and later ones are drawn by hash.

    \b
    Examples:
      dsm split create holdout --parts train=80%,val=10%,test=10%
      dsm split create by-speaker --parts train=0.9,test=0.1 --group speaker
      dsm split create cv --folds 5 --stratify label
      dsm split create later --time train=..2026-01-01,test=2026-01-01..
      dsm split create walk --time-folds 5 --gap 7d
    """
    with Session(ctx) as s:
        made = s.dataset.splits.create(
            name, parts, folds=folds, time=time, time_folds=time_folds, gap=gap, group=group,
            by_content=by_content, seed=seed, stratify=stratify, exact=exact, at=at,
            description=description,
        )  # fmt: skip
        if as_json:
            print_json(split_answer(s.dataset.name, made))
        s.say(f"made split {made.name}: {', '.join(listed(made.parts, LISTED_MAX))}")
        empty = [part.name for part in made.partition(at).parts if not part.examples]
        if empty:
            s.say(
                f"note: nobody is in {', '.join(listed(empty, LISTED_MAX))} yet: chance decides,"
                " unless --exact deals examples out"
            )
        s.say(f"next: dsm prepare --split {made.name}:{made.parts[0]}")


@app.command("list", cls=Command)
def list_splits(ctx: typer.Context, as_json: Json = False) -> None:
    """List the splits of the dataset

    \b
    Examples:
      dsm split list
      dsm split list --json
    """
    with Session(ctx) as s:
        found = list(s.dataset.splits)
        if as_json:
            print_json(splits_answer(s.dataset.name, found))
            return
        wide = max((len(each.name) for each in found), default=0)
        for each in found:
            parts = ", ".join(listed(each.parts, LISTED_MAX))
            text = f"{each.name:{wide}}  {parts}  {each.words()}"
            message = each.definition.message
            print(text + (f"  ({printable(message)})" if message else ""))
        if not found:
            s.say("there is no split; `dsm split create NAME --parts train=80%,test=20%` makes one")


@app.command("show", cls=Command)
def show(
    ctx: typer.Context,
    name: Name,
    at: Annotated[
        str | None,
        typer.Option(
            "--at", metavar="N", autocompletion=changeset_names,
            help="Changeset or tag whose examples are shown (default: head)",
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            "--since", metavar="N", autocompletion=changeset_names,
            help="Tell which examples changed parts since this changeset",
        ),
    ] = None,
    leaks: Annotated[
        bool,
        typer.Option("--leakage", help="Look for the same content in several parts; then exit 1"),
    ] = False,
    near: Annotated[
        bool,
        typer.Option(
            "--near", help="With --leakage: also for pictures and texts that are nearly the same"
        ),
    ] = False,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Show the parts of a split: examples, shares and labels of each

    With --leakage the exit status is 1 when the same content lies in several parts; --by-content
    makes splits where that cannot be. --near also finds pictures that were encoded anew, resized or
    cropped by little, and texts that share most of their words (pip install 'dsm-datasets[near]').

    \b
    Examples:
      dsm split show holdout
      dsm split show holdout --since 3
      dsm split show holdout --leakage --json
      dsm split show holdout --leakage --near
    """
    if near and not leaks:
        raise InvalidInput("--near belongs to --leakage", hint="give both")
    with Session(ctx) as s:
        split = s.dataset.split(name)
        found = split.partition(at)
        moved = None if since is None else split.moved(since, at)
        leaking = split.leakage(at, near=near, progress=s.progress()) if leaks else None
        if as_json:
            print_json(partition_answer(s.dataset.name, split, found, moved, leaking))
        else:
            for line in [*_head(split, found), *_table(found), *_moved(moved), *_leaks(leaking)]:
                print(line)
        if leaking is not None and not leaking.is_empty:
            raise _leak(name, leaking)


@app.command("rm", cls=Command)
def remove(ctx: typer.Context, name: Name, as_json: Json = False) -> None:
    """Remove a split; views that were made with it stay

    \b
    Examples:
      dsm split rm holdout
    """
    with Session(ctx) as s:
        gone = s.dataset.splits.remove(name)
        if as_json:
            print_json(splits_answer(s.dataset.name, [gone]))
        s.say(f"removed split {gone.name}; no example and no view was touched")


def _head(split: Split, found: Partition) -> list[str]:
    made = split.definition
    when = format_time(made.time - made.time % 1_000_000)
    rows = [
        ("split", made.name),
        ("draws", split.words()),
        ("made", f"{when} by {made.author}, changeset {made.number}"),
        *([("for", made.message)] if made.message else []),
        ("examples", f"{found.examples:,} of changeset {found.number}"),
    ]
    if found.outside:
        rows.append(("outside", f"{count_text(found.outside, 'example')} in no part"))
    if found.alone:
        lacking = count_text(found.alone, "example")
        rows.append(("alone", f"{lacking} without the attribute, each drawn by its path"))
    return [f"{key + ':':10} {printable(value)}" for key, value in rows]


def _table(found: Partition) -> list[str]:
    """Returns parts as columns, labels as rows, the most frequent ones first."""
    heads = ["", *(printable(part.name) for part in found.parts)]
    rows = [["examples", *(f"{part.examples:,}" for part in found.parts)]]
    total = max(1, found.examples)
    rows.append(["share", *(f"{100 * part.examples / total:.2f} %" for part in found.parts)])
    if any(part.share is not None for part in found.parts):
        asked = [f"{float(100 * (part.share or 0)):.4g} %" for part in found.parts]
        rows.append(["asked for", *asked])
    rows.append(["size", *(size_text(part.size) for part in found.parts)])
    labels = sorted(found.labels, key=lambda label: (-found.labels[label], label))
    for label in labels[:LABELS_MAX]:
        rows.append([printable(label), *(f"{p.labels.get(label, 0):,}" for p in found.parts)])
    wide = [max(len(row[at]) for row in (heads, *rows)) for at in range(len(heads))]
    lines = ["", *(_line(row, wide) for row in (heads, *rows))]
    if len(labels) > LABELS_MAX:
        lines.append(f"… and {len(labels) - LABELS_MAX:,} more labels")
    return lines


def _line(cells: list[str], wide: list[int]) -> str:
    first, *rest = [f"{cell:>{width}}" for cell, width in zip(cells, wide, strict=True)]
    return "  ".join([f"{first.strip():{wide[0]}}", *rest]).rstrip()


def _moved(moved: dict[tuple[str, str], int] | None) -> list[str]:
    if moved is None:
        return []
    if not moved:
        return ["", "no example changed parts"]
    return ["", *(f"{count:,} went from {old} to {new}" for (old, new), count in moved.items())]


def _leak(name: str, found: Leakage) -> AnswerIsNo:
    """Returns the answer that something lies in several parts."""
    if found.objects:
        return AnswerIsNo(
            f"{count_text(found.objects, 'object')} of {name}"
            f" {'lies' if found.objects == 1 else 'lie'} in several parts,"
            f" {count_text(found.examples, 'example')} together",
            hint="a split with --by-content keeps examples of the same content together",
        )
    count = found.near.examples if found.near is not None else 0
    return AnswerIsNo(
        f"{count_text(count, 'example')} of {name} {'has' if count == 1 else 'have'} a"
        " near-duplicate in another part",
        hint="a split with --group keeps those together that share an attribute",
    )


def _near_leaks(found: NearLeakage | None) -> list[str]:
    if found is None:
        return []
    lines = [
        "  ".join(
            [
                f"{each.likeness:.3f}",
                *(f"{p}:{printable(path)}" for p, path in (each.one, each.other)),
            ]
        )
        for each in found.leaks
    ]
    first = "near-duplicates in several parts:" if lines else "no near-duplicate in another part"
    unknown = count_text(found.unknown, "object")
    more = [f"{unknown} not compared: no picture and no text"] if found.unknown else []
    return ["", first, *listed(lines, LISTED_MAX), *more]


def _leaks(found: Leakage | None) -> list[str]:
    if found is None:
        return []
    near = _near_leaks(found.near)
    if not found.objects:
        return ["", "no content lies in several parts", *near]
    lines = [
        "  ".join([leak.object[:12], *(f"{part}:{printable(path)}" for part, path in leak.places)])
        for leak in found.leaks
    ]
    return ["", *listed(lines, LISTED_MAX), *near]
