"""What a dataset should be: dictionaries instead of packs, manifests, stage and index.

A state maps paths to (content, labels). Times are left out: what differs only by them may count as
a change or not.
"""

from __future__ import annotations

from collections.abc import Iterable

State = dict[str, tuple[bytes, tuple[str, ...]]]


class Model:
    """The work tree, the stage and the history of one dataset."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.states: list[State] = [{}]  # by changeset number
        self.staged: dict[str, tuple[bytes, tuple[str, ...]] | None] = {}
        self.tags: dict[str, int] = {}
        self.absent: set[str] = set()  # paths that lack a file by intent, if they are tracked

    @property
    def head(self) -> State:
        return self.states[-1]

    @property
    def tracked(self) -> State:
        """The head with what is staged laid over it."""
        state = {**self.head, **{path: put for path, put in self.staged.items() if put}}
        for path, put in self.staged.items():
            if put is None:
                state.pop(path, None)
        return state

    @property
    def missing(self) -> set[str]:
        """The tracked paths whose file was here and is gone: deletions to be staged."""
        return set(self.tracked).difference(self.files, self.absent)

    def look(self) -> None:
        """A status has seen the files: what it knows again is not absent any more."""
        tracked = self.tracked
        self.absent -= {
            p for p, data in self.files.items() if p in tracked and tracked[p][0] == data
        }

    def stage(self, path: str, put: tuple[bytes, tuple[str, ...]] | None) -> None:
        """Stages a state of a path; what the head has already is no change."""
        if put == self.head.get(path):
            self.staged.pop(path, None)
        else:
            self.staged[path] = put

    def commit(self, paths: Iterable[str] | None = None) -> None:
        """Appends the head with what is staged (of some paths)."""
        chosen = set(self.staged if paths is None else paths) & set(self.staged)
        state = dict(self.head)
        for path in chosen:
            put = self.staged.pop(path)
            if put is None:
                state.pop(path, None)
            else:
                state[path] = put
        self.states.append(state)
        for path in list(self.staged):  # relative to the new head some are no change any more
            self.stage(path, self.staged[path])

    def saved(self, path: str) -> set[bytes]:
        """Every content that a path has had in a changeset or has in the stage."""
        contents = {state[path][0] for state in self.states if path in state}
        put = self.staged.get(path)
        return contents | ({put[0]} if put else set())


def below(paths: Iterable[str], wanted: str) -> list[str]:
    """Those at or below a path ("." is everything)."""
    return sorted(p for p in paths if wanted == "." or p == wanted or p.startswith(wanted + "/"))
