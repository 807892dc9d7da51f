"""The verdict of a commit: what the rules of the contract found before it was recorded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules found; `contract` is the id of the rules, None where they could not be read.

    `skipped` says that somebody committed without asking them.
    """

    contract: str | None
    errors: int = 0
    warnings: int = 0
    skipped: bool = False

    @property
    def passed(self) -> bool:
        """Whether the rules were asked, and found no error."""
        return not self.skipped and not self.errors

    def to_json(self) -> dict[str, Any]:
        """Returns it as headers and answers have it."""
        return {
            "contract": self.contract, "errors": self.errors, "warnings": self.warnings,
            "skipped": self.skipped,
        }  # fmt: skip

    @classmethod
    def from_json(cls, fields: Any) -> Verdict:
        """Reads what `to_json` returned. Raises ValueError, KeyError, TypeError."""
        found = cls(fields["contract"], fields["errors"], fields["warnings"], fields["skipped"])
        counts = (found.errors, found.warnings)
        if (
            found.to_json() != fields
            or not (found.contract is None or isinstance(found.contract, str))
            or type(found.skipped) is not bool
            or any(type(count) is not int or count < 0 for count in counts)
        ):
            raise ValueError("its verdict is not spelt as dsm spells it")
        return found
