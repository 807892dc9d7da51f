"""Classes: whose they are, which index an example has, and what a view's version pins of them."""

from __future__ import annotations

import copy
import io
import json
import pickle
import tarfile
from typing import Any

import pyarrow.parquet as pq
import pytest
from situations import Work
from views.stories import put, view_of

from dsm.errors import DamagedData, InvalidInput, NotFound
from dsm.model.target import CLASSES_BYTES_MAX
from dsm.repo import documents
from dsm.views.query.view_query import ViewQuery
from dsm.views.view import View


@pytest.fixture
def pets(work: Work) -> Work:
    """Labels in training and test; one example is checked, one has no label; widths 9 and 10."""
    put(work, {
        "test/bee": (b"1", ["bee"], 1, 10), "test/cat": (b"2", ["cat"], 2, 9),
        "train/ant": (b"3", ["ant"], 3, 10), "train/bee": (b"4", ["bee", "checked"], 4, None),
        "train/none": (b"5", [], 5, 9),
    })  # fmt: skip
    work.ds.commit("pets")
    return work


def cls_of(view: View) -> dict[str, int]:
    """The class members of a stream of shards."""
    data = io.BytesIO()
    view.get("-", sink=data)
    with tarfile.open(fileobj=io.BytesIO(data.getvalue())) as tar:
        names = [name for name in tar.getnames() if name.endswith(".cls")]
        return {name[:-4]: int(tar.extractfile(name).read()) for name in names}  # type: ignore[union-attr]


def say(work: Work, table: str) -> None:
    """Stages what a label table says of two of the examples."""
    file = work.root.parent / "said.csv"
    file.write_text(table)
    work.ds.add({"test/bee": b"1", "test/cat": b"2"}, label_file=str(file))


def told(view: View) -> dict[str, int]:
    return {example.path: example.target for example in view}


def test_parts_of_a_snapshot_have_the_same_classes(pets: Work) -> None:
    """Without a list classes are those of the snapshot, whatever the view leaves out."""
    train, test = pets.ds.prepare(paths="train"), pets.ds.prepare(paths="test")
    assert train.classes == test.classes == ("ant", "bee", "cat", "checked")
    assert told(test) == cls_of(test) == {"test/bee": 1, "test/cat": 2}
    assert told(train) == cls_of(train) == {"train/ant": 0, "train/bee": -1, "train/none": -1}


def test_classes_of_the_view(pets: Work) -> None:
    """A view may keep to its own labels; the folder says so and is not taken for the other one."""
    view = pets.ds.prepare(paths="test").with_classes_of_view()
    assert view.classes == ("bee", "cat") and told(view) == {"test/bee": 0, "test/cat": 1}
    assert pickle.loads(pickle.dumps(view)).classes == copy.deepcopy(view).classes == view.classes
    out = str(pets.root.parent / "out")
    view.get(out)
    document = json.loads((pets.root.parent / "out" / "dataset.json").read_bytes())
    assert document["options"]["classes_from"] == "view" and document["classes"] == ["bee", "cat"]
    with pytest.raises(Exception, match="out"):
        pets.ds.prepare(paths="test").get(out)


def test_labels_that_are_no_classes_are_tags(pets: Work) -> None:
    """With a list, an example has a class when exactly one of its labels is in it."""
    view = pets.ds.prepare(classes=["cat", "bee"])
    wanted = {"test/bee": 1, "test/cat": 0, "train/ant": -1, "train/bee": 1, "train/none": -1}
    assert view.classes == ("cat", "bee")
    assert told(view) == cls_of(view) == wanted
    assert view[3].target == view[3:4][0].target == pickle.loads(pickle.dumps(view[3])).target == 1
    assert {e.path: e.target for e in view.iterate(seed=1)} == wanted


@pytest.mark.parametrize("layout", ["webdataset", "tar", "files", "parquet"])
def test_every_format_says_the_same(pets: Work, layout: str) -> None:
    """Class list, column and the number of examples without a class are in every dataset.json."""
    out = pets.root.parent / "out"
    report = pets.ds.prepare(classes=["cat", "bee"]).get(str(out), format=layout)
    document = json.loads(next(iter(sorted(out.glob("*data*.json")))).read_bytes())
    assert document["classes"] == ["cat", "bee"] and document["target"] == "labels"
    assert report.without_class == document["without_class"] == 2
    again = pets.ds.prepare(classes=["cat", "bee"]).get(str(out), format=layout)
    assert not again.fresh and again.without_class == 2
    if layout == "parquet":
        table = pq.read_table(out / "part-000000.parquet")
        assert table.column("label").to_pylist() == [1, 0, -1, 1, -1]
        features = json.loads(table.schema.metadata[b"huggingface"])["info"]["features"]
        assert features["label"] == {"names": ["cat", "bee"], "_type": "ClassLabel"}


