"""Names of people, by a function of the user: it runs when it is trusted, and names are masked."""

from __future__ import annotations

from pathlib import Path

import pytest
from situations import Work

import dsm.api
from dsm.checks.names_job import NamesJob
from dsm.checks.schema_job import SchemaFailed
from dsm.checks.trusted_schema import SchemaUntrusted
from dsm.errors import NotFound
from dsm.repo.hooks import trust_hook

ENGINE = """\
from pathlib import Path

Path({ran!r}).write_text("ran")
KNOWN = ("Ada Lovelace", "Grace Hopper")

def names_in(texts):
    return [[name for name in KNOWN if name in text] for text in texts]
"""


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Work:
    """Records, a text and a label with names; the settings of a user beside them."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    root = tmp_path / "work"
    root.mkdir()
    work = Work(root)
    rows = [{"id": 1, "text": "Ada Lovelace wrote it", "by": "me"}, {"id": 2, "text": "no one"}]
    work.ds.add_records(rows, name="a.jsonl", key="id")
    work.ds.add({"b.txt": b"Grace Hopper and Ada Lovelace met", "c.txt": b"nobody"})
    work.ds.label(["c.txt"], add=["Grace Hopper"])
    work.ds.commit("rows")
    work.path("people.py").write_text(ENGINE.format(ran=str(tmp_path / "ran")))
    work.path("dsm.toml").write_text(
        '[dataset.data.rules]\npersonal-data.names = "people:names_in"\n'
    )
    work.repo.close()
    work.repo = dsm.api.open(root)  # with the settings folder of a user
    return work


def told(work: Work) -> list[tuple[str | None, str]]:
    return sorted((each.path, each.text) for each in work.ds.check().findings())  # type: ignore[type-var]


def test_names_are_found_by_what_the_user_trusts(work: Work, tmp_path: Path) -> None:
    """Before the file is trusted, and once it has changed, it does not run."""
    with pytest.raises(SchemaUntrusted) as caught:
        work.ds.check()
    assert caught.value.message.endswith("and the rule personal-data would run it")
    assert not (tmp_path / "ran").exists()
    trust_hook(work.ds.repo, "people.py")
    assert told(work) == [
        ("a.jsonl#1", "its content holds the name of a person: A… L…"),
        ("b.txt", "its content holds the name of a person: A… L…"),
        ("b.txt", "its content holds the name of a person: G… H…"),
        ("c.txt", "its labels holds the name of a person: G… H…"),
    ]
    (tmp_path / "ran").unlink()
    work.path("people.py").write_text("names_in = None")
    with pytest.raises(SchemaUntrusted):
        work.ds.check()
    assert not (tmp_path / "ran").exists()


def test_names_in_fields_of_records(work: Work) -> None:
    """`in` names fields of records; one that no record has is told."""
    trust_hook(work.ds.repo, "people.py")
    work.path("dsm.toml").write_text(
        '[dataset.data.rules.personal-data]\nnames = "people:names_in"\n'
        'in = ["record.text", "record.buy"]\n'
    )
    assert [(each.path, each.text) for each in work.ds.check().findings()] == [
        (None, "no record has the field buy; did you mean by?"),
        ("a.jsonl#1", "its record.text holds the name of a person: A… L…"),
    ]


def test_a_file_that_is_not_there_is_named(work: Work) -> None:
    """The rule says which file it would run."""
    work.path("people.py").unlink()
    with pytest.raises(NotFound, match="rule personal-data: there is no file people.py beside"):
        work.ds.check()


def test_an_engine_that_ends_its_process(work: Work) -> None:
    """The rule and the file are told, and nothing passes."""
    work.path("people.py").write_text("import os\ndef names_in(texts):\n    os._exit(3)\n")
    trust_hook(work.ds.repo, "people.py")
    with pytest.raises(SchemaFailed) as caught:
        work.ds.check()
    said = "dsm.toml:2: rule personal-data: people.py ended its own process (exit status 3)"
    assert caught.value.message.endswith(said)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("other = 1", "people.py has no function f"),
        ("def f(texts):\n    return 1 / 0", "people.py:2 failed: ZeroDivisionError: division by zero"),
        ("def f(texts):\n    return []", "people.py answered 0 lists of names for 2 texts"),
        ("def f(texts):\n    return texts",
         "people.py failed: TypeError: a list of names is needed for each text, not a text"),
    ],
)  # fmt: skip
def test_an_engine_that_is_none(source: str, said: str) -> None:
    """What is no function, fails, or answers something else is told in a line."""
    orders = iter([["a", "b"], None])
    with pytest.raises(SchemaFailed) as caught:
        list(NamesJob("people.py", source.encode(), "f").run(lambda: next(orders)))
    assert caught.value.message == said
