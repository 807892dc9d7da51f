"""A repository with its surroundings: what the library must not ask the world for itself."""

from __future__ import annotations

import os
from collections.abc import Callable

from dsm.errors import Refused
from dsm.repo.repository import Repository


class Workplace(Repository):
    """A repository together with what its datasets must not ask the world for.

    `clock` returns microseconds UTC, `author` the name for changesets; `current_folder` is what
    relative paths start from; `secret_of` resolves (kind, name) to the address of a source.
    """

    def __init__(
        self,
        root: str,
        *,
        clock: Callable[[], int],
        author: Callable[[Repository], str],
        current_folder: Callable[[], str] = os.getcwd,
        secret_of: Callable[[str, str], str] | None = None,
    ):
        super().__init__(root)
        self.clock = clock
        self._author = author
        self.current_folder = current_folder
        self._secret_of = secret_of

    @property
    def author(self) -> str:
        """Who is named in new changesets."""
        return self._author(self)

    def secret_of(self, kind: str, name: str) -> str:
        """Returns the address of a source, from where its document says it is. Raises Refused."""
        if self._secret_of is None:
            raise Refused("this repository was opened without access to sources")
        return self._secret_of(kind, name)
