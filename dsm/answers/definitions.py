"""Splits and segments: what `dsm split` and `dsm segment` answer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from dsm.model.timespec import format_time

if TYPE_CHECKING:
    from dsm.repo.definitions import Definition
    from dsm.views.comparison.partition import Leakage, Partition
    from dsm.views.comparison.segments import Coverage, SegmentFigures
    from dsm.views.segment import Segment
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
    answer: dict[str, Any] = {
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
        if leaks.near is not None:
            answer["leakage"]["near"] = {
                "examples": leaks.near.examples,
                "unknown": leaks.near.unknown,
                "leaks": [
                    {
                        "places": [{"part": p, "path": path} for p, path in (near.one, near.other)],
                        "likeness": round(near.likeness, 4),
                    }
                    for near in leaks.near.leaks
                ],
            }
    return answer


def segment_fields(segment: Segment) -> dict[str, Any]:
    """Returns what is said of a segment."""
    return {**definition_fields(segment.definition), "asks": segment.words()}


def segment_answer(dataset: str, segment: Segment) -> dict[str, Any]:
    """Returns what `dsm segment create` and `dsm segment rename` answer."""
    return {"dataset": dataset, **segment_fields(segment)}


def segments_answer(dataset: str, segments: Iterable[Segment]) -> dict[str, Any]:
    """Returns what `dsm segment list` and `dsm segment rm` answer."""
    return {"dataset": dataset, "segments": map(segment_fields, segments)}


def segment_stats_answer(
    dataset: str, rows: Iterable[tuple[Segment, SegmentFigures]]
) -> dict[str, Any]:
    """Returns what `dsm segment show` and `dsm segment stats` answer."""
    return {"dataset": dataset, "segments": (_figures(*row) for row in rows)}


def _figures(segment: Segment, found: SegmentFigures) -> dict[str, Any]:
    oldest, newest = (None, None) if found.times is None else map(format_time, found.times)
    return {
        **segment_fields(segment),
        "at": found.number,
        "of": found.of,
        "examples": found.examples,
        "size": found.size,
        "labels": dict(found.labels),
        "oldest": oldest,
        "newest": newest,
        "growth": [{"changeset": number, "examples": count} for number, count in found.growth],
        "values": found.values,
    }


def coverage_answer(dataset: str, found: Coverage) -> dict[str, Any]:
    """Returns what `dsm segment coverage` answers."""
    return {
        "dataset": dataset,
        "at": found.number,
        "examples": found.examples,
        "none": found.none,
        "several": found.several,
        "overlaps": [
            {"segments": [one, two], "examples": count} for one, two, count in found.overlaps
        ],
    }
