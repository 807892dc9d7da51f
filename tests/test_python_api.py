"""The Python package as people use it: `import dsm`, repositories, datasets, settings, errors."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from datetime import UTC
from pathlib import Path

import pytest
from situations import Work

import dsm
import dsm.api
from dsm.catalog import Catalog
from dsm.errors import (
    AlreadyExists,
    DamagedData,
    DsmError,
    InvalidInput,
    NotARepository,
    NotFound,
)
from dsm.format import document


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the current one, and an author in the environment."""
    folder = tmp_path / "pets"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DSM_AUTHOR", "somebody")
    return folder


def test_paths_are_objects_or_text(here: Path) -> None:
    """Whatever names a file or folder of people may be a `pathlib.Path`."""
    (here / "pets").mkdir()
    repo = dsm.init(Path("pets"))
    ds = repo.create_dataset("cats", root=Path("cats"))
    folder = here / "pets" / "cats"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"a")
    table = here / "labels.csv"
    table.write_text("path,label\na.jpg,cat\n")
    assert ds.add([folder], label_file=table).counts.added == 1
    ds.label([folder / "a.jpg"], attributes={"age": 3})
    ds.commit("one")
    table.write_text("path,label\na.jpg,tiger\n")
    ds.label([folder], label_file=table)
    ds.move(folder / "a.jpg", folder / "b.jpg")
    ds.commit("moved")
    view = ds.prepare()
    assert view.plan_get(here / "plan").examples == 1
    assert view.get(here / "out", format="files").examples == 1
    assert ds.restore(to=here / "back").written == 1
    (here / "rules.toml").write_text("[dataset.cats.rules.duplicates]\n")
    assert ds.check(rules=here / "rules.toml").judged == 1
    assert (here / "back" / "b.jpg").read_bytes() == b"a"
    assert ds.example("b.jpg").labels == ("tiger",)


def test_the_whole_way(here: Path) -> None:
    """Init, add, commit, log, snapshot, diff, revert, restore, tag, view: the same verbs."""
    repo = dsm.init()
    assert (repo.created, repo.datasets(), repo.current) == (True, ["pets"], "pets")
    ds = repo.dataset()
    (here / "cat.jpg").write_bytes(b"cat")
    assert ds.add(["cat.jpg"], labels=["cat"]).counts.added == 1
    assert ds.add({"dog.jpg": b"dog", "bird.jpg": io.BytesIO(b"bird")}).counts.added == 2
    first = ds.commit("three pets")
    assert (first.number, first.author, first.message) == (1, "somebody", "three pets")
    ds.label(["dog.jpg"], add=["dog"])
    assert ds.commit("label").kind == "relabel"
    assert [c.number for c in ds.log()] == [2, 1]
    assert ds.snapshot().column("path").to_pylist() == ["bird.jpg", "cat.jpg", "dog.jpg"]
    assert ds.snapshot(1).num_rows == 3
    assert [c.kind for c in ds.diff(1, 2).changes] == ["relabelled"]
    assert ds.revert(2).number == 3
    assert ds.example("dog.jpg").labels == ()
    ds.restore(to="copy")
    assert sorted(os.listdir(here / "copy")) == ["bird.jpg", "cat.jpg", "dog.jpg"]
    assert ds.read("cat.jpg") == b"cat" and ds.open("bird.jpg", 1).read() == b"bird"
    ds.tag("v1")
    view = ds.prepare(labels=["cat"], at="v1")
    assert [example.path for example in repo.view(view.version)] == ["cat.jpg"]
    repo.close()
    with dsm.open(here / "copy") as again:
        assert again.dataset("pets").head == 3
        assert isinstance(again, Catalog)


