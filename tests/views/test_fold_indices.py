"""Folds as positions in a view, and the page that shows them to scikit-learn and PyTorch."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from console import played
from situations import Work

from dsm.errors import InvalidInput

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def work(make_work: Callable[..., Work]) -> Work:
    """Thirty examples of ten speakers, with times a day apart."""
    work = make_work(pattern="{label}_{speaker}_{_}")
    work.commit(
        "thirty",
        **{f"{w}_s{s}_{t}": f"{w}{s}{t}" for w in "ab" for s in range(5) for t in range(3)},
    )
    return work


def test_positions_are_those_of_the_folds(work: Work) -> None:
    """For each part, the positions are those of the views of `folds`, in any view of the dataset."""
    split = work.ds.splits.create("cv", folds=3, stratify="label")
    for asked in ({}, {"labels": ["a"]}):
        view = work.ds.prepare(**asked)  # type: ignore[arg-type]
        paths = [example.path for example in view]
        pairs = zip(split.fold_indices(view), split.folds(**asked), strict=True)
        for positions, views in pairs:
            assert [[paths[at] for at in each] for each in positions] == [
                [example.path for example in each] for each in views
            ]


def test_a_view_of_another_dataset(work: Work) -> None:
    """Positions in a view of another dataset are refused."""
    split = work.ds.splits.create("cv", folds=2)
    other = work.repo.create_dataset("other", root="there")
    other.add({"there/x": b"1"})
    other.commit("one")
    with pytest.raises(InvalidInput, match="the view is of dataset other"):
        next(split.fold_indices(other.prepare()))


def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python of the how-to page gives the folds to scikit-learn, and to PyTorch where it is."""
    sklearn = "scikit-learn is not installed: pip install scikit-learn"
    pytest.importorskip("sklearn", reason=sklearn)
    text = (ROOT / "docs" / "how-to" / "split-your-data.md").read_text()
    begun = text[: text.index("## Split by time")]
    assert played(begun, tmp_path) == begun
    monkeypatch.chdir(tmp_path / "home" / "speech")
    blocks = re.findall(r"```python\n(.*?)```", begun, re.DOTALL)
    assert len(blocks) == 3
    told: dict[str, object] = {}
    for block in blocks:
        if "torch" in block:
            pytest.importorskip(
                "torch", reason="PyTorch is not installed: pip install torch==2.13.0"
            )
        exec(block, told)
