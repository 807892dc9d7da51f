"""dsm split, and dsm prepare --split: what they print, and their exit statuses."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

import dsm as library
from dsm.errors import InvalidInput

from .conftest import Runner, write


@pytest.fixture
def voices(dsm: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twenty speakers with two words each; two of them say the same."""
    folder = tmp_path / "voices"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for number in range(20):
        for word in ("yes", "no"):
            write(folder / f"{word}_s{number}.wav", f"{word} {number % 19}")
    dsm("init", "--pattern", "{label}_{speaker}.wav")
    dsm("add", "-q", ".")
    dsm("commit", "-q", "-m", "twenty speakers")
    return folder


def test_a_split_from_end_to_end(dsm: Runner, voices: Path) -> None:
    """A split is made, listed, shown, used and removed; its views stay."""
    made = dsm("split", "create", "h", "--parts", "train=80%,test=20%", "--group", "speaker")
    assert (made.out, made.err.splitlines()) == (
        "", ["made split h: train, test", "next: dsm prepare --split h:train"],
    )  # fmt: skip
    assert (
        dsm("split").out == dsm("split", "list").out == "h  train, test  by attr.speaker, seed h\n"
    )
    shown = dsm("split", "show", "h").out.splitlines()
    assert shown[0] == "split:     h"
    assert shown[5].split() == ["train", "test"]
    counts = [int(count) for count in shown[6].split()[1:]]
    assert sum(counts) == 40
    version = dsm("prepare", "--split", "h:train").out
    assert dsm("prepare", "--split", "h:not-test").out == version
    answer = dsm("view", "show", version.strip(), "--json").json
    assert answer["examples"] == counts[0]
    assert answer["asks"] == "0–80% by attr.speaker, seed h, up to changeset 1"
    assert dsm("split", "rm", "h").err == "removed split h; no example and no view was touched\n"
    assert dsm("split", "list").err.startswith("there is no split;")
    assert dsm("split", "show", "h", status=4).err.splitlines()[0] == "error: there is no split 'h'"
    assert dsm("view", "show", version.strip(), "--json").json == answer


def test_leaks_are_an_answer(dsm: Runner, voices: Path) -> None:
    """--leakage ends with status 1 when the same content is on several sides, and with 0 if not."""
    dsm("split", "create", "p", "--folds", "10")
    dsm("split", "create", "c", "--folds", "10", "--by-content")
    by_part = {
        part["name"]: part["examples"] for part in dsm("split", "show", "p", "--json").json["parts"]
    }
    assert sum(by_part.values()) == 40
    leaks = dsm("split", "show", "c", "--leakage", "--json").json["leakage"]
    assert leaks == {"objects": 0, "examples": 0, "leaks": []}
    sides = {}
    for number in range(1, 11):
        said = dsm.run(["prepare", "--split", f"p:fold{number}", "--name", f"f{number}"])
        if said.status == 0:
            for path in dsm("ls", "--view", f"f{number}").out.split():
                sides[path] = number
    twins = {word: {sides[f"{word}_s0.wav"], sides[f"{word}_s19.wav"]} for word in ("yes", "no")}
    leaking = sum(len(found) > 1 for found in twins.values())
    said = dsm("split", "show", "p", "--leakage", status=int(bool(leaking)))
    assert said.err.startswith(f"{leaking} object") or not leaking


def test_near_leaks_are_an_answer(dsm: Runner, voices: Path) -> None:
    """--near ends with status 1 when a text that reads the same is in another part."""
    dsm("split", "create", "p", "--folds", "2")
    assert dsm("split", "show", "p", "--near", status=2).err.splitlines() == [
        "error: --near belongs to --leakage", "hint: give both",
    ]  # fmt: skip
    parts = {
        path: number for number in (1, 2)
        for path in dsm("prepare", "--split", f"p:fold{number}", "--name", f"f{number}")
        and dsm("ls", "--view", f"f{number}").out.split()
    }  # fmt: skip
    other = next(path for path in parts if parts[path] != parts["yes_s3.wav"])
    write(voices / other, "YES,  3!")
    dsm("add", "-q", other)
    dsm("commit", "-q", "-m", "the same words")
    said = dsm("split", "show", "p", "--leakage", "--near", "--json", status=1)
    near = said.json["leakage"]["near"]
    told = {
        frozenset((each["part"], each["path"]) for each in leak["places"]) for leak in near["leaks"]
    }
    fold = {path: f"fold{number}" for path, number in parts.items()}
    assert frozenset({(fold[other], other), (fold["yes_s3.wav"], "yes_s3.wav")}) in told
    assert (near["examples"], near["unknown"]) == (2 * len(near["leaks"]), 0)
    lines = dsm("split", "show", "p", "--leakage", "--near", status=1).out.splitlines()
    assert "near-duplicates in several parts:" in lines


def test_mistakes_are_one_line_and_a_hint(dsm: Runner, voices: Path) -> None:
    """What is wrong and what to do, two lines; nothing is made."""
    dsm("split", "create", "cv", "--folds", "3")
    for words, status, message in (
        (["split", "create", "x"], 2, "error: a split needs one of"),
        (["split", "create", "x", "--parts", "a=50%,b=60%"], 2, "error: the parts add up to 110%"),
        (["split", "create", "cv", "--folds", "3"], 2, "error: there is a split 'cv' already"),
        (["split", "create", "x", "--folds", "3", "--group", "speakr"], 4, "error: --group: no"),
        (["split", "rm", "x"], 4, "error: there is no split 'x'"),
        (["prepare", "--split", "cv"], 2, "error: 'cv' is no part of a split"),
        (["prepare", "--split", "cv:fold9"], 4, "error: the split cv has no part 'fold9'"),
    ):
        lines = dsm(*words, status=status).err.splitlines()
        assert len(lines) == 2 and lines[0].startswith(message) and lines[1].startswith("hint: ")
    assert dsm("split", "list", "--json").json["splits"][0]["name"] == "cv"
    assert len(dsm("split", "list").out.splitlines()) == 1


def test_rows_of_queries_are_on_one_side(
    dsm: Runner, voices: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows are drawn by their path, each into one part; what needs all of them is refused."""
    pytest.importorskip("adbc_driver_sqlite", reason="needs dsm-datasets[sources]")
    with contextlib.closing(sqlite3.connect(tmp_path / "w.db")) as database:
        database.execute("CREATE TABLE p (id INTEGER)")
        database.executemany("INSERT INTO p VALUES (?)", [(number,) for number in range(40)])
        database.commit()
    monkeypatch.setenv("W_URI", str(tmp_path / "w.db"))
    dsm("source", "add", "w", "--driver", "sqlite", "--uri-env", "W_URI")
    dsm("add", "--source", "w", "-e", "SELECT * FROM p", "--key-col", "id")
    dsm("commit", "-m", "rows")
    dsm("split", "create", "h", "--parts", "a=50%,b=50%")
    dsm("split", "create", "c", "--parts", "a=50%,b=50%", "--by-content")
    sides: dict[str, set[str]] = {}
    for part in ("a", "b"):
        version = dsm("prepare", "-q", "--split", f"h:{part}").out.strip()
        with library.open(".") as repo:
            sides[part] = {example.path for example in repo.view(version)}
    assert sides["a"] & sides["b"] == set()
    assert len(sides["a"] | sides["b"]) == 40 + 40
    for words in (["--split", "c:a"], ["--sample", "3"], ["--per-label", "1"]):
        version = dsm("prepare", "-q", *words).out.strip()
        with (
            library.open(".") as repo,
            pytest.raises(InvalidInput, match="rows of queries are not"),
        ):
            list(repo.view(version))
