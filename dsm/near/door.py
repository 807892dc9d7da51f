"""The door to near-duplicates: what finds them needs packages that not everybody has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsm.errors import InvalidInput
from dsm.imports import bring_numpy_back
from dsm.progress import SILENT, Progress

if TYPE_CHECKING:
    import pyarrow as pa

    from dsm.near.find import Near
    from dsm.repo.repository import Repository


def near_among(repository: Repository, objects: pa.Array, progress: Progress = SILENT) -> Near:
    """Finds the near ones among distinct objects.

    Raises InvalidInput without the packages, and what reading objects raises.
    """
    bring_numpy_back()
    try:
        from dsm.near.find import find
    except ImportError as error:
        raise InvalidInput(
            f"near-duplicates need a package that is not installed ({error.name})",
            hint="pip install 'dsm-datasets[near]'",
        ) from error
    return find(repository, objects, progress)
