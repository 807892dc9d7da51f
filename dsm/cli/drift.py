"""dsm drift: tell which columns of two sets of examples differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dsm.cli.alert import tell
from dsm.cli.drawing import sparkline
from dsm.cli.output import count_text, print_json
from dsm.cli.session import Session
from dsm.cli.suggestions import example_set_names
from dsm.model.names import printable

if TYPE_CHECKING:
    from dsm.statistics.drift import ColumnDrift, Drift
    from dsm.statistics.two_samples import Measure

_WORDS = {"kolmogorov_smirnov": "Kolmogorov-Smirnov", "chi_square": "chi-square"}

A = Annotated[
    str,
    typer.Argument(
        metavar="A",
        autocompletion=example_set_names,
        help="The reference: N, X..Y, VIEW, DATASET",
    ),
]
B = Annotated[
    str,
    typer.Argument(metavar="B", autocompletion=example_set_names, help="What is compared"),
]
Columns = Annotated[
    list[str] | None,
    typer.Option("--column", metavar="NAME", help="Let this column decide; repeatable"),
]
Ignored = Annotated[
    list[str] | None,
    typer.Option("--ignore", metavar="NAME", help="Do not let this one decide; repeatable"),
]
Level = Annotated[
    float, typer.Option("--level", metavar="P", help="Corrected p-values below this count")
]
Psi = Annotated[float, typer.Option("--psi", metavar="X", help="Least population stability index")]
JensenShannon = Annotated[
    float, typer.Option("--js", metavar="X", help="Least Jensen-Shannon distance")
]
Correction = Annotated[
    str, typer.Option("--correction", metavar="holm|benjamini-hochberg", help="For many tests")
]
Fields = Annotated[
    bool, typer.Option("--fields", help="Read records, and compare their fields, too")
]
Content = Annotated[
    bool, typer.Option("--content", help="Decode content, and compare what it says, too")
]
NoAlert = Annotated[bool, typer.Option("--no-alert", help="Tell nobody elsewhere of drift")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document")]


def command(
    ctx: typer.Context,
    a: A,
    b: B,
    columns: Columns = None,
    ignore: Ignored = None,
    level: Level = 0.05,
    psi: Psi = 0.1,
    js: JensenShannon = 0.0,
    correction: Correction = "holm",
    fields: Fields = False,
    content: Content = False,
    no_alert: NoAlert = False,
    as_json: Json = False,
) -> int:
    """Tell which columns of two sets of examples differ

    A column drifts when its difference is unlikely by chance (the p-value, corrected for the number
    of columns, is below --level) and large (the population stability index is at least --psi):
    --psi 0 asks for the first alone, --level 1 for the second. Numbers, times and lengths of texts
    are compared by Kolmogorov-Smirnov, labels and words by chi-square, and so is how many examples
    have a value. With --fields so are fields of records, with --content the sizes and brightness of
    pictures and the lengths of sounds and texts; a column of these that is named is read without.
    All columns decide but the time, those of --ignore, and those that both views
    select on, each in its own way (two sides of a split by patient); or only those of --column.

    Exit status 1 when a column that decides has drifted, 0 when none has.

    \b
    Examples:
      dsm drift v1 head
      dsm drift baseline candidate
      dsm drift head~1 head~1..head --column labels --column width
      dsm drift train test --ignore part --psi 0.25 --json
    """
    with Session(ctx) as s:
        one, two = (s.repo.example_set(word, dataset=s.dataset.name) for word in (a, b))
        found = one.drift(
            two, fields=fields, content=content, level=level, psi=psi, js=js, correction=correction,
            columns=columns, ignore=ignore or (),
        )  # fmt: skip
        if as_json:
            from dsm.answers.statistics import drift_answer

            print_json(drift_answer(one, two, found))
        else:
            for letter, side, count in zip("AB", (one, two), found.examples, strict=True):
                print(f"{letter}: {side.words}, {count_text(count, 'example')}")
            print()
            _print(s, found)
            compared = {each.column.partition(".")[0] for each in found.columns}
            if not {"attr", "record"} & compared and (one.has_records or two.has_records):
                s.say("note: no field of records is an attribute: --fields compares them")
        if found.drifted and not no_alert:
            from dsm.alerts.message import drifted

            tell(s, lambda: drifted(one.words, two.words, found))
        return 1 if found.drifted else 0


def _histograms(column: ColumnDrift) -> list[str]:
    if len(column.a.histogram) < 2:
        return []
    sides = (("A", column.a), ("B", column.b))
    return [f"{letter} {sparkline(side.histogram)}".rstrip() for letter, side in sides]


def _print(s: Session, found: Drift) -> None:
    from dsm.statistics.words import moves

    rows = [("column", "test", "statistic", "p-value", "PSI", "JS")]
    for each in found.columns:
        (test, first), *_ = each.measures.items()
        others = (each.measures["psi"], each.measures["jensen_shannon"])
        psi, js = map(_distance, others)
        figures = (_number(first.statistic), _number(each.corrected), psi, js)
        rows.append((printable(each.column), _WORDS[test], *figures))
    wide = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    for row, column in zip(rows, [None, *found.columns], strict=True):
        mark = "*" if column is not None and column.drifted(found.thresholds) else " "
        cells = [f"{row[0]:{wide[0]}}", f"{row[1]:{wide[1]}}"]
        cells += [f"{row[at]:>{wide[at]}}" for at in range(2, len(row))]
        print(f"{mark} {'  '.join(cells)}".rstrip())
    for each in found.moved:
        print()
        aside = "" if found.thresholds.decides(each.column) else " (does not decide)"
        print(s.paint(f"{printable(each.column)}{aside}", "warning"))
        for line in [*moves(each, found.thresholds), *_histograms(each)]:
            print(f"  {line}")
    print()
    deciding = [each for each in found.moved if found.thresholds.decides(each.column)]
    names = ", ".join(printable(each.column) for each in deciding)
    print(f"drifted: {names}" if deciding else "no drift")
    if found.thresholds.selected and found.thresholds.columns is None:
        told = ", ".join(map(printable, found.thresholds.selected))
        s.say(f"note: both views select on {told}, each in its own way: that decides nothing")


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _distance(measure: Measure) -> str:
    return "-" if measure.statistic is None else f"{measure.statistic:.3f}"
