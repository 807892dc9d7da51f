"""`None` means "not given" and an empty sequence means "nothing", in every public verb."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any, get_args, get_type_hints

import pyarrow as pa
import pytest
from pyarrow import parquet
from situations import Work

from dsm import api
from dsm.catalog import Catalog
from dsm.datasets import Dataset
from dsm.errors import AnswerIsNo, InvalidInput
from dsm.model.example import Example
from dsm.remotes.collisions import HistoriesDiverged
from dsm.remotes.pulling import NoPull
from dsm.sources.query import define
from dsm.sources.recording import QueryAsked
from dsm.views.query.resolve import Asked
from dsm.views.view import View
from dsm.worktree.request import AddAsked, ImportAsked

Verb = Callable[..., Any]


@pytest.fixture
def busy(work: Work) -> Work:
    """Two changesets; something staged, changed, new and deleted in the work tree."""
    work.commit("one", **{"a": "1", "b": "1", "dir/c": "1", "dir/d": "1"})
    work.commit("two", **{"a": "2"})
    work.write({"b": "staged", "new": "n", "staged": "s"})
    work.ds.add(["b", "staged"])
    work.write({"dir/c": "changed"})
    work.path("dir/d").unlink()
    return work


def everything(work: Work) -> Any:
    """What a verb could change: files, the status, the newest changeset."""
    return work.files(), work.state(), work.ds.head, work.snapshot()


def same(work: Work, verb: Verb, *arguments: Any, **named: Any) -> Any:
    """Calls a verb that must change nothing, and returns its answer."""
    before = everything(work)
    found = verb(*arguments, **named)
    answer = list(found) if isinstance(found, Iterator) else found
    assert everything(work) == before
    return answer


# --- one test for each parameter ------------------------------------------------------------------


def add_paths(work: Work, nothing: Any) -> None:
    for more in ({}, {"deletions": True}, {"dry_run": True}):
        report = same(work, work.ds.add, nothing, **more)
        assert (report.counts.rows, report.files, report.changes) == (0, 0, ())
    assert same(work, work.ds.add, {}).counts.rows == 0
    assert work.ds.add(None).counts.rows == 2  # type: ignore[arg-type]


def add_labels(work: Work, nothing: Any) -> None:
    work.ds.add(["a"], labels=["kept"])
    work.ds.add(["a"], labels=nothing)
    assert work.ds.commit("labelled") and work.snapshot()["a"][1] == ("kept",)


def added_record(work: Work, **fields: Any) -> Example:
    work.write({"r.jsonl": '{"id": "one", "n": 1}\n'})
    work.ds.add(["r.jsonl"], records=True, **fields)
    work.ds.commit("a record", paths=["r.jsonl"])
    return next(work.ds.ls(["r.jsonl"]))


def add_key_field(work: Work, nothing: Any) -> None:
    assert re.fullmatch(r"r\.jsonl#[0-9a-f]{16}", added_record(work, key_field=nothing).path)


def add_attr_field(work: Work, nothing: Any) -> None:
    assert added_record(work, key_field="id", attr_field=nothing).attributes == {}


def add_columns(work: Work, nothing: Any) -> None:
    work.write({"r.csv": "a,b\n1,2\n"})
    report = work.ds.add(["r.csv"], records=True, columns=nothing, dry_run=True)
    assert list(report.records[0].fields) == ["a", "b"]


def add_hub_dataset_labels(work: Work, nothing: Any) -> None:
    work.path("hub").mkdir()
    parquet.write_table(pa.table({"text": ["x"], "label": ["cat"]}), work.path("hub/a.parquet"))
    work.ds.add_hub_dataset("hub", labels=nothing)
    assert work.ds.commit("hub") and work.snapshot()["train/00000000.txt"][1] == ("cat",)


def given_records(work: Work, **asked: Any) -> Any:
    """Stages one record from Python and returns it."""
    work.ds.add_records([{"id": "a", "n": 1}], name="given.jsonl", **asked)
    return work.ds.commit("given") and work.ds.prepare(paths="given.jsonl")[0]


def add_records_key(work: Work, nothing: Any) -> None:
    assert re.fullmatch(r"given\.jsonl#[0-9a-f]{16}", given_records(work, key=nothing).path)


def add_records_attributes(work: Work, nothing: Any) -> None:
    assert given_records(work, key="id", attributes=nothing).attributes == {}


def add_records_labels(work: Work, nothing: Any) -> None:
    assert given_records(work, key="id", labels=nothing).labels == ()


def add_streams_paths(work: Work, nothing: Any) -> None:
    assert same(work, work.ds.add_streams, nothing, [], {}).counts.rows == 0


def import_labels(work: Work, nothing: Any) -> None:
    work.path("../outside").mkdir()
    work.path("../outside/x").write_text("x")
    work.repo.import_from(str(work.path("../outside")), "in", labels=nothing)
    assert work.ds.commit("imported", paths=["in"]) and work.snapshot()["in/x"][1] == ()


def import_fields(work: Work, nothing: Any) -> None:
    work.path("../lines").mkdir()
    work.path("../lines/a.jsonl").write_text('{"id": 1}\n')
    work.repo.import_from(
        str(work.path("../lines")), "lines", records=True, key_field=nothing, attr_field=nothing,
        columns=nothing,
    )  # fmt: skip
    assert work.ds.commit("imported", paths=["lines"]).counts.added == 1


def commit_paths(work: Work, nothing: Any) -> None:
    with pytest.raises(AnswerIsNo, match="nothing to commit"):
        same(work, work.ds.commit, "x", paths=nothing)
    made = work.ds.commit("x", paths=nothing, allow_empty=True)
    assert (made.counts.rows, len(work.state()[0])) == (0, 2)
    assert work.ds.commit("x", paths=None).counts.rows == 2


def diff_paths(work: Work, nothing: Any) -> None:
    for named in ({}, {"staged": True}, {"a": 1}, {"a": 1, "b": 2}, {"a": 1, "staged": True}):
        assert same(work, work.ds.diff, **named, paths=nothing).changes == ()
        assert same(work, work.ds.diff, **named, paths=None).changes != ()


def label_paths(work: Work, nothing: Any) -> None:
    assert same(work, work.ds.label, nothing, set=["x"]).rows == 0
    assert work.ds.label(None, set=["x"]).rows == 5  # type: ignore[arg-type]


def label_set(work: Work, nothing: Any) -> None:
    work.ds.label(["a"], set=["x", "y"])
    work.ds.label(["a"], set=None, add=["z"])
    assert labels_of(work, "a") == ("x", "y", "z")
    work.ds.commit("labelled")
    work.ds.label(["a"], set=nothing)
    assert labels_of(work, "a") == ()


def label_add(work: Work, nothing: Any) -> None:
    work.ds.label(["a"], set=["x"], add=nothing)
    assert labels_of(work, "a") == ("x",)
    with pytest.raises(InvalidInput, match="no label given"):
        same(work, work.ds.label, ["a"], add=nothing)


def label_remove(work: Work, nothing: Any) -> None:
    work.ds.label(["a"], set=["x"], remove=nothing)
    assert labels_of(work, "a") == ("x",)
    with pytest.raises(InvalidInput, match="no label given"):
        same(work, work.ds.label, ["a"], remove=nothing)


def label_where(work: Work, nothing: Any) -> None:
    assert work.ds.label(["a"], add=["x"], where=nothing).rows == 1  # all of none hold


def labels_of(work: Work, path: str) -> tuple[str, ...]:
    (change,) = [c for c in work.ds.diff(staged=True).changes if c.path == path]
    assert change.after is not None
    return change.after.labels


def log_paths(work: Work, nothing: Any) -> None:
    assert same(work, work.ds.log, paths=nothing) == []
    assert len(same(work, work.ds.log, paths=None)) == 2


def changes_paths(work: Work, nothing: Any) -> None:
    assert same(work, work.ds.changes, 1, nothing).changes == ()
    assert same(work, work.ds.changes, 1, None).changes != ()


def trail_paths(work: Work, nothing: Any) -> None:
    assert same(work, work.ds.trail, nothing).paths == set()
    assert same(work, work.ds.trail, None).paths == {""}


def ls_paths(work: Work, nothing: Any) -> None:
    assert same(work, work.ds.ls, nothing) == []
    assert len(same(work, work.ds.ls, None)) == 4


def remove_paths(work: Work, nothing: Any) -> None:
    for more in ({}, {"force": True}, {"keep_files": True}, {"dry_run": True}):
        assert same(work, work.ds.remove, nothing, **more) == ()
    assert len(work.ds.remove(None, force=True)) == 5  # type: ignore[arg-type]


def restore_paths(work: Work, nothing: Any) -> None:
    for more in ({}, {"force": True}, {"source": 1}, {"dry_run": True}, {"to": "elsewhere"}):
        report = same(work, work.ds.restore, nothing, **more)
        assert (report.written, report.unchanged, report.removed, report.paths) == (0, 0, 0, ())
    assert work.ds.restore(None, force=True).written == 2


def apply_records_paths(work: Work, nothing: Any) -> None:
    added_record(work)
    work.ds.remove([next(each.path for each in work.ds.ls() if "#" in each.path)])
    for more in ({}, {"dry_run": True}):
        assert same(work, work.ds.apply_records, nothing, **more) == ()
    assert len(work.ds.apply_records(None)) == 1


def unstage_paths(work: Work, nothing: Any) -> None:
    assert same(work, work.ds.unstage, nothing) == 0
    assert work.ds.unstage(None) == 2


def iterate_order(work: Work, nothing: Any) -> None:
    view = work.ds.prepare()
    assert list(view.iterate(nothing)) == []
    assert len(list(view.iterate(None))) == 4


def prepare_labels(work: Work, nothing: Any) -> None:
    # A view that asks for no label in particular: the labels of a filter, not things to act on.
    assert work.ds.query(labels=nothing).version == work.ds.query().version
    with pytest.raises(InvalidInput, match="all of which labels"):
        same(work, work.ds.prepare, labels=nothing, all_labels=True)


def prepare_paths(work: Work, nothing: Any) -> None:
    with pytest.raises(AnswerIsNo, match="the list of paths is empty"):
        same(work, work.ds.prepare, paths=nothing)


def prepare_changesets(work: Work, nothing: Any) -> None:
    with pytest.raises(InvalidInput, match="no changeset is listed"):
        same(work, work.ds.prepare, changesets=nothing)


def prepare_exclude(work: Work, nothing: Any) -> None:
    assert work.ds.query(exclude=nothing).version == work.ds.query().version  # none is left out


def prepare_where(work: Work, nothing: Any) -> None:
    assert work.ds.query(where=nothing).version == work.ds.query().version  # all of none hold


def query_payload(work: Work, nothing: Any) -> None:
    schema = pa.schema([("a", pa.int64()), ("b", pa.string())])
    with pytest.raises(InvalidInput, match="the payload has no column"):
        define("q", "s", "SELECT 1", schema, payload=nothing)
    assert define("q", "s", "SELECT 1", schema, payload=None).payload == ()


def prepare_changeset_where(work: Work, nothing: Any) -> None:
    assert work.ds.query(changeset_where=nothing) == work.ds.query()  # all of none hold


def commit_trailers(work: Work, nothing: Any) -> None:
    made = work.ds.commit("nothing is said", trailers=nothing, allow_empty=True)
    assert made.trailers == {}


def commit_derived_from(work: Work, nothing: Any) -> None:
    made = work.ds.commit("nothing is said", derived_from=nothing, allow_empty=True)
    assert made.trailers == {}


def prepare_split(work: Work, nothing: Any) -> None:
    assert work.ds.query(split=nothing) == work.ds.query()


def prepare_segment(work: Work, nothing: Any) -> None:
    assert work.ds.query(segment=nothing) == work.ds.query()


def prepare_pick(work: Work, nothing: Any) -> None:
    with pytest.raises(AnswerIsNo, match="the list of picks is empty"):
        same(work, work.ds.prepare, pick=nothing)


def prepare_operands(work: Work, nothing: Any) -> None:
    view = work.ds.prepare(paths=["a"])
    more: Any = {"and_": nothing, "or_": nothing, "minus": nothing}
    assert work.ds.query(view=view, **more) == view.query


def prepare_classes(work: Work, nothing: Any) -> None:
    with pytest.raises(InvalidInput, match="the list of classes is empty"):
        same(work, work.ds.prepare, classes=nothing)


def target_classes(work: Work, nothing: Any) -> None:
    with pytest.raises(InvalidInput, match="the list of classes is empty"):
        same(work, work.ds.set_target, "labels", nothing)


def remote_datasets(work: Work, nothing: Any) -> None:
    work.repo.remotes.add("origin", str(work.root.parent / "remote"))
    assert same(work, work.repo.push, datasets=nothing).datasets == ()
    work.repo.push()
    assert same(work, work.repo.fetch, datasets=nothing).datasets == ()
    assert same(work, work.repo.pull, datasets=nothing).datasets == ()


def pull_choices(work: Work, nothing: Any) -> None:
    """Globs that take nothing settle nothing: an example that both changed is listed all the same."""
    place = str(work.root.parent / "remote")
    work.repo.remotes.add("origin", place)
    work.repo.push()
    api.clone(place, work.root.parent / "copy")
    with api.open(work.root.parent / "copy") as other:
        (work.root.parent / "copy" / "a").write_text("theirs")
        other.dataset().add([work.root.parent / "copy" / "a"])
        other.dataset().commit("theirs")
        other.push()
    work.write({"a": "mine"})
    work.ds.unstage()
    work.ds.add(["a"])
    work.ds.commit("mine")
    with pytest.raises(HistoriesDiverged) as caught:
        same(work, work.repo.pull, ours=nothing, theirs=nothing)
    assert caught.value.items == ("a",)


def abort_datasets(work: Work, nothing: Any) -> None:
    with pytest.raises(NoPull):
        same(work, work.repo.abort_pull, nothing)


def clone_datasets(work: Work, nothing: Any) -> None:
    work.repo.remotes.add("origin", str(work.root.parent / "remote"))
    work.repo.push()
    with pytest.raises(InvalidInput, match="name a dataset to clone"):
        api.clone(str(work.root.parent / "remote"), work.root.parent / "copy", datasets=nothing)


def sweep_newest(work: Work, nothing: Any) -> None:
    with pytest.raises(InvalidInput, match="there is nothing to go over"):
        same(work, work.repo.sweep, work.ds.prepare(), newest=nothing)


def sweep_sample(work: Work, nothing: Any) -> None:
    with pytest.raises(InvalidInput, match="there is nothing to go over"):
        same(work, work.repo.sweep, work.ds.prepare(), sample=nothing)


CASES: dict[str, Callable[[Work, Any], None]] = {
    "Dataset.add paths": add_paths,
    "Dataset.add labels": add_labels,
    "Dataset.add key_field": add_key_field,
    "Dataset.add attr_field": add_attr_field,
    "Dataset.add columns": add_columns,
    "Dataset.add_hub_dataset labels": add_hub_dataset_labels,
    "Dataset.add_records key": add_records_key,
    "Dataset.add_records attributes": add_records_attributes,
    "Dataset.add_records labels": add_records_labels,
    "Dataset.add_streams paths": add_streams_paths,
    "Dataset.add_streams content": add_streams_paths,
    "Dataset.changes paths": changes_paths,
    "Dataset.commit paths": commit_paths,
    "Dataset.diff paths": diff_paths,
    "Dataset.label paths": label_paths,
    "Dataset.label set": label_set,
    "Dataset.label add": label_add,
    "Dataset.label remove": label_remove,
    "Dataset.label where": label_where,
    "Dataset.log paths": log_paths,
    "Dataset.ls paths": ls_paths,
    "Dataset.remove paths": remove_paths,
    "Dataset.restore paths": restore_paths,
    "Dataset.apply_records paths": apply_records_paths,
    "Dataset.trail paths": trail_paths,
    "Dataset.unstage paths": unstage_paths,
    "View.iterate order": iterate_order,
    "Dataset.prepare labels": prepare_labels,
    "Dataset.prepare paths": prepare_paths,
    "Dataset.prepare changesets": prepare_changesets,
    "Dataset.prepare exclude": prepare_exclude,
    "Dataset.prepare where": prepare_where,
    "Dataset.prepare changeset_where": prepare_changeset_where,
    "Dataset.commit trailers": commit_trailers,
    "Dataset.commit derived_from": commit_derived_from,
    "Dataset.prepare classes": prepare_classes,
    "Dataset.prepare split": prepare_split,
    "Dataset.prepare and_": prepare_operands,
    "Dataset.prepare or_": prepare_operands,
    "Dataset.prepare minus": prepare_operands,
    "Dataset.prepare segment": prepare_segment,
    "Dataset.prepare pick": prepare_pick,
    "Dataset.set_target classes": target_classes,
    "Dataset.add_query payload": query_payload,
    "Catalog.import_from labels": import_labels,
    "Catalog.import_from key_field": import_fields,
    "Catalog.import_from attr_field": import_fields,
    "Catalog.import_from columns": import_fields,
    "Catalog.push datasets": remote_datasets,
    "Catalog.fetch datasets": remote_datasets,
    "Catalog.pull datasets": remote_datasets,
    "Catalog.abort_pull datasets": abort_datasets,
    "Catalog.pull ours": pull_choices,
    "Catalog.pull theirs": pull_choices,
    "Catalog.sweep newest": sweep_newest,
    "Catalog.sweep sample": sweep_sample,
    "api.clone datasets": clone_datasets,
}
MANY = ("Sequence", "Iterable", "Paths", "list[", "tuple[", "set[", "Collection")


def keywords() -> set[str]:
    """Returns the keywords that verbs pass on, and that take several of something."""
    found = {
        "Dataset.prepare": get_type_hints(Asked),
        "Dataset.add": get_type_hints(AddAsked),
        "Catalog.import_from": get_type_hints(ImportAsked),
        "Dataset.add_query": get_type_hints(QueryAsked),
    }
    return {
        f"{verb} {name}" for verb, hints in found.items() for name, hint in hints.items()
        if any(word in str(hint) for word in MANY)
    }  # fmt: skip


def parameters() -> Iterator[tuple[str, inspect.Parameter]]:
    """Yields every parameter of a public verb that takes several of something."""
    owners: dict[str, Any] = {"Catalog": Catalog, "Dataset": Dataset, "View": View, "api": api}
    for owner, found in owners.items():
        for name, verb in inspect.getmembers(found, inspect.isfunction):
            if name[0] == "_" or (owner == "api" and verb.__module__ != "dsm.api"):
                continue
            for parameter in inspect.signature(verb).parameters.values():
                if any(word in str(parameter.annotation) for word in MANY):
                    yield f"{owner}.{name} {parameter.name}", parameter


def test_every_parameter_is_tested() -> None:
    """A new verb that takes a list says here what an empty one does."""
    assert {name for name, _ in parameters()} | keywords() == set(CASES)


def test_what_need_not_be_given_is_none() -> None:
    """No default is an empty sequence: it would mean something else where it is given."""
    wrong = [name for name, p in parameters() if p.default not in (p.empty, None)]
    assert wrong == []
    hints = {**get_type_hints(Asked), **get_type_hints(QueryAsked), **get_type_hints(AddAsked)}
    given = {name.split(" ")[1] for name in keywords()}
    assert [name for name in given if type(None) not in get_args(hints[name])] == []


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("nothing", [[], (), {}.keys()], ids=["list", "tuple", "view"])
def test_an_empty_sequence_is_nothing(busy: Work, name: str, nothing: Any) -> None:
    """An empty list touches nothing; what is left out, or None, stands for everything."""
    CASES[name](busy, nothing)
