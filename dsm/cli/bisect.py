"""dsm bisect: find the changeset that broke a metric, by training as little as possible."""

from __future__ import annotations

import json
import os
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dsm import tracking
from dsm.answers.runs import bisection_answer
from dsm.cli.group import Command, new_app
from dsm.cli.output import print_json
from dsm.cli.rerun import prepared
from dsm.cli.run import parameters_of, record
from dsm.cli.session import Session
from dsm.errors import DamagedData, InvalidInput, Refused, StorageFailed
from dsm.model.names import printable
from dsm.runs.bisect import BAD, GOOD, Bisection
from dsm.runs.choose import Condition, parse
from dsm.runs.replay import as_text, made_already, query_at
from dsm.store import disk
from dsm.store.whole_file import read_file

if TYPE_CHECKING:
    from dsm.runs.run import Run
    from dsm.views.view import View

STATE_BYTES_MAX = 1 << 16

app = new_app()

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document")]
Number = Annotated[
    str | None, typer.Argument(metavar="N", help="Changeset; the one to try next by default")
]


class NothingBegun(Refused):
    """A search for a changeset was to go on that nobody began."""

    code = "nothing-begun"


class Search:
    """A search as it is kept between commands: a view, a good and a bad changeset."""

    def __init__(self, s: Session):
        self.s = s
        self._path = s.repo.layout.bisection
        found: Any = None
        try:
            found = json.loads(read_file(self._path, STATE_BYTES_MAX) or b"null")
            version = found and found["view"]
            self.good, self.bad = (found and found[name] for name in (GOOD, BAD))
            numbers = (self.good, self.bad)
            if found and not all(each is None or type(each) is int for each in numbers):
                raise ValueError
        except (DamagedData, StorageFailed, ValueError, TypeError, KeyError, RecursionError):
            found = None
        if not found or not isinstance(version, str):
            raise NothingBegun("no search goes on", hint="dsm bisect start VIEW")
        self.view = s.repo.view(version)
        self._views: dict[int, View] = {}

    @staticmethod
    def begin(s: Session, view: str) -> None:
        """Begins a search, in place of one that may go on. Raises NotFound, WriteFailed."""
        _save(s, {"view": s.repo.view(view).version, GOOD: None, BAD: None})

    def mark(self, number: int, verdict: str) -> None:
        """Takes in that a changeset is good or bad. Raises InvalidInput, WriteFailed."""
        other = self.bad if verdict == GOOD else self.good
        if number == other:
            raise InvalidInput(f"changeset {number} is {BAD if verdict == GOOD else GOOD} already")
        self.good, self.bad = (
            (number, self.bad) if verdict == GOOD else (self.good, number)
        )  # fmt: skip
        self.save()

    def save(self) -> None:
        """Keeps the search for the next command. Raises WriteFailed."""
        _save(self.s, {"view": self.view.version, GOOD: self.good, BAD: self.bad})

    def at(self, number: int) -> View:
        """Returns the view as it is at a changeset."""
        if number not in self._views:
            changeset = self.s.repo.dataset(self.view.dataset).changeset(number)
            self._views[number] = prepared(self.s, self.view, query_at(self.view, changeset))
        return self._views[number]

    def bisection(self) -> Bisection | None:
        """Returns the search itself; None while good or bad is missing."""
        if self.good is None or self.bad is None:
            return None
        return Bisection(self.good, self.bad, lambda number: self.at(number).digest)


def _save(s: Session, state: dict[str, Any]) -> None:
    temporary = os.path.join(s.repo.layout.temporary, f"bisect-{os.urandom(8).hex()}")
    disk.rewrite(s.repo.layout.bisection, json.dumps(state).encode(), temporary)


@app.callback()
def bisect() -> None:
    """Find the changeset that broke a metric

    Begin with `start`, name a `good` and a `bad` changeset, then let `run` train between them, or
    train by hand on the views that `good` and `bad` print, and say how each was.

    \b
    Examples:
      dsm bisect start baseline
      dsm bisect good 1
      dsm bisect bad head
      dsm bisect run --fail-if 'f1 < 0.9' -- python train.py
    """


