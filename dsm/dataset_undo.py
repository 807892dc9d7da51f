"""A dataset with its work tree, and the verbs that go back by a new changeset.

`Dataset` adds all others; these are apart since they need nothing of them.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from dsm.dataset_history import DatasetHistory
from dsm.files.typed_path import refuse_root
from dsm.model.changeset import Changeset
from dsm.model.keywords import verbs_suggest

if TYPE_CHECKING:
    from dsm.history.commit import Intent, Judge
    from dsm.model.restore_reports import RevertReport
    from dsm.worktree.tree import WorkTree


@verbs_suggest
class UndoableDataset(DatasetHistory):
    """The history of a dataset with the files that it is made of, and what undoes changesets."""

    @cached_property
    def tree(self) -> WorkTree:
        """The files below its root, of no use to who reads a view: imported when asked for.

        Raises InvalidInput when a link makes the root another folder than one of the repository.
        """
        from dsm.worktree.tree import WorkTree

        if self.identity.root != ".":
            refuse_root(self.repo.root, self.root)
        return WorkTree(self.repo, self.log_, self.root, lambda: self.snapshots)

    def _intent(self, message: str, author: str | None, **fields: Any) -> Intent:
        from dsm.history.commit import intended

        author = author or self.repo.author
        return intended(message, author, self._environment.clock(), **fields)

    def _witness(self, intent: Intent) -> Judge | None:
        """Returns what gives the verdict that such a changeset keeps; see `DatasetChecks`."""
        return None

    def revert(
        self,
        reference: str | int,
        *,
        force: bool = False,
        message: str | None = None,
        author: str | None = None,
        keep_files: bool = False,
    ) -> Changeset:
        """Commits a changeset that undoes another one, and brings unchanged files along.

        Rules for commits of the contract judge it and stop nothing: it keeps their verdict.
        Raises what `resolve` raises, TouchedLater when later changesets touched the same examples
        (`force` keeps those), AnswerIsNo when nothing is left to undo, and as `commit` does
        InvalidInput, ChangedMeanwhile and OutcomeUnknown. Files that cannot be brought along stay
        as they are; UnsafeTarget when one lies behind a link by then.
        """
        from dsm.worktree.revert import commit_revert, undoing

        number = self.resolve(reference)
        undone = self.log_.get(number)
        subject = undone.message.splitlines()[0]
        text = message or f'Revert changeset {number}: "{subject}"'
        intent = self._intent(text, author, kind="revert", reverts=number)
        planner = undoing(self.tree, number, force=force)
        judge = self._witness(intent)
        return commit_revert(self.tree, planner, intent, keep_files=keep_files, judge=judge)

    def plan_revert(
        self, reference: str | int, *, force: bool = False, keep_files: bool = False
    ) -> RevertReport:
        """Returns what `revert` would do now; nothing is changed. Raises what `revert` raises."""
        from dsm.worktree.revert import report_revert, undoing

        number = self.resolve(reference)
        planner = undoing(self.tree, number, force=force)
        return report_revert(self.tree, number, planner, keep_files=keep_files)

    def rollback(
        self,
        reference: str | int,
        *,
        message: str | None = None,
        author: str | None = None,
        keep_files: bool = False,
    ) -> Changeset:
        """Commits a changeset after which the dataset is as it was after another one: examples,
        labels and queries, and what was added since is gone. Files come along, and rules judge it,
        as in `revert`.

        Raises what `resolve` raises, AnswerIsNo when the dataset is as it was, ChangedMeanwhile
        when somebody else commits beside it, and as `commit` does InvalidInput and
        OutcomeUnknown. Files that cannot be brought along stay as they are; UnsafeTarget when one
        lies behind a link by then.
        """
        from dsm.worktree.revert import commit_revert, going_back

        number = self.resolve(reference)
        intent = self._intent(message or f"Go back to changeset {number}", author, kind="revert")
        planner = going_back(self.tree, number)
        judge = self._witness(intent)
        return commit_revert(
            self.tree, planner, intent, keep_files=keep_files, alone=True, judge=judge
        )

    def plan_rollback(self, reference: str | int, *, keep_files: bool = False) -> RevertReport:
        """Returns what `rollback` would do now; nothing is changed. Raises what that raises."""
        from dsm.worktree.revert import going_back, report_revert

        number = self.resolve(reference)
        planner = going_back(self.tree, number)
        return report_revert(self.tree, number, planner, keep_files=keep_files)
