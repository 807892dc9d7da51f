"""Hooks: what `dsm hooks list` answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dsm.repo.hooks import Hook


def hooks_answer(found: Iterable[Hook]) -> dict[str, Any]:
    """Returns what `dsm hooks list` answers."""
    return {
        "hooks": [
            {"name": hook.name, "path": hook.path, "state": hook.state.replace(" ", "_")}
            for hook in found
        ]
    }
