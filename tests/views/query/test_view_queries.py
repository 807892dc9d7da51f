"""Views: which examples a query selects, what its version is, and that it is the same for ever."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from situations import Work

from dsm.errors import AnswerIsNo, DamagedData, DsmError, InvalidInput, NotFound
from dsm.format import document
from dsm.views.filters.exclude import ExcludeFilter
from dsm.views.filters.labels import LabelFilter
from dsm.views.query.view_query import ViewQuery

ID = "0123456789abcdef" * 4
DATASET = "00112233445566778899aabbccddeeff"


@pytest.fixture
def zoo(work: Work) -> Work:
    """Two changesets of labelled files."""
    work.ds.add({"1": b"one", "2": b"two"}, labels=["cat"])
    work.ds.add({"3": b"three"}, labels=["dog"])
    work.ds.add({"4": b"four"}, labels=["cat", "dog", "night"])
    work.ds.add({"5": b"five"})
    work.ds.commit("one")
    work.ds.label(["2"], set=["dog"])
    work.ds.commit("two")
    return work


def paths(view: object) -> str:
    return "".join(example.path for example in view)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("labels", "all_labels", "exclude", "at", "expected"),
    [
        ([], False, [], None, "12345"),
        (["cat"], False, [], None, "14"),
        (["cat"], True, [], None, "14"),
        (["cat"], False, [], 1, "124"),
        (["cat", "dog"], False, [], None, "1234"),
        (["cat", "dog"], True, [], None, "4"),
        (["dog", "cat", "night"], True, [], None, "4"),
        (["cat"], False, ["dog"], None, "1"),
        (["cat", "dog"], False, ["night"], None, "123"),
        ([], False, ["cat"], None, "235"),
        ([], False, ["cat", "dog"], None, "5"),
        ([], False, ["unheard of"], None, "12345"),
    ],
)
def test_what_a_query_selects(
    zoo: Work, labels: list[str], all_labels: bool, exclude: list[str], at: int | None,
    expected: str,
) -> None:  # fmt: skip
    """Any of the labels, or all of them, and none of the excluded ones."""
    view = zoo.ds.prepare(labels=labels, all_labels=all_labels, exclude=exclude, at=at)
    assert paths(view) == expected
    assert len(view) == len(expected)
    assert view.size == sum(len(zoo.ds.read(path)) for path in expected)


def test_what_a_view_tells(zoo: Work) -> None:
    """Query, labels, size and content of a view."""
    view = zoo.ds.prepare(labels=["cat"], exclude=["night"], at=1)
    assert view.labels == {"cat": 2}
    assert [example.bytes for example in view] == [b"one", b"two"]
    assert view.table().column("path").to_pylist() == ["1", "2"]
    assert view.query.to_json() == {
        "format": 1, "kind": "view", "dataset": zoo.ds.id,
        "at": {"number": 1, "changeset": zoo.ds.changeset(1).id},
        "labels": {"any": ["cat"]}, "exclude": ["night"],
    }  # fmt: skip
    assert zoo.ds.prepare().labels == {"cat": 2, "dog": 3, "night": 1}


def test_queries_that_select_nothing(zoo: Work) -> None:
    """A label that nobody has is not found, with a guess; an empty answer is an answer."""
    with pytest.raises(NotFound, match="no example of changeset 2 has the label") as caught:
        zoo.ds.prepare(labels=["cta"])
    assert caught.value.hint == "did you mean cat?"
    with pytest.raises(NotFound, match="of changeset 2 has the label 'unheard of'"):
        zoo.ds.prepare(labels=["dog", "unheard of"])
    with pytest.raises(NotFound, match="changeset 2"):
        zoo.ds.prepare(labels=["cat", "nobody"], all_labels=True)
    with pytest.raises(AnswerIsNo, match="no example of changeset 2 fits the query"):
        zoo.ds.prepare(labels=["night"], exclude=["cat"])
    with pytest.raises(NotFound, match="dataset data has no changeset 9"):
        zoo.ds.prepare(at=9)
    with pytest.raises(InvalidInput, match=r"'bad\\nlabel' has a control character or"):
        zoo.ds.prepare(labels=["bad\nlabel"])
    assert not list(Path(zoo.repo.layout.views("data")).iterdir())


def test_a_dataset_without_changesets(work: Work) -> None:
    """There is nothing to prepare before the first commit."""
    with pytest.raises(AnswerIsNo, match="dataset data has no changeset yet"):
        work.ds.prepare()


# --- versions ---------------------------------------------------------------------------------------

VECTORS = [
    ViewQuery(DATASET, 1, ID),
    ViewQuery(DATASET, 12, ID, (LabelFilter(("cat",)),)),
    ViewQuery(
        DATASET,
        12,
        ID,
        (LabelFilter(("cat", "dog"), True), ExcludeFilter(("blurred", "猫", "\U0001f408"))),
    ),
]


def test_version_vectors(golden: Callable[[str, str], None]) -> None:
    """Published versions never change: same question, same version, on any machine and release."""
    lines = [
        f"{query.version}  {document.canonical(query.to_json()).decode()}\n" for query in VECTORS
    ]
    golden("views/versions-v1.txt", "".join(lines))


def test_equal_questions_have_one_version(zoo: Work) -> None:
    """Order, doubles, names of changesets and the day of asking make no difference."""
    ds = zoo.ds
    ds.tag("v1", 2)
    versions = {
        ds.prepare(labels=labels, at=at).version
        for labels in (["cat", "dog"], ["dog", "cat", "dog"], (" cat", "dog "))
        for at in (None, "head", 2, "2", "v1", ds.changeset(2).id[:10])
    }
    assert len(versions) == 1
    assert ds.prepare(labels=["cat"]).version == ds.prepare(labels=["cat"], all_labels=True).version
    later = ds.prepare(labels=["cat"], at=2).version
    ds.add({"6": b"six"}, labels=["cat"])
    ds.commit("three")
    assert zoo.reopen().prepare(labels=["cat"], at=2).version == later
    assert zoo.ds.prepare(labels=["cat"]).version != later


LABELS = st.lists(st.text("abé", min_size=1, max_size=2), max_size=3, unique=True)
QUERIES = st.builds(
    lambda number, labels, need_all, exclude: ViewQuery(
        DATASET, number, ID,
        (*([LabelFilter(tuple(sorted(labels)), need_all)] if labels else []),
         *([ExcludeFilter(tuple(sorted(exclude)))] if exclude else [])),
    ),
    st.integers(1, 3), LABELS, st.booleans(), LABELS,
)  # fmt: skip


@given(QUERIES, QUERIES)
def test_different_questions_have_different_versions(one: ViewQuery, other: ViewQuery) -> None:
    """Versions agree exactly when the questions do."""
    assert (one.version == other.version) == (one.to_json() == other.to_json())


@given(QUERIES)
def test_a_query_is_read_as_it_was_written(query: ViewQuery) -> None:
    """What is stored of a query is the query."""
    again = ViewQuery.from_json(query.to_json(), "q")
    assert (again.version, again.to_json()) == (query.version, query.to_json())


@pytest.mark.parametrize(
    "changes",
    [{"format": 2}, {"kind": "other"}, {"more": 1}, {"at": None}, {"at": {}}, {"labels": []},
     {"labels": {"none": ["a"]}}, {"labels": {"any": []}}, {"labels": {"any": ["a"], "all": ["b"]}},
     {"labels": {"all": ["a"]}}, {"exclude": []}, {"exclude": {}}, {"dataset": None},
     {"at": {"number": "1", "changeset": ID}}, {"at": {"number": 1, "changeset": 5}},
     {"labels": {"any": [1]}}, {"labels": {"any": ["b", "a"]}}, {"labels": "ab"},
     {"labels": {"any": "ab"}}, {"exclude": ["b", "a"]}, {"exclude": ["a", "a"]}],
    ids=str,
)  # fmt: skip
def test_queries_that_no_dsm_would_write(changes: dict[str, object]) -> None:
    """A stored query that means nothing here, or has another spelling, is refused."""
    fields = {
        **ViewQuery(DATASET, 1, ID, (LabelFilter(("a",)), ExcludeFilter(("x",)))).to_json(),
        **changes,
    }
    with pytest.raises(DamagedData, match=r"^q (is not a view's query|asks for something)"):
        ViewQuery.from_json(fields, "q")
    for value in (None, [], 5, "x"):
        with pytest.raises(DamagedData, match="q is not a view's query"):
            ViewQuery.from_json(value, "q")  # type: ignore[arg-type]


# --- names of views -----------------------------------------------------------------------------------


def test_views_are_found_again(zoo: Work) -> None:
    """A version, a prefix of it or a name leads to the view, in any dataset of the repository."""
    cats = zoo.ds.prepare(labels=["cat"], name="cats")
    dogs = zoo.ds.prepare(labels=["dog"])
    repo = zoo.reopen().repo
    for name in (cats.version, cats.version[:8], cats.version.upper(), f" {cats.version} ", "cats"):
        view = repo.view(name)
        assert (view.version, view.dataset, paths(view)) == (cats.version, "data", "14")
    assert repo.view(dogs.version).query == dogs.query
    assert zoo.ds.prepare(labels=["cat"], name="cats").version == cats.version
    with pytest.raises(InvalidInput, match="stands for another view"):
        zoo.ds.prepare(labels=["dog"], name="cats")


@pytest.mark.parametrize(
    "name", ["", "dead", "deadbeef", "f" * 64, "nobody", "../cats", "a/b", "\0", "\udcff", "é" * 8]
)
def test_views_that_are_not_there(zoo: Work, name: str) -> None:
    """Anything else is not found, or refused as too short."""
    zoo.ds.prepare(labels=["cat"], name="cats")
    with pytest.raises(
        (NotFound, InvalidInput),
        match="there is no view|is too short for a version, and|there is no view '",
    ):
        zoo.repo.view(name)


@pytest.mark.parametrize("length", [8, 59, 64])
def test_names_that_look_like_versions(zoo: Work, length: int) -> None:
    """A name of hexadecimal digits does not shadow or break looking up versions."""
    cats = zoo.ds.prepare(labels=["cat"])
    name = (cats.version + "0" * 10)[:length]
    try:
        zoo.ds.prepare(labels=["dog"], name=name)
    except InvalidInput:
        return
    assert zoo.repo.view(cats.version).version == cats.version


@pytest.mark.parametrize(
    ("name", "message"),
    [("head", "the view name 'head' means"), ("7", "the view name '7' would hide changeset 7"),
     ("a/b", "cannot name a view"), ("Ab" * 32, "looks like a version")],
)  # fmt: skip
def test_words_that_name_no_view(zoo: Work, name: str, message: str) -> None:
    """What is a changeset or a version already is refused as the name of a view, and said so."""
    with pytest.raises(InvalidInput, match=message):
        zoo.ds.prepare(name=name)


def test_stored_views_that_were_altered(zoo: Work) -> None:
    """A view document that is damaged, renamed or of another dataset's history is refused."""
    cats, dogs = zoo.ds.prepare(labels=["cat"]), zoo.ds.prepare(labels=["dog"])
    folder = Path(zoo.repo.layout.views("data"))
    one, two = (folder / f"{view.version}.json" for view in (cats, dogs))
    data = one.read_bytes()
    for path in (one, two):
        path.chmod(0o644)
    one.write_bytes(data.replace(b"cat", b"cut"))
    with pytest.raises(DamagedData, match="damaged: its contents do not fit its seal"):
        zoo.repo.view(cats.version)
    one.write_bytes(two.read_bytes())
    with pytest.raises(DamagedData, match="does not hold the query of its name"):
        zoo.repo.view(cats.version)
    one.write_bytes(data)
    other = zoo.repo.create_dataset("other")
    other.add({"x": b"x"}, labels=["cat"])
    other.commit("one")
    (Path(zoo.repo.layout.views("other")) / one.name).write_bytes(data)
    one.unlink()
    with pytest.raises(DsmError, match="is recorded for another dataset"):
        len(zoo.repo.view(cats.version))
    content = {"digest": "00" * 32, "examples": 0, "bytes": 0, "labels": {}}
    fields = {"query": ViewQuery(zoo.ds.id, 1, "ab" * 32).to_json(), "content": content}
    version = ViewQuery(zoo.ds.id, 1, "ab" * 32).version
    (folder / f"{version}.json").write_bytes(document.encode({**fields, "version": version}))
    with pytest.raises(DamagedData, match="another history"):
        zoo.repo.view(version).table()


