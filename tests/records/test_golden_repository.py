"""A repository with files of records in every format, as an earlier dsm wrote it, stays readable.

`tests/golden/records` holds its `.dsm`, the files that its newest changeset was made of, and what
its snapshots were, as JSON. `pytest --update-golden` writes all of it anew.
"""

from __future__ import annotations

import bz2
import json
import lzma
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from record_forms import FORMS
from situations import Clock, Work

from dsm.catalog import Catalog
from dsm.maintenance.fsck import fsck
from dsm.repo.dataset_settings import read_settings
from dsm.repo.environment import Environment

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "records"
SAID = {"one": (1, "cat"), "two": (2, "dog"), "three": (3, "cat")}
LINES = FORMS["jsonl"].write(SAID)
ASKED = {"key_field": "id", "label_field": "topic"}


def arrow_file() -> bytes:
    sink = pa.BufferOutputStream()
    table = pa.table({"id": list(SAID), "n": [1, None, 3], "raw": [b"a", b"\xff", b""]})
    with pa.ipc.new_file(sink, table.schema) as out:
        out.write_table(table)
    return sink.getvalue().to_pybytes()


def build(root: Path) -> Work:
    """Three changesets: all formats; an edit of some; a label and a removal by hand."""
    work = Work(root)
    work.write({
        f"{form.file.partition('.')[2]}/{form.file}": form.write(SAID) for form in FORMS.values()
    })  # fmt: skip
    work.write({
        "semicolons.csv": 'id;topic;score\r\n1;"a;b";0.5\r\n2;"c\r\nd";1\r\n'.encode("utf-8-sig"),
        "headless.tsv": b"one\tcat dog\t0.5\ntwo\t\t1\n",
        "t.arrow": arrow_file(),
        "lines.txt.xz": lzma.compress(b"first\nsecond\n\nfirst\n"),
        "t.csv.bz2": bz2.compress(FORMS["csv"].write(SAID)),
        "t.ndjson.zst": pa.Codec("zstd").compress(LINES, asbytes=True),
    })  # fmt: skip
    work.write({"picture.png": b"a file that is an example itself"})
    for form in FORMS.values():
        ending = form.file.partition(".")[2]
        glob = f"{ending}/*.{ending}"
        work.ds.add([glob], records=True, **form.asked)  # type: ignore[arg-type]
    asked: dict[str, dict[str, Any]] = {
        "semicolons.csv": {"key_field": "id", "attr_field": "*"},
        "headless.tsv": {
            "columns": "id,topics,score", "key_field": "id", "label_field": "topics",
            "label_sep": " ", "attr_field": ["score"],
        },
        "t.arrow": {"key_field": "id", "attr_field": ["n"]},
        "lines.txt.xz": {}, "t.csv.bz2": ASKED, "t.ndjson.zst": ASKED,
    }  # fmt: skip
    for name, how in asked.items():
        work.ds.add([name], records=True, **how)
    work.commit("every format")
    more = SAID | {"two": (22, "bird"), "four": (4, "dog")}
    for form in (FORMS["csv"], FORMS["tar"], FORMS["gzip"]):
        work.write({f"{form.file.partition('.')[2]}/{form.file}": form.write(more)})
    work.commit("edited")
    work.ds.label(["csv/t.csv#one"], set=["lion"])
    work.ds.remove(["zip/t.zip#one.jpg"])
    work.ds.commit("by hand")
    return work


def states(catalog: Catalog) -> dict[str, Any]:
    """What each snapshot says of its examples, and the fields of the newest records, as JSON."""
    ds = catalog.dataset("data")
    found: dict[str, Any] = {"settings": read_settings(catalog, "data").to_json()}
    for changeset in ds.log():
        found[f"{changeset.number} {changeset.id}"] = {
            row["path"]: [catalog.store.read(row["object"]).decode("latin-1"), *row["labels"]]
            + [
                f"{name}={row[name]}"
                for name in row
                if name.startswith("attr.") and row[name] is not None
            ]
            for row in ds.snapshot(changeset.number).to_pylist()
        }
    view = catalog.dataset("data").prepare(at="head")
    found["fields"] = {
        each.path: repr(each.record) for each in view if "#" in each.path
    }  # fmt: skip
    return found


def opened(root: Path) -> Catalog:
    environment = Environment(Clock(), author=lambda _: "tester", current_folder=lambda: str(root))
    return Catalog(str(root), environment)


def write_anew(folder: Path) -> None:
    """Puts what this dsm writes into the place of the golden repository."""
    work = build(folder / "work")
    work.repo.close()
    shutil.rmtree(GOLDEN, ignore_errors=True)
    shutil.copytree(work.root, GOLDEN / "files", ignore=shutil.ignore_patterns(".dsm"))
    shutil.copytree(work.root / ".dsm", GOLDEN / "dsm", ignore=shutil.ignore_patterns("local"))
    catalog = opened(work.root)
    found = json.dumps(states(catalog), indent=1, sort_keys=True, ensure_ascii=False)
    catalog.close()
    (GOLDEN / "states.json").write_text(found + "\n")


@pytest.fixture(scope="module")
def golden_root(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the golden repository, without any file in its work tree."""
    folder = tmp_path_factory.mktemp("golden")
    if request.config.getoption("--update-golden"):
        write_anew(folder)
    shutil.copytree(GOLDEN / "dsm", folder / "old" / ".dsm")
    for empty in ("tags", "views"):  # a checkout has no empty folders
        (folder / "old" / ".dsm" / "datasets" / "data" / empty).mkdir(exist_ok=True)
    return folder / "old"


@pytest.fixture
def old(golden_root: Path, tmp_path: Path) -> Iterator[Catalog]:
    """The golden repository, which the test may change."""
    root = shutil.copytree(golden_root, tmp_path / "old")
    with opened(root) as catalog:
        yield catalog


def test_what_an_earlier_dsm_wrote_is_what_it_was(old: Catalog) -> None:
    """Settings, ids, contents, labels, attributes and the fields of records of all formats."""
    assert states(old) == json.loads((GOLDEN / "states.json").read_text())
    assert fsck(old, full=True).findings == ()


def test_the_files_come_back_byte_for_byte(old: Catalog) -> None:
    """Restored, every file is the one that was added, also where records were withdrawn."""
    old.dataset("data").restore()
    root = Path(old.root)
    found = {
        path.relative_to(root): path.read_bytes()
        for path in root.rglob("*") if path.is_file() and ".dsm" not in path.parts
    }  # fmt: skip
    files = {p.relative_to(GOLDEN / "files"): p for p in (GOLDEN / "files").rglob("*")}
    assert found == {name: path.read_bytes() for name, path in files.items() if path.is_file()}


def test_an_edit_is_read_as_it_was_said_then(old: Catalog) -> None:
    """A new state of a file, and a new file, are read by the settings that were kept."""
    ds = old.dataset("data")
    ds.restore()
    root = Path(old.root)
    table = root / "csv" / "t.csv"
    table.write_bytes(table.read_bytes().replace(b"four,", b"five,"))
    (root / "csv" / "new.csv").write_bytes(b"topic,id\nowl,night\n")
    ds.add(["."])
    assert {(c.kind, c.path) for c in ds.status().staged if "#" in c.path} == {
        ("added", "csv/t.csv#five"), ("deleted", "csv/t.csv#four"), ("added", "csv/new.csv#night"),
    }  # fmt: skip
    ds.commit("five")
    assert ds.example("csv/new.csv#night").labels == ("owl",)
    assert ds.example("csv/t.csv#one").labels == ("lion",)
