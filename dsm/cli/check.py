"""dsm check: ask the rules of the dataset's contract."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import typer

from dsm.cli import check_options as options
from dsm.cli.check_metrics import check_metrics
from dsm.cli.output import count_text, print_json
from dsm.cli.session import Session
from dsm.errors import InvalidInput, NotFound, StorageFailed
from dsm.files.typed_path import refuse_store
from dsm.model.names import printable

if TYPE_CHECKING:
    from dsm.checks.report import CheckReport
    from dsm.checks.verb import CheckAsked

SHOWN = 10  # of each rule
FAIL_ON = ("error", "warning")


def command(
    ctx: typer.Context,
    what: options.What = None,
    init: options.Init = False,
    staged: options.Staged = False,
    rules: options.Rules = None,
    only: options.Only = None,
    fail_on: options.FailOn = "error",
    failing: options.Failing = None,
    schema_diff: options.SchemaDiff = None,
    metrics: options.Metrics = None,
    fail_if: options.FailIf = None,
    no_alert: options.NoAlert = False,
    as_json: options.Json = False,
    as_junit: options.Junit = False,
    as_sarif: options.Sarif = False,
    as_markdown: options.Markdown = False,
    as_github: options.Github = False,
) -> int:
    """Ask the rules of the dataset's contract

    They stand in dsm.toml beside .dsm. Every finding names the example, the rule, the value and
    the line of the rule. Of a range, and of what is staged, rules of single examples judge what
    it puts; rules of the whole, such as balance, what is there after it. Exit status 1 when an
    error is found, or with --fail-on warning anything; 4 without a contract. --schema-diff says
    what dsm.toml allows more and less than an older one, with exit status 1 when examples of the
    head do not fit any more.

    With --metrics no contract is asked, and no repository is needed: exit status 1 when a condition
    of --fail-if holds, or cannot be told; 4 for a metric that the file has not.

    \b
    Examples:
      dsm check
      dsm check --init
      dsm check --staged
      dsm check v1..head --fail-on warning
      dsm check baseline --only leakage --only labels
      dsm check --failing bad.txt || dsm rm --keep-files --from-file bad.txt
      dsm check --junit > report.xml
      dsm check --metrics metrics.json --fail-if 'accuracy < 0.9 or test.loss > 1'
      git show main:dsm.toml > /tmp/old.toml && dsm check --schema-diff /tmp/old.toml
    """
    _require_sense(fail_on, (as_json, as_junit, as_sarif, as_markdown, as_github))
    if metrics is not None or fail_if is not None:
        others = (what, init, staged, rules, only, failing)
        return check_metrics(metrics, fail_if, as_json, alone=not any(others), alert=not no_alert)
    with Session(ctx) as s:
        if init:
            return _init(s)
        if schema_diff is not None:
            if any((what, staged, only, failing, as_junit, as_sarif, as_markdown, as_github)):
                raise InvalidInput("--schema-diff goes with --rules and --json alone")
            return _schema_diff(s, schema_diff, rules, as_json)
        report = _checked(s, what, {"staged": staged, "rules": rules, "only": only})
        if failing is not None:
            _write(failing, _listed(report.failing_paths()), "x")
        name = s.dataset.name
        if as_json:
            from dsm.answers.checks import check_answer

            print_json(check_answer(name, report, fail_on))
        elif as_junit or as_sarif or as_markdown or as_github:
            _print_for_machines(name, report, fail_on, as_junit, as_sarif, as_github)
        else:
            tell(s, report)
        if report.fails(fail_on) and not no_alert:
            _tell_others(s, what or ("what is staged" if staged else "head"), report)
        return 1 if report.fails(fail_on) else 0


def _require_sense(fail_on: str, forms: tuple[bool, ...]) -> None:
    """Raises InvalidInput for options that mean nothing."""
    if fail_on not in FAIL_ON:
        raise InvalidInput(f"--fail-on takes warning or error, not {printable(fail_on)}")
    if sum(forms) > 1:
        raise InvalidInput("give one form of the answer", hint="--json, --junit, --sarif, …")


def _tell_others(s: Session, what: str, report: CheckReport) -> None:
    """Tells those whom the user's settings name that a check failed."""
    from dsm.alerts.message import failed_check
    from dsm.cli.alert import tell as tell_others

    tell_others(s, lambda: failed_check(s.dataset.name, what, report))


def _init(s: Session) -> int:
    """Writes a contract beside `.dsm`. Raises InvalidInput where there is one already."""
    path = os.path.join(s.repo.root, "dsm.toml")
    _write(path, s.dataset.learnt_contract(), "x")
    s.say(f"wrote {path}; read it, then `dsm check`")
    return 0


def _schema_diff(s: Session, before: str, rules: str | None, as_json: bool) -> int:
    """Says what the contract allows more and less than another one; 1 when examples break."""
    found = s.dataset.schema_diff(before, rules=rules)
    if as_json:
        from dsm.answers.checks import schema_diff_answer

        print_json(schema_diff_answer(s.dataset.name, found))
    for change in () if as_json else found:
        line = f" (line {change.line})" if change.line else ""
        print(f"{change.kind}: {change.rule}{line}: {change.text}")
        if change.breaks:
            print(f"  {count_text(change.findings, 'finding')} in the head:")
            for path in change.paths:
                print(f"    {printable(path)}")
    if not found:
        s.say("both ask the same")
    return 1 if any(change.breaks for change in found) else 0


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

    report = replace(report, file=_in_workspace(report.file))
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


def _listed(paths: Iterable[str]) -> str:
    """Returns paths as --pick and --from-file read them: one a line, and where a line breaks within
    one of them, parted by NUL."""
    told = list(paths)
    ends = "\0" if any("\n" in path or path != path.strip("\r") for path in told) else "\n"
    return "".join(f"{path}{ends}" for path in told)


def _in_workspace(file: str) -> str:
    """Returns a path as the service that runs a job names it: from the top of its checkout."""
    top = os.environ.get("GITHUB_WORKSPACE") or os.environ.get("CI_PROJECT_DIR")
    if not top:
        return file
    below = os.path.relpath(os.path.realpath(file), os.path.realpath(top))
    return file if below.startswith("../") else below


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
