"""The verb: which rules are asked of what, and what a commit does with their answer."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypedDict

from dsm.checks.contract import BYTES_MAX, NAME, Contract, read_contract
from dsm.checks.run import only, require_rules, run
from dsm.checks.subjects import Subjects
from dsm.errors import InvalidInput, NotFound
from dsm.store.whole_file import read_file

if TYPE_CHECKING:
    from dsm.checks.report import CheckReport
    from dsm.checks.rule import Subject
    from dsm.model.rows import Rows


class CheckAsked(TypedDict, total=False):
    """What is asked of `check`; see `Dataset.check` for what the keywords mean."""

    after: str | int | None
    view: str | None
    staged: bool
    rules: str | os.PathLike[str] | None
    only: Sequence[str] | None


def contract_of(root: str, dataset: str, file: str | None = None) -> Contract | None:
    """Returns the contract of a dataset: of a file, or `dsm.toml` in the repository's folder.

    None when there is no such file. Raises BadContract, and InvalidInput for what is no file.
    """
    path = os.path.join(root, NAME) if file is None else file
    if not os.path.lexists(path):
        return None
    if not os.path.isfile(path):
        raise InvalidInput(f"{path} is no file")
    data = read_file(os.path.realpath(path), BYTES_MAX)
    return None if data is None else read_contract(data, os.path.relpath(path), dataset)


def no_contract(file: str | os.PathLike[str] | None) -> NotFound:
    """Returns the error for a contract that is missing."""
    return NotFound(
        f"there is no contract: no {file or NAME}",
        hint="`dsm check --init` writes one that fits the data, or name one with --rules",
    )


def check(
    contract: Contract | None,
    dataset: str,
    subjects: Subjects,
    asked: CheckAsked,
    rows: Rows | None,
    number: Callable[[str | int | None], int],
    reference: str | int | None,
) -> CheckReport:
    """Asks the rules of a contract; `rows` are what is staged, if that is judged."""
    if contract is None:
        raise no_contract(asked.get("rules"))
    require_rules(contract, dataset)
    names = asked.get("only")
    chosen = contract if names is None else only(contract, names)
    return run(chosen, _subject(subjects, asked, rows, number, reference))


def _subject(
    subjects: Subjects,
    asked: CheckAsked,
    rows: Rows | None,
    number: Callable[[str | int | None], int],
    reference: str | int | None,
) -> Subject:
    view, after = asked.get("view"), asked.get("after")
    if sum((rows is not None, view is not None, reference is not None or after is not None)) > 1:
        raise InvalidInput("give one thing to check: what is staged, changesets, or a view")
    if rows is not None:
        return subjects.rows(rows, number(None), {})
    if view is not None:
        return subjects.view(view)
    if after is not None:
        first, last = number(after), number(reference)
        if first > last:
            raise InvalidInput(
                f"changeset {first} comes after {last}", hint=f"write {last}..{first}"
            )
        return subjects.between(first, last)
    return subjects.snapshot(number(reference))
