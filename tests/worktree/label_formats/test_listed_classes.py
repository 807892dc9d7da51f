"""Classes that files of labels list: their order and ids stay, also of those without an example."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from situations import Work

from dsm.errors import DamagedData, InvalidInput
from dsm.model.categories import BYTES_MAX, Category, category, merged
from dsm.model.target import Target
from dsm.repo.dataset_settings import settings_of

BOX = "0 .1 .2 .3 .4\n"


def yolo(work: Work, names: list[str], folder: str = "x", **asked: Any) -> None:
    work.write({
        f"{folder}/data.yaml": f"names: {json.dumps(names)}\n", f"{folder}/a.jpg": folder,
        f"{folder}/a.txt": BOX,
    })  # fmt: skip
    work.ds.add([folder], label_file=f"{folder}/data.yaml", **asked)


def names(work: Work) -> list[str]:
    return [each.name for each in work.ds.target.categories]


def test_views_have_the_classes_of_the_file(work: Work) -> None:
    """In its order, then other labels; a version keeps the classes that it was made with."""
    yolo(work, ["zebra", "yak", "ant"])
    work.ds.commit("one")
    before = work.ds.prepare()
    assert before.classes == ("zebra", "yak", "ant")
    work.ds.label(["x/a.jpg"], add=["checked", "bee"])
    yolo(work, ["wasp", "ant"], "y")
    work.ds.commit("two")
    assert work.ds.prepare().classes == ("zebra", "yak", "ant", "wasp", "bee", "checked")
    assert work.ds.prepare(paths=["x/*"]).with_classes_of_view().classes == (
        "zebra",
        "bee",
        "checked",
    )
    assert work.repo.view(before.version).classes == ("zebra", "yak", "ant")


def test_what_is_asked_for_comes_before_what_is_listed(work: Work) -> None:
    """A list of classes is complete; `labels` without one forgets what files have listed."""
    yolo(work, ["zebra", "yak", "ant"])
    work.ds.commit("one")
    assert work.ds.prepare(classes=["yak", "zebra"]).classes == ("yak", "zebra")
    assert work.ds.set_target(classes=["ant", "yak"]).classes == ("ant", "yak")
    assert names(work) == ["yak", "ant"]
    assert work.ds.set_target().categories == ()
    assert work.ds.prepare().classes == ("zebra",)


def test_nothing_is_noted_before_it_is_staged(work: Work) -> None:
    """Neither by a dry run nor by an error; `dsm label` notes classes as `add` does."""
    yolo(work, ["zebra", "yak"], dry_run=True)
    assert names(work) == []
    work.write(
        {"bad.json": '{"images": [], "categories": [{"id": 1, "name": "ox"}], "annotations": 3}'}
    )
    with pytest.raises(InvalidInput, match=r"^bad\.json"):
        work.ds.add(["x"], label_file="bad.json")
    assert names(work) == []
    work.ds.add(["x/a.jpg"])
    work.ds.label(["x"], label_file="x/data.yaml")
    assert names(work) == ["zebra", "yak"]


def test_ids_of_coco_stay_beside_classes_of_another_file(work: Work, tmp_path: Path) -> None:
    """A category without an id gets one that is free, and one that is taken is given once."""
    coco = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 4, "height": 4}],
        "categories": [{"id": 2, "name": "car"}, {"id": 1, "name": "dog"}, {"id": 7, "name": "ox"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 2, "bbox": [0, 0, 1, 1]}],
    }
    other = {
        **coco,
        "categories": [{"id": 7, "name": "cow"}, {"id": 9, "name": "elk"}],
        "annotations": [],
    }
    work.write({"c/a.jpg": "1", "c/coco.json": json.dumps(coco), "c/other.json": json.dumps(other)})
    work.ds.add(["c/a.jpg"], label_file="c/coco.json")
    work.ds.label(["c/a.jpg"], label_file="c/other.json")
    work.ds.label(["c/a.jpg"], label_file="c/coco.json")
    work.ds.commit("coco")
    work.ds.prepare().get(str(tmp_path / "out"), format="coco")
    found = json.loads((tmp_path / "out/instances.json").read_text())["categories"]
    assert {c["name"]: c["id"] for c in found} == {"car": 2, "dog": 1, "ox": 7, "cow": 3, "elk": 9}


CATEGORIES = st.lists(
    st.builds(
        lambda name, key: category(name, {} if key is None else {"id": key}),
        st.sampled_from("abcde"), st.none() | st.integers(0, 3),
    ),
    unique_by=lambda each: each.name, max_size=5,
)  # fmt: skip


@given(CATEGORIES, CATEGORIES)
def test_lists_are_laid_together(known: list[Category], newer: list[Category]) -> None:
    """All names once, no known index moves unless the newer list has all, and no id occurs twice."""
    first = merged((), known)
    found = merged(first, newer)
    old, new, both = ([each.name for each in listed] for listed in (first, newer, found))
    assert sorted(both) == sorted({*old, *new})
    assert both[: len(old)] == old or both == new
    ids = [each.told()["id"] for each in found if "id" in each.told()]
    assert len(ids) == len({*ids})
    assert merged(found, newer) == merged(merged(found, newer), newer)
    assert Target.from_json(Target(categories=found).to_json()).categories == found


def test_what_is_said_of_classes_is_bounded() -> None:
    """Documents have a size: ids stay before other members, names that are known before new ones."""
    large = [category(str(n), {"id": n, "def": "x" * 1000}) for n in range(1000)]
    found = merged((), large)
    assert [(each.name, each.told()) for each in found] == [
        (str(n), {"id": n}) for n in range(1000)
    ]
    assert merged(found, [category("y" * BYTES_MAX)]) == found


@pytest.mark.parametrize(
    "categories",
    [[{"name": "a"}, {"name": "a"}], [{"name": " a"}], [{"name": "a", "members": "{ }"}], [{"name": "a", "members": ""}], [3], {"a": 1},
     [{"name": "a", "members": "[1]"}], [{"name": "a", "members": '{"b":1,"a":1}'}]],
)  # fmt: skip
def test_settings_that_no_dsm_writes_are_damage(categories: Any) -> None:
    """A list of classes has one spelling, since versions of views are hashes of it."""
    fields = {"settings": {"target": {"column": "labels", "categories": categories}}}
    with pytest.raises(DamagedData):
        settings_of(fields, "settings/1.json")
