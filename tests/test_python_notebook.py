"""What Python says of things: reprs, HTML for notebooks, datetimes, misspelt keywords."""

from __future__ import annotations

import inspect
import io
import re
import sys
import wave
from collections.abc import Callable
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from situations import Work

from dsm import api
from dsm.catalog import Catalog
from dsm.datasets import Dataset
from dsm.errors import InvalidInput
from dsm.model.keywords import suggests
from dsm.views.reading import html
from dsm.views.view import View


def picture(side: int = 300) -> bytes:
    """A picture of some size."""
    pillow = pytest.importorskip("PIL.Image", reason="needs the package Pillow")
    out = io.BytesIO()
    pillow.new("RGB", (side, side // 2), (200, 30, 30)).save(out, "PNG")
    return out.getvalue()


class Elements(HTMLParser):
    """The elements of some HTML, and its text."""

    def __init__(self, text: str):
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_thumbnails_are_inline_and_small(work: Work) -> None:
    """An image becomes a PNG of at most 128 by 128 pixels in a data URI; nothing is fetched."""
    work.ds.add({"a.png": picture()}, labels=["red"])
    work.ds.commit("one")
    view = work.ds.prepare()
    for shown in (view[0]._repr_html_(), view._repr_html_()):
        (source,) = [values["src"] for tag, values in Elements(shown).found if tag == "img"]
        assert source is not None
        head, _, data = source.partition(",")
        assert head == "data:image/png;base64"
        import base64

        pillow = pytest.importorskip("PIL.Image")
        assert pillow.open(io.BytesIO(base64.b64decode(data))).size == (128, 64)
        assert "a.png" in Elements(shown).text and "red" in Elements(shown).text


def test_names_and_texts_are_no_markup(work: Work) -> None:
    """Whatever paths, labels and texts are, the only elements are those of dsm."""
    evil = "<script>alert('x')</script>&lt;\"'"
    work.ds.add({f"{evil.replace('/', '_')}.txt": f"{evil}\x1b[31m".encode()}, labels=[evil])
    work.ds.commit("one")
    view = work.ds.prepare()
    for shown in (view[0]._repr_html_(), view._repr_html_()):
        elements = Elements(shown)
        assert {tag for tag, _ in elements.found} <= {"div", "code", "i", "pre"}
        assert evil in elements.text and "\x1b" not in shown


def test_what_a_notebook_shows_is_bounded(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve examples, the beginning of a text, and no image that is large in bytes or pixels."""
    work.ds.add({f"{n:03}.txt": b"x" * 100_000 for n in range(40)}, labels=["l" * 200])
    work.ds.add({"zz.png": picture()}, labels=["red"])
    work.ds.commit("many")
    view = work.ds.prepare()
    shown = view._repr_html_()
    assert shown.count("<pre>") == html.SHOWN
    assert "… and 29 more" in shown
    assert len(shown) < 20_000
    monkeypatch.setattr(html, "PIXELS_MAX", 10)
    assert "<img" not in view["zz.png"]._repr_html_()
    monkeypatch.undo()
    monkeypatch.setattr(html, "BYTES_MAX", 10)
    assert "<img" not in view["zz.png"]._repr_html_()


def test_what_is_no_image_is_shown_without_one(work: Work) -> None:
    """Bytes that no decoder takes, empty ones, and files of other kinds have no picture."""
    work.ds.add({"a.png": b"no image", "b.jpg": b"", "c.bin": b"\x00"})
    work.ds.commit("one")
    for example in work.ds.prepare():
        assert "<img" not in example._repr_html_()
        assert example.path in example._repr_html_()


def test_sound(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """`audio` gives samples and rate; without soundfile it says what to install."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(400))
    work.ds.add({"a.wav": out.getvalue(), "b.wav": b"no sound"})
    work.ds.commit("one")
    view = work.ds.prepare()
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "soundfile", None)
        with pytest.raises(ImportError, match="needs soundfile: pip install soundfile"):
            _ = view[0].audio
    pytest.importorskip("soundfile", reason="needs the package soundfile")
    samples, rate = view[0].audio
    assert (samples.shape, str(samples.dtype), rate) == ((100, 2), "float32", 8000)
    with pytest.raises(InvalidInput, match=r"b\.wav cannot be read as sound"):
        _ = view[1].audio


def test_a_view_as_a_dataset_of_hugging_face(
    work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`to_hf` has every example with its image, its class by name, and what is said of it."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets", reason="needs the package datasets")
    datasets.disable_progress_bars()
    for name in ("red", "blue"):
        work.ds.add({f"{name}/{n}.png": picture(10 + n) for n in range(2)}, labels=[name])
    work.ds.commit("four")
    view = work.ds.prepare()
    found = view.to_hf(cache_dir=str(tmp_path / "cache"))
    assert found.features["label"].names == ["blue", "red"]
    assert [(row["path"], row["label"], row["labels"]) for row in found] == [
        (example.path, example.target, list(example.labels)) for example in view
    ]
    assert found[0]["image"].size == (10, 5)
    assert found[0]["time"] == view[0].datetime
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "datasets", None)
        with pytest.raises(ImportError, match="pip install datasets"):
            view.to_hf()


def test_times_as_datetimes(work: Work) -> None:
    """Changesets, tags, examples and those of views tell their time as a datetime in UTC."""
    work.commit("one", **{"a.txt": "one"})
    tag = work.ds.tag("v1", 1)
    expected = datetime.fromtimestamp(work.ds.changeset(1).time / 1e6, UTC)
    assert abs((work.ds.changeset(1).datetime - expected).total_seconds()) < 1e-5
    (stored,) = work.ds.ls()
    assert stored.datetime == work.ds.prepare()[0].datetime
    assert tag.datetime.tzinfo is UTC
    assert len([*work.ds.log(since=work.ds.changeset(1).datetime)]) == 1
    assert len(work.ds.prepare(since=stored.datetime)) == 1


def test_what_reprs_hold(work: Work) -> None:
    """A repository names its datasets with their counts, a dataset its changesets and examples."""
    assert repr(work.ds) == f"<dataset data in {work.root}>"
    assert repr(work.repo) == f"<repository {work.root}: data (0 examples)>"
    work.commit("one", **{"a.txt": "one"})
    work.commit("two", **{"b.txt": "one"})
    assert repr(work.ds) == f"<dataset data in {work.root}: 2 changesets, 2 examples>"
    for number in range(9):
        work.repo.create_dataset(f"x{number}")
    assert repr(work.repo).startswith(
        f"<repository {work.root}: data (2 examples), x0 (0 examples)"
    )
    assert repr(work.repo).endswith(", … and 2 more>")
    for path in (work.root / ".dsm").rglob("*"):
        if path.is_file():
            path.chmod(0o644)
            path.write_bytes(b"")
    assert repr(work.repo).startswith("<repository")


def test_reports_are_told_in_a_line(work: Work) -> None:
    """What a cell of a notebook ends in says what it is, however many changes it holds."""
    first = work.ds.changeset(work.commit("one\n\nmore", **{f"{n}.txt": str(n) for n in range(12)}))
    assert repr(first) == f"<changeset 1, {first.id[:12]}: 'one'; 12 examples>"
    work.write({"0.txt": b"another", "new": b""})
    work.ds.remove(["1.txt"])
    assert repr(work.ds.status()) == "<status of data: 1 staged, 1 unstaged, 1 untracked>"
    work.ds.add(["."])
    work.ds.commit("two")
    assert repr(work.ds.diff(1, 2)) == "<diff of 1 and 2: 1 modified, 1 deleted, 1 added>"
    assert repr(work.ds.diff(2, 2)) == "<diff of 2 and 2: no change>"


def test_a_path_from_another_folder_says_where_paths_count_from(
    work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A notebook often runs beside the repository; a path of the dataset is not found from there."""
    work.commit("one", **{"a.txt": "one"})
    work.repo.close()
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    with api.open(work.root) as repo:
        for path, hint in (
            ("a.txt", f"which is {tmp_path}/notebooks"),
            ("/a.txt", "below their root"),
        ):
            with pytest.raises(InvalidInput, match="lies outside the dataset's folder") as caught:
                repo.dataset().label([path], add=["x"])
            assert hint in str(caught.value.hint)


def verbs() -> list[tuple[str, Callable[..., Any], str]]:
    """Every public verb that takes keywords, and one of these."""
    found = []
    for owner in (Catalog, Dataset, View):
        for name, verb in inspect.getmembers(owner, inspect.isfunction):
            keywords = [
                parameter.name for parameter in inspect.signature(verb).parameters.values()
                if parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)
                and parameter.name != "self"
            ]  # fmt: skip
            kinds = {each.kind for each in inspect.signature(verb).parameters.values()}
            if inspect.Parameter.VAR_KEYWORD in kinds:
                continue  # the next test has these
            if not name.startswith("_") and verb.__module__.startswith("dsm.") and keywords:
                long = max(keywords, key=len)
                if len(long) > 2:
                    found.append((f"{owner.__name__}.{name}", verb, long))
    found += [("open", api.open, "path"), ("init", api.init, "pattern")]
    return found


@pytest.mark.parametrize(("title", "verb", "keyword"), verbs(), ids=[name for name, *_ in verbs()])
def test_a_misspelt_keyword_is_answered(
    work: Work, title: str, verb: Callable[..., Any], keyword: str
) -> None:
    """In every public verb, by the one that was meant, before anything is done."""
    owner = {"Catalog": work.repo, "Dataset": work.ds}.get(title.partition(".")[0])
    if title.startswith("View."):
        work.commit("one", **{"a.txt": "one"})
        owner = work.ds.prepare()
    needed = [
        parameter for parameter in inspect.signature(verb).parameters.values()
        if parameter.default is parameter.empty and parameter.name not in ("self", keyword)
        and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]  # fmt: skip
    before = work.state() if title.startswith("Dataset") else None
    wrong = keyword[:-2] + keyword[-1] + keyword[-2] if keyword[-1] != keyword[-2] else keyword[:-1]
    arguments = ([] if owner is None else [owner]) + ["x"] * len(needed)
    with pytest.raises(TypeError) as caught:
        verb(*arguments, **{wrong: None})
    name = verb.__name__
    assert re.fullmatch(
        rf"{name}\(\) got an unexpected keyword argument '{wrong}'. Did you mean '{keyword}'\?",
        str(caught.value),
    )
    assert before is None or work.state() == before


@pytest.mark.parametrize(
    ("verb", "wrong", "meant"),
    [("add", "lables", "labels"), ("ls", "lables", "labels"), ("prepare", "percnet", "percent"),
     ("prepare", "nmae", "name"), ("log", "sinse", "since"), ("log", "limti", "limit"),
     ("query", "lables", "labels"), ("add_query", "max_row", "max_rows")],
)  # fmt: skip
def test_keywords_that_are_passed_on(work: Work, verb: str, wrong: str, meant: str) -> None:
    """Verbs that hand their keywords to others answer in the same words."""
    work.commit("one", **{"a.txt": "one"})
    arguments = {"add": [["a.txt"]], "add_query": ["source", "SELECT 1"]}.get(verb, [])
    verb_named = "prepare" if verb == "query" else verb
    text = (
        rf"{verb_named}\(\) got an unexpected keyword argument '{wrong}'. Did you mean '{meant}'\?"
    )
    with pytest.raises(TypeError, match=text):
        getattr(work.ds, verb)(*arguments, **{wrong: "x"})


def test_a_defect_further_down_is_not_explained_away() -> None:
    """Only what the verb itself was given is answered; its own mistakes stay as they are."""

    def inner() -> None: ...

    @suggests
    def verb(*, label: str = "") -> None:
        inner(lable=1)  # type: ignore[call-arg]

    with pytest.raises(TypeError) as caught:
        verb()
    assert "Did you mean" not in str(caught.value)
    with pytest.raises(TypeError, match="Did you mean 'label'"):
        verb(labl="x")  # type: ignore[call-arg]
