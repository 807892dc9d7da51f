"""The rule of drift: what comes in spreads as a baseline does."""

from __future__ import annotations

import pytest
from situations import Work

from dsm.checks.contract import BadContract
from dsm.checks.gate import ChecksFailed
from dsm.errors import NotFound

RULE = """\
[[dataset.data.rules.drift]]
against = "{}"
columns = ["labels", "size"]
on = "commit"
"""


@pytest.fixture
def based(work: Work) -> Work:
    """Forty cats and forty dogs of 0 to 39 bytes, tag v1 and view base."""
    work.ds.add({f"{n}.bin": b"x" * (n // 2) for n in range(0, 80, 2)}, labels=["cat"])
    work.ds.add({f"{n}.bin": b"x" * (n // 2) for n in range(1, 80, 2)}, labels=["dog"])
    work.ds.commit("base")
    work.ds.tag("v1")
    work.ds.prepare(name="base")
    return work


def stage(work: Work, cats: int, dogs: int, size: int = 40) -> None:
    for label, count in (("cat", cats), ("dog", dogs)):
        files = {f"new/{label}{n}.bin": b"y" * (n * size // count) for n in range(count)}
        if files:
            work.ds.add(files, labels=[label])


@pytest.mark.parametrize("against", ["v1", "1", "base"])
def test_a_commit_that_drifts_is_stopped(based: Work, against: str) -> None:
    """What is alike passes; what is not fails, and says which column moved and how."""
    based.path("dsm.toml").write_text(RULE.format(against))
    stage(based, 20, 20)
    assert not based.ds.check(staged=True).errors
    based.ds.commit("alike")
    stage(based, 40, 2, size=400)
    found = [each.text for each in based.ds.check(staged=True).findings()]
    assert [text.split(":")[0] for text in found] == [
        f"labels has drifted from {against}", f"size has drifted from {against}",
    ]  # fmt: skip
    assert "dog: 50.0% → 2.5%" in found[0]
    with pytest.raises(ChecksFailed, match=r"nothing was committed: the contract finds \d+ errors"):
        based.ds.commit("other")


def test_a_few_examples_are_no_drift(based: Work) -> None:
    """Three cats may be chance, and four birds are no sample, though nobody has seen one before;
    five are."""
    based.path("dsm.toml").write_text(RULE.format("v1"))
    stage(based, 3, 0)
    assert not based.ds.check(staged=True).errors
    for count, errors in ((1, 0), (4, 0), (5, 1)):
        based.ds.unstage()
        based.ds.add({f"bird{n}.bin": b"y" * n * 8 for n in range(count)}, labels=["bird"])
        assert (count, based.ds.check(staged=True).errors) == (count, errors)


def test_a_baseline_that_is_missing_is_an_error(based: Work) -> None:
    """A gate whose baseline is gone does not let pass."""
    based.path("dsm.toml").write_text(RULE.format("gone"))
    stage(based, 3, 0)
    with pytest.raises(NotFound, match=r"has no changeset or tag 'gone'"):
        based.ds.check(staged=True)


@pytest.mark.parametrize(
    "line", ["psi = -1", "level = 0", "correction = 'x'", "js = 2", "colums = ['a']"]
)
def test_options_that_mean_nothing_are_mistakes(based: Work, line: str) -> None:
    """They are told with their line before anything is judged."""
    based.path("dsm.toml").write_text(RULE.format("v1") + line)
    with pytest.raises(BadContract, match=r"dsm\.toml has 1 mistake"):
        based.ds.check()
