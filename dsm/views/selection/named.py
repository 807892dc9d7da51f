"""What the names in a question stand for: definitions of a dataset, read when they are asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsm.repo.definitions import SPLIT, Definitions
from dsm.views.filters import split_definition

if TYPE_CHECKING:
    from dsm.repo.repository import Repository
    from dsm.views.filters.filter import Filter


_CHECKS = {SPLIT: split_definition.split_of}


def definitions(kind: str, repository: Repository, dataset: str, dataset_id: str) -> Definitions:
    """Returns the splits, or the segments, of a dataset."""
    return Definitions(repository, dataset, dataset_id, kind, _CHECKS[kind])


class NamedThings:
    """The splits of one dataset, by name."""

    def __init__(self, repository: Repository, dataset: str, dataset_id: str):
        self._of = (repository, dataset, dataset_id)

    def split_filter(self, text: str) -> Filter | None:
        """Returns the filter of a part of a split, `NAME:PART`; None when all are in it.

        Raises NotFound with near matches, InvalidInput.
        """
        name, part = split_definition.named_part(text)
        found = definitions(SPLIT, *self._of).get(name)
        return split_definition.filter_of(split_definition.split_of(found.fields, name), name, part)
