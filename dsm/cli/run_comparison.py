"""dsm runs compare: how two runs differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from dsm.answers.runs import compared_answer
from dsm.cli.output import print_json, size_text, write_bytes
from dsm.cli.run_options import RUN_HELP, SHORT, numbers
from dsm.cli.session import Session
from dsm.errors import InvalidInput
from dsm.model.names import printable

if TYPE_CHECKING:
    from dsm.runs.comparison import Difference, RunsCompared
    from dsm.views.comparison.explain import Explanation


def command(
    ctx: typer.Context,
    a: Annotated[str, typer.Argument(metavar="A", help=RUN_HELP)],
    b: Annotated[str, typer.Argument(metavar="B", help="The run to compare it with")],
    html: Annotated[
        str | None, typer.Option("--html", metavar="FILE", help="Write one page; - is stdout")
    ] = None,
    force: Annotated[
        bool, typer.Option("-f", "--force", help="With --html, replace a file that is no report")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document")] = False,
) -> None:
    """Show how run B differs from run A

    Views that differ are explained example by example, as `dsm view explain` does. With --html the
    page has the curves of both runs as well; it is one file, and runs no script.

    \b
    Examples:
      dsm runs compare baseline larger
      dsm runs compare baseline larger --html compared.html
      dsm runs compare baseline larger --json
    """
    if html is not None and as_json:
        raise InvalidInput("give one of --html and --json")
    with Session(ctx) as s:
        from dsm.answers.comparison import explain_answer
        from dsm.cli.view_differences import print_explanation
        from dsm.runs.comparison import compare
        from dsm.views.comparison.explain import explain

        first, second = s.repo.runs.find(a), s.repo.runs.find(b)
        found = compare(first, second)
        why = [explain(s.repo.view(x.version), s.repo.view(y.version)) for x, y in found.data]
        if html is not None:
            _write_page(s, html, found, why, force)
            return
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


def _write_page(
    s: Session, place: str, found: RunsCompared, why: list[Explanation], force: bool
) -> None:
    from dsm.cli.report import require_place, write_page
    from dsm.report.runs_page import gathered, runs_page

    if place != "-":
        require_place(place, force)
    page = runs_page(gathered(s.repo.runs, found, why)).encode("utf-8", "backslashreplace")
    if place == "-":
        write_bytes(page)
        return
    write_page(place, page)
    s.say(f"wrote {place}, {size_text(len(page))}")


def _compared(found: RunsCompared) -> list[str]:
    lines = [
        f"{letter} = {run.id[:SHORT]}  {run.start.name or ''}  {numbers(run)}".rstrip()
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
