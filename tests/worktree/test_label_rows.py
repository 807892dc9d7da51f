"""Rows of label files beside the examples that they are of: absent ones, other spellings, none."""

from __future__ import annotations

import io

import pytest
from situations import Work

from dsm.errors import InvalidInput
from dsm.worktree.label_rows import NoRowFits

NFC, NFD = "caf\u00e9.jpg", "cafe\u0301.jpg"


def table(text: str) -> io.BytesIO:
    return io.BytesIO(text.encode())


def labels(work: Work) -> dict[str, tuple[str, ...]]:
    return {e.path: e.labels for e in work.ds.ls()}


@pytest.mark.parametrize(
    "text",
    [
        "path,label,n\na,cat,1\n", "path\tlabel\tn\na\tcat\t1\n", "\ufeffpath,label,n\r\na,cat,1\r\n",
        '{"path": "a", "label": "cat", "n": 1}\n', '\n {"path": "a", "labels": ["cat"], "n": 1}',
    ],
)  # fmt: skip
def test_an_open_file_tells_its_format(work: Work, text: str) -> None:
    """CSV, TSV and JSON Lines are told apart by their first line."""
    work.write({"a": "a"})
    work.ds.add(["a"], label_file=table(text))
    work.ds.commit("one")
    (example,) = work.ds.ls()
    assert (example.labels, dict(example.attributes)) == (("cat",), {"n": 1})


def test_an_open_parquet_file(work: Work) -> None:
    """Parquet begins with its own letters."""
    import pyarrow as pa
    from pyarrow import parquet

    sink = io.BytesIO()
    parquet.write_table(pa.table({"path": ["a"], "label": ["cat"]}), sink)
    work.write({"a": "a"})
    work.ds.add(["a"], label_file=io.BytesIO(sink.getvalue()))
    work.ds.commit("one")
    assert labels(work) == {"a": ("cat",)}


@pytest.mark.parametrize("text", ["path,label\na,cat,x\n", "{not json}\n", "PAR1", ""])
def test_errors_of_an_open_file_name_the_table(work: Work, text: str) -> None:
    """There is no name of a file to give."""
    work.write({"a": "a"})
    with pytest.raises(InvalidInput, match="^the label file"):
        work.ds.add(["a"], label_file=table(text))


def test_examples_without_a_file_are_relabelled(work: Work) -> None:
    """What was added as bytes, or never was in this copy, takes its row; a file is not asked for."""
    work.ds.add({"a/1": b"1", "a/2": b"2", "b/3": b"3"})
    work.ds.commit("one")
    work.write({"a/4": "4"})
    rows = "path,label,n,time\na/1,cat,5,2020-01-01\na/4,dog,6,\nb/3,cow,7,\n"
    report = work.reopen().add(["a"], label_file=table(rows))
    assert (report.counts.added, report.counts.relabelled) == (1, 1)
    assert [problem.path for problem in report.warnings] == ["b/3"]  # not below a
    work.ds.commit("two")
    assert labels(work) == {"a/1": ("cat",), "a/2": (), "a/4": ("dog",), "b/3": ()}
    example = work.ds.snapshots.example(2, "a/1")
    assert (dict(example.attributes), example.time, example.time_given) == (
        {"n": 5}, 1_577_836_800_000_000, True,
    )  # fmt: skip
    assert work.state() == ([], [], [])
    again = work.ds.add(["a"], label_file=table(rows.replace("b/3,cow,7,\n", "")))
    assert (again.counts.rows, again.unchanged) == (0, 2)


@pytest.mark.parametrize(("on_disk", "written"), [(NFC, NFD), (NFD, NFC)])
@pytest.mark.parametrize("kind", ["new", "tracked", "absent"])
def test_a_path_in_another_unicode_form(work: Work, on_disk: str, written: str, kind: str) -> None:
    """The row fits the only path that looks the same, and that is told."""
    if kind == "absent":
        work.ds.add({on_disk: b"x"})
        work.ds.commit("one")
    else:
        work.write({on_disk: "x"})
        if kind == "tracked":
            work.commit("one")
    report = work.ds.add(["."], label_file=table(f"path,label\n{written},cat\n"))
    assert [(p.path, "Unicode" in p.reason) for p in report.warnings] == [(on_disk, True)]
    work.ds.commit("two")
    assert labels(work) == {on_disk: ("cat",)}


