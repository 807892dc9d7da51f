"""dsm view diff and dsm view explain: what differs between two views, and why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dsm.answers.comparison import changed_examples, explain_answer, view_diff_answer
from dsm.cli.changes import query_line
from dsm.cli.output import LISTED_MAX, count_text, print_json, quoted, size_text
from dsm.cli.session import Session
from dsm.cli.suggestions import view_names
from dsm.model.names import printable

if TYPE_CHECKING:
    from dsm.views.comparison.differences import ViewDiff
    from dsm.views.comparison.explain import Explanation

REASONS_MAX = 20
_COLORS = {"added": "added", "dropped": "deleted", "changed": "modified"}

First = Annotated[
    str, typer.Argument(metavar="A", autocompletion=view_names, help="Version or name of a view")
]
Second = Annotated[
    str, typer.Argument(metavar="B", autocompletion=view_names, help="The view to compare it with")
]
Every = Annotated[bool, typer.Option("--all", help="Show every example, not the first ten")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document")]
ExitCode = Annotated[bool, typer.Option("--exit-code", help="Exit 1 when there are differences")]


def diff(
    ctx: typer.Context,
    a: First,
    b: Second,
    every: Every = False,
    as_json: AsJson = False,
    exit_code: ExitCode = False,
) -> int:
    """Show how view B differs from view A, example by example

    An example is added, dropped, or changed: other content, labels, attributes, time or annotation.

    \b
    Examples:
      dsm view diff baseline 3f9a1c2b4d5e
      dsm view diff baseline candidate --all
      dsm view diff baseline candidate --json --exit-code
    """
    with Session(ctx) as s:
        first, second = s.repo.view(a), s.repo.view(b)
        from dsm.views.comparison.differences import compare

        found = compare(first, second)
        if as_json:
            print_json(view_diff_answer(found))
        else:
            for change, lines in _diff_lines(found, None if every else LISTED_MAX):
                count = count_text(found.counts[change], "example")
                print(s.paint(f"{count} {change}", _COLORS[change]))
                for line in lines:
                    print(f"  {line}")
            _say_the_rest(found, s)
    return 1 if exit_code and not found.same else 0


def explain(
    ctx: typer.Context,
    a: First,
    b: Second,
    every: Every = False,
    as_json: AsJson = False,
    exit_code: ExitCode = False,
) -> int:
    """Tell, for each example in which two views differ, what decided

    That is a filter of the view that lacks the example, or a changeset that it does not have, or
    that deleted or changed the example. Each example has one reason; those of most examples come
    first.

    \b
    Examples:
      dsm view explain baseline 3f9a1c2b4d5e
      dsm view explain baseline candidate --all
      dsm view explain baseline candidate --json
    """
    with Session(ctx) as s:
        first, second = s.repo.view(a), s.repo.view(b)
        from dsm.views.comparison.explain import explain as explained

        found = explained(first, second)
        if as_json:
            print_json(explain_answer(found))
        else:
            print_explanation(found, s, every=every)
    return 1 if exit_code and not found.diff.same else 0


def print_explanation(found: Explanation, s: Session, *, every: bool = False) -> None:
    """Prints why two views differ, with at most ten examples of a reason unless `every`."""
    _print_views(found.diff)
    _print_reasons(found, s, every)
    _say_the_rest(found.diff, s)


def _say_the_rest(found: ViewDiff, s: Session) -> None:
    """Tells which queries differ, and where nothing does, that it is so."""
    for change in found.queries:
        print(query_line(change, s.paint))
    if found.a.queries or found.b.queries:
        if not any(found.counts.values()):
            s.say("both hold the same stored examples; what queries give is known when they run")
    elif found.same:
        s.say("both hold the same examples")


def _print_reasons(found: Explanation, s: Session, every: bool) -> None:
    limit = None if every else LISTED_MAX
    shown = found.reasons if every else found.reasons[:REASONS_MAX]
    for reason in shown:
        count = count_text(reason.count, "example")
        head = s.paint(f"{count} {reason.change}", _COLORS[reason.change])
        print(f"\n{head}: {reason.text}")
        for path, detail in reason.examples(limit):
            print(f"  {quoted(path)}" + (f"  ({detail})" if detail else ""))
        for line in _more(reason.count, limit):
            print(f"  {line}")
    rest = found.reasons[len(shown) :]
    if rest:
        examples = count_text(sum(reason.count for reason in rest), "example")
        print(f"\n… and {count_text(len(rest), 'more reason')} for {examples}")


def _print_views(found: ViewDiff) -> None:
    """Says which view is called A and which B."""
    from dsm.views.query.describe import describe

    for letter, view in (("A", found.a), ("B", found.b)):
        noun = "stored example" if view.queries else "example"
        count = count_text(view.content.examples, noun)
        print(f"{letter} = {view.version[:12]}  {count}: {describe(view.query)}")


def _more(count: int, limit: int | None) -> list[str]:
    return [f"… and {count - limit:,} more"] if limit is not None and count > limit else []


def _diff_lines(found: ViewDiff, limit: int | None) -> Iterator[tuple[str, Iterator[str]]]:
    """Yields each change that there is, with a line for each example."""
    for change, rows in (("added", found.added), ("dropped", found.dropped)):
        if rows.num_rows:
            yield change, _lines(rows, limit)
    if found.before.num_rows:
        yield "changed", _changed_lines(found, limit)


def _lines(rows: Any, limit: int | None) -> Iterator[str]:
    from dsm.history.snapshot import examples_of

    for example in examples_of(rows.slice(0, limit)):
        labels = printable(", ".join(example.labels))
        details = ", ".join(filter(None, [size_text(example.size), labels]))
        yield f"{quoted(example.path)}  ({details})"
    yield from _more(rows.num_rows, limit)


def _changed_lines(found: ViewDiff, limit: int | None) -> Iterator[str]:
    for before, after, aspects in changed_examples(found, limit):
        said = ", ".join(aspects)
        if "labels" in aspects:
            was, now = (printable(", ".join(e.labels)) or "no label" for e in (before, after))
            said = said.replace("labels", f"labels: {was} -> {now}")
        yield f"{quoted(after.path)}  ({said})"
    yield from _more(found.before.num_rows, limit)