def test_a_name_that_leads_nowhere(zoo: Work) -> None:
    """A name document of nonsense is refused; a missing view of a name is not found."""
    zoo.ds.prepare(labels=["cat"], name="cats")
    folder = Path(zoo.repo.layout.views("data"))
    for fields in (
        {"name": "x"},
        {"name": "x", "version": 5},
        {"name": "x", "version": "../../y"},
        {"name": "other", "version": "ab" * 32},
        {"name": "x", "version": "ab" * 32},
    ):
        (folder / "x.name.json").write_bytes(document.encode(fields))
        with pytest.raises(
            DsmError, match="does not hold the name of a view|is named but not recorded"
        ):
            zoo.repo.view("x")
    assert paths(zoo.repo.view("cats")) == "14"


def test_getting_a_view(zoo: Work, tmp_path: Path) -> None:
    """A view is written once; a finished tar is left alone, a spoilt one is written again."""
    view = zoo.ds.prepare(labels=["cat"])
    out = str(tmp_path / "out" / "deep")
    path = Path(view.get(out, format="tar").path)
    assert path.name == f"data-{view.version[:16]}.tar"
    data, stamp = path.read_bytes(), path.stat().st_mtime_ns
    assert view.get(out, format="tar").path == str(path)
    assert path.stat().st_mtime_ns == stamp
    for other in (b"", data[:-1], data + b"\0"):
        path.write_bytes(other)
        assert view.get(out, format="tar").fresh
        assert path.read_bytes() == data
    path.write_bytes(b"x" + data[1:])
    with pytest.raises(DamagedData, match="is not what was written there"):
        view.get(out, format="tar", verify=True)
    view.get(out, format="tar", force=True)
    assert path.read_bytes() == data
    with pytest.raises(InvalidInput, match="there is no format 'rar'"):
        view.get(out, format="rar")


