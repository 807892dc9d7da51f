"""dsm view: list, show, compare and forget prepared views."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from dsm.answers.views import (
    Runs,
    class_figures_answer,
    forgotten_answer,
    named_view_answer,
    view_answer,
    views_answer,
)
from dsm.cli import view_differences
from dsm.cli.drawing import label_bars, time_bars, width
from dsm.cli.group import Command, new_app
from dsm.cli.output import count_text, print_json, size_text
from dsm.cli.session import Session
from dsm.cli.suggestions import view_names
from dsm.model.names import printable
from dsm.model.timespec import format_time
from dsm.views.query.describe import describe

if TYPE_CHECKING:
    from dsm.sources.receipts import Receipt
    from dsm.views.comparison.statistics import Sizes
    from dsm.views.selection.prepared import Record
    from dsm.views.view import View

SHORT = 12

app = new_app()


@app.callback(invoke_without_command=True)
def view(ctx: typer.Context) -> None:
    """List, show, compare and forget prepared views

    A view is named by its version, the first 8 or more digits of it, or a name given to it.
    Without a command, lists them.

    \b
    Examples:
      dsm view list
      dsm view show baseline
      dsm view diff baseline 3f9a1c2b4d5e
      dsm view explain baseline 3f9a1c2b4d5e
    """
    if ctx.invoked_subcommand is None:
        list_views(ctx)


@app.command("list", cls=Command)
def list_views(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document")] = False,
) -> None:
    """List the prepared views, the oldest changesets first

    \b
    Examples:
      dsm view list
      dsm view list -d speech --json
    """
    with Session(ctx) as s:
        from dsm.views.selection.prepared import list_records

        records = list_records(s.repo, s.dataset.name)
        queries = [_query_names(s, record) for record in records]
        if as_json:
            print_json(views_answer(s.dataset.name, records, queries))
            return
        names = [printable(", ".join(record.names)) or "-" for record in records]
        counts = [count_text(record.content.examples, "example") for record in records]
        besides = [
            f" and {count_text(len(each), 'query', 'queries')}" if each else "" for each in queries
        ]
        sizes = [size_text(record.content.size) for record in records]
        columns = (names, counts, besides, sizes)
        wide = [max(map(len, column), default=0) for column in columns]
        for record, name, count, beside, size in zip(records, *columns, strict=True):
            version = s.paint(record.version[:SHORT], "id")
            amount = f"{count:>{wide[1]}}{beside:{wide[2]}}  {size:>{wide[3]}}"
            print(f"{version}  {name:{wide[0]}}  {amount}  {describe(record.query)}")
        if not records:
            s.say("no view is prepared; `dsm prepare` makes one")


@app.command("show", cls=Command)
def show(
    ctx: typer.Context,
    version: Annotated[
        str,
        typer.Argument(metavar="VIEW", autocompletion=view_names, help="Version or name"),
    ],
    every: Annotated[bool, typer.Option("--all", help="Show every label")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document")] = False,
) -> None:
    """Describe a view: what it asks for, its labels, sizes and times

    The bars are drawn to the width of the terminal, and for 80 columns in a pipe.

    \b
    Examples:
      dsm view show baseline
      dsm view show 3f9a1c2b4d5e --all
      dsm view show baseline --json
    """
    with Session(ctx) as s:
        from dsm.views.comparison import statistics
        from dsm.views.selection.prepared import find_record, names_of

        record = find_record(s.repo, version)
        record = replace(record, names=names_of(s.repo, record.dataset, record.version))
        found = s.repo.view(record.version)
        table = found.table()
        sizes, times = statistics.sizes(table), statistics.times(table)
        if as_json:
            print_json(view_answer(record, sizes, times, _runs(found)))
            return
        for line in [*_summary(found, record, sizes), *_query_lines(found)]:
            print(line)
        room = width()
        for line in [*label_bars(record.content.labels, room, every), *time_bars(times, room)]:
            print(line)


@app.command("stats", cls=Command)
def stats(
    ctx: typer.Context,
    version: Annotated[
        str,
        typer.Argument(metavar="VIEW", autocompletion=view_names, help="Version or name"),
    ],
    weights: Annotated[
        bool, typer.Option("--weights", help="Show the weight of each class in a loss, too")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document")] = False,
) -> None:
    """Count the stored examples of each class of a view

    A line is index, examples, share and name, with --weights the weight before the name: that of n
    examples in k classes is n / (k * examples), so that all classes count alike in a loss.

    \b
    Examples:
      dsm view stats baseline
      dsm view stats baseline --weights
      dsm view stats baseline --json
    """
    with Session(ctx) as s:
        found_view = s.repo.view(version)
        found = found_view.class_figures()
        if as_json:
            print_json(class_figures_answer(found_view, found))
            return
        total = sum(found.counts) or 1
        wide = max((len(f"{count:,}") for count in found.counts), default=1)
        for index, (name, count) in enumerate(zip(found.names, found.counts, strict=True)):
            weight = f"  {found.weights[index]:10.6g}" if weights else ""
            share = f"{100 * count / total:5.1f} %"
            print(f"{index:>5}  {count:>{wide},}  {share}{weight}  {printable(name)}")
        if found.without:
            s.say(f"note: {count_text(found.without, 'example')} without one class")


@app.command("rm", cls=Command)
def remove(
    ctx: typer.Context,
    versions: Annotated[
        list[str],
        typer.Argument(metavar="VIEW...", autocompletion=view_names, help="Versions or names"),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document")] = False,
) -> None:
    """Forget prepared views and their names; no example is touched

    Preparing the same query again brings a view back, with the same version.

    \b
    Examples:
      dsm view rm baseline
      dsm view rm 3f9a1c2b4d5e 77aa01c4be02
    """
    with Session(ctx) as s:
        from dsm.views.selection.prepared import find_record, names_of, remove_record

        # All of them are found before the first one goes.
        found = {record.version: record for record in (find_record(s.repo, v) for v in versions)}
        gone = [replace(r, names=names_of(s.repo, r.dataset, r.version)) for r in found.values()]
        for record in gone:
            names = ", ".join(record.names)
            remove_record(s.repo, record.dataset, record.version)
            s.say(f"forgot view {record.version[:SHORT]}" + (f" ({names})" if names else ""))
        if as_json:
            print_json(forgotten_answer(gone))
        s.say("no example was touched; `dsm prepare` with the same query brings a view back")


def _print_named(s: Session, record: Record) -> None:
    """Prints a view with the names that it has now."""
    from dsm.views.selection.prepared import names_of

    names = names_of(s.repo, record.dataset, record.version)
    print_json(named_view_answer(replace(record, names=names)))


@app.command("name", cls=Command)
def give(
    ctx: typer.Context,
    version: Annotated[
        str, typer.Argument(metavar="VIEW", autocompletion=view_names, help="Version or name")
    ],
    name: Annotated[str, typer.Argument(metavar="NAME", help="One more name for it")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document")] = False,
) -> None:
    """Give a prepared view one more name

    \b
    Examples:
      dsm view name 3f9a1c2b4d5e baseline
    """
    with Session(ctx) as s:
        from dsm.views.selection.prepared import find_record, give_name

        record = find_record(s.repo, version)
        give_name(s.repo, record.dataset, name, record.version)
        if as_json:
            _print_named(s, record)
        s.say(f"view {record.version[:SHORT]} is named {name}")


@app.command("unname", cls=Command)
def unname(
    ctx: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="NAME", autocompletion=view_names, help="Name to take away")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document")] = False,
) -> None:
    """Take a name from a view; the view stays

    \b
    Examples:
      dsm view unname baseline
    """
    with Session(ctx) as s:
        from dsm.views.selection.prepared import take_name

        record = take_name(s.repo, name)
        if as_json:
            _print_named(s, record)
        s.say(f"view {record.version[:SHORT]} is no longer named {name}")


@app.command("rename", cls=Command)
def replace_name(
    ctx: typer.Context,
    old: Annotated[
        str, typer.Argument(metavar="OLD", autocompletion=view_names, help="Name until now")
    ],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Name from now on")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document")] = False,
) -> None:
    """Give a view another name in place of one that it has

    \b
    Examples:
      dsm view rename candidate baseline
    """
    with Session(ctx) as s:
        from dsm.views.selection.prepared import rename

        record = rename(s.repo, old, new)
        if as_json:
            _print_named(s, record)
        s.say(f"view {record.version[:SHORT]} is named {new}")


def _query_names(s: Session, record: Record) -> list[str]:
    """Returns the names of the queries that reading a view runs."""
    from dsm.views.view import View

    dataset = s.dataset
    view = View(s.repo, dataset.name, lambda: dataset.snapshots, record.query, record)
    return [each.query.name for each in view.queries]


def _summary(found: View, record: Record, sizes: Sizes | None) -> list[str]:
    rows = [
        ("view", found.version),
        ("names", ", ".join(record.names) or "none"),
        ("dataset", found.dataset),
        ("asks for", describe(found.query)),
        ("digest", found.digest),
        ("examples", f"{found.content.examples:,}{_stored(found)}"),
        ("size", size_text(found.size)),
    ]
    if sizes is not None:
        least, median, greatest = map(size_text, (sizes.least, sizes.median, sizes.greatest))
        rows.append(("each", f"{least} to {greatest}, median {median}"))
    return [f"{key + ':':10} {printable(value)}" for key, value in rows]


def _stored(found: View) -> str:
    if not found.queries:
        return ""
    # With rows beside them, other stored examples are among the newest.
    return " stored" if found.query.percent is None else " stored, when the sources are skipped"


def _query_lines(found: View) -> list[str]:
    """Returns what the view reads from sources, and whether the last two runs differed."""
    lines = []
    for each, runs in _runs(found):
        query = each.query
        head = f"{query.name} (changeset {each.changeset.number}), source {query.source}"
        lines.append(f"{'query:':10} {head}")
        if not runs:
            lines.append(f"{'':10} not run to its end yet")
            continue
        last = runs[0]
        when = format_time(last.time - last.time % 1_000_000)
        lines.append(f"{'':10} last run {when} by {printable(last.author)}: {last.rows:,} rows")
        if len(runs) == 2:
            lines.append(f"{'':10} {_difference(runs[1], last)}")
    return lines


def _difference(before: Receipt, last: Receipt) -> str:
    if before.digest == last.digest:
        return "the same rows as in the run before"
    if before.rows == last.rows:
        return f"the source changed: {last.rows:,} rows as before, but other ones"
    return f"the source changed: {before.rows:,} → {last.rows:,} rows"


def _runs(found: View) -> Runs:
    from dsm.sources.receipts import last_two

    version = found.version
    return [(e, last_two(found.repository, version, e.query.name)) for e in found.queries]


app.command("diff", cls=Command)(view_differences.diff)
app.command("explain", cls=Command)(view_differences.explain)
