"""dsm stats: sum up examples by column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dsm.cli.drawing import label_bars, sparkline, width
from dsm.cli.example_set_options import ExampleSetName
from dsm.cli.output import count_text, print_json
from dsm.cli.session import Session
from dsm.model.names import printable

if TYPE_CHECKING:
    from dsm.statistics.summary import ColumnSummary

SHOWN, ENDS = (0, 2, 3, 4, 5, 6, 8), (0, 4, 8)  # of the quantiles


def command(
    ctx: typer.Context,
    what: ExampleSetName = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--column",
            metavar="NAME",
            help="Show this column alone, such as record.FIELD; repeatable",
        ),
    ] = None,
    fields: Annotated[
        bool, typer.Option("--fields", help="Read records, and sum up their fields, too")
    ] = False,
    content: Annotated[
        bool, typer.Option("--content", help="Decode content, and sum up what it says, too")
    ] = False,
    every: Annotated[bool, typer.Option("--all", help="Show every value")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document")] = False,
) -> None:
    """Sum up examples by column: labels, sizes, times, attributes

    Of numbers and times it shows quantiles (each is a value that occurs; of two medians the lower
    one) and a histogram, of words how often each occurs, of texts their length in characters. A
    range A..B stands for what its changesets put. Rows of queries are not asked for.

    \b
    Examples:
      dsm stats
      dsm stats baseline --column width
      dsm stats v1..head --json
    """
    with Session(ctx) as s:
        found = s.repo.example_set(what, dataset=s.dataset.name)
        summary = found.stats(columns, fields=fields, content=content)
        if as_json:
            from dsm.answers.statistics import stats_answer

            print_json(stats_answer(found, summary))
            return
        print(f"{found.words}: {count_text(summary.examples, 'example')}")
        room = width()
        for each in summary.columns:
            for line in _lines(each, room, every):
                print(line)


def _lines(column: ColumnSummary, room: int, every: bool) -> list[str]:
    name, missing = printable(column.column), ""
    if column.missing:
        share = f"{column.missing / column.examples:.1%}"
        missing = f"; {column.missing:,} of {column.examples:,} ({share}) have none"
    if column.kind == "category":
        counts = dict(column.counts)
        bars = label_bars(counts, room, every)[2:]
        rest = [f"  {column.rest:,} of rare values"] if column.rest else []
        return ["", f"{name}: {count_text(column.distinct or 0, 'value')}{missing}", *bars, *rest]
    return ["", f"{name}: {_KINDS[column.kind]}{missing}", *_number_lines(column)]


_KINDS = {"number": "numbers", "time": "times", "text": "texts, in characters"}


def _number_lines(column: ColumnSummary) -> list[str]:
    from dsm.statistics.summary import NAMES
    from dsm.statistics.words import value_text

    numbers = column.numbers
    if numbers is None:
        return []
    shown = SHOWN if column.kind != "time" else ENDS
    told = [value_text(numbers.quantiles[i], column.column, column.kind) for i in shown]
    pairs = [f"{NAMES[i]} {text}" for i, text in zip(shown, told, strict=True)]
    lines = [f"  {', '.join(pairs)}"]
    if numbers.mean is not None:
        mean = value_text(numbers.mean, column.column, column.kind)
        spread = value_text(numbers.deviation, column.column, column.kind)
        lines.append(f"  mean {mean}, deviation {spread}")
    if len(numbers.counts) > 1:
        lines.append(f"  {told[0]} {sparkline(numbers.counts)} {told[-1]}")
    return lines
