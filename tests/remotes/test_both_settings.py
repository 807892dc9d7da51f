"""Settings that both sides changed: what each changed counts in every copy, and nothing is undone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tiers import LONG

from dsm.model.categories import Category
from dsm.model.target import Target
from dsm.records.settings import RecordSettings
from dsm.remotes.push import RemoteMoved
from dsm.remotes.settings import put_together
from dsm.repo.dataset_settings import DatasetSettings, know_classes, read_settings
from dsm.store import disk

from .conftest import Copy

Clones = Callable[..., Copy]
LINES = '{"k": "a", "n": 1}\n{"k": "b", "n": 2}\n'


@pytest.fixture
def pair(origin: Copy, tmp_path: Path, clone_of: Clones) -> tuple[Copy, Copy]:
    """Two copies of one remote that are the same."""
    origin.dataset.set_unmatched("unlabelled")
    origin.repo.remotes.add("origin", str(tmp_path / "remote"))
    origin.repo.push()
    return origin, clone_of(str(tmp_path / "remote"))


def settings(copy: Copy) -> DatasetSettings:
    return read_settings(copy.repo, "birds")


def numbers(copy: Copy) -> list[str]:
    return sorted(path.name for path in Path(copy.repo.path, "datasets/birds/settings").iterdir())


def records(copy: Copy, folder: str, key: str | None) -> None:
    """Commits a file of records in a folder, whose settings are kept for it."""
    (copy.root / folder).mkdir()
    (copy.root / folder / "x.jsonl").write_text(LINES)
    copy.dataset.add([str(copy.root / folder)], records="jsonl", key_field=key)
    copy.dataset.commit(folder)


def test_what_each_side_changed_counts(
    pair: tuple[Copy, Copy], tmp_path: Path, clone_of: Clones
) -> None:
    """Files with other keys, a pattern and classes: in both copies, and in one that comes later."""
    one, two = pair
    records(one, "notes", "k")
    one.dataset.set_pattern("{label}/{_}")
    one.repo.push()
    records(two, "texts", None)
    two.dataset.set_target(classes=["owl", "wren"])
    with pytest.raises(RemoteMoved):
        two.repo.push()
    (pulled,) = two.repo.pull().datasets
    assert pulled.differing == ()
    two.repo.push()
    assert one.repo.pull().datasets[0].differing == ()
    for copy in (one, two, clone_of(str(tmp_path / "remote"))):
        now = settings(copy)
        assert now.records["notes"].key == ("k",) and now.records["texts"].key == ()
        assert (now.pattern, now.target.classes) == ("{label}/{_}", ("owl", "wren"))
        assert copy.sound()
        before = numbers(copy)
        assert copy.repo.pull().datasets[0].documents == 0
        copy.repo.push()
        assert numbers(copy) == before
        (copy.root / "notes" / "new.jsonl").write_text(LINES.replace('"a"', '"c"'))
        added = copy.dataset.add([str(copy.root / "notes" / "new.jsonl")])
        assert added.counts.added == 2, "each line is an example"
        copy.dataset.unstage()


def test_later_settings_of_one_side_do_not_undo_the_others(pair: tuple[Copy, Copy]) -> None:
    """A document says everything, so one with a higher number would; it waits for a pull."""
    one, two = pair
    one.dataset.set_pattern("{label}/{_}")
    one.repo.push()
    for classes in (["owl"], ["owl", "wren"]):
        two.dataset.set_target(classes=classes)
    with pytest.raises(RemoteMoved, match="the settings of dataset birds were changed") as caught:
        two.repo.push()
    assert caught.value.hint == "nothing was pushed; `dsm pull` puts both together"
    one.repo.pull()
    assert settings(one).pattern == "{label}/{_}"
    for _ in range(3):
        one.dataset.set_unmatched("skip")
        one.dataset.set_unmatched("unlabelled")
    one.repo.push()
    two.repo.pull()
    two.repo.push()
    one.repo.pull()
    assert settings(one) == settings(two)
    assert settings(one).pattern == "{label}/{_}"
    assert settings(one).target.classes == ("owl", "wren")


def test_what_both_changed_is_named(pair: tuple[Copy, Copy]) -> None:
    """That of the copy that pulls counts, in both copies, as its changesets come on top."""
    one, two = pair
    one.dataset.set_pattern("{label}/{_}")
    two.dataset.set_pattern("{_}/{label}")
    one.repo.push()
    assert two.repo.pull().datasets[0].differing == ("settings/pattern",)
    assert two.repo.pull().datasets[0].differing == ()
    two.repo.push()
    one.repo.pull()
    assert settings(one).pattern == settings(two).pattern == "{_}/{label}"


def test_killed_at_any_write_nothing_is_undone(pair: tuple[Copy, Copy]) -> None:
    """What this copy set is never hidden by settings of the remote that came first."""
    one, two = pair
    one.dataset.set_pattern("{label}/{_}")
    one.dataset.set_target(classes=["owl"])
    one.commit("theirs", a="a")
    one.repo.push()
    two.dataset.set_unmatched("skip")
    two.commit("mine", b="b")

    class Stop(BaseException):
        pass

    for stop in range(0, 1000, 1 if LONG else 3):
        calls = 0

        def fail(operation: str, path: str, stop: int = stop) -> None:
            nonlocal calls
            calls += 1
            if calls > stop:
                raise Stop

        try:
            with disk.observe(fail):
                two.repo.pull()
            break
        except Stop:
            two = two.again()
            assert settings(two).unmatched == "skip"
    two.repo.push()
    one.repo.pull()
    for copy in (one, two):
        now = settings(copy)
        assert (now.pattern, now.target.classes, now.unmatched) == ("{label}/{_}", ("owl",), "skip")
    assert two.sound()


def test_classes_that_files_list_come_together(pair: tuple[Copy, Copy]) -> None:
    """Both sides read a file of labels: no index of a class that the remote had moves."""
    one, two = pair
    know_classes(one.repo, "birds", [Category("owl"), Category("wren")])
    know_classes(two.repo, "birds", [Category("tit"), Category("owl")])
    one.repo.push()
    assert two.repo.pull().datasets[0].differing == ()
    assert [each.name for each in settings(two).target.categories] == ["owl", "wren", "tit"]


def test_one_side_alone_counts_as_it_is() -> None:
    """Also what it took away; of globs the remote's come first, since the last that fits counts."""
    lines, keyed = RecordSettings("jsonl"), RecordSettings("jsonl", ("k",))
    before = DatasetSettings(records={"a": lines, "b": lines}, record_globs=(("*.x", lines),))
    ours = DatasetSettings(records={"b": keyed}, record_globs=(("*.x", lines), ("*.y", keyed)))
    theirs = DatasetSettings(
        target=Target("attr.kind"), records={"a": lines, "b": lines, "c": keyed},
        record_globs=(("*.x", keyed), ("*.z", lines)),
    )  # fmt: skip
    made, both = put_together(before, ours, theirs)
    assert both == ()
    assert made == DatasetSettings(
        target=Target("attr.kind"), records={"b": keyed, "c": keyed},
        record_globs=(("*.x", keyed), ("*.z", lines), ("*.y", keyed)),
    )  # fmt: skip
    assert put_together(before, theirs, before) == (theirs, ())
    assert put_together(before, ours, replaced := DatasetSettings(records={"b": lines}))[1] == ()
    assert put_together(before, replaced, ours)[1] == ()