def test_an_attribute_as_target(pets: Work) -> None:
    """Values of an attribute are classes: integers ascending, an index for each, -1 where none."""
    say(pets, "path,size_class,day\ntest/bee,10,true\ntest/cat,9,false\n")
    pets.ds.commit("sizes")
    view = pets.ds.prepare(target="attr.size_class", paths="test")
    assert view.classes == ("9", "10") and told(view) == {"test/bee": 1, "test/cat": 0}
    assert pets.ds.prepare(target="attr.day").classes == ("false", "true")
    given = pets.ds.prepare(target="attr.size_class", classes=["10"])
    assert [each.target for each in given] == [0, -1, -1, -1, -1] and given.classes == ("10",)
    lines = io.BytesIO()
    view.get("-", sink=lines)
    assert b'"classes":[1],"labels":["bee"]' in lines.getvalue()


def test_fractions_are_no_classes(pets: Work) -> None:
    """An attribute of fractions is refused as target, unless its classes are listed."""
    say(pets, "path,score\ntest/bee,0.5\n")
    pets.ds.commit("scores")
    with pytest.raises(InvalidInput, match="fractions"):
        cls_of(pets.ds.prepare(target="attr.score"))
    assert pets.ds.prepare(target="attr.score", classes=["0.5"])[0].target == 0


def test_what_a_listed_changeset_holds_has_a_class(pets: Work) -> None:
    """A view of some changesets may have labels that the snapshot has no more."""
    pets.ds.remove(["train/ant"])
    pets.ds.commit("no ant")
    put(pets, {"new": (b"6", ["dog"], 6, None)})
    pets.ds.commit("a dog")
    view = pets.ds.prepare(changesets="1,3")
    assert view.classes == ("ant", "bee", "cat", "checked", "dog")
    assert told(view)["train/ant"] == 0
    assert pets.ds.prepare().classes == ("bee", "cat", "checked", "dog")


def test_the_version_pins_the_target(pets: Work) -> None:
    """A dataset's target counts for later views alone; a version has its classes for ever."""
    before = pets.ds.prepare()
    pets.ds.set_target(classes=["cat", "bee"])
    after = pets.ds.prepare()
    assert pets.ds.prepare(target="labels").version == before.version != after.version
    assert pets.repo.view(before.version).classes == ("ant", "bee", "cat", "checked")
    pets.ds.set_target(classes=["bee", "cat"])
    assert pets.repo.view(after.version).classes == ("cat", "bee")
    assert after.query.to_json()["target"] == {"column": "labels", "classes": ["cat", "bee"]}
    assert ViewQuery.from_json(after.query.to_json(), "here") == after.query
    pets.ds.set_target()
    assert pets.ds.prepare().version == before.version


def test_settings_are_created_and_never_changed(pets: Work) -> None:
    """Each change is a document more, the newest counts, and what changes nothing writes nothing."""
    for classes in (["a"], ["b"], ["b"], None):
        pets.ds.set_target(classes=classes)
    place = documents.dataset_settings(pets.repo.layout, "data")
    assert place.names() == ["00000001", "00000002", "00000003"]
    assert pets.reopen().target.classes is None
    place.create("00000004", {"number": 4, "settings": {"colour": "red"}})
    with pytest.raises(DamagedData, match="does not know"):
        pets.ds.prepare()


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"target": "breed"}, InvalidInput), ({"target": "attr.breed"}, NotFound),
        ({"target": "attr."}, InvalidInput), ({"classes": []}, InvalidInput),
        ({"classes": ["a", " a"]}, InvalidInput), ({"classes": ["a\nb"]}, InvalidInput),
        ({"classes": ["a" * 200 + str(n) for n in range(CLASSES_BYTES_MAX // 200)]}, InvalidInput),
    ],
)  # fmt: skip
def test_targets_that_are_none(pets: Work, given: dict[str, Any], error: type[Exception]) -> None:
    """What is no target is refused by `prepare` and by the dataset alike; nothing is set."""
    with pytest.raises(
        error,
        match=r"is no target|has an attribute|no name|is empty|twice|control character|is too long",
    ):
        view_of(pets, **given)
    with pytest.raises(
        error,
        match=r"is no target|has an attribute|no name|is empty|twice|control character|is too long",
    ):
        pets.ds.set_target(given.get("target", "labels"), given.get("classes"))
    assert documents.dataset_settings(pets.repo.layout, "data").names() == []
