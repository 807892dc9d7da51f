"""Splits: what `dsm split` answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from dsm.model.timespec import format_time

if TYPE_CHECKING:
    from dsm.repo.definitions import Definition
    from dsm.views.comparison.partition import Leakage, Partition
    from dsm.views.split import Split


def definition_fields(definition: Definition) -> dict[str, Any]:
    """Returns what is said of a split or a segment; the time in RFC 3339."""
    return {
        "name": definition.name,
        "definition": definition.fields,
        "changeset": definition.number,
        "author": definition.author,
        "time": format_time(definition.time),
        "description": definition.message,
    }


def split_answer(dataset: str, split: Split) -> dict[str, Any]:
    """Returns what `dsm split create` answers."""
    return {"dataset": dataset, **definition_fields(split.definition), "parts": list(split.parts)}


def splits_answer(dataset: str, splits: Iterable[Split]) -> dict[str, Any]:
    """Returns what `dsm split list` and `dsm split rm` answer."""
    rows = ({**definition_fields(s.definition), "parts": list(s.parts)} for s in splits)
    return {"dataset": dataset, "splits": rows}


def partition_answer(
    dataset: str,
    split: Split,
    found: Partition,
    moved: dict[tuple[str, str], int] | None,
    leaks: Leakage | None,
) -> dict[str, Any]:
    """Returns what `dsm split show` answers."""
    answer = {
        "dataset": dataset,
        **definition_fields(split.definition),
        "at": found.number,
        "examples": found.examples,
        "outside": found.outside,
        "without_group": found.alone,
        "parts": [
            {
                "name": part.name,
                "share": None if part.share is None else str(part.share),
                "examples": part.examples,
                "size": part.size,
                "labels": dict(part.labels),
            }
            for part in found.parts
        ],
    }
    if moved is not None:
        answer["moved"] = [
            {"from": old, "to": new, "examples": count} for (old, new), count in moved.items()
        ]
    if leaks is not None:
        answer["leakage"] = {
            "objects": leaks.objects,
            "examples": leaks.examples,
            "leaks": [
                {
                    "object": leak.object,
                    "places": [{"part": part, "path": path} for part, path in leak.places],
                }
                for leak in leaks.leaks
            ],
        }
    return answer
