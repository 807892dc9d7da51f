"""dsm bisect: find what broke a metric, by training as little as possible."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dsm import tracking
from dsm.answers.runs import bisection_answer
from dsm.cli.bisect_search import (
    CHANGESETS,
    OVER,
    ChangesetSearch,
    ClauseSearch,
    NothingBegun,
    Search,
    begin,
    resume,
)
from dsm.cli.group import Command, new_app
from dsm.cli.output import count_text, print_json
from dsm.cli.rerun import prepared
from dsm.cli.run import parameters_of, record
from dsm.cli.session import Session
from dsm.errors import InvalidInput, Refused
from dsm.model.names import printable
from dsm.runs.bisect import BAD, GOOD
from dsm.runs.choose import Condition, parse
from dsm.runs.replay import as_text, made_already

if TYPE_CHECKING:
    from dsm.cli.bisect_search import Trial
    from dsm.runs.run import Run
    from dsm.views.view import View

NAMES_SHOWN = 10

app = new_app()

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document")]
Number = Annotated[
    str | None, typer.Argument(metavar="N", help="Changeset; the one to try next by default")
]


@app.callback()
def bisect() -> None:
    """Find the changeset, label or segment that broke a metric

    Over changesets: begin with `start`, name a `good` and a `bad` changeset, then let `run` train
    between them, or train yourself on the view that is printed and say `good` or `bad`. Over labels
    or segments the view is bad as it is, and is tried without half of them, and so on.

    \b
    Examples:
      dsm bisect start baseline
      dsm bisect good 1
      dsm bisect bad head
      dsm bisect run --fail-if 'f1 < 0.9' -- python train.py
      dsm bisect start baseline --over labels
    """


@app.command("start", cls=Command)
def start(
    ctx: typer.Context,
    view: Annotated[str, typer.Argument(metavar="VIEW", help="View that the program trains on")],
    over: Annotated[
        str, typer.Option("--over", metavar="KIND", help="changesets, labels or segments")
    ] = CHANGESETS,
    as_json: AsJson = False,
) -> None:
    """Begin a search for what broke a metric

    With --over labels or segments one of them is looked for without which the metric is right.

    \b
    Examples:
      dsm bisect start baseline
      dsm bisect start baseline --over labels
    """
    with Session(ctx) as s:
        _say(s, begin(s.repo, partial(prepared, s), view, over), as_json)


@app.command("good", cls=Command)
def good(ctx: typer.Context, number: Number = None, as_json: AsJson = False) -> None:
    """Say that the metric was right there

    At a changeset, or with the view that was to be tried.

    \b
    Examples:
      dsm bisect good 3
    """
    _mark(ctx, number, GOOD, as_json)


@app.command("bad", cls=Command)
def bad(ctx: typer.Context, number: Number = None, as_json: AsJson = False) -> None:
    """Say that the metric was wrong there

    At a changeset, or with the view that was to be tried.

    \b
    Examples:
      dsm bisect bad head
    """
    _mark(ctx, number, BAD, as_json)


def _mark(ctx: typer.Context, number: str | None, verdict: str, as_json: bool) -> None:
    with Session(ctx) as s:
        search = resume(s.repo, partial(prepared, s))
        if number is not None and isinstance(search, ChangesetSearch):
            search.mark(s.repo.dataset(search.view.dataset).resolve(number), verdict)
        elif number is not None:
            raise InvalidInput(
                f"a search over {search.over} judges one view after the other",
                hint=f"`dsm bisect {verdict}` judges the one that was to be tried",
            )
        else:
            trial = search.next()
            if trial is None:
                raise InvalidInput(
                    "which changeset is that?" if search.over == CHANGESETS
                    else "the search has ended: nothing is to be tried",
                    hint=f"dsm bisect {verdict} N names it" if search.over == CHANGESETS
                    else "dsm bisect start VIEW begins another one",
                )  # fmt: skip
            search.judge(trial, verdict)
        _say(s, search, as_json)


@app.command("run", cls=Command)
def run(
    ctx: typer.Context,
    program: Annotated[
        list[str], typer.Argument(metavar="-- CMD...", help="The program and its arguments")
    ],
    fail_if: Annotated[
        list[str] | None,
        typer.Option("--fail-if", metavar="COND", help="What makes a run bad, such as 'f1 < 0.9'"),
    ] = None,
    param: Annotated[
        list[str] | None, typer.Option("--param", metavar="K=V", help="As of `dsm run`")
    ] = None,
    metrics: Annotated[
        list[str] | None, typer.Option("--metrics", metavar="FILE", help="As of `dsm run`")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train until it is found what broke the metric

    CMD is run as by `dsm run`; where it opens the view of the search it gets that view at the
    changeset to try, or without the labels or segments to leave out. A run of the same command and
    parameters that read it already is used instead, and where the view holds the same as one that
    was judged nothing is run. Without --fail-if the exit status of CMD judges: 0 is good. Each
    verdict is kept, so that a search that was interrupted goes on where it was.

    \b
    Examples:
      dsm bisect run --fail-if 'f1 < 0.9' --metrics m.json -- python train.py
    """
    if ctx.obj.behind_dashes != len(program):
        raise InvalidInput(
            "the program stands behind `--`", hint="dsm bisect run -- python train.py"
        )
    conditions = [parse(text) for text in fail_if or ()]
    with Session(ctx) as s:
        search = resume(s.repo, partial(prepared, s))
        if isinstance(search, ChangesetSearch) and search.bisection() is None:
            raise NothingBegun(
                "a good and a bad changeset are needed", hint="dsm bisect good N, dsm bisect bad N"
            )
        parameters = parameters_of(param or [], None)
        if isinstance(search, ClauseSearch):
            _require_bad(s, search, program, parameters, conditions)
        trained = reused = 0
        while (trial := search.next()) is not None:
            known = made_already(s.repo.runs, program, parameters, trial.view.version)
            if known is None:
                known = _trained(s, search, trial, program, parameters, metrics)
                trained += 1
            else:
                reused += 1
            verdict = _verdict(known, conditions, trial.view)
            s.say(f"{trial.words} is {verdict}: run {known.id[:8]}")
            search.judge(trial, verdict)
        _say(s, search, as_json, trained, reused)