@app.command("start", cls=Command)
def start(
    ctx: typer.Context,
    view: Annotated[str, typer.Argument(metavar="VIEW", help="View that the program trains on")],
    as_json: AsJson = False,
) -> None:
    """Begin a search for the changeset that broke a metric

    \b
    Examples:
      dsm bisect start baseline
    """
    with Session(ctx) as s:
        Search.begin(s, view)
        _say(s, Search(s), as_json)


@app.command("good", cls=Command)
def good(ctx: typer.Context, number: Number = None, as_json: AsJson = False) -> None:
    """Say that the metric was right at a changeset

    \b
    Examples:
      dsm bisect good 3
    """
    _mark(ctx, number, GOOD, as_json)


@app.command("bad", cls=Command)
def bad(ctx: typer.Context, number: Number = None, as_json: AsJson = False) -> None:
    """Say that the metric was wrong at a changeset

    \b
    Examples:
      dsm bisect bad head
    """
    _mark(ctx, number, BAD, as_json)


def _mark(ctx: typer.Context, number: str | None, verdict: str, as_json: bool) -> None:
    with Session(ctx) as s:
        search = Search(s)
        if number is None:
            found = search.bisection()
            at = None if found is None else found.next()
            if at is None:
                raise InvalidInput(
                    "which changeset is that?", hint=f"dsm bisect {verdict} N names it"
                )
        else:
            at = s.repo.dataset(search.view.dataset).resolve(number)
        search.mark(at, verdict)
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
    """Train until the first bad changeset is found

    CMD is run as by `dsm run`; where it opens the view of the search it gets that view at the
    changeset to try. A run of the same command and parameters that read it already is used instead,
    and where the view holds the same as at a changeset that was judged nothing is run. Without
    --fail-if the exit status of CMD judges: 0 is good.

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
        search = Search(s)
        found = search.bisection()
        if found is None:
            raise NothingBegun(
                "a good and a bad changeset are needed", hint="dsm bisect good N, dsm bisect bad N"
            )
        parameters = parameters_of(param or [], None)
        trained = reused = 0
        while (number := found.next()) is not None:
            view = search.at(number)
            known = made_already(s.repo.runs, program, parameters, view.version)
            if known is None:
                begin = partial(
                    tracking.start, s.repo, None, program, parameters, metric_files=metrics or ()
                )
                replaced = {search.view.version: view.version, view.query.dataset: str(number)}
                id_, _ = record(s, begin, {tracking.DATA: as_text(replaced)})
                known, trained = s.repo.runs.find(id_), trained + 1
            else:
                reused += 1
            verdict = _verdict(known, conditions, view)
            s.say(f"changeset {number} is {verdict}: run {known.id[:8]}")
            found.judge(number, verdict)
            search.good, search.bad = found.good, found.bad
            search.save()
        _say(s, search, as_json, trained, reused)


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
    found = search.bisection()
    number = None if found is None else found.next()
    first_bad = None if found is None or number is not None else found.bad
    following = None if number is None else search.at(number).version
    if as_json:
        print_json(
            bisection_answer(
                search.view.version, (search.good, search.bad), number, following, first_bad,
                counts=(trained, reused),
            )
        )  # fmt: skip
    elif found is None:
        missing = [name for name, at in ((GOOD, search.good), (BAD, search.bad)) if at is None]
        s.say(f"still to be named: a {' and a '.join(missing)} changeset")
    elif number is not None:
        print(following)
        s.say(f"try changeset {number}; {len(list(found.left()))} may be the first bad one")
    else:
        changeset = s.repo.dataset(search.view.dataset).changeset(found.bad)
        subject = printable(changeset.message.split("\n")[0])
        print(f"changeset {found.bad} is the first bad one: {subject}")
