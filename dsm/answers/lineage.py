"""Lineage: what `dsm lineage` and `dsm used` answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dsm.answers.runs import number
from dsm.model.timespec import format_time

if TYPE_CHECKING:
    from dsm.lineage.graph import Graph
    from dsm.lineage.used import UsedBy


def lineage_answer(graph: Graph) -> dict[str, Any]:
    """Returns what `dsm lineage` answers."""

    def plain(facts: dict[str, Any]) -> dict[str, Any]:
        if "metrics" not in facts:
            return facts
        return {**facts, "metrics": {k: number(v) for k, v in facts["metrics"].items()}}

    return {
        "nodes": [
            {"id": key, "kind": node.kind, "name": node.name, "facts": plain(node.facts)}
            for key, node in graph.nodes.items()
        ],
        "edges": [{"from": edge.before, "to": edge.after, "how": edge.how} for edge in graph.edges],
    }


def used_answer(found: UsedBy) -> dict[str, Any]:
    """Returns what `dsm used` answers."""
    return {
        "path": found.path,
        "views": [
            {
                "version": record.version, "names": list(record.names),
                "changeset": record.query.at, "examples": record.content.examples,
            }
            for record in found.views
        ],
        "runs": [
            {
                "id": run.id, "name": run.start.name, "state": run.state,
                "start": format_time(run.start.time), "views": versions,
            }
            for run, versions in found.runs
        ],
    }  # fmt: skip
