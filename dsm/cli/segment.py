"""dsm segment: make, list, show and compare named filters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dsm.answers.definitions import (
    coverage_answer,
    segment_answer,
    segment_stats_answer,
    segments_answer,
)
from dsm.cli import prepare_options as options
from dsm.cli.drawing import sparkline
from dsm.cli.group import Command, new_app
from dsm.cli.output import LISTED_MAX, count_text, listed, print_json, size_text
from dsm.cli.picks import picked
from dsm.cli.session import Session
from dsm.cli.suggestions import segment_names
from dsm.model.names import printable
from dsm.model.timespec import format_time

if TYPE_CHECKING:
    from dsm.views.comparison.segments import SegmentFigures

app = new_app()

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document")]
Name = Annotated[
    str, typer.Argument(metavar="NAME", autocompletion=segment_names, help="Name of the segment")
]


@app.callback(invoke_without_command=True)
def segment(ctx: typer.Context) -> None:
    """Make, list, show and compare named filters

    A segment is a filter with a name, such as the pictures of the night. A view that is prepared
    with it is the same as one with the filter written out. Without a command, lists the segments.

    \b
    Examples:
      dsm segment create night --where light=night
      dsm prepare --segment night --label cat
      dsm segment stats
    """
    if ctx.invoked_subcommand is None:
        list_segments(ctx)


@app.command("create", cls=Command)
def create(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the new segment")],
    labels: options.Labels = None,
    all_labels: options.AllLabels = False,
    exclude: options.Excluded = None,
    since: options.Since = None,
    until: options.Until = None,
    paths: options.Paths = None,
    where: options.Where = None,
    split: options.Split = None,
    parts: options.Segment = None,
    pick: options.Pick = None,
    pick_column: options.PickColumn = None,
    missing: options.Missing = None,
    description: Annotated[
        str, typer.Option("--description", metavar="TEXT", help="What the segment is for")
    ] = "",
    as_json: Json = False,
) -> None:
    """Make a segment of any filters of dsm prepare; it never changes

    Times such as 7d become moments now.

    \b
    Examples:
      dsm segment create night --where light=night
      dsm segment create large-cats --label cat --where 'width>=512'
      dsm segment create urban-night --segment night --where place=city
    """
    with Session(ctx) as s:
        made = s.dataset.segments.create(
            name, description=description, labels=labels, all_labels=all_labels, exclude=exclude,
            since=since, until=until, paths=paths, where=where, split=split, segment=parts,
            pick=picked(pick, pick_column), missing=missing,
        )  # fmt: skip
        if as_json:
            print_json(segment_answer(s.dataset.name, made))
        s.say(f"made segment {made.name}: {made.words()}")
        s.say(f"next: dsm prepare --segment {made.name}")


@app.command("list", cls=Command)
def list_segments(ctx: typer.Context, as_json: Json = False) -> None:
    """List the segments of the dataset

    \b
    Examples:
      dsm segment list
      dsm segment list --json
    """
    with Session(ctx) as s:
        found = list(s.dataset.segments)
        if as_json:
            print_json(segments_answer(s.dataset.name, found))
            return
        wide = max((len(each.name) for each in found), default=0)
        for each in found:
            message = each.definition.message
            text = f"{each.name:{wide}}  {each.words()}"
            print(text + (f"  ({printable(message)})" if message else ""))
        if not found:
            s.say("there is no segment; `dsm segment create NAME --label L` makes one")


@app.command("show", cls=Command)
def show(ctx: typer.Context, name: Name, at: options.At = None, as_json: Json = False) -> None:
    """Show a segment: its filters, who made it, and how much it takes

    \b
    Examples:
      dsm segment show night
    """
    with Session(ctx) as s:
        found = s.dataset.segments.get(name)
        (figures,) = s.dataset.segments.stats([name], at=at)
        if as_json:
            print_json(segment_stats_answer(s.dataset.name, [(found, figures)]))
            return
        made = found.definition
        when = format_time(made.time - made.time % 1_000_000)
        for key, value in (
            ("segment", made.name),
            ("asks for", found.words()),
            ("made", f"{when} by {made.author}, changeset {made.number}"),
            *([("for", made.message)] if made.message else []),
            *_told(figures),
        ):
            print(f"{key + ':':10} {printable(value)}")


@app.command("rm", cls=Command)
def remove(ctx: typer.Context, name: Name, as_json: Json = False) -> None:
    """Remove a segment; views that were made with it stay

    \b
    Examples:
      dsm segment rm night
    """
    with Session(ctx) as s:
        gone = s.dataset.segments.remove(name)
        if as_json:
            print_json(segments_answer(s.dataset.name, [gone]))
        s.say(f"removed segment {gone.name}; no example and no view was touched")


@app.command("rename", cls=Command)
def rename(
    ctx: typer.Context,
    old: Name,
    new: Annotated[str, typer.Argument(metavar="NEW", help="Name from now on")],
    as_json: Json = False,
) -> None:
    """Give a segment another name

    \b
    Examples:
      dsm segment rename night dark
    """
    with Session(ctx) as s:
        renamed = s.dataset.segments.rename(old, new)
        if as_json:
            print_json(segment_answer(s.dataset.name, renamed))
        s.say(f"segment {old} is named {renamed.name}")


@app.command("stats", cls=Command)
def stats(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME...", autocompletion=segment_names, help="Segments (default: all)"
        ),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option("--by", metavar="label|ATTR", help="Count the values of this, too"),
    ] = None,
    at: options.At = None,
    as_json: Json = False,
) -> None:
    """Compare segments: examples, sizes, times and growth

    Growth counts the examples of now by the changeset that last put them.

    \b
    Examples:
      dsm segment stats
      dsm segment stats night day --by label
      dsm segment stats --at 3 --json
    """
    with Session(ctx) as s:
        segments = s.dataset.segments
        chosen = [segments.get(name) for name in names] if names else list(segments)
        found = segments.stats([each.name for each in chosen], by=by, at=at)
        if as_json:
            rows = list(zip(chosen, found, strict=True))
            print_json(segment_stats_answer(s.dataset.name, rows))
            return
        _print_stats(found)
        if not found:
            s.say("there is no segment; `dsm segment create NAME --label L` makes one")


@app.command("coverage", cls=Command)
def coverage(ctx: typer.Context, at: options.At = None, as_json: Json = False) -> None:
    """Count examples in no segment, and in several

    \b
    Examples:
      dsm segment coverage
      dsm segment coverage --json
    """
    with Session(ctx) as s:
        found = s.dataset.segments.coverage(at)
        if as_json:
            print_json(coverage_answer(s.dataset.name, found))
            return
        print(f"{count_text(found.examples, 'example')} of changeset {found.number}")
        print(f"{found.none:,} in no segment")
        print(f"{found.several:,} in several segments")
        pairs = [f"{count:,} in both {one} and {two}" for one, two, count in found.overlaps]
        for line in listed(pairs, LISTED_MAX):
            print(line)


def _told(found: SegmentFigures) -> list[tuple[str, str]]:
    rows = [
        ("examples", f"{found.examples:,} of {found.of:,} ({_share(found)})"),
        ("size", size_text(found.size)),
    ]
    if found.times is not None:
        oldest, newest = (format_time(moment)[:10] for moment in found.times)
        rows.append(("times", f"{oldest} to {newest}"))
    labels = sorted(found.labels.items(), key=lambda item: (-item[1], item[0]))
    if labels:
        shown = listed([f"{name} {count:,}" for name, count in labels], LISTED_MAX)
        rows.append(("labels", ", ".join(shown)))
    return rows


def _share(found: SegmentFigures) -> str:
    return f"{100 * found.examples / max(1, found.of):.2f} %"


def _print_stats(found: list[SegmentFigures]) -> None:
    rows = [("segment", "examples", "share", "size", "times", "growth")]
    for each in found:
        times = "-" if each.times is None else "..".join(format_time(t)[:10] for t in each.times)
        growth = sparkline([count for _, count in each.growth])
        rows.append((
            each.name, f"{each.examples:,}", _share(each), size_text(each.size), times, growth,
        ))  # fmt: skip
    wide = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    values = iter(found)
    for row in rows if found else ():
        cells = [f"{row[0]:{wide[0]}}", *(f"{row[at]:>{wide[at]}}" for at in range(1, 4))]
        print("  ".join([*cells, f"{row[4]:{wide[4]}}", row[5]]).rstrip())
        if row is rows[0]:
            continue
        each = next(values)
        counts = [f"{printable(v) or '(none)'} {n:,}" for v, n in (each.values or {}).items()]
        for line in listed(counts, LISTED_MAX):
            print(f"  {line}")
