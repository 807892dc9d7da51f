"""dsm dataset: create, list and describe datasets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dsm.answers.datasets import (
    current_dataset,
    dataset_answer,
    dataset_details_answer,
    datasets_answer,
    removed_dataset_answer,
)
from dsm.cli.class_names import class_names
from dsm.cli.dataset_options import Pattern, Unmatched
from dsm.cli.drawing import label_bars, time_bars, width
from dsm.cli.group import Command, new_app
from dsm.cli.output import count_text, print_json, size_text
from dsm.cli.session import Session
from dsm.cli.suggestions import dataset_names, label_lists, targets
from dsm.errors import InvalidInput
from dsm.model.names import printable
from dsm.model.unmatched import REFUSE, SKIP, check_unmatched

if TYPE_CHECKING:
    from dsm.datasets import Dataset
    from dsm.views.comparison.statistics import Histogram, Sizes

app = new_app()


@app.callback(invoke_without_command=True)
def dataset(ctx: typer.Context) -> None:
    """Create, list, describe and change datasets

    Without a command, lists them.

    \b
    Examples:
      dsm dataset create speech --pattern '{speaker}/{name}.wav' --root speech
      dsm dataset list
      dsm dataset show speech --json
      dsm dataset set --classes cat,dog
      dsm dataset rename speech utterances
      dsm dataset rm scratch --yes
    """
    if ctx.invoked_subcommand is None:
        list_datasets(ctx)


@app.command("create", cls=Command)
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the new dataset")],
    pattern: Pattern = None,
    root: Annotated[
        str,
        typer.Option("--root", metavar="DIR", help="Its folder, below the repository's"),
    ] = ".",
    unmatched: Unmatched = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document")] = False,
) -> None:
    """Create a dataset

    New files that the pattern does not match are skipped and counted, unless --unmatched takes them
    without labels, or refuses to stage anything.

    \b
    Examples:
      dsm dataset create speech --pattern '{speaker}/{name}.wav' --root speech
      dsm dataset create notes --pattern '{topic}/{_}.txt' --unmatched refuse
    """
    with Session(ctx) as s:
        made = s.repo.create_dataset(name, pattern=pattern, root=root, unmatched=unmatched or SKIP)
        if as_json:
            print_json(dataset_answer(made, current_dataset(s.repo)))
        s.say(f"created dataset {made.name}; `dsm switch {made.name}` makes it the current one")


@app.command("set", cls=Command)
def set_(
    ctx: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", autocompletion=dataset_names, help="Default: the current"),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(
            "--target",
            metavar="COLUMN",
            autocompletion=targets,
            help="What the class is: labels or attr.NAME",
        ),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            "--classes",
            autocompletion=label_lists,
            metavar="A,B",
            help="The classes in their order; @FILE has one on each line",
        ),
    ] = None,
    pattern: Annotated[
        str | None,
        typer.Option("--pattern", metavar="P", help="What paths say of new examples; '' is none"),
    ] = None,
    unmatched: Unmatched = None,
) -> None:
    """Set the classes, the pattern, and what becomes of other files

    --target and --classes count for views that are prepared from now on; those of before keep their
    version and their classes. Labels that are not in the list of classes are tags: they do not
    decide the class. --target without --classes takes the classes from the snapshot of each view.

    --pattern and --unmatched count for files that are added from now on: examples that are there
    stay as they are.

    \b
    Examples:
      dsm dataset set --classes cat,dog
      dsm dataset set --target attr.breed --classes @breeds.txt
      dsm dataset set speech --target labels
      dsm dataset set --pattern '{label}/{_}.jpg' --unmatched unlabelled
    """
    if target is None and classes is None and pattern is None and unmatched is None:
        raise InvalidInput(
            "nothing is to be set", hint="give --target, --classes, --pattern or --unmatched"
        )
    with Session(ctx) as s:
        found = s.dataset if name is None else s.repo.dataset(name)
        if unmatched is not None:
            check_unmatched(unmatched)  # before anything is set
        if pattern is not None:
            found.set_pattern(pattern)
        if unmatched is not None:
            found.set_unmatched(unmatched)
        if pattern is not None or unmatched is not None:
            s.say(f"{found.name}: {_of_the_pattern(found)}")
        if target is not None or classes is not None:
            column = found.target.column if target is None else target
            made = found.set_target(column, class_names(classes))
            s.say(
                f"views of {found.name} that are prepared from now on have classes from"
                f" {made.words()}"
            )


def _of_the_pattern(found: Dataset) -> str:
    if found.pattern is None:
        return "no pattern labels new examples"
    done = {SKIP: "skips other files", REFUSE: "refuses other files"}
    other = done.get(found.unmatched, "takes other files without labels")
    return f"`dsm add` labels new examples by {printable(found.pattern)}, and {other}"


@app.command("rename", cls=Command)
def rename(
    ctx: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="OLD", autocompletion=dataset_names, help="Dataset to rename")
    ],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Its new name")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document")] = False,
) -> None:
    """Give a dataset another name

    Changesets, tags, what is staged, and views with their versions stay; no file is moved. Commands
    that are writing to it meanwhile fail and record nothing.

    \b
    Examples:
      dsm dataset rename speech utterances
    """
    with Session(ctx) as s:
        made = s.repo.rename_dataset(name, new)
        if as_json:
            print_json(dataset_answer(made, current_dataset(s.repo)))
        s.say(f"dataset {printable(name)} is now {made.name}")


@app.command("rm", cls=Command)
def remove(
    ctx: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="NAME", autocompletion=dataset_names, help="Dataset to remove")
    ],
    dry_run: Annotated[
        bool, typer.Option("-n", "--dry-run", help="Say what would go, remove nothing")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Remove it though it has changesets, or staged changes")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document")] = False,
) -> None:
    """Remove a dataset with its history, for good

    Its changesets, tags, views and what is staged go; files in the work tree stay. Content that
    nothing else refers to is freed by `dsm gc --prune`. Exit status 6 when the dataset is not empty
    and --yes is not given.

    \b
    Examples:
      dsm dataset rm -n scratch
      dsm dataset rm scratch --yes
    """
    with Session(ctx) as s:
        planned = (
            s.repo.plan_remove_dataset(name)
            if dry_run
            else s.repo.remove_dataset(name, confirmed=yes)
        )
        if as_json:
            print_json(removed_dataset_answer(planned, dry_run=dry_run))
        counts = [
            count_text(planned.changesets, "changeset"), count_text(planned.examples, "example"),
            count_text(planned.tags, "tag"), count_text(planned.views, "view"),
            count_text(planned.staged, "staged change"),
        ]  # fmt: skip
        done = "would remove" if dry_run else "removed"
        s.say(f"{done} dataset {planned.name}: {', '.join(counts)}; no file of the work tree")
        if not dry_run:
            s.say("`dsm gc --prune` frees what nothing refers to any more")


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
        answer = datasets_answer(s.repo)
        if as_json:
            print_json(answer)
            return
        rows = list(answer["datasets"])
        names = [printable(row["name"]) for row in rows]
        wide = max(map(len, names), default=0)
        for name, row in zip(names, rows, strict=True):
            mark = s.paint("*", "current") if row["current"] else " "
            head = f"changeset {row['head']}" if row["head"] else "no changeset yet"
            count = count_text(row["examples"], "example")
            print(f"{mark} {name:{wide}}  {head}, {count}")


@app.command("show", cls=Command)
def show(
    ctx: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", autocompletion=dataset_names, help="Default: the current"),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Show every label")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document")] = False,
) -> None:
    """Describe a dataset, and what its newest changeset holds

    \b
    Examples:
      dsm dataset show
      dsm dataset show speech --json
    """
    with Session(ctx) as s:
        found = s.dataset if name is None else s.repo.dataset(name)
        from dsm.views.comparison import statistics

        table, current = found.snapshot(), current_dataset(s.repo)
        sizes, times = statistics.sizes(table), statistics.times(table)
        if as_json:
            print_json(dataset_details_answer(found, current, sizes, times))
            return
        answer = dataset_answer(found, current)
        words = found.target.words()
        told = {
            **answer,
            "target": words,
            "head": answer["head"] or None,
            "examples": f"{answer['examples']:,}",
        }
        for key, value in told.items():
            print(f"{key + ':':11} {printable(_words(value))}")
        if found.head:
            _contents(found, sizes, times, every)


def _contents(found: Dataset, sizes: Sizes | None, times: Histogram | None, every: bool) -> None:
    """Prints what the head holds: attributes, sizes, labels and times."""
    changeset, room = found.changeset("head"), width()
    kinds = [f"{name} ({kind})" for name, kind in sorted(changeset.attributes.items())]
    rows = [("attributes", ", ".join(kinds)), ("queries", ", ".join(sorted(changeset.queries)))]
    rows.append(("tags", ", ".join(tag.name for tag in found.tags())))
    if sizes is not None:
        least, median, greatest = map(size_text, (sizes.least, sizes.median, sizes.greatest))
        rows.append(("size", size_text(sizes.total)))
        rows.append(("each", f"{least} to {greatest}, median {median}"))
    for key, value in rows:
        print(f"{key + ':':11} {printable(value or 'none')}")
    for line in [*label_bars(found.labels(), room, every), *time_bars(times, room)]:
        print(line)


def _words(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
