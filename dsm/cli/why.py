"""dsm why: tell why an example is in a view, or is not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from dsm.answers.comparison import what_happened, why_answer
from dsm.cli.history import subject
from dsm.cli.output import print_json, quoted
from dsm.cli.session import Session
from dsm.cli.suggestions import view_names
from dsm.model.names import printable
from dsm.model.timespec import format_time

if TYPE_CHECKING:
    from dsm.views.comparison.past import Event
    from dsm.views.comparison.why import Why
    from dsm.views.view import View


def command(
    ctx: typer.Context,
    path: Annotated[str, typer.Argument(metavar="PATH", help="The example")],
    version: Annotated[
        str,
        typer.Option(
            "--view", metavar="VIEW", autocompletion=view_names, help="Version or name of the view"
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document")] = False,
) -> int:
    """Tell why an example is in a view, or is not

    Shows what each changeset did to it, whether it passes each filter of the view, and for the
    newest share its rank by time. Exit status 0 when the view holds it, 1 when it does not.

    \b
    Examples:
      dsm why train/cat/0001.jpg --view baseline
      dsm why train/cat/0001.jpg --view 3f9a1c2b4d5e --json
    """
    with Session(ctx) as s:
        from dsm.views.comparison.why import why

        view = s.repo.view(version)
        s.settings.dataset = view.dataset  # the path is an example of the view's dataset
        found = why(view, s.below_root(path))
        if as_json:
            print_json(why_answer(found, view, s.dataset))
        else:
            _print(found, view, s)
        if found.rank is not None and view.queries:
            s.say(
                "note: this is so without the sources; with them, rows of queries count for the"
                " newest share as well"
            )
    return 0 if found.selected else 1


def _print(found: Why, view: View, s: Session) -> None:
    from dsm.views.query.describe import changesets_text, newest_text

    verdict = "is in" if found.selected else "is not in"
    print(f"{quoted(found.path)} {verdict} view {view.version[:12]}")
    print(f"\nchangesets: {changesets_text(view.query)}")
    rows = []
    for event, what in _told(found.events):
        changeset = s.dataset.changeset(event.number)
        when = format_time(changeset.time - changeset.time % 1_000_000)
        note = "" if event.folded else ", not among those of the view"
        rows.append((str(event.number), when, what + note, subject(changeset)))
    number_wide, _, what_wide, _ = (max(map(len, cells)) for cells in zip(*rows, strict=True))
    for number, when, what, message in rows:
        print(f"  {number:>{number_wide}}  {when}  {what:{what_wide}}  {message}".rstrip())
    print("\nfilters")
    if found.example is None:
        print(f"  {_mark(s, False)}  {_absence(found.events)}")
        return
    for check in found.checks:
        value = f"  ({check.value})" if check.value else ""
        print(f"  {_mark(s, check.passed)}  {check.text}{value}")
    if found.rank is not None:
        print(f"  {_mark(s, found.rank.passed)}  {found.rank}")
    elif view.query.percent is not None:
        newest = newest_text(view.query.percent)
        print(f"  -     {newest}: taken of what the other filters leave")
    elif not found.checks:
        print("  none: the view takes every example of its changesets")


def _absence(events: tuple[Event, ...]) -> str:
    """Says why a view's changesets do not hold an example."""
    folded = [event for event in events if event.folded]
    if folded:
        return f"changeset {folded[-1].number} deleted it"
    return "no changeset of the view holds it"


def _mark(s: Session, passed: bool) -> str:
    return s.paint("pass", "added") if passed else s.paint("FAIL", "deleted")


def _told(events: tuple[Event, ...]) -> Iterator[tuple[Event, str]]:
    """Yields what each changeset did to the example, and for other labels, which."""
    before = None
    for event, what in what_happened(events):
        now = event.example
        if what == "relabelled" and before is not None and now is not None:
            was, now_ = (printable(", ".join(e.labels)) or "no label" for e in (before, now))
            what += f": was {was}, is {now_}" if before.labels != now.labels else ""
        yield event, what
        before = now
