"""Running the rules of a contract over what is judged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dsm.checks.contract import Contract
from dsm.checks.report import CheckReport, Ran
from dsm.checks.rule import Subject
from dsm.errors import InvalidInput, NotFound
from dsm.model.names import close_matches, printable


def run(contract: Contract, subject: Subject) -> CheckReport:
    """Runs all rules of a contract. Raises InvalidInput, NotFound."""
    ran = tuple(Ran(rule, tuple(rule.check(subject))) for rule in contract.rules)
    return CheckReport(contract.file, contract.id, subject.fresh.num_rows, ran)


def only(contract: Contract, names: Iterable[str]) -> Contract:
    """Returns the rules of these names. Raises NotFound for one that the contract has not."""
    wanted: Sequence[str] = list(names)
    known = [rule.name for rule in contract.rules]
    for name in wanted:
        if name not in known:
            near = close_matches(name, known, 1)
            raise NotFound(
                f"{contract.file} has no rule {printable(name)} for this dataset",
                hint=f"did you mean {near[0]}?" if near else f"it has {', '.join(known) or 'none'}",
            )
    return Contract(contract.file, tuple(r for r in contract.rules if r.name in wanted))


def require_rules(contract: Contract, dataset: str) -> None:
    """Raises InvalidInput when a contract says nothing of a dataset: no gate would be a trap."""
    if not contract.rules:
        raise InvalidInput(
            f"{contract.file} has no rules for dataset {dataset}",
            hint=f"rules stand in [dataset.{dataset}.rules.RULE]; `dsm check --init` writes some",
        )
