"""The gate of a commit: the rules that are `on = "commit"`, and the verdict that it records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING

from dsm.checks.contract import BadContract
from dsm.checks.rule import COMMIT, ERROR
from dsm.checks.run import run
from dsm.checks.verb import contract_of
from dsm.errors import AnswerIsNo, DsmError
from dsm.model.names import close_matches, printable
from dsm.model.verdict import Verdict

if TYPE_CHECKING:
    from dsm.checks.contract import Contract
    from dsm.checks.report import CheckReport
    from dsm.checks.subjects import Subjects
    from dsm.model.rows import Rows
    from dsm.model.trailers import Trailers

LISTED = 50


class ChecksFailed(AnswerIsNo):
    """A rule of the contract finds an error in what was to be committed; `items` are findings.

    `rules` are those that found errors: name, line in the contract, and how many.
    """

    code = "checks-failed"
    rules: tuple[tuple[str, int | None, int], ...] = ()


def gate(
    root: str, dataset: str, subjects: Subjects, trailers: Trailers, *, verify: bool
) -> Callable[[Rows, int], Verdict | None] | None:
    """Returns what judges the rows of a commit; None where the contract has no rules for commits.

    Without `verify` it asks nobody, and says so. Raises BadContract; what is returned raises
    ChecksFailed.
    """
    if not verify:
        return lambda rows, head: Verdict(None, skipped=True)
    contract = contract_of(root, dataset)
    if contract is None:
        return None
    if not contract.rules:
        _require_no_slip(contract, dataset, subjects.datasets())
    if not contract.on(COMMIT).rules:
        return None
    asked = contract.on(COMMIT)

    def judge(rows: Rows, head: int) -> Verdict:
        report = run(asked, subjects.rows(rows, head, trailers))
        if report.fails():
            raise _failed(report)
        return report.verdict()

    return judge


def _require_no_slip(contract: Contract, dataset: str, datasets: Sequence[str]) -> None:
    """Raises BadContract where its rules are for a dataset that there is not, of nearly this name:
    they would stop nothing."""
    for name, line in contract.of_others:
        if name not in datasets and close_matches(name, [dataset], 1):
            raise BadContract(
                f"{contract.file} has rules for no dataset that there is",
                items=(f"{contract.file}:{line}: there is no dataset {printable(name)};"
                       f" did you mean {printable(dataset)}?",),
                hint="write its name, or commit with --no-verify",
            )  # fmt: skip


def witness(
    root: str, dataset: str, subjects: Subjects, trailers: Trailers
) -> Callable[[Rows, int], Verdict | None] | None:
    """Returns what judges the rows of a changeset that goes back: the verdict stops nothing.

    Who goes back mends something, and what comes back was there before. A contract that cannot be
    asked gives a verdict of no rules.
    """
    asked: Contract | None = None
    with suppress(DsmError):
        contract = contract_of(root, dataset)
        if contract is None or not contract.on(COMMIT).rules:
            return None
        asked = contract.on(COMMIT)

    def judge(rows: Rows, head: int) -> Verdict:
        with suppress(DsmError):
            if asked is not None:
                return run(asked, subjects.rows(rows, head, trailers)).verdict()
        return Verdict(None, skipped=True)

    return judge


def _failed(report: CheckReport) -> ChecksFailed:
    errors = (each for each in report.findings() if each.severity == ERROR)
    told = tuple(
        f"{each.rule} ({report.file}:{each.line}): {each.told}" for each in islice(errors, LISTED)
    )
    count = f"{report.errors:,} error{'s' * (report.errors != 1)}"
    failed = ChecksFailed(
        f"nothing was committed: the contract finds {count}", items=told,
        hint="mend them, or commit with --no-verify, which the changeset then says",
    )  # fmt: skip
    failed.rules = tuple(
        (ran.rule.name, ran.rule.line, ran.count)
        for ran in report.ran
        if ran.count and ran.rule.severity == ERROR
    )
    return failed
