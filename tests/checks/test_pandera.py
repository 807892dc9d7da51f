"""The rule of a pandera schema: what pandera finds is found, and no file runs untrusted."""

from __future__ import annotations

from pathlib import Path

import pytest
from situations import Work

import dsm.api
from dsm.checks.rule import LibraryMissing
from dsm.checks.schema_job import SchemaFailed, SchemaJob
from dsm.checks.trusted_schema import SchemaUntrusted
from dsm.errors import NotFound
from dsm.repo.hooks import trust_hook
from dsm.store.workers import WorkerLost

SCHEMA = """\
from __future__ import annotations
from pathlib import Path
import pandera.pandas as pa

Path({ran!r}).write_text("ran")

class Photos(pa.DataFrameModel):
    width: float = pa.Field(gt=0, le=100)
    camera: str = pa.Field(isin=["left", "right"], nullable=True)
    path: str = pa.Field(unique=True)

    @pa.dataframe_check
    def enough(cls, frame):
        return len(frame) > 30

Columns = pa.DataFrameSchema({{"height": pa.Column(int)}})
number = 7
"""


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Work:
    """Twenty records, some of which the schema does not take; the settings of a user beside them."""
    pytest.importorskip("pandera", reason="needs dsm-datasets[pandera]")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    root = tmp_path / "work"
    root.mkdir()
    work = Work(root)
    rows: list[dict[str, object]] = [{"width": n * 10.0, "camera": "left"} for n in range(18)]
    rows += [{"width": 5.0, "camera": "Left"}, {"width": 6.0}]
    work.ds.add_records(rows, name="a.jsonl", attributes=["width", "camera"])
    work.ds.commit("rows")
    work.path("schemas.py").write_text(SCHEMA.format(ran=str(tmp_path / "ran")))
    work.path("dsm.toml").write_text('[dataset.data.rules]\npandera = "schemas:Photos"\n')
    work.repo.close()
    work.repo = dsm.api.open(root)  # with the settings folder of a user
    return work


def test_a_schema_runs_when_its_bytes_are_trusted(work: Work, tmp_path: Path) -> None:
    """Before that, and once it has changed, the rule is refused and says how to trust the file."""
    with pytest.raises(SchemaUntrusted) as caught:
        work.ds.check()
    assert caught.value.hint is not None
    assert caught.value.hint.endswith("then `dsm hooks trust schemas.py`")
    assert not (tmp_path / "ran").exists()
    trust_hook(work.ds.repo, "schemas.py")
    assert work.ds.check().errors > 0 and (tmp_path / "ran").exists()
    with work.path("schemas.py").open("a") as file:
        file.write("# changed\n")
    with pytest.raises(SchemaUntrusted):
        work.ds.check()


def test_findings_are_those_of_pandera(work: Work, tmp_path: Path) -> None:
    """Row by row, with column and check; of a change only its own rows, and the table as a whole."""
    import pandera.errors

    trust_hook(work.ds.repo, "schemas.py")
    found = {(each.path, each.text) for each in work.ds.check().findings()}
    names: dict[str, object] = {}
    exec(work.path("schemas.py").read_text(), names)
    frame = work.ds.snapshot().to_pandas().rename(columns=lambda name: name.removeprefix("attr."))
    with pytest.raises(pandera.errors.SchemaErrors) as caught:
        names["Photos"].validate(frame, lazy=True)  # type: ignore[attr-defined]
    expected = set()
    for case in caught.value.failure_cases.to_dict("records"):
        row, column, check = case["index"], case["column"], case["check"]
        whole = check == "enough"
        told = f"{column} fails {check} ({case['failure_case']})"
        path = None if whole else frame["path"][row]
        expected.add((path, told if whole else f"{column} {case['failure_case']} fails {check}"))
    assert found == expected and len(found) == 10
    work.ds.add_records([{"width": 0.0}], name="b.jsonl", attributes=["width"])
    staged = [
        ((each.path or "").partition("#")[0], each.text)
        for each in work.ds.check(staged=True).findings()
    ]
    assert staged == [
        ("", "Photos fails enough (False)"), ("b.jsonl", "width 0.0 fails greater_than(0)"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("Photos = 7\n", "schemas.py has no schema Photos"),
        ("\n1 / 0\n", "schemas.py:2 failed: ZeroDivisionError: division by zero"),
        ("def x(:\n", "schemas.py failed: SyntaxError"),
        ("import sys; sys.exit(0)\n", "schemas.py:1 failed: SystemExit: 0"),
    ],
)  # fmt: skip
def test_what_goes_wrong_in_a_file_is_told(source: str, said: str) -> None:
    """It names the file and its line, and nothing passes."""
    pytest.importorskip("pandera", reason="needs dsm-datasets[pandera]")
    job = SchemaJob("schemas.py", source.encode(), "Photos", b"")
    with pytest.raises(SchemaFailed) as caught:
        list(job.run(lambda: None))
    assert caught.value.message.startswith(said)


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ("os._exit(0)", "exit status 0"),
        ("os.abort()", "SIGABRT"),
    ],
)  # fmt: skip
def test_a_file_that_ends_its_process_passes_nothing(work: Work, ends: str, said: str) -> None:
    """It is told which rule ran what: to try again would end the same way."""
    work.path("schemas.py").write_text(f"import os\n{ends}\n")
    trust_hook(work.ds.repo, "schemas.py")
    with pytest.raises(SchemaFailed) as caught:
        work.ds.check()
    told = f"dsm.toml:2: rule pandera: schemas.py ended its own process ({said})"
    assert caught.value.message.endswith(told)


def test_a_process_that_is_killed_may_be_tried_again(work: Work) -> None:
    """The system kills one for lack of memory: the file is not what failed."""
    work.path("schemas.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    trust_hook(work.ds.repo, "schemas.py")
    with pytest.raises(WorkerLost):
        work.ds.check()


def test_a_column_that_is_missing_is_a_finding(work: Work) -> None:
    """It is one of the table as a whole; a schema may stand in a table of options, too."""
    work.path("dsm.toml").write_text('[dataset.data.rules]\npandera.schema = "schemas:Columns"\n')
    trust_hook(work.ds.repo, "schemas.py")
    told = [(each.path, each.text) for each in work.ds.check().findings()]
    assert told == [(None, "fails column_in_dataframe (height)")]


def test_only_files_of_the_work_tree_are_schemas(work: Work, tmp_path: Path) -> None:
    """One that is not there, and one elsewhere, are not found; a name that is no module is refused."""
    (tmp_path / "other.py").write_text("")
    for schema, error in (
        ("nothing:X", NotFound),
        ("..other:X", ValueError),
        ("a/b:X", ValueError),
    ):
        work.path("dsm.toml").write_text(f'[dataset.data.rules]\npandera = "{schema}"\n')
        with pytest.raises(error):
            work.ds.check()


def test_without_pandera_the_rule_says_what_to_install(
    work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not pass."""
    (tmp_path / "none/pandera").mkdir(parents=True)
    (tmp_path / "none/pandera/__init__.py").write_text("raise ImportError(name='pandera')\n")
    monkeypatch.syspath_prepend(tmp_path / "none")
    trust_hook(work.ds.repo, "schemas.py")
    with pytest.raises(LibraryMissing, match="pandera need"):
        work.ds.check()
