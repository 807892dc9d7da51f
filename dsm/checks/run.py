"""Running the rules of a contract over what is judged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from dsm.checks.contract import Contract
from dsm.checks.report import CheckReport, Ran
from dsm.checks.rule import Failing, Rule, Subject
from dsm.errors import InvalidInput, NotFound
from dsm.model.column_names import RECORD_FIELD
from dsm.model.names import close_matches, printable


def run(contract: Contract, subject: Subject) -> CheckReport:
    """Runs all rules of a contract. Raises InvalidInput, NotFound."""
    subject = replace(subject, wanted=_wanted(contract))
    ran = tuple(Ran(rule, _found(contract, rule, subject)) for rule in contract.rules)
    return CheckReport(contract.file, contract.id, subject.fresh.num_rows, ran)


def _wanted(contract: Contract) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Returns the fields of records that rules look at: of what is judged, and of the whole."""
    asked = [rule.columns() for rule in contract.rules]
    one, other = (
        dict.fromkeys(n for each in side for n in each if n.startswith(RECORD_FIELD))
        for side in ([of for of, _ in asked], [of for _, of in asked])
    )
    return tuple(one), tuple(other)


def _found(contract: Contract, rule: Rule, subject: Subject) -> tuple[Failing, ...]:
    """Asks one rule; what it cannot be asked says the rule, and where it stands."""
    try:
        return tuple(rule.check(subject))
    except (InvalidInput, NotFound) as error:
        if rule.line is not None:
            error.message = f"{contract.file}:{rule.line}: rule {rule.name}: {error.message}"
            error.args = (error.message,)
        raise


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
