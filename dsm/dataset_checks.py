"""A dataset with its contract: what the rules of `dsm.toml` find, and how they judge a commit."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Unpack

from dsm.dataset_undo import UndoableDataset
from dsm.model.keywords import refuse_unknown, verbs_suggest

if TYPE_CHECKING:
    from dsm.checks.report import CheckReport
    from dsm.checks.schema_diff import SchemaChange
    from dsm.checks.verb import CheckAsked
    from dsm.history.commit import Intent, Judge
    from dsm.statistics.summary import Summary

_CHECKED = ("after", "view", "staged", "rules", "only")


@verbs_suggest
class DatasetChecks(UndoableDataset):
    """A dataset with its work tree, and the rules that judge it."""

    def check(self, reference: str | int | None = None, **asked: Unpack[CheckAsked]) -> CheckReport:
        """Asks the rules of the dataset's contract, `dsm.toml`, and returns what they found.

        They judge the snapshot of a changeset (the head by default); with `after` what the
        changesets after that one put; with `view` a prepared view; with `staged` what the next
        commit would put. `rules` names another file with rules, `only` some of the rules.

        Raises NotFound without a contract, for a rule that it has not and a view that there is
        not, BadContract with every mistake in it, InvalidInput for a contract without rules for
        this dataset, and what `resolve` raises.
        """
        refuse_unknown("check", asked, [*_CHECKED, "reference"])
        file = asked.get("rules")
        if file is not None:
            file = asked["rules"] = os.fspath(file)
        rows = self.tree.stage.load().rows() if asked.get("staged") else None
        if rows is not None and not len(rows) and asked.get("only") is None:
            from dsm.checks.report import nothing_judged

            return nothing_judged(file)
        from dsm.checks.subjects import Subjects
        from dsm.checks.verb import check, contract_of

        if file is not None:
            file = os.path.join(self._environment.current_folder(), file)
        contract = contract_of(self.repo.root, self.name, file)
        subjects = Subjects(self.repo, self.log_, lambda: self.snapshots)
        return check(contract, self.name, subjects, asked, rows, self._number, reference)

    def stats(self, reference: str | int | None = None) -> Summary:
        """Sums up the snapshot of a changeset (the head by default), by column.

        Labels, size (bytes), time, and each attribute. Raises what `resolve` raises.
        """
        from dsm.statistics.summary import summarised

        return summarised(self.snapshot(reference))

    def schema_diff(
        self, before: str | os.PathLike[str], *, rules: str | os.PathLike[str] | None = None
    ) -> tuple[SchemaChange, ...]:
        """Returns how the contract differs from the one in the file `before`: what is wider, what
        is narrower, and which examples of the newest snapshot do not fit any more.

        `rules` names another file than `dsm.toml`. Raises NotFound where a file is missing,
        BadContract, and InvalidInput for what is no file.
        """
        from dsm.checks.schema_diff import schema_diff
        from dsm.checks.subjects import Subjects
        from dsm.checks.verb import contract_of, no_contract

        here = self._environment.current_folder()
        paths = [None if path is None else os.path.join(here, path) for path in (before, rules)]
        old, new = (contract_of(self.repo.root, self.name, path) for path in paths)
        if old is None or new is None:
            raise no_contract(os.fspath(before) if old is None else None)
        subjects = Subjects(self.repo, self.log_, lambda: self.snapshots)
        return schema_diff(old, new, subjects.snapshot(self.head))

    def learnt_contract(self) -> str:
        """Returns the text of a contract that the newest snapshot passes, to be tightened.

        Records are read, for what their fields are. Raises
        InvalidInput for one without fields, ObjectMissing and ObjectDamaged.
        """
        from dsm.checks.learn import learnt
        from dsm.checks.subjects import Subjects

        subject = Subjects(self.repo, self.log_, lambda: self.snapshots).snapshot(self.head)
        assert subject.fields is not None
        return learnt(subject.fields(subject.table, None).beside(subject.table), self.name)

    def _witness(self, intent: Intent) -> Judge | None:
        """Returns what judges a changeset that goes back, and stops nothing."""
        if not os.path.lexists(os.path.join(self.repo.root, "dsm.toml")):
            return None
        from dsm.checks.gate import witness
        from dsm.checks.subjects import Subjects

        subjects = Subjects(self.repo, self.log_, lambda: self.snapshots)
        return witness(self.repo.root, self.name, subjects, intent.trailers)

    def _judge(self, verify: bool, intent: Intent) -> Judge | None:
        """Returns what judges the rows of a commit by the rules for commits, if there are some."""
        if not os.path.lexists(os.path.join(self.repo.root, "dsm.toml")):
            return None
        from dsm.checks.gate import gate
        from dsm.checks.subjects import Subjects

        subjects = Subjects(self.repo, self.log_, lambda: self.snapshots)
        return gate(self.repo.root, self.name, subjects, intent.trailers, verify=verify)
