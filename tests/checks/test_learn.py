"""A contract that is learnt from data: the data pass it, whatever they hold."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from histories import commit, fresh, steps
from hypothesis import given, settings
from hypothesis import strategies as st

from dsm.checks.contract import read_contract
from dsm.checks.learn import learnt
from dsm.checks.rule import Subject
from dsm.checks.run import run

from .conftest import JPEG, PNG, Sound


def test_what_is_learnt(sound: Sound) -> None:
    """Vocabulary, sizes, ranges and values are those of the data; another value then fails."""
    work = sound.work
    text = work.ds.learnt_contract()
    work.path("learnt.toml").write_text(text)
    report = work.ds.check(rules=str(work.path("learnt.toml")))
    assert (report.errors, report.warnings, len(report.ran)) == (0, 0, 11)
    sound.put("train/cat/new.png", JPEG * 9, "bird", camera="up", width=11)
    report = work.ds.check(staged=True, rules=str(work.path("learnt.toml")))
    work.ds.unstage()
    assert {each.rule for each in report.findings()} == {
        "attribute", "balance", "extensions", "labels", "size",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"a.jpg": JPEG, "b.PNG": PNG}, ["image/*"]),
        ({"a.md": b"[a link]", "b.txt": b"text"}, ["application/json", "text/plain"]),
        ({"a.jpg": JPEG, "b.parquet": b"PAR1"}, ["application/vnd.apache.parquet", "image/*"]),
        ({"a.jpg": JPEG, "b.bin": b"\0"}, None),
        ({"a.jpg": JPEG, "README": b"text"}, None),
        ({}, None),
    ],
)  # fmt: skip
def test_media_types_are_those_that_names_promise(
    tmp_path: Path, files: dict[str, bytes], said: list[str] | None
) -> None:
    """The line is a comment that the data pass when it is none; where a name promises nothing,
    there is no such line."""
    work = fresh(tmp_path)
    work.ds.add(files)
    work.ds.commit("files", allow_empty=True)
    text = work.ds.learnt_contract()
    lines = [] if said is None else [f"# media-types.allow = {json.dumps(said)}"]
    assert [each for each in text.splitlines() if "media-types" in each] == lines
    work.path("dsm.toml").write_text(text.replace("# media-types", "media-types"))
    assert work.ds.check(only=["media-types"] if said else None).errors == 0
    assert f"learnt from {len(files)} example{'s' * (len(files) != 1)}." in text
    work.repo.close()


def test_parts_for_training_and_testing_share_nothing(sound: Sound) -> None:
    """Where an attribute tells train from test, a copy of one in the other is found from then on;
    where there is one already, the rule is a comment."""
    work = sound.work
    for part in ("train", "test"):
        paths = [f"{part}/{label}/{n}.jpg" for n in range(12) for label in ("cat", "dog")]
        have = set(work.ds.snapshot().column("path").to_pylist())
        work.ds.label(
            [path for path in paths if path in have],
            attributes={"part": part, "fold": part.title()},
        )
    work.ds.commit("parts")
    text = work.ds.learnt_contract()
    assert '\nleakage = [{ by = "attr.fold" }, { by = "attr.part" }]\n' in text
    work.path("learnt.toml").write_text(text)
    assert work.ds.check(rules=str(work.path("learnt.toml"))).errors == 0
    sound.put("test/cat/copy.jpg", JPEG + b"train/cat/0.jpg", "cat", part="test", fold="Train")
    report = work.ds.check(staged=True, rules=str(work.path("learnt.toml")), only=["leakage"])
    assert {each.path for each in report.findings()} == {"test/cat/copy.jpg", "train/cat/0.jpg"}
    work.ds.commit("a leak", verify=False)
    told = work.ds.learnt_contract()
    assert '# 2 findings in the data at hand:\n# leakage = { by = "attr.part" }' in told


@settings(max_examples=25)
@given(steps=steps(max_size=2))
def test_any_data_pass_what_is_learnt_of_them(
    tmp_path_factory: pytest.TempPathFactory, steps: list[object]
) -> None:
    """Random examples, some without labels or attributes, pass; so does a dataset of nothing."""
    folder: Path = tmp_path_factory.mktemp("learn")
    work = fresh(folder)
    commit(work, steps)  # type: ignore[arg-type]
    _passes(work.ds.snapshot())
    _passes(work.ds.snapshot().slice(0, 0))
    work.repo.close()


NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)


@given(
    NAMES, st.lists(NAMES, min_size=2, max_size=3), st.lists(st.floats(), min_size=2, max_size=2)
)
def test_any_text_is_written_as_toml(name: str, texts: list[str], numbers: list[float]) -> None:
    """Quotes, backslashes, signs of other planes and numbers without an end do not break it."""
    label = pa.list_(pa.field("item", pa.string(), nullable=False))
    table = pa.table({
        "path": ["a.b", "c.d"], "object": pa.array([bytes(32), b"x" * 32], pa.binary(32)),
        "size": pa.array([1, 2], pa.int64()), "labels": pa.array([texts, []], label),
        f"attr.{name}": [texts[0]] * 2, f"attr.{name}2": pa.array(numbers, pa.float64()),
    })  # fmt: skip
    _passes(table, labels_as_written=False)


def _passes(table: pa.Table, *, labels_as_written: bool = True) -> None:
    text = learnt(table, "data")
    if not labels_as_written:
        import tomllib

        tomllib.loads(text)
        return
    contract = read_contract(text.encode(), "learnt", "data")
    assert [each.told for each in run(contract, Subject(table, table)).findings()] == []