def _trained(
    s: Session,
    search: Search,
    trial: Trial,
    program: list[str],
    parameters: dict[str, str],
    metrics: list[str] | None,
) -> Run:
    """Runs the program where it is given the view to try for that of the search."""
    begun = partial(
        tracking.start, s.repo, None, program, parameters, metric_files=metrics or ()
    )  # fmt: skip
    replaced = {search.view.version: trial.view.version}
    if trial.number is not None:
        replaced[trial.view.query.dataset] = str(trial.number)
    return s.repo.runs.find(record(s, begun, {tracking.DATA: as_text(replaced)})[0])


def _require_bad(
    s: Session,
    search: ClauseSearch,
    program: list[str],
    parameters: dict[str, str],
    conditions: list[Condition],
) -> None:
    """Raises Refused where a run of the whole view is there, and was good."""
    known = made_already(s.repo.runs, program, parameters, search.view.version)
    if known is not None and _verdict(known, conditions, search.view) == GOOD:
        raise Refused(
            f"the view is good as it is: run {known.id[:8]}",
            hint="name a view that is bad, or a condition that says so",
        )


def _verdict(run: Run, conditions: list[Condition], view: View) -> str:
    if all(each.version != view.version for each in run.views):
        raise InvalidInput(
            f"run {run.id[:8]} has not opened the view of the search",
            hint="it opens it by the name or version that `dsm bisect start` was given",
        )
    status = None if run.end is None else run.end.status
    if not conditions:
        return BAD if status else GOOD
    if status != 0:
        raise Refused(
            f"run {run.id[:8]} ended with exit status {status}, so its metrics judge nothing",
            hint="mend the program, and give the command again",
        )
    missing = [each.name for each in conditions if each.name not in run.metrics]
    if missing:
        raise InvalidInput(f"run {run.id[:8]} has no metric {printable(missing[0])!r}")
    return BAD if any(each.fits(run) for each in conditions) else GOOD


def _say(s: Session, search: Search, as_json: bool, trained: int = 0, reused: int = 0) -> None:
    trial = search.next()
    if as_json:
        told, counts = _told(search, trial), (trained, reused)
        print_json(bisection_answer(search.view.version, search.over, counts=counts, **told))
    elif trial is not None:
        print(trial.view.version)
        s.say(f"try {trial.words}; {_left(search)}")
    elif isinstance(search, ChangesetSearch):
        _say_changeset(s, search)
    elif isinstance(search, ClauseSearch):
        print(_found(search))


def _told(search: Search, trial: Trial | None) -> dict[str, Any]:
    """Returns what the answer says of how far a search has come."""
    tried = None if trial is None else (trial.view.version, trial.number, trial.dropped)
    if isinstance(search, ClauseSearch):
        found = search.elimination
        return {
            "trial": tried, "candidates": found.candidates, "enough": found.enough,
            "culprit": found.culprit,
        }  # fmt: skip
    if isinstance(search, ChangesetSearch):
        ends = search.good, search.bad
        return {"trial": tried, "ends": ends, "first_bad": search.first_bad()}
    return {}


def _left(search: Search) -> str:
    if isinstance(search, ClauseSearch):
        noun = OVER[search.over] if search.left() == 1 else search.over
        return f"{search.left()} {noun} may have broken it"
    return f"{search.left()} may be the first bad one"


def _say_changeset(s: Session, search: ChangesetSearch) -> None:
    first = search.first_bad()
    if first is None:
        missing = [name for name, at in ((GOOD, search.good), (BAD, search.bad)) if at is None]
        s.say(f"still to be named: a {' and a '.join(missing)} changeset")
        return
    changeset = s.repo.dataset(search.view.dataset).changeset(first)
    subject = printable(changeset.message.split("\n")[0])
    print(f"changeset {first} is the first bad one: {subject}")


def _found(search: ClauseSearch) -> str:
    found, noun = search.elimination, OVER[search.over]
    if found.culprit is not None:
        return f"{noun} {printable(found.culprit)} broke it: without it alone the view is good"
    if found.enough:
        names = ", ".join(map(printable, found.enough[:NAMES_SHOWN]))
        more = ", …" if len(found.enough) > NAMES_SHOWN else ""
        several = count_text(len(found.enough), noun)
        return f"no single {noun} broke it: without these {several} the view is good: {names}{more}"
    if found.refuted:
        return f"no single {noun} broke it: the view stays bad"
    return f"the {search.over} cannot be told apart: without them nothing is left"