def test_importing_the_package_imports_little() -> None:
    """`import dsm` loads no other module of ours; `dsm.open` needs neither pyarrow nor rich."""
    script = (
        "import sys, dsm; assert {m for m in sys.modules if m.startswith('dsm')}"
        " == {'dsm', 'dsm.version'}, sys.modules; dsm.open\n"
        "for m in ('pyarrow', 'rich', 'typer', 'fsspec', 'zstandard', 'tomlkit'):\n"
        "    assert m not in sys.modules, m\n"
        "try: dsm.nothing\nexcept AttributeError as error: assert 'nothing' in str(error)\n"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", script], check=True, env=env)
    assert set(dsm.__all__) == {
        "__version__", "clone", "init", "log_metric", "log_param", "open", "run",
    }  # fmt: skip
    assert dsm.__version__.count(".") == 2


# --- init and open ----------------------------------------------------------------------------------


def test_init_again_changes_nothing(here: Path) -> None:
    """Init is idempotent: a second one keeps identity, datasets and data."""
    repo = dsm.init(org="acme", pattern="{label}/{_}")
    repo.dataset().add({"cat/x": b"x"})
    repo.dataset().commit("one")
    identity = (repo.id, repo.org, repo.dataset().id)
    repo.close()
    again = dsm.init()
    assert again.created is False
    assert (again.id, again.org, again.dataset().id) == identity
    assert again.dataset().head == 1 and again.dataset().pattern == "{label}/{_}"
    assert dsm.init(dataset="pets", pattern="{label}/{_}").datasets() == ["pets"]
    assert dsm.init(dataset="more").datasets() == ["more", "pets"]
    with pytest.raises(InvalidInput, match="belongs to org 'acme'"):
        dsm.init(org="other")
    with pytest.raises(InvalidInput, match="another pattern"):
        dsm.init(dataset="pets", pattern="{label}.jpg")
    with pytest.raises(InvalidInput, match="has the setting skip for files that its pattern"):
        dsm.init(dataset="pets", unmatched="refuse")


def test_an_interrupted_init_is_completed(here: Path) -> None:
    """Whatever is missing of a fresh repository, init creates it."""
    dsm.init().close()
    (here / ".dsm" / "datasets" / "pets" / "dataset.json").unlink()
    (here / ".dsm" / "local" / "store.lock").unlink()
    repo = dsm.init()
    repo.dataset().add({"a": b"a"})
    assert repo.dataset().commit("one").number == 1
    repo.close()
    other = here / "other"
    dsm.init(other).close()
    (other / ".dsm" / "repo.json").unlink()
    (other / ".dsm" / "datasets" / "other" / "dataset.json").unlink()
    for folder in sorted((other / ".dsm" / "datasets").rglob("*"), reverse=True):
        folder.rmdir()
    with pytest.raises(NotARepository, match="init"):
        dsm.open(other)
    assert dsm.init(other).created is True


@pytest.mark.parametrize("name", ["", "a b", "../x", ".x", "a/b", "é", "x.lock", "a" * 101])
def test_impossible_names_leave_nothing(here: Path, name: str) -> None:
    """A dataset's name is refused before anything is created."""
    if name:
        with pytest.raises(InvalidInput, match="cannot name a dataset"):
            dsm.init(dataset=name)
        assert not (here / ".dsm").exists()
    with pytest.raises(InvalidInput, match=r"pattern '\{unclosed': a '\{' is not closed"):
        dsm.init(pattern="{unclosed")
    assert not (here / ".dsm").exists()
    repo = dsm.init()
    with pytest.raises(InvalidInput, match="cannot name a dataset"):
        repo.create_dataset(name)
    assert repo.datasets() == ["pets"]


def test_where_a_repository_cannot_be(here: Path) -> None:
    """A file is no place for one; outside of any there is none to open."""
    (here / "file").write_bytes(b"")
    with pytest.raises(InvalidInput, match="not a folder"):
        dsm.init("file")
    with pytest.raises(
        NotARepository, match=r"is not in a dsm repository \(no \.dsm here"
    ) as caught:
        dsm.open()
    assert caught.value.exit_status == 3 and "dsm init" in (caught.value.hint or "")
    with pytest.raises(NotFound, match="there is no folder"):
        dsm.open(here / "nowhere")
    (here / ".dsm").write_bytes(b"a file")
    with pytest.raises(DsmError, match="cannot create folder"):
        dsm.init()
    with pytest.raises(NotARepository, match=r"is not in a dsm repository \(no \.dsm here"):
        dsm.open()


def test_the_nearest_repository_is_opened(here: Path) -> None:
    """A repository is found from any folder below; one within another is its own."""
    dsm.init().close()
    (here / "a" / "b").mkdir(parents=True)
    assert dsm.open("a/b").root == str(here)
    dsm.init("a").close()
    assert dsm.open("a/b").root == str(here / "a")
    outer = dsm.open(here)
    (here / "a" / "x").write_bytes(b"x")
    (here / "y").write_bytes(b"y")
    outer.dataset().add(["."])
    assert {c.path for c in outer.dataset().status().staged} == {"a/x", "y"}


# --- datasets ---------------------------------------------------------------------------------------


def test_several_datasets(work: Work) -> None:
    """Datasets have roots, histories and stages of their own, in one store."""
    repo = work.repo
    faces = repo.create_dataset("faces", root="faces", pattern="{label}/{_}")
    assert (faces.root, faces.pattern) == (str(work.root / "faces"), "{label}/{_}")
    work.write({"faces/ada/1.jpg": "1", "top": "t"})
    faces.add(["faces"])
    faces.commit("one")
    assert [(e.path, e.labels) for e in faces.ls()] == [("ada/1.jpg", ("ada",))]
    work.ds.add(["top"])
    work.ds.commit("one")
    assert list(work.contents()) == ["top"]
    with pytest.raises(InvalidInput, match="outside the dataset's folder"):
        faces.add(["top"])
    assert repo.datasets() == ["data", "faces"]
    for name in ("data", "faces"):
        with pytest.raises(AlreadyExists, match=f"there is a dataset '{name}' already"):
            repo.create_dataset(name)
    with pytest.raises(AlreadyExists, match="differs only in letter case"):
        repo.create_dataset("Faces")
    with pytest.raises(NotFound, match="face") as caught:
        repo.dataset("face")
    assert caught.value.hint == "did you mean faces?"


def test_the_current_dataset(work: Work) -> None:
    """One dataset is the current one and stays it; of several, the one switched to, or named like
    the folder."""
    repo = work.repo
    assert (repo.current, repo.config.get("core.dataset")) == ("data", None)
    with pytest.raises(InvalidInput, match="there is a dataset 'data' already"):
        repo.create_dataset("data")
    repo.create_dataset("more")
    assert repo.current == "data"
    repo.switch("more")
    assert repo.dataset().name == "more"
    repo.create_dataset("third")
    assert repo.current == "more"
    with pytest.raises(NotFound, match="there is no dataset 'nowhere' in"):
        repo.switch("nowhere")
    repo.config.unset("core.dataset")
    with pytest.raises(NotFound, match="which dataset"):
        repo.current  # noqa: B018
    repo.create_dataset("work")  # the folder's name
    assert repo.current == "work"


def test_relative_paths_start_in_the_current_folder(here: Path) -> None:
    """Paths are given as on a command line: from where one is, or absolute."""
    dsm.init().close()
    (here / "dir").mkdir()
    for name in ("dir/a", "b"):
        (here / name).write_bytes(b"x")
    os.chdir("dir")
    ds = dsm.open().dataset()
    ds.add(["a", "../b", str(here / "dir")])
    ds.commit("one")
    assert [e.path for e in ds.ls()] == ["b", "dir/a"]
    assert [e.path for e in ds.ls(["."])] == ["dir/a"]
    assert [e.path for e in ds.ls(["../b"])] == ["b"]
    assert ds.example("dir/a").size == 1  # names of examples start at the root
    ds.add("a")  # one path need not be in a list
    ds.remove("a", keep_files=True)
    os.chdir(here)
    os.symlink("dir", "linked")
    os.chdir("linked")
    assert dsm.open().root == str(here)


def test_a_single_label_need_not_be_in_a_list(work: Work) -> None:
    """A text where labels are expected is one label, not one for each letter."""
    work.ds.add({"a": b"a"}, labels="cat")
    work.ds.commit("one")
    work.ds.label(["a"], add="dog")
    work.ds.commit("two")
    assert work.ds.example("a").labels == ("cat", "dog")
    assert len(work.ds.prepare(labels="cat")) == 1
    assert len(work.ds.prepare(exclude="bird")) == 1


# --- identity documents -----------------------------------------------------------------------------


def altered(path: Path, **changes: object) -> None:
    fields = document.decode(path.read_bytes(), "d")
    del fields["format"]
    path.chmod(0o644)
    path.write_bytes(document.encode({**fields, **changes}))


@pytest.mark.parametrize(
    "changes",
    [{"chunking": {}}, {"chunking": 5}, {"chunking": None}, {"org": 7}, {"repository": None},
     {"chunking": {"algorithm": "rabin", "min": 1, "average": 2, "max": 3, "from": 4}},
     {"chunking": {"algorithm": "fastcdc-2020", "min": 0, "average": 0, "max": 0, "from": 0}},
     {"chunking": {"algorithm": "fastcdc-2020", "min": "a", "average": 2, "max": 3, "from": 4}},
     {"chunking": {"algorithm": "fastcdc-2020", "min": 1 << 40, "average": 1 << 41,
                   "max": 1 << 42, "from": 1 << 43}},
     {"chunking": {"algorithm": "fastcdc-2020"}}],
    ids=str,
)  # fmt: skip
def test_a_hostile_repo_json(work: Work, changes: dict[str, object]) -> None:
    """An identity that makes no sense is refused when the repository is opened or used."""
    altered(work.root / ".dsm" / "repo.json", **changes)
    with pytest.raises(DamagedData, match=r"repo\.json (lacks|names|has chunk sizes)"):
        repo = dsm.open(work.root)
        repo.dataset().add({"a": os.urandom(3 << 20)})


@pytest.mark.parametrize(
    "changes",
    [{"root": "../outside"}, {"root": "/etc"}, {"root": 5}, {"root": ""}, {"name": "other"},
     {"dataset": None}, {"pattern": 5}, {"pattern": "{x"}, {"created": "now"}, {"root": ".dsm"}],
    ids=str,
)  # fmt: skip
def test_a_hostile_dataset_json(work: Work, changes: dict[str, object]) -> None:
    """A dataset whose identity leads outside or makes no sense is refused."""
    work.write({"a": "a"})
    altered(work.root / ".dsm" / "datasets" / "data" / "dataset.json", **changes)
    with pytest.raises(
        DsmError,
        match=r"^the path|^a path is empty|dataset\.json (has a field|belongs to)|lies outside",
    ):
        dsm.open(work.root).dataset("data").add(["."])


def entry(path: Path) -> tuple[int, ...] | None:
    """Returns what is under a name, but for when it was read last; None for nothing."""
    if not os.path.lexists(path):
        return None
    found = path.lstat()
    return found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns


@pytest.mark.parametrize("name", ["repo.json", "datasets/data/dataset.json"])
@pytest.mark.parametrize("damage", ["cut", "empty", "format", "gone", "folder", "link", "pipe"])
def test_identity_documents_that_are_damaged(work: Work, name: str, damage: str) -> None:
    """A damaged or missing identity is named; nothing hangs and nothing is created anew."""
    work.commit("one", a="a")
    path = work.root / ".dsm" / name
    data = path.read_bytes()
    path.unlink()
    if damage == "cut":
        path.write_bytes(data[:-3])
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "format":
        path.write_bytes(data.replace(b'"format":1', b'"format":2'))
    elif damage == "folder":
        path.mkdir()
    elif damage == "link":
        path.symlink_to("/etc/hostname")
    elif damage == "pipe":
        os.mkfifo(path)
    with pytest.raises(DsmError) as caught:
        dsm.open(work.root).dataset("data").status()
    assert path.name in caught.value.message
    before = entry(path)
    with contextlib.suppress(DsmError):
        dsm.init(work.root, dataset="data")
    assert entry(path) == before


# --- settings ---------------------------------------------------------------------------------------


def test_settings(work: Work) -> None:
    """Settings are set, listed, kept with comments, and removed."""
    config = work.repo.config
    assert (config.get("user.name"), config.items(), config.unset("user.name")) == (None, [], False)
    config.set("user.name", 'Q"uote \\ 猫')
    config.set("core.workers", "3")
    path = work.root / ".dsm" / "config.toml"
    path.write_text("# mine\n" + path.read_text())
    fresh = dsm.open(work.root).config
    assert fresh.items() == [("core.workers", "3"), ("user.name", 'Q"uote \\ 猫')]
    fresh.set("user.email", "t@example.org")
    assert path.read_text().startswith("# mine\n")
    assert fresh.unset("user.name") is True and fresh.get("user.name") is None
    assert dsm.open(work.root).workers == 3


@pytest.mark.parametrize(
    ("key", "value"),
    [("user.nam", "x"), ("", "x"), ("core", "x"), ("core.workers", "many"), ("core.workers", "0"),
     ("core.workers", "²"), ("core.workers", "9" * 5000), ("core.dataset", "../x"),
     ("user.name", "\ud800")],
)  # fmt: skip
def test_settings_that_are_refused(work: Work, key: str, value: str) -> None:
    """A key that does not exist, or a value that makes no sense, changes nothing."""
    with pytest.raises(
        InvalidInput,
        match=r"there is no setting|is a number from|cannot name a dataset|is one line of text",
    ):
        work.repo.config.set(key, value)
    assert dsm.open(work.root).config.items() == []


@pytest.mark.parametrize(
    "text",
    ["core = 5\n", "[core]\nworkers = 'many'\n", "[core]\nworkers = 0\n", "[core\n", "\xff",
     "[core]\ndataset = ['x']\n", "[core]\ndataset = '../../x'\n", "[core.workers]\nx = 1\n"],
)  # fmt: skip
def test_a_configuration_by_hand_that_is_wrong(work: Work, text: str) -> None:
    """A config.toml that was edited wrongly leads to errors of ours, which name it or the value."""
    work.commit("one", a="a")
    (work.root / ".dsm" / "config.toml").write_bytes(text.encode("latin-1"))

    def use() -> None:
        repo = dsm.open(work.root)
        repo.dataset().restore(to=str(work.root / "out"), force=True)
        repo.config.set("user.name", "x")
        repo.config.set("core.workers", "2")

    with contextlib.suppress(DsmError):
        use()
    assert dsm.open(work.root).dataset("data").head == 1


def test_authors(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who commits: the environment, the settings, the login, in this order."""
    repo = dsm.open(work.root)
    for name in ("DSM_AUTHOR", "LOGNAME", "USER"):
        monkeypatch.delenv(name, raising=False)
    assert dsm.api.author(repo.config)
    monkeypatch.setenv("LOGNAME", "login")
    assert dsm.api.author(repo.config) == "login"
    repo.config.set("user.email", "t@example.org")
    assert dsm.api.author(repo.config) == "<t@example.org>"
    repo.config.set("user.name", "Tester")
    assert dsm.api.author(repo.config) == "Tester <t@example.org>"
    monkeypatch.setenv("DSM_AUTHOR", "override")
    assert dsm.api.author(repo.config) == "override"


@pytest.mark.parametrize("kept", ["repo", "ds", "view", "examples", "file"])
def test_programs_end_quietly(here: Path, kept: str) -> None:
    """A program that closes nothing, whatever it still holds at its end, prints nothing."""
    with dsm.init() as repo:
        repo.dataset().add({"a.txt": b"a" * 3_000_000, "b.txt": b"b"})
        repo.dataset().commit("1")
    program = f"""
import dsm
def held():
    repo = dsm.open()
    ds = repo.dataset()
    view = ds.prepare()
    examples = iter(view)
    next(examples).bytes
    file = ds.open("a.txt")
    file.read(10)
    return {kept}
kept = held()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_the_package_lists() -> None:
    """`dir` names what is there to be used, before any of it was."""
    assert {"open", "init", "__version__"} <= set(dir(dsm))


def test_datasets_and_views_as_collections(work: Work) -> None:
    """A dataset has a length and paths, a view its examples by path as well."""
    ds = work.ds
    assert (len(ds), bool(ds), "a.txt" in ds) == (0, True, False)
    work.commit("one", **{"a.txt": "one", "b.json": '{"a": [1]}', "sub/c.txt": "\N{BOM}two"})
    ds = work.ds
    assert (len(ds), "a.txt" in ds, "sub" in ds, 1 in ds) == (3, True, False, False)
    assert ds.labels() == {}
    view = ds.prepare(paths=["*.txt"], name="texts")
    ds.prepare()
    assert [path in view for path in ("a.txt", "b.json", "sub/c.txt", "zz", "\udc80")] == [
        True, False, True, False, False
    ]  # fmt: skip
    assert (view["a.txt"].text, view["sub/c.txt"].text, view[1].path) == ("one", "two", "sub/c.txt")
    with pytest.raises(NotFound, match="has no example a.text") as caught:
        view["a.text"]
    assert caught.value.hint == "did you mean a.txt?"
    assert [v.version for v in work.repo.views()] == sorted(v.version for v in work.repo.views())
    assert {v.version for v in work.repo.views("data")} >= {view.version}
    with pytest.raises(NotFound, match="there is no dataset"):
        work.repo.views("none")


def test_examples_are_equal_by_what_they_say(work: Work) -> None:
    """The same example of two views is equal and hashes alike; another content or label is not."""
    work.commit("one", **{"a.txt": "one", "b.txt": "one"})
    first = work.ds.prepare()
    work.commit("two", **{"c.txt": "three"})
    second = work.ds.prepare()
    assert first["a.txt"] == second["a.txt"] != first["b.txt"]
    assert {first["a.txt"], second["a.txt"]} == {second[0]}
    work.ds.label(["a.txt"], set=["x"])
    work.ds.commit("three")
    assert work.ds.prepare()["a.txt"] != first["a.txt"]
    assert first["a.txt"] != "a.txt"
    moment = first["a.txt"].datetime
    assert (moment.timestamp() * 1e6, moment.tzinfo) == (first["a.txt"].time, UTC)


def test_examples_are_decoded_when_asked(work: Work) -> None:
    """Text, JSON and images come decoded; bytes that are none are refused by name."""
    image = pytest.importorskip("PIL.Image")
    made = io.BytesIO()
    image.new("RGB", (3, 2), "red").save(made, "png")
    work.commit(
        "one", **{"a.png": made.getvalue(), "b.json": '{"a": [1]}', "c.json": "[" * 100_000}
    )
    view = work.ds.prepare()
    assert (view["a.png"].image.size, view["b.json"].json) == ((3, 2), {"a": [1]})
    for path, kind in (
        ("a.png", "text"),
        ("a.png", "json"),
        ("c.json", "json"),
        ("b.json", "image"),
    ):
        with pytest.raises(InvalidInput, match=path):
            getattr(view[path], kind)


def test_views_compare_themselves(work: Work) -> None:
    """A view tells what another one has, and why; its table is one of pandas'."""
    pytest.importorskip("pandas")
    work.commit("one", **{"a.txt": "one"})
    first = work.ds.prepare()
    work.commit("two", **{"b.txt": "two"})
    second = work.ds.prepare()
    assert first.diff(second).counts["added"] == 1
    assert [reason.count for reason in first.explain(second).reasons] == [1]
    assert (second.why("b.txt").selected, first.why("b.txt").selected) == (True, False)
    with pytest.raises(NotFound, match=r"no changeset of data has an example never\.txt"):
        first.why("never.txt")
    assert list(second.to_pandas()["path"]) == ["a.txt", "b.txt"]


def test_what_things_say_of_themselves(work: Work) -> None:
    """A repr names the view, and counts what is known of it without evaluating it."""
    work.commit("one", **{"a.txt": "one"})
    view = work.ds.prepare()
    assert repr(view) == f"<view {view.version[:12]} of data>"
    assert repr(work.repo.view(view.version)) == f"<view {view.version[:12]} of data: 1 example>"
