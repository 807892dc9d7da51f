"""dsm check: ask the rules of the dataset's contract."""

from __future__ import annotations

import os
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dsm.cli.check_metrics import check_metrics
from dsm.cli.output import count_text, print_json
from dsm.cli.session import Session
from dsm.cli.suggestions import changeset_names
from dsm.errors import InvalidInput, NotFound, StorageFailed
from dsm.files.typed_path import refuse_store
from dsm.model.names import printable

if TYPE_CHECKING:
    from dsm.checks.report import CheckReport
    from dsm.checks.verb import CheckAsked

SHOWN = 10  # of each rule
FAIL_ON = ("error", "warning")

Init = Annotated[bool, typer.Option("--init", help="Write a dsm.toml that the data at hand passes")]
Staged = Annotated[bool, typer.Option("--staged", help="Check what the next commit would put")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document")]
Junit = Annotated[bool, typer.Option("--junit", help="Print a JUnit document")]
Sarif = Annotated[bool, typer.Option("--sarif", help="Print a SARIF log")]
Markdown = Annotated[bool, typer.Option("--markdown", help="Print Markdown")]
Github = Annotated[
    bool,
    typer.Option("--github", help="Print annotations, and add to the file of $GITHUB_STEP_SUMMARY"),
]

Metrics = Annotated[
    str | None,
    typer.Option("--metrics", metavar="FILE", help="Judge the numbers of a JSON file; - is stdin"),
]
FailIf = Annotated[
    list[str] | None,
    typer.Option("--fail-if", metavar="CONDITION", help="What must not hold; repeatable"),
]

Rules = Annotated[
    str | None, typer.Option("--rules", metavar="FILE", help="The contract (default: dsm.toml)")
]
Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="RULE", help="Ask this rule alone; repeatable"),
]
FailOn = Annotated[
    str, typer.Option("--fail-on", metavar="warning|error", help="What makes it fail")
]
FailingTo = Annotated[
    str | None,
    typer.Option("--failing", metavar="FILE", help="Write the paths that fail to a new file"),
]


def command(
    ctx: typer.Context,
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[N | A..B | VIEW]",
            autocompletion=changeset_names,
            help="A snapshot, what changesets put, or a view (default: the head)",
        ),
    ] = None,
    init: Init = False,
    staged: Staged = False,
    rules: Rules = None,
    only: Only = None,
    fail_on: FailOn = "error",
    failing: FailingTo = None,
    metrics: Metrics = None,
    fail_if: FailIf = None,
    as_json: Json = False,
    as_junit: Junit = False,
    as_sarif: Sarif = False,
    as_markdown: Markdown = False,
    as_github: Github = False,
) -> int:
    """Ask the rules of the dataset's contract

    They stand in dsm.toml beside .dsm. Every finding names the example, the rule, the value and
    the line of the rule. Of a range, and of what is staged, rules of single examples judge what
    it puts; rules of the whole, such as balance, what is there after it. Exit status 1 when an
    error is found, or with --fail-on warning anything; 4 without a contract.

    With --metrics no contract is asked, and no repository is needed: exit status 1 when a condition
    of --fail-if holds, or cannot be told; 4 for a metric that the file has not.

    \b
    Examples:
      dsm check
      dsm check --init
      dsm check --staged
      dsm check v1..head --fail-on warning
      dsm check baseline --only leakage --only labels
      dsm check --failing bad.txt || dsm rm --keep-files $(cat bad.txt)
      dsm check --junit > report.xml
      dsm check --metrics metrics.json --fail-if 'accuracy < 0.9 or test.loss > 1'
    """
    if fail_on not in FAIL_ON:
        raise InvalidInput(f"--fail-on takes warning or error, not {printable(fail_on)}")
    if sum((as_json, as_junit, as_sarif, as_markdown, as_github)) > 1:
        raise InvalidInput("give one form of the answer", hint="--json, --junit, --sarif, …")
    if metrics is not None or fail_if is not None:
        others = (what, init, staged, rules, only, failing)
        return check_metrics(metrics, fail_if, as_json, alone=not any(others))
    with Session(ctx) as s:
        if init:
            return _init(s)
        report = _checked(s, what, {"staged": staged, "rules": rules, "only": only})
        if failing is not None:
            _write(failing, "".join(f"{path}\n" for path in report.failing_paths()), "x")
        name = s.dataset.name
        if as_json:
            from dsm.answers.checks import check_answer

            print_json(check_answer(name, report, fail_on))
        elif as_junit or as_sarif or as_markdown or as_github:
            _print_for_machines(name, report, fail_on, as_junit, as_sarif, as_github)
        else:
            tell(s, report)
        return 1 if report.fails(fail_on) else 0