def test_a_path_that_is_there_as_written_takes_its_row(work: Work) -> None:
    """Where both forms exist, or both have a row, each fits itself alone."""
    work.write({NFC: "x", NFD: "y"})
    work.ds.add(["."], label_file=table(f"path,label\n{NFC},cat\n"))
    assert labels_staged(work) == {NFC: ("cat",), NFD: ()}
    work.ds.add(["."], label_file=table(f"path,label\n{NFD},dog\n{NFC},cow\n"))
    assert labels_staged(work) == {NFC: ("cow",), NFD: ("dog",)}


def labels_staged(work: Work) -> dict[str, tuple[str, ...]]:
    return {
        change.path: change.after.labels
        for change in work.ds.status().staged
        if change.after is not None
    }


def test_a_table_of_which_no_row_fits(work: Work) -> None:
    """It is an error, and nothing is staged; the hint finds what the first row may mean."""
    work.write({"img/1.jpg": "1"})
    with pytest.raises(NoRowFits, match=r"the first is of 1\.jpg") as caught:
        work.ds.add(["img"], label_file=table("path,label\n1.jpg,cat\n2.jpg,dog\n"))
    assert caught.value.exit_status == 1
    assert caught.value.items == ("1.jpg", "2.jpg")
    assert "img/1.jpg" in (caught.value.hint or "")
    assert work.state() == ([], [], ["img/1.jpg"])
    with pytest.raises(NoRowFits, match="no row of the label file fits an example that was"):
        work.ds.add({"bytes": b"1"}, label_file=table("path,label\nother,cat\n"))
    assert work.state() == ([], [], ["img/1.jpg"])


def test_strict_wants_every_row_to_fit(work: Work) -> None:
    """With --strict one row that fits nothing is too many; without, it is told."""
    work.write({"a": "a"})
    text = "path,label\na,cat\nb,dog\n"
    with pytest.raises(InvalidInput, match="1 row of the label file names no example") as caught:
        work.ds.add(["."], label_file=table(text), strict=True)
    assert (caught.value.exit_status, caught.value.items) == (2, ("b",))
    assert work.state() == ([], [], ["a"])
    assert [problem.path for problem in work.ds.add(["."], label_file=table(text)).warnings] == [
        "b"
    ]
    work.ds.add(["."], label_file=table("path,label\na,cat\n"), strict=True)


# --- label ----------------------------------------------------------------------------------------


@pytest.fixture
def four(work: Work) -> Work:
    work.write({"a/1.jpg": "1", "a/2.jpg": "22", "b/1.jpg": "333", "b/[x].png": "4444"})
    rows = "path,label,n,day\na/1.jpg,cat,1,true\na/2.jpg,cat,2,false\nb/1.jpg,dog,3,true\n"
    work.ds.add(["."], label_file=table(rows))
    work.ds.commit("one")
    return work


@pytest.mark.parametrize(
    ("paths", "where", "expected"),
    [
        (["*.jpg"], (), ["a/1.jpg", "a/2.jpg", "b/1.jpg"]),
        (["a/*"], (), ["a/1.jpg", "a/2.jpg"]),
        (["?/1.*"], (), ["a/1.jpg", "b/1.jpg"]),
        (["b/[x].png"], (), ["b/[x].png"]),
        (["**/1.jpg", "b"], (), ["a/1.jpg", "b/1.jpg", "b/[x].png"]),
        (["[ab]"], ["n>=2"], ["a/2.jpg", "b/1.jpg"]),
        (["."], ["n>=2", "day=true"], ["b/1.jpg"]),
        (["a"], ["size>=2"], ["a/2.jpg"]),
    ],
)
def test_which_examples_are_meant(
    four: Work, paths: list[str], where: list[str], expected: list[str]
) -> None:
    """Examples, folders and globs, of which all conditions hold."""
    assert four.ds.label(paths, add=["new"], where=where).relabelled == len(expected)
    four.ds.commit("two")
    assert sorted(path for path, found in labels(four).items() if "new" in found) == expected


def test_conditions_hold_of_what_is_staged(four: Work) -> None:
    """The next commit's examples are asked, not the head's."""
    four.ds.label(["a/1.jpg"], attributes={"n": 9, "new": "x"})
    assert four.ds.label(["."], add=["nine"], where=["n=9", "new=x"]).rows == 1
    assert four.ds.label(["."], add=["one"], where=["n=1"]).rows == 0


