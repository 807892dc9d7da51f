"""The scripts in examples/: what they print is what is kept beside them, and what they claim."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from console import plain

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run(name: str, folder: Path, *arguments: str) -> str:
    command = [sys.executable, str(EXAMPLES / name), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


def test_the_life_of_a_trademark(tmp_path: Path) -> None:
    """The kept output is what the script prints; digests are the same everywhere."""
    printed = run("life_of_a_trademark.py", tmp_path)
    kept = (EXAMPLES / "life_of_a_trademark.txt").read_text()
    assert [plain(line) for line in kept.split("\n")] == [
        plain(line) for line in printed.split("\n")
    ]
    digests = re.compile(r"digest +([0-9a-f]{64})")
    assert digests.findall(kept) == digests.findall(printed)
    assert len(set(digests.findall(kept))) == 3


def test_comparing_changesets(tmp_path: Path) -> None:
    """More data makes the classifier better, whichever library trains it."""
    scores = re.findall(r"right for ([0-9]+)%", run("compare_changesets.py", tmp_path))
    assert len(scores) == 2
    assert int(scores[0]) < int(scores[1])


@pytest.mark.parametrize(
    "name", ["compare_changesets.py", "life_of_a_trademark.py", "train_on_a_view.py"]
)
def test_a_second_time_in_one_folder(tmp_path: Path, name: str) -> None:
    """It says in one line that it was there before."""
    run(name, tmp_path)
    with pytest.raises(subprocess.CalledProcessError) as caught:
        run(name, tmp_path)
    assert re.fullmatch(r"run it in an empty folder: \w+ is there already\n", caught.value.stderr)


def test_comparing_changesets_of_a_folder(tmp_path: Path) -> None:
    """A folder of class folders is read, at most so many of each class."""
    for label, value in (("dark", 10), ("light", 240)):
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(60):
            image = b"P6 8 8 255\n" + bytes([value, number, 0] * 64)
            (tmp_path / "data" / label / f"{number}.ppm").write_bytes(image)
    printed = run("compare_changesets.py", tmp_path, "data")
    assert re.findall(r"right for ([0-9]+)%", printed) == ["100", "100"]
