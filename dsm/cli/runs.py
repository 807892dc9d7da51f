"""dsm runs: list, show, compare, draw and remove runs."""

from __future__ import annotations

import math
import os
import shlex
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from dsm.answers.runs import curves_answer, run_answer, runs_answer
from dsm.cli.group import Command, new_app
from dsm.cli.output import count_text, print_json, size_text
from dsm.cli.run_comparison import command as compare_runs
from dsm.cli.run_export import command as export_runs
from dsm.cli.run_options import RUN_HELP, SHORT, RunName, numbers, title
from dsm.cli.session import Session
from dsm.errors import InvalidInput, NotFound
from dsm.files.typed_path import refuse_store
from dsm.model.names import printable
from dsm.model.timespec import format_time
from dsm.runs.choose import in_order, parse
from dsm.runs.curves import curve
from dsm.store import disk

if TYPE_CHECKING:
    from dsm.runs.run import Run, ViewRead

app = new_app()
CURVES_SHOWN = 8

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document")]
Where = Annotated[
    list[str] | None,
    typer.Option("--where", metavar="COND", help="Such as 'f1 > 0.9', lr=0.1; repeatable"),
]
OfView = Annotated[
    str | None, typer.Option("--view", metavar="VIEW", help="Runs that read this view")
]
OfLabel = Annotated[
    str | None, typer.Option("--label", metavar="LABEL", help="Runs that read data of this label")
]


@app.callback(invoke_without_command=True)
def runs(ctx: typer.Context) -> None:
    """List, show, compare, draw, export and remove runs

    A run is one execution of a program by `dsm run`, with the views that it read. Without a
    command, lists the runs.

    \b
    Examples:
      dsm runs list
      dsm runs show baseline
      dsm runs compare baseline larger
      dsm runs plot loss
    """
    if ctx.invoked_subcommand is None:
        list_runs(ctx)


