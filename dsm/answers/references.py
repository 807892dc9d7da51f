"""References: what `dsm reference list` answers; sizes are in bytes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dsm.remotes.references import ReferencedPlace


def references_answer(found: Iterable[ReferencedPlace]) -> dict[str, Any]:
    """Returns what `dsm reference list` answers."""
    return {
        "places": [
            {
                "address": place.address,
                "objects": place.objects,
                "size": place.size,
                "trusted": place.trusted,
            }
            for place in found
        ]
    }
