"""What `get` would do is said by the code that does it, and nothing is changed by asking."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from situations import Work

from dsm.errors import InvalidInput
from dsm.views.view import View
from dsm.views.writing.formats import FORMATS
from dsm.views.writing.output_folder import OtherContent


@pytest.fixture
def views(work: Work) -> tuple[View, View]:
    """Two views of one dataset."""
    work.commit("one", **{"cat/1.txt": "one", "cat/2.txt": "two", "dog/3.txt": "three"})
    return work.ds.prepare(paths=["cat"]), work.ds.prepare()


def tree(folder: Path) -> dict[str, bytes]:
    """All files below a folder by their relative paths."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*") if path.is_file()
    }  # fmt: skip


@pytest.mark.parametrize("format", sorted(FORMATS.keys() - {"jsonl", "csv"}))
def test_what_force_replaces_is_what_the_plan_says(
    views: tuple[View, View], tmp_path: Path, format: str
) -> None:
    """Of another view's files those go that were named; a file of somebody else is not touched."""
    before, after = views
    out = tmp_path / "out"
    before.get(str(out), format=format)
    (out / "mine.txt").write_text("mine")
    was = tree(out)
    planned = after.plan_get(str(out), format=format, force=True)
    assert tree(out) == was
    assert (planned.examples, planned.bytes, planned.complete) == (3, 11, False)
    assert "mine.txt" not in planned.replaced
    after.get(str(out), format=format, force=True)
    gone = {name for name in was if name not in tree(out) or tree(out)[name] != was[name]}
    listed = {name for name in planned.replaced if not os.path.basename(name).startswith(".")}
    if FORMATS[format].layout == "one file":
        assert gone == set()  # a tar of another view has another name, and stays
    else:
        assert gone <= listed
    assert (out / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("format", sorted(FORMATS.keys() - {"jsonl", "csv"}))
def test_a_view_that_is_there_is_complete(
    views: tuple[View, View], tmp_path: Path, format: str
) -> None:
    """A new folder is to be written; one that holds the view is complete; nothing is replaced."""
    view, out = views[1], tmp_path / "out"
    planned = view.plan_get(str(out), format=format)
    assert (planned.complete, planned.replaced, out.exists()) == (False, (), False)
    view.get(str(out), format=format)
    was = tree(out)
    planned = view.plan_get(str(out), format=format)
    assert (planned.complete, planned.replaced) == (True, ())
    assert tree(out) == was


@pytest.mark.parametrize("layout", ["webdataset", "parquet"])
def test_a_shard_of_others_is_refused(
    views: tuple[View, View], tmp_path: Path, layout: str
) -> None:
    """Readers take every shard of a folder: one with a number of its own does not stay unseen."""
    view, out = views[0], tmp_path / "out"
    for stray in ("000000", "000007"):
        name = f"shard-{stray}.tar.zst" if layout == "webdataset" else f"part-{stray}.parquet"
        out.mkdir()
        (out / name).write_text("mine")
        for verb in (view.plan_get, view.get):
            with pytest.raises(OtherContent, match=f"has {name}, which this get has not written"):
                verb(str(out), format=layout)
        assert os.listdir(out) == [name]
        shutil.rmtree(out)
    view.get(str(out), format=layout)
    (out / name).write_text("mine")
    for verb in (view.plan_get, view.get):
        with pytest.raises(OtherContent, match=f"has {name}, which this get has not written"):
            verb(str(out), format=layout)
    (out / name).unlink()
    assert not view.get(str(out), format=layout).fresh


def test_a_plan_is_refused_as_get_is(views: tuple[View, View], tmp_path: Path) -> None:
    """Another view in the folder, a foreign shard and a place of dsm's own."""
    before, after = views
    out = tmp_path / "out"
    before.get(str(out))
    for verb in (after.plan_get, after.get):
        with pytest.raises(OtherContent, match="holds view"):
            verb(str(out))
    with pytest.raises(OtherContent, match=r"holds this view as webdataset\n"):
        before.get(str(out), format="parquet")
    with pytest.raises(OtherContent, match="holds this view as webdataset with .*shard"):
        before.get(str(out), shard_size=4096)
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "shard-000000.tar").write_text("mine")
    for verb in (after.plan_get, after.get):
        with pytest.raises(OtherContent, match="which this get has not written"):
            verb(str(foreign))
        with pytest.raises(InvalidInput, match="where a repository keeps its own files"):
            verb(str(tmp_path / ".dsm/x"))
