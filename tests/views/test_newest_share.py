"""The newest share where many examples have one time, as the records of a file do."""

from __future__ import annotations

import pytest
from situations import Work

from dsm.views.selection import evaluate


def test_of_equal_times_few_are_hashed(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hash decides among the examples that pass the other filters: theirs alone are made."""
    lines = (b'{"id": %d, "topic": "%s"}\n' % (n, b"ab"[n % 20 == 0 :][:1]) for n in range(1000))
    work.write({"t.jsonl": b"".join(lines)})
    work.ds.add(["t.jsonl"], records=True, key_field="id", label_field="topic")
    work.ds.commit("one")
    hashed: list[str] = []
    real = evaluate.path_hash

    def counted(path: str) -> bytes:
        hashed.append(path)
        return real(path)

    monkeypatch.setattr(evaluate, "path_hash", counted)
    paths = [f"t.jsonl#{n}" for n in range(1000) if n % 20 == 0]
    expected = sorted(sorted(paths, key=real)[-10:])
    found = work.ds.prepare(labels=["b"], percent="20%")
    assert expected == found.table().column("path").to_pylist()
    assert {*paths} == {*hashed}
    assert len(hashed) < 200
