"""A repository with its surroundings: what the library must not ask the world for itself."""

from __future__ import annotations

import os
from collections.abc import Callable

from dsm.repo.repository import Repository


class Workplace(Repository):
    """A repository together with what its datasets must not ask the world for.

    `clock` returns microseconds UTC, `author` the name for changesets; `current_folder` is what
    relative paths start from.
    """

    def __init__(
        self,
        root: str,
        *,
        clock: Callable[[], int],
        author: Callable[[Repository], str],
        current_folder: Callable[[], str] = os.getcwd,
    ):
        super().__init__(root)
        self.clock = clock
        self._author = author
        self.current_folder = current_folder

    @property
    def author(self) -> str:
        """Who is named in new changesets."""
        return self._author(self)
