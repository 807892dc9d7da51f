"""`datasets.load_dataset(FOLDER)` reads what `get` has written; the card beside it is dsm's own."""

from __future__ import annotations

import io
import json
import wave
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from situations import Work
from test_get_formats import PNG, contents, fill

from dsm.views.writing.card import describe

FORMATS = ["webdataset", "parquet", "files"]
HEAD = {"configs": [{"config_name": "default", "data_files": "x"}]}


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Loads a folder, given the folder alone, and returns its one part."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    datasets = pytest.importorskip("datasets", reason="needs the package datasets")
    datasets.disable_progress_bars()

    def loaded(folder: Path) -> Any:
        found = datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "cache"))
        assert list(found) == ["train"]
        return found["train"]

    return loaded


def wav() -> bytes:
    """A short silence."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(160))
    return out.getvalue()


@pytest.mark.parametrize("layout", FORMATS)
def test_images(work: Work, tmp_path: Path, load: Any, layout: str) -> None:
    """Images come as images, and classes by their names, those of an unlabelled one as -1."""
    names = ['a dog: "x" --- \\', "yes", "猫🐈"]
    for number, name in enumerate(names):
        work.ds.add({f"deep/{number}/{n}.png": PNG + b"%d" % n for n in range(2)}, labels=[name])
    work.ds.add({"none.png": PNG + b"none"})
    work.ds.commit("images")
    view = work.ds.prepare()
    view.get(str(tmp_path / "out"), format=layout, shard_size=6000)
    found = load(tmp_path / "out")
    label = "cls" if layout == "webdataset" else "label"
    assert found.features[label].names == sorted(names)
    image = "png" if layout == "webdataset" else "image"
    assert found.features[image]._type == "Image"
    rows = found.to_list() if layout != "webdataset" else [*found]
    path = (
        (lambda row: row["json"]["path"]) if layout == "webdataset" else (lambda row: row["path"])
    )
    assert {example.path: example.target for example in view} == {
        path(row): row[label] for row in rows
    }
    assert found[0][image].size == (1, 1)


def test_text_in_shards(work: Work, tmp_path: Path, load: Any) -> None:
    """Texts come as text with their attributes; several kinds of members are columns each."""
    table = b"path,label,age,who\na.txt,x,3,me\nb.dat,y,,\n"
    fill(
        work, {"a.txt": "ä\nb".encode(), "b.dat": b"\xff\x00"}, label_file=io.BytesIO(table)
    )  # fmt: skip
    out = tmp_path / "out"
    work.ds.prepare().get(str(out))
    found = load(out)
    assert [(row["txt"], row["dat"], row["cls"]) for row in found] == [
        ("ä\nb", None, 0), (None, b"\xff\x00", 1),
    ]  # fmt: skip
    assert [row["json"]["attributes"] for row in found] == [
        {"age": 3, "who": "me"}, {"age": None, "who": None},
    ]  # fmt: skip
    assert [row["json"]["labels"] for row in found] == [["x"], ["y"]]


@pytest.mark.parametrize("layout", ["parquet", "files"])
def test_text_as_rows(work: Work, tmp_path: Path, load: Any, layout: str) -> None:
    """A row an example, however many lines a text has, and whatever it is told of."""
    times = [datetime(2020, 1, 2, 3, 4, 5, 670000, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC)]
    rows = [
        {"path": f"t/{n}.txt", "labels": [f'"{n}', "all"], "time": time.isoformat(),
         "annotation": {"box": [1, 2]} if n else None, "q": 0.5 + n, "ok": not n}
        for n, time in enumerate(times)
    ]  # fmt: skip
    table = "".join(json.dumps(row) + "\n" for row in rows).encode()
    (tmp_path / "labels.jsonl").write_bytes(table)
    text = b"one\ntwo\n\nthree"
    fill(
        work, {row["path"]: text for row in rows}, label_file=str(tmp_path / "labels.jsonl")
    )  # fmt: skip
    work.ds.prepare().get(str(tmp_path / "out"), format=layout)
    found = [*load(tmp_path / "out")]
    assert [row["path"] for row in rows] == [row["path"] for row in found]
    assert [row["labels"] for row in rows] == [row["labels"] for row in found]
    assert times == [row["time"] for row in found]
    assert [row["annotation"] for row in found] == [None, '{"box":[1,2]}']
    assert [(row["attr.q"], row["attr.ok"]) for row in found] == [(0.5, True), (1.5, False)]
    if layout == "files":
        texts = [(tmp_path / "out" / row["file_name"]).read_bytes() for row in found]
    else:
        texts = [row["text"].encode() for row in found]
    assert [text, text] == texts


@pytest.mark.parametrize("layout", FORMATS)
def test_sounds(work: Work, tmp_path: Path, load: Any, layout: str) -> None:
    """Sounds come as bytes from shards, which no decoder is needed for, else as sounds."""
    fill(work, {"s/1.wav": wav()}, labels=["silence"])
    work.ds.prepare().get(str(tmp_path / "out"), format=layout)
    if layout == "webdataset":
        assert wav() == load(tmp_path / "out")[0]["wav"]
        return
    if layout == "files":
        pytest.importorskip(
            "torchcodec", reason="the library loads files of sounds with torchcodec"
        )
    datasets = pytest.importorskip("datasets")
    found = load(tmp_path / "out").cast_column("audio", datasets.Audio(decode=False))
    raw = found[0]["audio"]
    assert wav() == (Path(raw["path"]).read_bytes() if raw["bytes"] is None else raw["bytes"])


@pytest.mark.parametrize("layout", FORMATS)
def test_the_card_is_the_same_everywhere(work: Work, tmp_path: Path, layout: str) -> None:
    """The same view has the same card in any folder, and again after it was replaced."""
    fill(work, {"a.png": PNG}, labels=["x"])
    view = work.ds.prepare()
    for name in ("one", "two"):
        view.get(str(tmp_path / name), format=layout)
    view.get(str(tmp_path / "two"), format=layout, force=True)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    document = json.loads((tmp_path / "one" / "dataset.json").read_text())
    assert ("features" in document) == (layout != "parquet")


@pytest.mark.parametrize("layout", FORMATS)
def test_a_readme_of_others_stays(work: Work, tmp_path: Path, layout: str) -> None:
    """Neither `get` nor `force` touches a README.md that dsm has not written as it is now."""
    fill(work, {"a.png": PNG, "b.png": PNG + b"2"}, labels=["x"])
    view, other = work.ds.prepare(), work.ds.prepare(paths=["a.png"])
    out = tmp_path / "out"
    out.mkdir()
    card = out / "README.md"
    card.write_text("mine")
    view.get(str(out), format=layout)
    assert view.plan_get(str(out), format=layout, force=True).replaced.count("README.md") == 0
    other.get(str(out), format=layout, force=True)
    assert card.read_text() == "mine"
    card.unlink()
    card.symlink_to(tmp_path / "elsewhere")
    view.get(str(out), format=layout, force=True)
    assert card.is_symlink() and not (tmp_path / "elsewhere").exists()
    card.unlink()
    view.get(str(out), format=layout, force=True)
    assert view.version in card.read_text()
    assert view.plan_get(str(out), format=layout, force=True).replaced.count("README.md") == 1
    card.write_text(card.read_text().replace("# data", "# my data"))
    other.get(str(out), format=layout, force=True)
    assert "# my data" in card.read_text()


def test_another_view_gets_another_card(work: Work, tmp_path: Path) -> None:
    """A card that dsm has written is replaced with the view, and goes where it has none."""
    fill(work, {"a.png": PNG, "b.png": PNG + b"2"}, labels=["x"])
    view, other = work.ds.prepare(), work.ds.prepare(paths=["a.png"])
    out = tmp_path / "out"
    view.get(str(out))
    other.get(str(out), format="files", force=True)
    assert other.version in (out / "README.md").read_text()
    assert "metadata.jsonl" in (out / "README.md").read_text()
    view.get(str(out), format="parquet", force=True)
    assert "part-*.parquet" in (out / "README.md").read_text()
    assert not (out / "metadata.jsonl").exists()


def test_compressed_shards_have_no_card(work: Work, tmp_path: Path) -> None:
    """A card would promise what the library does not do: it looks into plain shards only."""
    fill(work, {"a.png": PNG}, labels=["x"])
    work.ds.prepare().get(str(tmp_path / "out"), compression="zstd")
    assert not (tmp_path / "out" / "README.md").exists()


def test_many_kinds_of_members(work: Work, tmp_path: Path) -> None:
    """Where no type can be told of a member, or there are too many, the card has no features."""
    fill(work, {f"{n}.e{n}": b"x" for n in range(65)})
    fill(work, {"a.json": b"{}"})
    for number, paths in enumerate((["*.e*"], ["a.json"], ["1.e1"])):
        work.ds.prepare(paths=paths).get(str(tmp_path / str(number)))
    assert [
        "dataset_info" in (tmp_path / str(number) / "README.md").read_text() for number in range(3)
    ] == [False, False, True]


def test_text_of_a_card_is_yaml() -> None:
    """Whatever a class is called, YAML reads its name back."""
    yaml = pytest.importorskip("yaml", reason="needs the package PyYAML")
    names = ["", "no", "Null", "1", "- x", "a: b", "#", "\x00\x1f\x7f\x85\u2028\ufeff", "é", "🐈",
             "\ue000\U000f0000", '"', "\\", "---", "'"]  # fmt: skip
    document = {
        "dataset": {"name": "d"}, "version": "0" * 64, "digest": "1", "examples": 1, "classes": names,
    }  # fmt: skip
    features = [{"name": "label", "dtype": "class_label"}]
    text = describe(document, {**HEAD, "dataset_info": {"features": features}}).decode()
    head = yaml.safe_load(text.split("---\n")[1])
    told = head["dataset_info"]["features"][0]["dtype"]["class_label"]["names"]
    assert told == {str(index): name for index, name in enumerate(names)}