def _init(s: Session) -> int:
    """Writes a contract beside `.dsm`. Raises InvalidInput where there is one already."""
    path = os.path.join(s.repo.root, "dsm.toml")
    _write(path, s.dataset.learnt_contract(), "x")
    s.say(f"wrote {path}; read it, then `dsm check`")
    return 0


def _checked(s: Session, what: str | None, given: CheckAsked) -> CheckReport:
    """Checks a snapshot, a range or a view. Raises NotFound for a word that is none of them."""
    asked: Any = given
    if what is None:
        return s.dataset.check(**asked)
    first, dots, last = what.partition("..")
    if dots and "/" not in what:
        return s.dataset.check(last or "head", **{**asked, "after": first or "head"})
    try:
        number = s.dataset.resolve(what)
    except (NotFound, InvalidInput) as error:
        from dsm.views.selection.prepared import find_record

        try:
            find_record(s.repo, what)
        except (NotFound, InvalidInput):
            raise error from None
        return s.dataset.check(**{**asked, "view": what})
    return s.dataset.check(number, **asked)


def _write(path: str, text: str, mode: str) -> None:
    refuse_store(path)
    try:
        with open(path, mode, encoding="utf-8", errors="surrogateescape") as file:
            file.write(text)
    except FileExistsError:
        raise InvalidInput(f"{path} is there already", hint="name a new file") from None
    except OSError as error:
        raise StorageFailed(f"cannot write {path}: {error.strerror}") from error


def _print_for_machines(
    name: str, report: CheckReport, fail_on: str, as_junit: bool, as_sarif: bool, as_github: bool
) -> None:
    from dsm.answers import check_formats

    if as_sarif:
        from dsm.answers.check_formats import sarif_answer

        print_json(sarif_answer(name, report))
    elif as_junit:
        print(check_formats.junit(name, report))
    elif as_github:
        for line in check_formats.github_lines(report):
            print(line)
        summary = os.environ.get("GITHUB_STEP_SUMMARY")
        if summary:
            _write(summary, check_formats.markdown(name, report, fail_on) + "\n", "a")
    else:
        print(check_formats.markdown(name, report, fail_on))


def tell(s: Session, report: CheckReport) -> None:
    """Prints what a check found, rule by rule."""
    for ran in report.ran:
        if not ran.failing:
            continue
        place = f"{printable(report.file)}:{ran.rule.line}"
        head = f"{ran.rule.severity}: {ran.rule.name}, {count_text(ran.count, 'finding')} ({place})"
        print(s.paint(head, "error" if ran.rule.severity == "error" else "warning"))
        for each in islice(ran.findings(), SHOWN):
            print(f"  {each.told}")
        if ran.count > SHOWN:
            print(f"  … and {ran.count - SHOWN:,} more")
    if not report.ran:
        s.say("nothing is staged, so nothing was checked")
        return
    found = f"{count_text(report.errors, 'error')}, {count_text(report.warnings, 'warning')}"
    rules = count_text(len(report.ran), "rule")
    s.say(f"{rules} over {count_text(report.judged, 'example')}: {found}")
