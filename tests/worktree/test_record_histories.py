"""Random histories of a records file against a model of dictionaries."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from situations import Work
from tiers import LONG

from dsm.errors import AnswerIsNo
from dsm.maintenance.fsck import fsck
from dsm.maintenance.gc import apply_gc, plan_gc

FILE = "t.jsonl"
KEYS = [f"k{n}" for n in range(6)]
Fields = tuple[int, str]  # text and topic of a record
State = dict[str, tuple[bytes, tuple[str, ...]]]

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


def line(key: str, fields: Fields) -> bytes:
    return json.dumps({"id": key, "text": fields[0], "topic": fields[1]}).encode()


class Model:
    """A file of records as it lies here, as it was added last, and the examples of it."""

    def __init__(self) -> None:
        self.here: dict[str, Fields] = {}
        self.added: dict[str, Fields] = {}
        self.examples: State = {}

    def content(self) -> bytes:
        return b"".join(line(key, fields) + b"\n" for key, fields in self.here.items())

    def add(self, *, everything: bool = False) -> None:
        for key, fields in self.here.items():
            old, known = self.added.get(key), self.examples.get(key)
            if known is None and old is not None and not everything:
                continue  # withdrawn
            labels = (fields[1],)
            if known is not None and old is not None and old[1] == fields[1] and not everything:
                labels = known[1]
            self.examples[key] = (line(key, fields), labels)
        for key in self.examples.keys() - self.here.keys():
            del self.examples[key]
        self.added = dict(self.here)


def perform(work: Work, model: Model, op: tuple[object, ...]) -> None:
    """Does to the files, and to the model, what people do between two commits."""
    match op:
        case ("put", str(key), int(text), str(topic)):
            model.here[key] = (text, topic)
        case ("drop", str(key)):
            model.here.pop(key, None)
        case ("turn",):
            model.here = dict(reversed(model.here.items()))
        case ("label", str(key), str(label)) if key in model.examples:
            work.ds.label([f"{FILE}#{key}"], set=[label])
            model.examples[key] = (model.examples[key][0], (label,))
        case ("rm", str(key)) if key in model.examples:
            work.ds.remove([f"{FILE}#{key}"])
            del model.examples[key]
    work.write({FILE: model.content()})


def told(work: Work) -> State:
    return {path.partition("#")[2]: each for path, each in work.snapshot().items()}


@given(ops=st.lists(OPS, max_size=25))
@settings(max_examples=300 if LONG else 15)
def test_histories(ops: list[tuple[object, ...]], tmp_path_factory: object) -> None:
    """After each commit the snapshot is what the model says, the file is restored as it was, and
    fsck finds nothing, also after gc; each snapshot stays what it was."""
    folder = Path(tmp_path_factory.mktemp("history"))  # type: ignore[attr-defined]
    work = Work(folder / "w")
    model = Model()
    past: list[State] = [{}]
    asked = {"records": True, "key_field": "id", "label_field": "topic"}
    work.write({FILE: b'{"id": "k0", "text": 0, "topic": "a"}\n'})
    model.here = {"k0": (0, "a")}
    work.ds.add([FILE], **asked)  # type: ignore[arg-type]
    model.add()
    for op in [("commit",), *ops, ("commit",)]:
        perform(work, model, op)
        if op[0] == "all" and model.here:
            work.ds.add([FILE], **asked)  # type: ignore[arg-type]
            model.add(everything=True)
        elif op[0] == "revert" and len(past) > 2 and work.ds.status().clean:
            before = work.ds.read(FILE, work.ds.head - 1)
            try:
                work.ds.revert(work.ds.head)
            except AnswerIsNo:
                continue
            assert before == work.path(FILE).read_bytes()
            model.examples = dict(past[-2])
            rows = [json.loads(each) for each in before.splitlines()]
            model.here = {row["id"]: (row["text"], row["topic"]) for row in rows}
            model.added = dict(model.here)
            past.append(dict(model.examples))
        elif op[0] == "commit":
            work.ds.add(["."])
            model.add()
            try:
                work.ds.commit("state")
            except AnswerIsNo:
                continue
            past.append(dict(model.examples))
            assert model.content() == work.ds.read(FILE)
        assert past[-1] == (told(work) if work.ds.head else {})
    apply_gc(work.repo, plan_gc(work.repo))
    work.reopen()
    assert not fsck(work.repo, full=True).findings
    work.path(FILE).unlink()
    work.ds.restore()
    assert model.content() == work.path(FILE).read_bytes()
    for number, state in enumerate(past[1:], 1):
        found = {path.partition("#")[2]: each for path, each in work.snapshot(number).items()}
        assert state == found
    work.repo.close()
