"""Random histories of a records file, in each format, against a model of dictionaries."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from record_forms import FORMS, Fields, Form, State
from situations import Work
from tiers import LONG

from dsm.errors import AnswerIsNo
from dsm.maintenance.fsck import fsck
from dsm.maintenance.gc import apply_gc, plan_gc

KEYS = [f"k{n}" for n in range(6)]
OPS = st.one_of(
    st.tuples(st.just("put"), st.sampled_from(KEYS), st.integers(0, 3), st.sampled_from("ab")),
    st.tuples(st.just("drop"), st.sampled_from(KEYS)),
    st.tuples(st.just("turn")),
    st.tuples(st.just("label"), st.sampled_from(KEYS), st.sampled_from("xyz")),
    st.tuples(st.just("rm"), st.sampled_from(KEYS)),
    st.tuples(st.just("all")),
    st.tuples(st.just("commit")),
    st.tuples(st.just("revert")),
)


class Model:
    """A file of records as it lies here, as it was added last, and the examples of it."""

    def __init__(self, form: Form) -> None:
        self.form, self.file = form, form.file
        self.here: dict[str, Fields] = {}
        self.added: State = {}
        self.examples: State = {}
        self._files: dict[bytes, dict[str, Fields]] = {}

    def content(self) -> bytes:
        data = self.form.write(self.here)
        self._files[data] = dict(self.here)
        return data

    def read(self, content: bytes) -> None:
        """Takes a content for that of the file, here and as it was added."""
        self.here = dict(self._files[content])
        self.added = self.form.state(self.here)

    def add(self, *, everything: bool = False) -> None:
        new = self.form.state(self.here)
        for name, (content, labels) in new.items():
            old, known = self.added.get(name), self.examples.get(name)
            if known is None and old is not None and not everything:
                continue  # withdrawn
            if known is not None and old is not None and old[1] == labels and not everything:
                labels = known[1]
            self.examples[name] = (content, labels)
        for name in self.examples.keys() - new.keys():
            del self.examples[name]
        self.added = new

    def name(self, key: str) -> str | None:
        """The example that a key is of, if there is one; the file may lack it by now."""
        name = self.form.name(key, self.form.content(key, self.here.get(key, (0, "a"))))
        return name if name in self.examples else None


def perform(work: Work, model: Model, op: tuple[object, ...]) -> None:
    """Does to the files, and to the model, what people do between two commits."""
    match op:
        case ("put", str(key), int(text), str(topic)):
            model.here[key] = (text, topic)
        case ("drop", str(key)):
            model.here.pop(key, None)
        case ("turn",):
            model.here = dict(reversed(model.here.items()))
        case ("label", str(key), str(label)) if name := model.name(key):
            work.ds.label([f"{model.file}#{name}"], set=[label])
            model.examples[name] = (model.examples[name][0], (label,))
        case ("rm", str(key)) if name := model.name(key):
            work.ds.remove([f"{model.file}#{name}"])
            del model.examples[name]
    work.write({model.file: model.content()})


def told(work: Work) -> State:
    return {path.partition("#")[2]: each for path, each in work.snapshot().items()}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@given(ops=st.lists(OPS, max_size=25))
@settings(max_examples=300 if LONG else 4)
def test_histories(form: Form, ops: list[tuple[object, ...]], tmp_path_factory: object) -> None:
    """After each commit the snapshot is what the model says, the file is restored as it was, and
    fsck finds nothing, also after gc; each snapshot stays what it was."""
    folder = Path(tmp_path_factory.mktemp("history"))  # type: ignore[attr-defined]
    work = Work(folder / "w")
    model = Model(form)
    past: list[State] = [{}]
    asked = {"records": True, **form.asked}
    model.here = {"k0": (0, "a")}
    work.write({model.file: model.content()})
    work.ds.add([model.file], **asked)  # type: ignore[arg-type]
    model.add()
    for op in [("commit",), *ops, ("commit",)]:
        perform(work, model, op)
        if op[0] == "all" and model.here:
            work.ds.add([model.file], **asked)  # type: ignore[arg-type]
            model.add(everything=True)
        elif op[0] == "revert" and len(past) > 2 and work.ds.status().clean:
            before = work.ds.read(model.file, work.ds.head - 1)
            try:
                work.ds.revert(work.ds.head)
            except AnswerIsNo:
                continue
            assert before == work.path(model.file).read_bytes()
            model.examples = dict(past[-2])
            model.read(before)
            past.append(dict(model.examples))
        elif op[0] == "commit":
            work.ds.add(["."])
            model.add()
            try:
                work.ds.commit("state")
            except AnswerIsNo:
                continue
            past.append(dict(model.examples))
            assert model.content() == work.ds.read(model.file)
        assert past[-1] == (told(work) if work.ds.head else {})
    apply_gc(work.repo, plan_gc(work.repo))
    work.reopen()
    assert not fsck(work.repo, full=True).findings
    work.path(model.file).unlink()
    work.ds.restore()
    assert model.content() == work.path(model.file).read_bytes()
    for number, state in enumerate(past[1:], 1):
        found = {path.partition("#")[2]: each for path, each in work.snapshot(number).items()}
        assert state == found
    work.repo.close()
