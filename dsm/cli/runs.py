"""dsm runs: list, show, compare and remove runs."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from dsm.answers.runs import compared_answer, run_answer, runs_answer
from dsm.cli.group import Command, new_app
from dsm.cli.output import LISTED_MAX, count_text, listed, print_json, size_text
from dsm.cli.session import Session
from dsm.errors import InvalidInput
from dsm.model.names import printable
from dsm.model.timespec import format_time

if TYPE_CHECKING:
    from dsm.runs.comparison import Difference, RunsCompared
    from dsm.runs.run import Run

SHORT = 8
RUN_HELP = "Id of a run, its first 4 or more digits, or its name"

app = new_app()

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document")]
RunName = Annotated[str, typer.Argument(metavar="RUN", help=RUN_HELP)]


@app.callback(invoke_without_command=True)
def runs(ctx: typer.Context) -> None:
    """List, show, compare and remove runs

    A run is one execution of a program by `dsm run`, with the views that it read. Without a
    command, lists the runs.

    \b
    Examples:
      dsm runs list
      dsm runs show baseline
      dsm runs compare baseline larger
    """
    if ctx.invoked_subcommand is None:
        list_runs(ctx)


@app.command("list", cls=Command)
def list_runs(
    ctx: typer.Context,
    sort: Annotated[
        str | None,
        typer.Option("--sort", metavar="METRIC", help="The greatest first; -METRIC: the least"),
    ] = None,
    limit: Annotated[
        int | None, typer.Option("-n", "--max-count", metavar="N", min=0, help="At most so many")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the runs, those that began last first

    With --sort only runs that have the metric are listed; those where it is NaN come last.

    \b
    Examples:
      dsm runs list
      dsm runs list --sort accuracy -n 5
      dsm runs list --sort=-loss --json
    """
    with Session(ctx) as s:
        found: Iterable[Run] = s.repo.runs
        if sort is not None:
            found = _sorted(list(found), sort)
        chosen = list(islice(found, limit))
        if as_json:
            print_json(runs_answer(chosen))
            return
        rows = [_cells(run) for run in chosen]
        for line in _columns(rows):
            print(line)
        if not rows:
            s.say("there is no run; `dsm run -- CMD` records one")


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


@app.command("compare", cls=Command)
def compare_runs(
    ctx: typer.Context,
    a: Annotated[str, typer.Argument(metavar="A", help=RUN_HELP)],
    b: Annotated[str, typer.Argument(metavar="B", help="The run to compare it with")],
    as_json: AsJson = False,
) -> None:
    """Show how run B differs from run A

    Views that differ are explained example by example, as `dsm view explain` does.

    \b
    Examples:
      dsm runs compare baseline larger
      dsm runs compare baseline larger --json
    """
    with Session(ctx) as s:
        from dsm.answers.comparison import explain_answer
        from dsm.cli.view_differences import print_explanation
        from dsm.runs.comparison import compare
        from dsm.views.comparison.explain import explain

        first, second = s.repo.runs.find(a), s.repo.runs.find(b)
        found = compare(first, second)
        why = [explain(s.repo.view(x.version), s.repo.view(y.version)) for x, y in found.data]
        if as_json:
            print_json(compared_answer(found, [explain_answer(each) for each in why]))
            return
        for line in _compared(found):
            print(printable(line))
        for each in why:
            print()
            print_explanation(each, s)
        if not why and not found.only_a and not found.only_b:
            s.say("both read the same data")


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


def _sorted(runs: Sequence[Run], sort: str) -> list[Run]:
    least = sort.startswith("-")
    metric = sort.removeprefix("-")
    having = [run for run in runs if metric in run.metrics]
    if runs and not having:
        known = sorted({name for run in runs for name in run.metrics})
        raise InvalidInput(
            f"no run has a metric {metric!r}",
            hint=f"there are: {', '.join(known[:LISTED_MAX])}" if known else
            "`dsm run --metrics FILE` records metrics",
        )  # fmt: skip

    def key(run: Run) -> tuple[bool, float]:
        value = run.metrics[metric]
        return math.isnan(value), value if least else -value

    return sorted(having, key=key)


def _cells(run: Run) -> list[str]:
    when = format_time(run.start.time - run.start.time % 1_000_000)
    return [run.id[:SHORT], when, run.start.name or "", run.state, _numbers(run)]


def _numbers(run: Run) -> str:
    numbers = [f"{name}={value:.6g}" for name, value in run.metrics.items()]
    return " ".join(listed(numbers, LISTED_MAX))


def _columns(rows: list[list[str]]) -> list[str]:
    rows = [[printable(cell) for cell in row] for row in rows]
    wide = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(f"{cell:{width}}" for cell, width in zip(row, wide, strict=True)).rstrip()
        for row in rows
    ]


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


def _compared(found: RunsCompared) -> list[str]:
    lines = [
        f"{letter} = {run.id[:SHORT]}  {run.start.name or ''}  {_numbers(run)}".rstrip()
        for letter, run in (("A", found.a), ("B", found.b))
    ]
    for name, before, after in found.metrics:
        if before is None or after is None:
            lines.append(f"metric {name}: {_or_none(before)} -> {_or_none(after)}")
        else:
            lines.append(f"metric {name}: {before:.6g} -> {after:.6g} ({after - before:+.4g})")
    lines += [_line("parameter ", each) for each in found.parameters]
    lines += [_line("", each) for each in found.environment]
    lines += [f"only A read {view.version[:12]} of {view.dataset}" for view in found.only_a]
    lines += [f"only B read {view.version[:12]} of {view.dataset}" for view in found.only_b]
    return lines


def _or_none(value: float | None) -> str:
    return "none" if value is None else f"{value:.6g}"


def _line(kind: str, found: Difference) -> str:
    before, after = (text if text is not None else "none" for text in (found.before, found.after))
    return f"{kind}{found.name}: {before} -> {after}"
