"""dsm lineage: tell what something was made of, and what was made of it."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from dsm.answers.lineage import lineage_answer
from dsm.cli.output import print_json, write_bytes
from dsm.cli.session import Session
from dsm.errors import InvalidInput
from dsm.model.names import printable

SHORT = 12


def command(
    ctx: typer.Context,
    what: Annotated[
        str | None,
        typer.Argument(metavar="[N | EXAMPLE | VIEW | RUN | SOURCE]",
                       help="By path, number, version or name, id or name; all without"),
    ] = None,
    up: Annotated[bool, typer.Option("--up", help="Only what it was made of")] = False,
    down: Annotated[bool, typer.Option("--down", help="Only what was made of it")] = False,
    dot: Annotated[bool, typer.Option("--dot", help="Print a graph for Graphviz")] = False,
    mermaid: Annotated[bool, typer.Option("--mermaid", help="Print a graph as Mermaid")] = False,
    openlineage: Annotated[
        bool, typer.Option("--openlineage", help="Print its runs as events of OpenLineage")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document")] = False,
) -> None:  # fmt: skip
    """Tell what something was made of, and what was made of it

    From sources over changesets and views to runs and the files that they wrote. A name that could
    mean several things is told apart by its kind: view:baseline, run:baseline, changeset:3.

    \b
    Examples:
      dsm lineage cat/1.jpg
      dsm lineage run:baseline --up
      dsm lineage 3 --down --mermaid
      dsm lineage --openlineage > events.jsonl
    """
    if as_json + dot + mermaid + openlineage > 1:
        raise InvalidInput("give one of --json, --dot, --mermaid and --openlineage")
    with Session(ctx) as s:
        graph = s.repo.lineage(what, up=up or not down, down=down or not up,
                               dataset=s.settings.dataset)  # fmt: skip
        if as_json:
            print_json(lineage_answer(graph))
        elif dot or mermaid:
            from dsm.lineage import forms

            write_bytes((forms.dot if dot else forms.mermaid)(graph).encode())
        elif openlineage:
            from dsm.lineage.openlineage import events

            wanted = {node.name for node in graph.nodes.values() if node.kind == "run"}
            for event in events(s.repo, (run for run in s.repo.runs if run.id in wanted)):
                print(json.dumps(event))
        else:
            from dsm.lineage.graph import lines

            for kind, name, facts in lines(graph):
                print(printable(f"{kind:10} {_named(kind, name)}{_told(facts)}"))


def _named(kind: str, name: str) -> str:
    return name[:SHORT] if kind in ("view", "run", "output") else name


def _told(facts: dict[str, Any]) -> str:
    words = [*(facts.get("names") or ())]
    words += [str(facts[key]) for key in ("name", "path", "message", "state") if facts.get(key)]
    if "examples" in facts:
        words.append(f"{facts['examples']:,} example{'s' * (facts['examples'] != 1)}")
    words += [
        f"{name}={value:.6g}" for name, value in list((facts.get("metrics") or {}).items())[:3]
    ]
    return "  " + ", ".join(words) if words else ""