@app.command("list", cls=Command)
def list_runs(
    ctx: typer.Context,
    where: Where = None,
    view: OfView = None,
    label: OfLabel = None,
    sort: Annotated[
        str | None,
        typer.Option("--sort", metavar="METRIC", help="The greatest first; -METRIC: the least"),
    ] = None,
    limit: Annotated[
        int | None, typer.Option("-n", "--max-count", metavar="N", min=0, help="At most N")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the runs, those that began last first

    With --sort only runs that have the metric are listed; those where it is NaN come last. --where
    compares a metric, a parameter, or `name`, `state`, `status` and `author` of a run with a value,
    by = != < <= > >=.

    \b
    Examples:
      dsm runs list
      dsm runs list --sort accuracy -n 5
      dsm runs list --where 'f1 > 0.9' --where lr=0.1 --view january
      dsm runs list --label cat --sort=-loss --json
    """
    with Session(ctx) as s:
        found: Iterable[Run] = chosen(s, where, view, label)
        if sort is not None:
            found = in_order(found, sort.removeprefix("-"), least=sort.startswith("-"))
        listed_ = list(islice(found, limit))
        if as_json:
            print_json(runs_answer(listed_))
            return
        rows = [_cells(run) for run in listed_]
        if rows:
            print("\n".join(_columns(rows)))
        else:
            given = where or view or label
            s.say("no run fits" if given else "there is no run; `dsm run -- CMD` records one")


@app.command("best", cls=Command)
def best(
    ctx: typer.Context,
    metric: Annotated[str, typer.Argument(metavar="METRIC", help="Name of a metric")],
    least: Annotated[
        bool, typer.Option("--min", help="The least value is the best, as of a loss")
    ] = False,
    where: Where = None,
    view: OfView = None,
    label: OfLabel = None,
    as_json: AsJson = False,
) -> int | None:
    """Show the run with the greatest, or least, value of a metric

    Its last value counts. Of equal runs the one that began last is shown. The exit status is 1 when
    no run fits, or all are NaN.

    \b
    Examples:
      dsm runs best accuracy
      dsm runs best loss --min --where state=complete
    """
    with Session(ctx) as s:
        runs = in_order(chosen(s, where, view, label), metric, least=least)
        if not runs or math.isnan(runs[0].metrics[metric]):
            s.say(f"no run fits that has a value of {printable(metric)}")
            return 1
        if as_json:
            print_json(run_answer(runs[0]))
            return None
        for key, value in _told(runs[0]):
            print(f"{key + ':' if key else '':12}{printable(value)}")
        return None


@app.command("plot", cls=Command)
def plot(
    ctx: typer.Context,
    metric: Annotated[str, typer.Argument(metavar="METRIC", help="Name of a metric")],
    names: Annotated[list[str] | None, typer.Argument(metavar="RUN...", help=RUN_HELP)] = None,
    svg: Annotated[
        str | None, typer.Option("--svg", metavar="FILE", help="Write an SVG picture; - prints it")
    ] = None,
    log: Annotated[
        bool, typer.Option("--log", help="Logarithms, if all values are positive")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Draw a metric over its steps, in the terminal or as SVG

    Without RUN it draws the runs that began last and logged the metric, eight at most. The SVG
    needs no other file and follows the reader's choice of light or dark.

    \b
    Examples:
      dsm runs plot loss
      dsm runs plot accuracy baseline larger --svg accuracy.svg
    """
    with Session(ctx) as s:
        from dsm.cli.drawing import width
        from dsm.cli.run_curves import drawn
        from dsm.runs.picture import CURVES_MAX, WIDTH
        from dsm.runs.picture import svg as picture

        runs = [s.repo.runs.find(name) for name in names or ()] or _that_logged(s, metric)
        if len(runs) > CURVES_MAX:
            raise InvalidInput(f"a picture has {CURVES_MAX} runs at most, {len(runs)} are given")
        found = [
            curve(title(run), s.repo.runs.points(run, metric), WIDTH) for run in runs
        ]  # fmt: skip
        if not any(each.points or each.left_out for each in found):
            raise NotFound(
                f"no run has logged {metric!r} by step",
                hint="`dsm.log_metric`, or `dsm run --metrics history.csv` records steps",
            )
        if as_json:
            print_json(curves_answer(metric, runs, found))
        elif svg is not None:
            write_text(svg, picture(metric, found, log=log), s)
        else:
            for line in drawn(metric, found, width(), log=log):
                print(line)


@app.command("show", cls=Command)
def show(ctx: typer.Context, name: RunName, as_json: AsJson = False) -> None:
    """Show one run: command, data, metrics, outputs

    \b
    Examples:
      dsm runs show baseline
      dsm runs show 3f9a1c2b --json
    """
    with Session(ctx) as s:
        run = s.repo.runs.find(name)
        if as_json:
            print_json(run_answer(run))
            return
        for key, value in _told(run):
            print(f"{key + ':' if key else '':12}{printable(value)}")


@app.command("rm", cls=Command)
def remove(ctx: typer.Context, name: RunName, as_json: AsJson = False) -> None:
    """Remove a run, not its views nor its files

    \b
    Examples:
      dsm runs rm 3f9a1c2b
    """
    with Session(ctx) as s:
        run = s.repo.runs.find(name)
        s.repo.runs.remove(run.id)
        if as_json:
            print_json(runs_answer([run]))
        s.say(f"removed run {run.id}; no view and no file was touched")


app.command("compare", cls=Command)(compare_runs)
app.command("export", cls=Command)(export_runs)


def chosen(
    s: Session, where: list[str] | None, view: str | None, label: str | None
) -> Iterator[Run]:
    """Yields the runs that fit all of these. Raises InvalidInput, NotFound for a view."""
    from dsm.views.selection.prepared import find_record, read_record

    conditions = [parse(text) for text in where or ()]
    version = None if view is None else find_record(s.repo, view).version
    holds: dict[str, bool] = {}

    def has_label(read: ViewRead) -> bool:
        if read.version not in holds:
            record = read_record(s.repo, read.dataset, read.version)
            holds[read.version] = record is not None and label in record.content.labels
        return holds[read.version]

    for run in s.repo.runs:
        if version is not None and all(read.version != version for read in run.views):
            continue
        if label is not None and not any(map(has_label, run.views)):
            continue
        if all(each.fits(run) for each in conditions):
            yield run


def write_text(path: str, text: str, s: Session) -> None:
    """Writes a file of a person's, or with `-` prints it. Raises InvalidInput, WriteFailed."""
    if path == "-":
        print(text, end="")
        return
    refuse_store(path)
    disk.rewrite(path, text.encode(), f"{path}.{os.urandom(4).hex()}")
    s.say(f"wrote {path}")


def _that_logged(s: Session, metric: str) -> list[Run]:
    having = (run for run in s.repo.runs if metric in run.metrics)
    logged = (run for run in having if run.end is None or run.end.points)
    return list(islice(logged, CURVES_SHOWN))


def _cells(run: Run) -> list[str]:
    when = format_time(run.start.time - run.start.time % 1_000_000)
    return [run.id[:SHORT], when, run.start.name or "", run.state, numbers(run)]


def _columns(rows: list[list[str]]) -> list[str]:
    if not "".join(map("".join, rows)).isprintable():  # looked at once, not cell by cell
        rows = [[printable(cell) for cell in row] for row in rows]
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    line = "  ".join(f"{{:{width}}}" for width in wide).format
    return [line(*row).rstrip() for row in rows]


def _told(run: Run) -> list[tuple[str, str]]:
    start, end = run.start, run.end
    commit = f"{start.commit}{'' if start.clean else ', with changes'}"
    rows = [
        ("run", run.id),
        *([("name", start.name)] if start.name else []),
        ("state", run.state + (f", exit status {end.status}" if end else "")),
        ("command", shlex.join(start.command)),
        ("began", f"{format_time(start.time - start.time % 1_000_000)} by {start.author}"),
        *([("took", f"{end.duration / 1_000_000:.1f} s")] if end else []),
        *([("git commit", commit)] if start.commit else []),
        *([("host", start.host)] if start.host else []),
        *((tracker, run_id) for tracker, run_id in start.tracking.items()),
        ("python", f"{start.python}, {count_text(len(start.packages), 'package')}"),
    ]
    views = [
        f"{view.version[:12]}  {view.dataset}, {count_text(view.examples, 'example')}"
        for view in run.views
    ]
    parameters = [f"{name} = {value}" for name, value in run.parameters.items()]
    metrics = [f"{name} = {value!r}" for name, value in run.metrics.items()]
    outputs = [
        f"{each.path}  {size_text(each.size)}  {each.blake3[:12]}"
        for each in (end.outputs if end else ())
    ]
    lists = {"views": views, "parameters": parameters, "metrics": metrics, "outputs": outputs}
    for key, lines in lists.items():
        rows += [(key if not at else "", line) for at, line in enumerate(lines)]
    return rows
