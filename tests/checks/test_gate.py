"""Rules that are on = "commit": what stops a commit, what it records, and views that ask for it."""

from __future__ import annotations

from typing import Any

import pytest
from situations import Work

from dsm.checks.contract import BadContract
from dsm.checks.gate import ChecksFailed
from dsm.errors import DamagedData
from dsm.model.verdict import Verdict
from dsm.views.query.view_query import ViewQuery

CONTRACT = """\
[dataset.data.rules]
size = { max = "4 B", on = "commit", reason = "tiny" }
duplicates = { severity = "warning", on = ["commit"] }
extensions.allow = [".none"]
"""


@pytest.fixture
def gated(work: Work) -> Work:
    """A changeset from before the contract, and the contract."""
    work.ds.add({"old": b"too large for it"})
    work.ds.commit("before")
    work.path("dsm.toml").write_text(CONTRACT)
    return work


def found(work: Work) -> Any:
    return work.ds.changeset("head").verdict


def test_an_error_stops_a_commit(gated: Work) -> None:
    """Nothing is recorded, and what was staged stays staged; of what was there before nothing is
    said."""
    ds = gated.ds
    ds.add({"a": b"large", "b": b"1"})
    with pytest.raises(ChecksFailed) as caught:
        ds.commit("no")
    error = caught.value
    assert (error.exit_status, error.message) == (
        1, "nothing was committed: the contract finds 1 error",
    )  # fmt: skip
    assert error.items[0].endswith("dsm.toml:2): a: 5 bytes are more than 4 (tiny)")
    assert error.items[0].startswith("size (")
    assert (ds.head, gated.state()[0]) == (1, [("a", "a"), ("a", "b")])
    ds.unstage(["a"])
    assert ds.commit("yes").verdict == found(gated)
    assert (found(gated).errors, found(gated).warnings, found(gated).passed) == (0, 0, True)


def test_a_commit_of_paths_is_judged_too(gated: Work) -> None:
    """Files that are added and committed in one step meet the same rules."""
    gated.write({"a.txt": "large", "b.txt": "1", "c.txt": "1"})
    with pytest.raises(ChecksFailed, match="nothing was committed: the contract finds 1 error"):
        gated.ds.commit("no", paths=["a.txt"])
    assert (gated.ds.head, gated.state()[0]) == (1, [])
    gated.ds.commit("yes", paths=["b.txt", "c.txt"])
    assert (found(gated).warnings, found(gated).passed) == (1, True)


def test_without_verification_the_changeset_says_so(gated: Work) -> None:
    """No rule is asked, not even of a contract that cannot be read."""
    ds = gated.ds
    ds.add({"a": b"large"})
    ds.commit("anyway", verify=False)
    assert found(gated) == Verdict(None, skipped=True)
    gated.path("dsm.toml").write_text("[")
    ds.add({"b": b"1"})
    with pytest.raises(BadContract, match="is no TOML: Invalid initial character for a key"):
        ds.commit("no")
    ds.commit("anyway", verify=False)
    assert found(gated).passed is False


def test_no_verdict_without_rules_for_commits(gated: Work) -> None:
    """Where nothing is asked of commits, nothing is said of them; --no-verify is, all the same."""
    assert gated.ds.changeset(1).verdict is None
    gated.path("dsm.toml").write_text("[dataset.data.rules]\nsize = {}\n[dataset.others.rules]\n")
    gated.ds.add({"a": b""})
    gated.ds.commit("empty")
    assert found(gated) is None


def test_rules_judge_what_is_committed_at_last(gated: Work) -> None:
    """A commit that another one overtook is judged on top of it."""
    gated.ds.add({"a": b"1"})
    other = gated.reopen()
    other.log_.head()
    gated.ds.commit("first")
    gated.ds.add({"b": b"1"})
    gated.ds.commit("second")
    assert (found(gated).warnings, found(gated).errors) == (1, 0)


def test_views_of_what_passed(gated: Work) -> None:
    """Only examples whose last changeset has a good verdict are taken; it is part of the version."""
    ds = gated.ds
    ds.add({"a": b"1"})
    ds.commit("good")
    ds.add({"b": b"large"})
    ds.commit("bad", verify=False)
    view = ds.prepare(only_passed=True)
    assert [example.path for example in view] == ["a"]
    assert view.version != ds.prepare().version
    assert ds.prepare(only_passed=False).version == ds.prepare().version
    fields = view.query.to_json()
    assert fields["only_passed"] is True
    assert ViewQuery.from_json(fields, "here") == view.query
    for bad in (False, 1, "yes"):
        with pytest.raises(DamagedData, match="here is not a view's query: only_passed is true or"):
            ViewQuery.from_json({**fields, "only_passed": bad}, "here")


def test_going_back_is_judged_and_not_stopped(gated: Work) -> None:
    """A revert that brings bad data back is recorded with its verdict; a contract that cannot be
    read stops it neither."""
    ds = gated.ds
    ds.add({"large": b"large", "b": b"1"})
    ds.commit("bad", verify=False)
    ds.remove(["large"], keep_files=True)
    ds.commit("mended")
    assert ds.revert(3, keep_files=True).verdict == found(gated)
    assert (found(gated).errors, found(gated).passed) == (1, False)
    assert ds.rollback(3, keep_files=True).verdict is not None
    assert found(gated).passed
    gated.path("dsm.toml").write_text("[")
    assert ds.rollback(2, keep_files=True).verdict == Verdict(None, skipped=True)
