"""The graph of lineage: what came from what, as nodes and edges, to be walked up or down.

    source -> changeset -> changeset -> view -> run -> output

An edge leads from what was there first to what was made of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from dsm.datasets import Dataset
from dsm.errors import NotFound
from dsm.lineage.origins import sources_of
from dsm.lineage.used import used
from dsm.model.names import close_matches, printable
from dsm.model.timespec import format_time
from dsm.repo.repository import Repository
from dsm.runs.book import Runs
from dsm.views.selection.prepared import list_records

SOURCE, CHANGESET, VIEW, RUN, OUTPUT, EXAMPLE = KINDS = (
    "source", "changeset", "view", "run", "output", "example",
)  # fmt: skip
PREFIX_MIN = 4
_is_id = re.compile(r"[0-9a-f]{12,64}").fullmatch


@dataclass(frozen=True, slots=True)
class Node:
    """One thing: `kind` and `name` tell it from all others; `facts` are for people."""

    kind: str
    name: str
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return f"{self.kind}:{self.name}"


@dataclass(frozen=True, slots=True)
class Edge:
    """From the key of what was there first to that of what was made of it, and how."""

    before: str
    after: str
    how: str


@dataclass
class Graph:
    """Nodes by key, in the order in which they came to be, and the edges between them."""

    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)

    def add(self, node: Node) -> str:
        """Adds a node unless it is there; returns its key."""
        self.nodes.setdefault(node.key, node)
        return node.key

    def join(self, before: str, after: str, how: str) -> None:
        """Adds an edge."""
        self.edges.append(Edge(before, after, how))

    def around(self, starts: Iterable[str], *, up: bool = True, down: bool = True) -> Graph:
        """Returns what the starts came from, what was made of them, or both."""
        starts = list(starts)
        kept = set(starts)
        if up:
            kept |= _reached(starts, [(edge.after, edge.before) for edge in self.edges])
        if down:
            kept |= _reached(starts, [(edge.before, edge.after) for edge in self.edges])
        return Graph(
            {key: node for key, node in self.nodes.items() if key in kept},
            [edge for edge in self.edges if edge.before in kept and edge.after in kept],
        )


def _reached(starts: Iterable[str], steps: Iterable[tuple[str, str]]) -> set[str]:
    after: dict[str, list[str]] = {}
    for one, two in steps:
        after.setdefault(one, []).append(two)
    found, waiting = set(starts), list(starts)
    while waiting:
        for key in after.get(waiting.pop(), ()):
            if key not in found:
                found.add(key)
                waiting.append(key)
    return found


def whole_graph(repository: Repository) -> Graph:
    """Returns the graph of a repository, without its examples. Raises DamagedData."""
    graph = Graph()
    derived: list[tuple[str, str]] = []
    for name in repository.datasets():
        derived += _add_dataset(graph, Dataset(repository, repository.identity(name)))
    for run in reversed([*Runs(repository)]):
        facts = {
            "name": run.start.name, "state": run.state, "time": format_time(run.start.time),
            "metrics": {key: value for key, value in run.metrics.items()},
        }  # fmt: skip
        key = graph.add(Node(RUN, run.id, facts))
        for view in run.views:
            read = graph.add(Node(VIEW, view.version, {
                "names": [], "dataset": view.dataset, "examples": view.examples,
                "digest": view.digest,
            }))  # fmt: skip
            graph.join(read, key, "read by")
        for output in run.end.outputs if run.end else ():
            wrote = graph.add(Node(OUTPUT, output.blake3, {
                "path": output.path, "size": output.size,
            }))  # fmt: skip
            graph.join(key, wrote, "wrote")
    for key, text in derived:
        before = _derived_from(graph, text)
        if before is None or before == key:
            before = graph.add(Node(SOURCE, text))
        graph.join(before, key, "made into")
    return graph


def _derived_from(graph: Graph, text: str) -> str | None:
    """Returns the key of what a changeset says that it was derived from, if it is in the graph.

    Names of views and runs are not asked: they may mean something else tomorrow. Ids may be as
    short as `dsm lineage` prints them.
    """
    if text in graph.nodes:
        return text
    if f"{CHANGESET}:{text}" in graph.nodes:
        return f"{CHANGESET}:{text}"
    kind, _, rest = text.partition(":")
    kinds, name = ((kind,), rest) if kind in (VIEW, RUN, OUTPUT) else ((VIEW, RUN, OUTPUT), text)
    if not _is_id(name):
        return None
    found = [n.key for n in graph.nodes.values() if n.kind in kinds and n.name.startswith(name)]
    return found[0] if len(found) == 1 else None


def _add_dataset(graph: Graph, dataset: Dataset) -> list[tuple[str, str]]:
    """Adds changesets and views; returns keys of changesets, and what they were derived from."""
    before: str | None = None
    derived: list[tuple[str, str]] = []
    for changeset in dataset.log(reverse=True):
        key = graph.add(Node(CHANGESET, f"{dataset.name}@{changeset.number}", {
            "id": changeset.id, "message": changeset.message, "author": changeset.author,
            "time": format_time(changeset.time), "examples": changeset.examples,
            "note": changeset.note,
        }))  # fmt: skip
        if before is not None:
            graph.join(before, key, "followed by")
        derived += [(key, text) for text in changeset.derived_from]
        for origin in sources_of(changeset):
            graph.join(graph.add(Node(SOURCE, origin)), key, "put by")
        before = key
    for record in list_records(dataset.repo, dataset.name):
        query = record.query
        key = graph.add(Node(VIEW, record.version, {
            "names": list(record.names), "dataset": dataset.name,
            "examples": record.content.examples, "digest": record.content.digest,
        }))  # fmt: skip
        numbers = [n for a, b in query.runs for n in range(a, b + 1)] or [query.at]
        for number in numbers:
            pinned = f"{CHANGESET}:{dataset.name}@{number}"
            if pinned in graph.nodes:
                graph.join(pinned, key, "selected by")
    return derived


def lineage(
    dataset: Dataset | None, repository: Repository, what: str | None, *, up: bool, down: bool
) -> Graph:
    """Returns the lineage of a thing, or of all; see `dsm lineage`."""
    graph = whole_graph(repository)
    if what is None:
        return graph
    starts = _starts(graph, dataset, what)
    if not starts and dataset is not None:
        starts = _example(graph, dataset, what)
    return graph.around(starts, up=up, down=down)


def _starts(graph: Graph, dataset: Dataset | None, what: str) -> list[str]:
    if what in graph.nodes:
        return [what]
    kind, _, rest = what.partition(":")
    kinds, text = ((kind,), rest) if kind in KINDS and rest else (KINDS, what)
    for kind in kinds:
        found = [node.key for node in graph.nodes.values() if node.kind == kind and
                 _is_called(node, text, dataset)]  # fmt: skip
        if found:
            return found if kind != RUN else found[-1:]
    return []


def _is_called(node: Node, text: str, dataset: Dataset | None) -> bool:
    if node.kind == CHANGESET:
        return node.name == text or (dataset is not None and node.name == f"{dataset.name}@{text}")
    if node.name == text or text in (node.facts.get("names") or [node.facts.get("name")]):
        return True
    if node.kind == OUTPUT and node.facts.get("path") == text:
        return True
    return node.kind in (VIEW, RUN) and len(text) >= PREFIX_MIN and node.name.startswith(text)


def _example(graph: Graph, dataset: Dataset, path: str) -> list[str]:
    """Adds an example, between the changesets that touched it and the views that have it."""
    try:
        found = used(dataset, path)
    except NotFound:
        names = [n for node in graph.nodes.values() for n in node.facts.get("names") or ()]
        near = close_matches(path, names)
        raise NotFound(
            f"there is no example, changeset, view, run or source {printable(path)!r}",
            hint=f"did you mean {near[0]}?" if near else "`dsm view list` and `dsm runs` list some",
        ) from None
    key = graph.add(Node(EXAMPLE, path, {"dataset": dataset.name}))
    for changeset in dataset.log(paths=[path], reverse=True):
        graph.join(f"{CHANGESET}:{dataset.name}@{changeset.number}", key, "put by")
    for record in found.views:
        graph.join(key, f"{VIEW}:{record.version}", "in")
    return [key]


def lines(graph: Graph) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yields (kind, name, facts) of all nodes, what was there first before what was made of it."""
    order = {kind: at for at, kind in enumerate((SOURCE, CHANGESET, EXAMPLE, VIEW, RUN, OUTPUT))}
    for node in sorted(graph.nodes.values(), key=lambda node: order[node.kind]):
        yield node.kind, node.name, node.facts