def test_getting_a_view_of_damaged_data(zoo: Work, tmp_path: Path) -> None:
    """An object that cannot be read leaves no tar behind."""
    view = zoo.ds.prepare(labels=["cat"])
    packs = Path(zoo.repo.layout.packs).rglob("*.pack")
    pack = next(path for path in packs if b"four" in path.read_bytes())
    data = pack.read_bytes()
    pack.chmod(0o644)
    pack.write_bytes(data.replace(b"four", b"f0ur"))
    zoo.reopen()
    with pytest.raises(DamagedData, match="is damaged in pack"):
        zoo.repo.view(view.version).get(str(tmp_path / "out"))
    assert os.listdir(tmp_path / "out") == [".dsmignore"]


def test_labels_that_are_left_out_and_unknown(zoo: Work) -> None:
    """What is misspelt is known however the view is opened, and a record of it is checked."""
    ds = zoo.ds
    views = [ds.prepare(exclude=["catt", "cat"], name="no-cats") for _ in range(2)]
    views += [zoo.repo.view("no-cats"), views[0].without_sources()]
    assert [view.unknown_labels for view in views] == [("catt",)] * 4
    assert ds.prepare(exclude=["cat"]).unknown_labels == ()
    path = Path(zoo.repo.layout.views(ds.name), views[0].version + ".json")
    assert json.loads(path.read_text())["unknown_labels"] == ["catt"]
