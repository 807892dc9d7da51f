"""What came from what: the graph, its forms, and which views and runs had an example."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from situations import Work

from dsm.errors import NotFound
from dsm.lineage.forms import dot, mermaid
from dsm.lineage.membership import Membership, Part
from dsm.lineage.openlineage import events
from dsm.maintenance.fsck import fsck
from dsm.runs.run import End, Output, Start


def run_of(work: Work, name: str, *views: str, status: int | None = 0) -> str:
    """Records a run that read views and wrote a model; without a status it was killed."""
    start = Start(name, ["train", name], 5, "Ada", {"lr": "1"}, None, None, "3.11", {})
    run = work.repo.runs.begin(start)
    for view in views:
        work.repo.runs.note_view(run.id, work.repo.view(view))
    if status is None:
        run.release()
    else:
        run.end(End(status, 7, 2, {"f1": 0.5}, [Output("model", 3, name[:1] * 64)]))
    return run.id


@pytest.fixture
def trained(tmp_path: Path) -> Work:
    """Two changesets, views `first` and `second` of them, and runs `a`, `b` (failed) and `c`."""
    work = Work(tmp_path)
    work.write({"x": "1", "y": "2"})
    work.ds.add(["."])
    work.ds.commit("one", source="https://example.org/x.tar")
    work.ds.prepare(name="first")
    work.path("x").unlink()
    work.commit("two", z="3")
    work.ds.prepare(name="second")
    run_of(work, "a", "first")
    run_of(work, "b", "first", "second", status=3)
    run_of(work, "c", "second", status=None)
    return work


def named(work: Work, what: str, **asked: Any) -> set[str]:
    """Kind and last part of each node of a lineage, views and runs by their names."""
    graph = work.repo.lineage(what, **asked)
    return {
        f"{n.kind} {(n.facts.get('names') or [n.facts.get('name') or n.facts.get('path') or n.name])[0]}"
        for n in graph.nodes.values()
    }


def test_everything_is_reached_from_both_ends(trained: Work) -> None:
    """Up are sources, changesets and views; down are views, runs and what they wrote."""
    source, one, two = "source https://example.org/x.tar", "changeset data@1", "changeset data@2"
    up = {source, one, "view first", "run a"}
    assert named(trained, "run:a", down=False) == up
    assert named(trained, "run:a") == up | {"output model"}
    assert named(trained, "a" * 64, down=False) == up | {"output model"}
    everything = {
        source,
        one,
        two,
        "view first",
        "view second",
        "run a",
        "run b",
        "run c",
        "output model",
    }
    assert named(trained, "https://example.org/x.tar") == everything
    assert named(trained, "2", up=False) == everything - {source, one, "view first", "run a"}
    assert named(trained, "second", down=False) == {source, one, two, "view second"}
    assert len(trained.repo.lineage().nodes) == 10


def test_what_was_derived_is_reached_from_its_origins(trained: Work) -> None:
    """A changeset, view, run or output of this repository is that node; all else is a source."""
    (run,) = (run.id for run in trained.repo.runs if run.start.name == "a")
    view = trained.repo.view("second").version
    elsewhere = ["photos@3", "data@99", "baseline", "https://example.org/y.tar", "0" * 12, "data@3"]
    given = ["data@1", f"run:{run[:12]}", view, "b" * 64, *elsewhere]
    trained.ds.commit("made", derived_from=given, allow_empty=True)
    graph = trained.repo.lineage("3", down=False)
    found = [edge.before for edge in graph.edges if edge.how == "made into"]
    known = ["changeset:data@1", f"run:{run}", f"view:{view}", f"output:{'b' * 64}"]
    assert found == [*known, *(f"source:{text}" for text in elsewhere)]
    assert {"run b", "view first"} <= named(trained, "3", down=False)  # what the origins came from
    assert "changeset data@3" in named(trained, "run:a", up=False)
    assert "changeset data@3" in named(trained, "photos@3", up=False)


def test_an_example_is_in_the_views_that_have_it(trained: Work) -> None:
    """Also a deleted one: between the changesets that touched it and the views that had it."""
    found = named(trained, "x", up=False)
    assert found == {"example x", "view first", "run a", "run b", "output model"}
    assert named(trained, "z", down=False) == {
        "example z", "changeset data@2", "changeset data@1", "source https://example.org/x.tar",
    }  # fmt: skip
    with pytest.raises(NotFound, match="no example, changeset, view, run or source 'w'"):
        trained.repo.lineage("w")


def test_used_names_every_view_and_run(trained: Work) -> None:
    """Runs come with the views of theirs that had the example; what never was is not found."""
    version = {name: trained.repo.view(name).version for name in ("first", "second")}
    for _ in range(2):  # evaluated, then remembered
        gone, kept = trained.repo.used("x"), trained.repo.used("y")
        assert [view.version for view in gone.views] == [version["first"]]
        assert {run.start.name: views for run, views in gone.runs} == {
            "a": [version["first"]], "b": [version["first"]],
        }  # fmt: skip
        assert {run.start.name for run, _ in kept.runs} == {"a", "b", "c"}
    with pytest.raises(NotFound, match="ever had 'w'"):
        trained.repo.used("w")
    assert fsck(trained.repo, full=True).findings == ()


def test_only_new_views_are_evaluated(trained: Work) -> None:
    """What is known of a view is kept, also when others bring more paths; damage costs time only."""
    content = {"one": ["a", "b", "d"], "two": ["b"], "three": ["c", "a", "e"], "none": []}
    asked: list[str] = []

    def parts_of(version: str) -> list[Part]:
        asked.append(version)
        paths = content[version]
        first = pa.chunked_array([paths[:1]], pa.string())
        among = pa.chunked_array([paths[1:], ["f", *paths[:1]]], pa.string())
        mask = pa.chunked_array(
            [[True] * len(paths[1:]), [None, *[False] * len(paths[:1])]], pa.bool_()
        )
        return [(first, None), (among, mask)]  # as a layer that is laid over a snapshot

    def views_with(path: str, *versions: str) -> list[str]:
        return Membership(trained.repo.layout, "data", parts_of).views_with(path, list(versions))

    assert views_with("b", "one", "two") == ["one", "two"]
    assert views_with("a", "one", "two", "three", "none") == ["one", "three"]
    assert asked == ["one", "two", "three", "none"]
    for path in "abcdef":
        expected = [version for version in content if path in content[version]]
        assert views_with(path, *content) == expected
    assert asked == ["one", "two", "three", "none"]
    for file in Path(trained.repo.layout.cache("data")).glob("paths-*.used"):
        file.write_bytes(file.read_bytes()[:-1])
    assert views_with("e", *content) == ["three"]
    assert len(asked) == 8
    assert views_with("e", "three") == ["three"]


def test_pictures_hold_what_is_told(trained: Work) -> None:
    """Text of people cannot end a label of DOT or Mermaid."""
    trained.commit('say "hi"] --> <b>', w="1")
    graph = trained.repo.lineage("3")
    assert '[label="changeset data@3 say \\"hi\\"] --> <b>"];' in dot(graph)
    assert '["changeset data@3 say #34;hi#34;] --#62; #60;b#62;"]' in mermaid(graph)


def test_runs_are_events(trained: Work) -> None:
    """START and the end of each run, with version, schema, size and origins of what it read."""
    trained.commit("made", z="4")
    trained.ds.commit("derived", derived_from="photos@3", allow_empty=True)
    trained.ds.prepare(name="third")
    last = run_of(trained, "d", "third")
    made = list(events(trained.repo, [run for run in trained.repo.runs if run.id == last]))
    assert {
        tuple(each["inputs"][0]["facets"]["dsm_provenance"]["derivedFrom"]) for each in made
    } == {("photos@3",)}
    trained.repo.runs.remove(last)
    found = list(events(trained.repo, trained.repo.runs))
    kinds = {(each["job"]["name"], each["eventType"]) for each in found}
    assert kinds == {
        ("a", "START"), ("a", "COMPLETE"), ("b", "START"), ("b", "FAIL"), ("c", "START"), ("c", "ABORT"),
    }  # fmt: skip
    done = next(each for each in found if each["eventType"] == "COMPLETE")
    (read,) = done["inputs"]
    view = trained.repo.view("first")
    assert read["facets"]["version"]["datasetVersion"] == view.version
    assert read["facets"]["schema"]["fields"][0] == {"name": "path", "type": "string"}
    assert (read["inputFacets"]["inputStatistics"]["rowCount"]) == len(view)
    (wrote,) = done["outputs"]
    assert wrote["facets"]["version"]["datasetVersion"] == "a" * 64
    assert json.loads(json.dumps(found)) == found
