"""A repository from elsewhere, used by processes: what it brings along does nothing unasked."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from sources.conftest import Asked

from dsm.format import document

from .conftest import Project

CANARY = "canary-key-of-somebody-9c41"
UNASKED = {"environment": {"DSM_TRUST_SOURCES": ""}}
HINT = "`dsm source trust pay`"
MakeProject = Callable[..., Project]


@pytest.fixture
def received(make_project: MakeProject, sqlite: Asked) -> Project:
    """A repository with a query, whose source this user has not trusted."""
    project = make_project("sqlite", sqlite.address)
    project.view("SELECT id, customer FROM payment WHERE id < 4", key="id")
    project.extra["DSM_TRUST_SOURCES"] = ""
    return project


def version_of(project: Project) -> str:
    return project("prepare", "-q").out.decode().strip()


def test_nothing_runs_before_it_is_trusted(received: Project) -> None:
    """Exit status 6 with the way on, on no terminal either; then it runs, until it is taken back."""
    version = version_of(received)
    for words in (
        ("get", version, "-o", "-"), ("get", version, "-o", "-", "--format", "tar"),
        ("source", "test", "pay"), ("source", "test", "pay", "-e", "SELECT 1"),
        ("add", "--source", "pay", "-e", "SELECT 1", "--name", "other"),
    ):  # fmt: skip
        done = received(*words, status=6)
        assert (done.out, HINT in done.err) == (b"", True), words
    assert received.outcomes() == []
    for words in (
        ("get", version, "-o", "-", "--skip-sources"),
        ("get", version, "-o", "-", "--dummy"),
    ):
        assert received(*words).out != b""
    (source,) = json.loads(received("source", "list", "--json").out)["sources"]
    assert (source["name"], source["trusted"]) == ("pay", False)
    assert b"(not trusted)" in received("source", "list").out
    received("source", "trust", "pay")
    assert received("get", version, "-o", "-", "--format", "tar").out.count(b"customer") >= 3
    assert b"(not trusted)" not in received("source", "list").out
    assert json.loads(received("source", "show", "pay", "--json").out)["trusted"] is True
    received("source", "trust", "pay", "--revoke")
    received("get", version, "-o", "-", status=6)


def test_only_this_users_folder_changes(received: Project) -> None:
    """Consent is no part of the repository, so it does not travel with it."""
    before = {path: data for path, data in received.files() if received.root in path.parents}
    received("source", "trust", "pay")
    after = {path: data for path, data in received.files() if received.root in path.parents}
    assert before == after
    (note,) = (received.home / ".config" / "dsm").rglob("*.json")
    copy = received.folder / "copy"
    shutil.copytree(received.root, copy)
    version = version_of(received)
    assert HINT in received("-C", str(copy), "get", version, "-o", "-", status=6).err
    assert received("get", version, "-o", "-").status == 0
    note.unlink()
    received("get", version, "-o", "-", status=6)


def test_a_source_that_changed_is_asked_for_again(received: Project) -> None:
    """A document in the place of the trusted one, with the same id and name, is not trusted."""
    received("source", "trust", "pay")
    path = received.root / ".dsm" / "sources" / "pay.json"
    fields = document.decode(path.read_bytes(), "x")
    for changes in (
        {"driver": "postgresql"}, {"secret": {"kind": "environment", "name": "HOME"}},
        {"secret": {"kind": "file", "name": "~/.ssh/id_rsa"}}, {"source": "1" * 32},
    ):  # fmt: skip
        path.unlink()
        path.write_bytes(document.encode({**fields, **changes}))
        assert HINT in received("get", version_of(received), "-o", "-", status=6).err
        assert HINT in received("source", "test", "pay", status=6).err
    path.unlink()
    path.write_bytes(document.encode(fields))
    received("source", "test", "pay")


def test_what_the_user_adds_is_trusted_at_once(received: Project) -> None:
    """One command, as before; and the environment speaks for automation."""
    received("source", "add", "own", "--driver", "sqlite", "--uri-env", "ADDRESS")
    received("source", "test", "own")
    digest = json.loads(received("source", "show", "pay", "--json").out)["digest"]
    for words, status in (
        ("pay", 0),
        (f"pay@{digest}", 0),
        ("*", 0),
        ("own", 6),
        (f"pay@{digest[::-1]}", 6),
    ):
        received("source", "test", "pay", status=status, environment={"DSM_TRUST_SOURCES": words})


# --- what else a repository can bring along -------------------------------------------------------


@pytest.mark.parametrize("driver", ["postgresql", "sqlite", "duckdb"])
@pytest.mark.parametrize("kind", ["file", "environment"])
def test_a_secret_that_is_no_address_is_told_to_nobody(
    make_project: MakeProject, driver: str, kind: str
) -> None:
    """A source may name any file or variable of a user: what is there is in no message and no file."""
    project = make_project(driver, "unused")
    key = project.home / ".ssh" / "id_rsa"
    key.parent.mkdir()
    key.write_text(f"-----BEGIN {CANARY}-----\n{CANARY}\n")
    one_line = project.home / "token"
    one_line.write_text(CANARY)
    project.extra.update(AWS_SECRET_ACCESS_KEY=CANARY, DSM_DEBUG="1")
    path = project.root / ".dsm" / "sources" / "pay.json"
    fields = document.decode(path.read_bytes(), "x")
    names = ["AWS_SECRET_ACCESS_KEY"] if kind == "environment" else ["~/.ssh/id_rsa", str(one_line)]
    for name in names:
        path.unlink()
        path.write_bytes(document.encode({**fields, "secret": {"kind": kind, "name": name}}))
        for words in (
            ("source", "test", "pay"),
            ("-v", "source", "test", "pay"),
            ("source", "show", "pay"),
        ):
            done = project.run(*words)
            assert done.status in (0, 6, 8)
            assert CANARY not in done.err + done.out.decode()
    inside = [each for each, data in project.files() if CANARY.encode() in data]
    assert sorted(inside) == sorted([key, one_line])


@pytest.mark.parametrize(
    "what", ["pipe", "device", "folder", "endless", "lines", "large", "latin-1"]
)
def test_a_file_that_holds_no_address(make_project: MakeProject, what: str) -> None:
    """Nothing is waited for, and nothing large is read: exit status 6."""
    project = make_project("sqlite", "unused")
    path = project.home / "uri"
    if what == "pipe":
        os.mkfifo(path)
    elif what == "folder":
        path.mkdir()
    elif what in ("device", "endless"):
        path = Path("/dev/tty" if what == "device" else "/dev/zero")
    else:
        path.write_bytes(
            {"lines": b"a\nb\n", "large": b"x" * (1 << 17), "latin-1": b"/tmp/\xe9.db"}[what]
        )
    project("source", "add", "odd", "--driver", "sqlite", "--uri-file", str(path))
    err = project("source", "test", "odd", status=6).err
    assert f"the file {path} gives no address" in err


@pytest.mark.parametrize("name", ["evil", "evil_driver", "adbc_driver_evil"])
def test_a_driver_is_not_loaded_from_the_data(
    make_project: MakeProject, name: str, tmp_path: Path
) -> None:
    """Not a module, not a library, not a manifest that lies in the folder of the data, even trusted."""
    project = make_project(name, "unused")
    marker = project.folder / "loaded"
    code = f"open({str(marker)!r}, 'w').close()\n"
    short = name.removeprefix("adbc_driver_")
    for module in {f"adbc_driver_{short}.py", f"{short}.py", f"{name}.py"}:
        (project.root / module).write_text(code)
    for library in {short, name, f"lib{short}.so", f"lib{name}.so", f"{name}.so"}:
        (project.root / library).write_bytes(b"\x7fELF not one")
    for manifest in {short, name}:
        (project.root / f"{manifest}.toml").write_text(
            f'[ADBC]\nversion = "1.1.0"\n[Driver]\nshared = "{project.root}/lib{name}.so"\n'
        )
    done = project("source", "test", "pay", status=8)
    assert "is not installed, or not where drivers are looked for" in done.err
    assert not marker.exists()
