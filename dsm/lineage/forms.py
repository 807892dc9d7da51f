"""Forms of a graph of lineage for other programs: DOT and Mermaid."""

from __future__ import annotations

import json

from dsm.lineage.graph import Graph, Node
from dsm.model.names import printable

SHORT = 12
TEXT_MAX = 60


def title(node: Node) -> str:
    """Returns what a node is called in a picture."""
    facts = node.facts
    told = ", ".join(facts.get("names") or ()) or facts.get("name") or facts.get("path")
    told = told or facts.get("message") or ""
    name = node.name[:SHORT] if node.kind in ("view", "run", "output") else node.name
    text = printable(f"{node.kind} {name}" + (f" {told}" if told else ""))
    return text if len(text) <= TEXT_MAX else text[: TEXT_MAX - 1] + "…"


def dot(graph: Graph) -> str:
    """Returns the graph for Graphviz."""
    places = {key: f"n{at}" for at, key in enumerate(graph.nodes)}
    lines = [
        "digraph lineage {",
        "  rankdir=LR;",
        "  node [shape=box];",
        *(f"  {places[key]} [label={json.dumps(title(n))}];" for key, n in graph.nodes.items()),
        *(f"  {places[edge.before]} -> {places[edge.after]} [label={json.dumps(edge.how)}];"
          for edge in graph.edges),
        "}",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def mermaid(graph: Graph) -> str:
    """Returns the graph as Mermaid, which GitHub draws."""
    places = {key: f"n{at}" for at, key in enumerate(graph.nodes)}
    lines = [
        "flowchart LR",
        *(f'  {places[key]}["{_escaped(title(node))}"]' for key, node in graph.nodes.items()),
        *(f"  {places[edge.before]} -->|{edge.how}| {places[edge.after]}" for edge in graph.edges),
    ]
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    """Returns text for a quoted label, where a few characters would end it or be markup."""
    return "".join(f"#{ord(char)};" if char in '"#&<>`;\\' else char for char in text)
