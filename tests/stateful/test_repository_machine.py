"""Random sequences of commands on a real repository, beside a model of dictionaries."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from model import Model, below
from situations import Work
from tiers import LONG

from dsm.errors import AnswerIsNo, DsmError, InvalidInput, NotFound
from dsm.files.restore import UnsavedWork
from dsm.history import snapshot as snapshot_module
from dsm.history.revert import TouchedLater
from dsm.maintenance.fsck import fsck
from dsm.maintenance.gc import apply_gc, plan_gc
from dsm.model.example import Change

# Making a failing sequence short takes minutes: worth it where there is time.
PHASES = list(Phase) if LONG else [Phase.explicit, Phase.reuse, Phase.generate]

PATHS = ["a", "b", "d/a", "d/b", "d/e/f", "with space\n'"]
PATH = st.sampled_from(PATHS)
NUMBER = st.integers(0, 10_000)  # chooses among what there is at that moment
CONTENT = st.sampled_from([b"", b"one", b"two", b"three", b"x" * 20_000, b"large " * 700_000])
SMALL = st.sampled_from([b"", b"one", b"two", b"three"])
LABEL = st.lists(st.sampled_from(["cat", "dog", "night"]), max_size=2)


def unpaired(changes: Iterable[Change]) -> Iterator[Change]:
    """Renames as what the model knows of them: a deletion, and an addition."""
    for change in changes:
        if change.renamed_from is None:
            yield change
        else:
            yield Change("deleted", change.renamed_from, change.before)
            yield Change("added", change.path, None, change.after)


class Repository(RuleBasedStateMachine):
    """Each rule does the same to the repository and to the model."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="dsm-machine-"))
        self.work = Work(self.folder / "work")
        self.model = Model()
        self.verified = 0

    def teardown(self) -> None:
        try:
            report = fsck(self.work.reopen().repo, full=True)
            assert report.findings == ()
            for number, state in enumerate(self.model.states[1:], 1):
                assert self.work.snapshot(number) == state
        finally:
            self.work.repo.close()
            shutil.rmtree(self.folder)

    @contextlib.contextmanager
    def unchanged(self) -> Iterator[None]:
        """A refused command changes neither files nor head."""
        head = self.work.ds.head
        yield
        assert self.work.files() == self.model.files
        assert self.work.ds.head == head

    def place(self, number: int) -> str:
        """A path of an example rather than another one, a folder now and then."""
        tracked = sorted(self.model.tracked)
        places = [*tracked, *tracked, *PATHS, ".", "d", "d/e"]
        return places[number % len(places)]

    @initialize(changesets=st.integers(0, 4), seed=NUMBER)
    def begin(self, changesets: int, seed: int) -> None:
        """Most sequences start with some history: what follows then has something to work on."""
        for number in range(changesets):
            chosen = [
                path for at, path in enumerate(PATHS) if (seed >> at + number) % 3 or not number
            ]
            for path in chosen:
                self.write(path, f"{number} {path} {seed % 5}".encode())
            self.work.ds.add(chosen, labels=["begun"] if number % 2 else [])
            for path in chosen:
                self.staged_as(path, self.model.files[path], ["begun"] if number % 2 else [])
            self.commit()

    # --- the work tree -----------------------------------------------------------------------

    @rule(path=PATH, content=CONTENT)
    def write(self, path: str, content: bytes) -> None:
        self.work.write({path: content})
        self.model.files[path] = content

    @rule(path=PATH)
    def delete_file(self, path: str) -> None:
        if self.model.files.pop(path, None) is not None:
            self.work.path(path).unlink()

    # --- staging -------------------------------------------------------------------------------

    def staged_as(self, path: str, content: bytes, labels: list[str]) -> None:
        """What `add` stages for a file: old labels stay unless others are given."""
        model, given = self.model, tuple(sorted(set(labels)))
        known = model.tracked.get(path)
        if known is None and path in model.staged:
            known = model.head.get(path)  # its deletion was staged: it comes back as it was
        model.stage(path, (content, given or (known[1] if known else ())))

    @rule(number=NUMBER, labels=LABEL, deletions=st.booleans())
    def add(self, number: int, labels: list[str], deletions: bool) -> None:
        place = self.place(number)
        model = self.model
        found = below(model.files, place)
        tracked = below(model.tracked, place)
        is_folder = place == "." or any(path != place for path in found)
        if not is_folder:  # a folder without files may or may not be there
            is_folder = self.work.path(place).is_dir()
        staged = below(model.staged, place)
        if not found and not tracked and not is_folder and not staged:
            with self.unchanged(), pytest.raises(NotFound, match="there is no file or folder"):
                self.work.ds.add([place], labels=labels, deletions=deletions)
            return
        self.work.ds.add([place], labels=labels, deletions=deletions)
        missing = model.missing
        for path in found:
            self.staged_as(path, model.files[path], labels)
        for path in tracked:
            if deletions and path in missing:
                model.stage(path, None)

    @rule(path=PATH, content=SMALL, labels=LABEL)
    def add_bytes(self, path: str, content: bytes, labels: list[str]) -> None:
        self.work.ds.add({path: content}, labels=labels)
        (self.model.absent.discard if path in self.model.files else self.model.absent.add)(path)
        model, given = self.model, tuple(sorted(set(labels)))
        known = model.tracked.get(path)
        model.stage(path, (content, given or (known[1] if known else ())))

    @rule(number=NUMBER, replacing=st.none() | LABEL, adding=LABEL, removing=LABEL)
    def label(
        self, number: int, replacing: list[str] | None, adding: list[str], removing: list[str]
    ) -> None:
        place = self.place(number)
        model = self.model
        tracked = below(model.tracked, place)
        arguments = {"set": replacing, "add": adding, "remove": removing}
        if replacing is None and not adding and not removing:
            with self.unchanged(), pytest.raises(InvalidInput):
                self.work.ds.label([place], **arguments)  # type: ignore[arg-type]
            return
        if not tracked and place != ".":
            with self.unchanged(), pytest.raises(NotFound, match="no tracked example is"):
                self.work.ds.label([place], **arguments)  # type: ignore[arg-type]
            return
        self.work.ds.label([place], **arguments)  # type: ignore[arg-type]
        for path in tracked:
            content, labels = model.tracked[path]
            after = set(labels if replacing is None else replacing) | set(adding)
            model.stage(path, (content, tuple(sorted(after - set(removing)))))

    @rule(number=NUMBER, keep=st.booleans(), force=st.booleans())
    def remove(self, number: int, keep: bool, force: bool) -> None:
        place = self.place(number)
        model = self.model
        tracked = below(model.tracked, place)
        if not tracked and place != ".":
            with self.unchanged(), pytest.raises(NotFound):
                self.work.ds.remove([place], keep_files=keep, force=force)
            return
        unsaved = {
            p for p in tracked if model.files.get(p, model.tracked[p][0]) != model.tracked[p][0]
        }
        if unsaved and not keep and not force:
            with self.unchanged(), pytest.raises(UnsavedWork) as caught:
                self.work.ds.remove([place])
            assert set(caught.value.items) == unsaved
            return
        assert self.work.ds.remove([place], keep_files=keep, force=force) == tuple(tracked)
        for path in tracked:
            model.stage(path, None)
            if not keep:
                model.files.pop(path, None)
                model.absent.add(path)

    @rule(number=NUMBER, goal=PATH, force=st.booleans())
    def move(self, number: int, goal: str, force: bool) -> None:
        source = self.place(number)
        if source not in PATHS:
            return
        model = self.model
        by_hand = source not in model.files  # and so a file at the goal is the moved one
        blocked = goal in model.tracked or (goal in model.files and not by_hand)
        if source not in model.tracked or source == goal or (blocked and not force):
            with self.unchanged(), pytest.raises(DsmError):
                self.work.ds.move(source, goal, force=force)
            return
        assert self.work.ds.move(source, goal, force=force) == ((source, goal),)
        put = model.tracked[source]
        model.stage(source, None)
        model.stage(goal, put)
        if source in model.files:
            model.files[goal] = model.files.pop(source)
        lacks = source in model.absent and goal not in model.files
        (model.absent.add if lacks else model.absent.discard)(goal)

    @rule(number=st.none() | NUMBER)
    def unstage(self, number: int | None) -> None:
        place = None if number is None else self.place(number)
        model = self.model
        chosen = list(model.staged) if place is None else below(model.staged, place)
        if place not in (None, ".") and not (chosen or below(model.tracked, place)):
            with self.unchanged(), pytest.raises(NotFound):
                self.work.ds.unstage([place])
            return
        self.work.ds.unstage(None if place is None else [place])
        for path in chosen:
            del model.staged[path]

    # --- history -----------------------------------------------------------------------------

    @rule()
    def commit(self) -> None:
        if not self.work.ds.status().staged:
            with self.unchanged(), pytest.raises(AnswerIsNo, match="nothing to commit"):
                self.work.ds.commit("nothing")
            return
        made = self.work.ds.commit("everything staged")
        self.model.commit()
        assert made.number == len(self.model.states) - 1
        assert made.examples == len(self.model.head)

    @rule(number=NUMBER)
    def commit_paths(self, number: int) -> None:
        place = self.place(number)
        model, before, missing = self.model, self.work.ds.status(), self.model.missing
        found, tracked = below(model.files, place), below(model.tracked, place)
        is_folder = place == "." or self.work.path(place).is_dir()
        staged = below([change.path for change in before.staged], place)
        if not found and not tracked and not is_folder and not staged:
            with self.unchanged(), pytest.raises(NotFound):
                self.work.ds.commit("nothing", paths=[place])
            return
        kept = dict(model.staged)
        for path in found:
            self.staged_as(path, model.files[path], [])
        for path in tracked:
            if path in missing and (is_folder or path == place):
                model.stage(path, None)
        try:
            made = self.work.ds.commit("some paths", paths=[place], allow_mass_delete=True)
        except AnswerIsNo:
            assert not below(model.staged, place)
            model.staged = kept
            return
        model.commit(below(model.staged, place))
        assert made.number == len(model.states) - 1

    @rule()
    def commit_all(self) -> None:
        model, status = self.model, self.work.ds.status()
        for change in status.unstaged:
            if change.kind != "deleted":
                self.staged_as(change.path, model.files[change.path], [])
        for path in model.missing:
            model.stage(path, None)
        try:
            self.work.ds.commit("all", all=True, allow_mass_delete=True)
        except AnswerIsNo:
            assert not status.staged or not model.staged
            return
        model.commit()

    @precondition(lambda self: len(self.model.states) > 1)
    @rule(data=st.data(), force=st.booleans(), keep=st.booleans())
    def revert(self, data: st.DataObject, force: bool, keep: bool) -> None:
        model, ds = self.model, self.work.ds
        number = data.draw(st.integers(1, len(model.states) - 1))
        table = ds.snapshots.manifests.of(number)
        touched = set(table.column("path").to_pylist()) if table is not None else set()
        later: set[str] = set()
        for following in range(number + 1, len(model.states)):
            other = ds.snapshots.manifests.of(following)
            later |= set(other.column("path").to_pylist()) if other is not None else set()
        if touched & set(model.staged):
            return  # what becomes of staged examples is told in tests/history
        before, head = model.states[number - 1], model.head
        try:
            made = ds.revert(number, force=force, keep_files=keep)
        except TouchedLater as error:
            assert not force and set(error.items) <= touched & later
            return
        except AnswerIsNo:
            assert all(before.get(p) == head.get(p) or p in later for p in touched)
            return
        assert force or all(before.get(path) == head.get(path) for path in touched & later)
        after = self.work.snapshot(made.number)
        expected = dict(head)
        for path in touched - later:
            expected.pop(path, None)
            if path in before:
                expected[path] = before[path]
        assert after == expected
        model.absent |= (set(before) & touched) - set(model.tracked) - later
        files = self.work.files()
        for path in {*files, *model.files}:
            old, was = model.files.get(path), head.get(path)
            if path not in touched or (keep and (was or old is not None)):
                assert files.get(path) == old or path in touched
            elif old is not None and (was is None or old != was[0]):
                assert files[path] == old, "unsaved work was lost"
        model.files = files
        model.states.append(expected)
        for path in list(model.staged):
            model.stage(path, model.staged[path])

    @rule(number=st.none() | NUMBER, force=st.booleans(), data=st.data())
    def restore(self, number: int | None, force: bool, data: st.DataObject) -> None:
        place = None if number is None else self.place(number)
        model = self.model
        source = data.draw(st.none() | st.integers(1, max(1, len(model.states) - 1)))
        if source is not None and source >= len(model.states):
            source = None
        state = model.tracked if source is None else model.states[source]
        wanted = {path: state[path][0] for path in (below(state, place) if place else state)}
        try:
            self.work.ds.restore(None if place is None else [place], source=source, force=force)
        except UnsavedWork as error:
            assert not force and error.items
            for path in error.items:
                assert model.files[path] != wanted[path]
            assert self.work.files() == model.files
            return
        except (NotFound, AnswerIsNo):
            assert not wanted
            return
        after = self.work.files()
        for path, content in model.files.items():
            if path not in wanted:
                assert after[path] == content
            elif not force and content not in model.saved(path):
                assert content == wanted[path], "unsaved work was lost"
        assert after == {**model.files, **wanted}
        model.files = after
        model.absent -= set(wanted) & set(model.tracked)

    @rule(name=st.sampled_from(["v1", "v2"]), data=st.data())
    def tag(self, name: str, data: st.DataObject) -> None:
        model, ds = self.model, self.work.ds
        if name in model.tags:
            with pytest.raises(InvalidInput, match="there is a tag"):
                ds.tag(name)
            ds.delete_tag(name)
            del model.tags[name]
        elif len(model.states) > 1:
            model.tags[name] = data.draw(st.integers(1, len(model.states) - 1))
            ds.tag(name, model.tags[name])

    # --- maintenance ---------------------------------------------------------------------------

    @rule()
    def prune(self) -> None:
        repo = self.work.repo
        apply_gc(repo, plan_gc(repo))

    @rule()
    def reopen(self) -> None:
        self.work.reopen()

    @rule(what=st.sampled_from(["index", "cache", "stage/data/.absent"]))
    def lose_derived_files(self, what: str) -> None:
        shutil.rmtree(Path(self.work.repo.layout.local) / what, ignore_errors=True)
        self.work.reopen()

    # --- what always holds ---------------------------------------------------------------------

    @invariant()
    def status_is_right(self) -> None:
        model, status = self.model, self.work.ds.status()
        tracked = model.tracked
        assert (status.head, status.examples) == (len(model.states) - 1, len(model.head))
        staged = {change.path: change for change in unpaired(status.staged)}
        for path in {*staged, *model.staged}:
            if path in model.staged:
                put = model.staged[path]
                after = staged[path].after
                assert (after is None) == (put is None)
                kinds = {"added"} if path not in model.head else {"modified", "relabelled"}
                assert staged[path].kind in (kinds if put else {"deleted"})
                assert after is None or after.labels == put[1]  # type: ignore[index]
            else:  # a change of time alone
                assert staged[path].kind in ("relabelled", "modified")
                after = staged[path].after
                assert after is not None and after.labels == model.head[path][1]
        modified = {change.path for change in status.unstaged if change.kind == "modified"}
        deleted = {change.path for change in status.unstaged if change.kind == "deleted"}
        assert modified == {
            p for p, content in model.files.items() if p in tracked and tracked[p][0] != content
        }
        assert deleted == model.missing
        assert status.absent == len(set(tracked) - set(model.files)) - len(deleted)
        model.look()
        assert set(status.untracked) == {path for path in model.files if path not in tracked}

    @invariant()
    def history_is_right(self) -> None:
        model, ds = self.model, self.work.ds
        assert ds.head == len(model.states) - 1
        if len(model.states) > self.verified + 1:  # the new one byte by byte, all ones at the end
            self.verified = len(model.states) - 1
            assert self.work.snapshot(self.verified) == model.head
        for number, state in enumerate(model.states):
            if number:
                table = ds.snapshot(number)
                assert table.column("path").to_pylist() == sorted(state)
                assert list(map(tuple, table.column("labels").to_pylist())) == [
                    state[path][1] for path in sorted(state)
                ]
        assert {tag.name: tag.number for tag in ds.tags()} == model.tags
        assert all(ds.resolve(name) == number for name, number in model.tags.items())

    @invariant()
    def the_repository_is_whole(self) -> None:
        assert fsck(self.work.repo).findings == ()


def test_random_sequences_of_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    """After any sequence of commands the repository is what the model says, and whole."""
    monkeypatch.setattr(snapshot_module, "OVERLAY_CHANGESETS", 3)  # caches come into play
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Repository,
        settings=settings(
            max_examples=1500 if LONG else 8,
            stateful_step_count=60 if LONG else 40,
            deadline=None,
            derandomize=not LONG,
            phases=PHASES,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
