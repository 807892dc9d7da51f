"""What a query selected, summed up: how much it is, of which labels, and its digest."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dsm.errors import DamagedData

if TYPE_CHECKING:
    from dsm.views.selection.evaluate import Evaluation

_HEX = re.compile(r"[0-9a-f]+").fullmatch


@dataclass(frozen=True, slots=True)
class ContentSummary:
    """What a query selected: how many examples, their bytes, examples of each label (sorted)."""

    digest: str
    examples: int
    size: int
    labels: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        return {
            "digest": self.digest, "examples": self.examples, "bytes": self.size,
            "labels": self.labels,
        }  # fmt: skip

    @classmethod
    def from_json(cls, fields: Any, where: str) -> ContentSummary:
        """Reads what `to_json` returned. Raises DamagedData."""
        try:
            content = cls(fields["digest"], fields["examples"], fields["bytes"], fields["labels"])
            counts = (content.examples, content.size, *content.labels.values())
            if not _HEX(content.digest) or any(type(n) is not int or n < 0 for n in counts):
                raise ValueError("a field is of a kind that does not belong there")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DamagedData(f"{where} does not say what the view holds: {error}") from error
        return content


def summed_up(evaluation: Evaluation) -> ContentSummary:
    """Sums up the selected rows, a batch at a time."""
    import pyarrow.compute as pc

    from dsm.views.filters.label_counts import counts as label_counts
    from dsm.views.selection.digest import ContentDigest

    digest, size = ContentDigest(), 0
    labels: dict[str, int] = {}
    for batch in evaluation.batches(["path", "object", "size", "labels"]):
        digest.update(batch)
        size += pc.sum(batch.column("size")).as_py() or 0
        for label, count in label_counts(batch).items():
            labels[label] = labels.get(label, 0) + count
    return ContentSummary(digest.hexdigest(), evaluation.count, size, dict(sorted(labels.items())))