def test_attributes_and_annotation(four: Work) -> None:
    """They are set and taken away; what is not said stays; nothing new is nothing staged."""
    four.ds.label(["a"], attributes={"n": None, "camera": "north"}, annotation='{"b": 1, "a": []}')
    four.ds.label(["a/2.jpg"], annotation="")
    four.ds.label(["b/1.jpg"], annotation="some text")
    four.ds.commit("two")
    found = {e.path: (e.labels, dict(e.attributes), e.annotation) for e in four.ds.ls()}
    assert found == {
        "a/1.jpg": (("cat",), {"day": True, "camera": "north"}, '{"a":[],"b":1}'),
        "a/2.jpg": (("cat",), {"day": False, "camera": "north"}, None),
        "b/1.jpg": (("dog",), {"day": True, "n": 3}, '"some text"'),
        "b/[x].png": ((), {}, None),
    }
    assert four.ds.label(["a"], attributes={"camera": "north", "n": None}).rows == 0


def test_an_attribute_keeps_its_type(four: Work) -> None:
    """Another type is refused before anything is staged, and so is a name that cannot be one."""
    for attributes in (
        {"n": "text"}, {"day": 1}, {"": "x"}, {"s": "half \udcff"}, {"f": float("nan")},
        {"n": 1 << 63}, {"x": [1]}, {"x": b"1"},
    ):  # fmt: skip
        with pytest.raises(
            InvalidInput, match=r"elsewhere in this dataset|an attribute has no name|^the attribute"
        ):
            four.ds.label(["a"], attributes=attributes)
    for annotation in ("half \udcff", '{"x": NaN}', '["\\ud800"]'):
        with pytest.raises(
            InvalidInput, match="the annotation holds half a|NaN is not a number in JSON"
        ):
            four.ds.label(["a"], annotation=annotation)
    assert four.state() == ([], [], [])


def test_a_table_relabels_what_is_tracked(four: Work) -> None:
    """Rows fit tracked examples below the paths, with a file or without one; options come after."""
    four.path("a/1.jpg").unlink()
    rows = "path,label,time,annotation\na/1.jpg,lynx,2020-01-01,note\nb/1.jpg,wolf,,\nzz,x,,\n"
    counts = four.ds.label(["a"], label_file=table(rows), add=["checked"])
    assert counts.relabelled == 1
    four.ds.commit("two")
    example = four.ds.snapshots.example(2, "a/1.jpg")
    assert (example.labels, example.time, example.time_given, example.annotation) == (
        ("checked", "lynx"), 1_577_836_800_000_000, True, '"note"',
    )  # fmt: skip
    assert labels(four)["b/1.jpg"] == ("dog",)
    with pytest.raises(NoRowFits, match="no row of the label file fits an example that was"):
        four.ds.label(["a"], label_file=table("path,label\nb/1.jpg,x\n"))


@pytest.mark.parametrize(
    ("place", "rule", "shown"),
    [
        ("got/.dsmignore", "*", "*"), (".dsmignore", "img/", "img/"),
        (".dsmignore", "# pictures\n!x\n/got/*/b.txt\na.*\n", "a.*"),
    ],
)  # fmt: skip
def test_rows_of_ignored_files_say_by_which_rule(
    work: Work, place: str, rule: str, shown: str
) -> None:
    """A file that is here and left out is no fault of the table: the rule and its file are told."""
    work.write({"got/img/a.txt": "a", "got/img/b.txt": "b", "c.txt": "c", place: rule})
    both = "path,label\nnone.txt,x\ngot/img/a.txt,x\n"
    told = f"ignored by the rule '{shown}' in {place}"
    with pytest.raises(NoRowFits) as caught:
        work.ds.add(["."], label_file=table(both))
    assert caught.value.message.endswith(f"is of got/img/a.txt, which is {told}")
    with pytest.raises(InvalidInput, match=r"^2 rows of the label file name no") as strict:
        work.ds.add(["."], label_file=table(both), strict=True)
    assert strict.value.message.endswith(f"got/img/a.txt is {told}")
    added = work.ds.add(["c.txt"], label_file=table(both + "c.txt,y\n"))
    assert [(each.path, each.reason) for each in added.warnings] == [
        (
            "got/img/a.txt",
            f"and 1 more of the label file name no example that was added: it is {told}",
        )
    ]
    work.ds.add(["."], label_file=table(both), force=True)
    work.ds.commit("all")
    assert (labels(work)["got/img/a.txt"], labels(work)["c.txt"]) == (("x",), ("y",))
