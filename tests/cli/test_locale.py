"""Names are bytes of UTF-8, whatever the locale says of them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NAMES = ["é.jpg", "猫/ü ß.txt", "plain.txt"]


@pytest.fixture(scope="session", params=["ascii", "iso8859-1"])
def foreign(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """An environment in which Python decodes names of files by another encoding."""
    env = {**os.environ, "DSM_AUTHOR": "Ada", "PYTHONPATH": str(ROOT)}
    env.pop("LC_CTYPE", None)
    if request.param == "ascii":
        env |= {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    else:
        if shutil.which("localedef") is None:
            pytest.skip("needs localedef")
        folder = tmp_path_factory.mktemp("locales")
        made = folder / "de_DE.ISO-8859-1"
        subprocess.run(["localedef", "-i", "de_DE", "-f", "ISO-8859-1", made], capture_output=True)
        env |= {"LC_ALL": made.name, "LOCPATH": str(folder), "PYTHONUTF8": "0"}
    code = "import sys; print(sys.getfilesystemencoding())"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    if done.stdout.strip() == "utf-8":
        pytest.skip("this locale cannot be made here")
    return env


def run(words: list[str], folder: Path, env: dict[str, str], status: int = 0) -> bytes:
    command = [sys.executable, "-m", "dsm", *words]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True)
    assert status == done.returncode, done.stderr
    return done.stdout


def files(folder: Path) -> set[str]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix() for path in found}


def test_commands_record_and_write_the_same_names(foreign: dict[str, str], tmp_path: Path) -> None:
    """add, status, get and restore, each beside its like in a UTF-8 locale."""
    plain = {**os.environ, "DSM_AUTHOR": "Ada", "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"}
    data = tmp_path / "data"
    for name in NAMES:
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_text(name)
    run(["init", "-q"], data, foreign)
    run(["add", "-q", ".", "é.jpg", "--label", "süß"], data, foreign)
    run(["commit", "-q", "-m", "schön"], data, foreign)
    for env in (plain, foreign):
        assert set(NAMES) <= set(run(["ls"], data, env).decode().splitlines())
        assert run(["status", "--porcelain"], data, env) == b""
        assert "schön".encode() in run(["log"], data, env)
        version = run(["prepare", "-q", "--label", "süß"], data, env).decode().strip()
    run(["get", version, "-q", "--format", "files", "-o", "../out"], data, foreign)
    assert "é.jpg" in files(tmp_path / "out/data")
    for name in NAMES:
        (data / name).unlink()
    run(["restore", "-q"], data, foreign)
    assert run(["status", "--porcelain"], data, plain) == b""


def test_workers_read_names_alike(foreign: dict[str, str], tmp_path: Path) -> None:
    """So many files that processes help to store and to restore them."""
    (tmp_path / "ü").mkdir()
    for number in range(2_100):
        (tmp_path / f"ü/é{number}").write_text(str(number))
    run(["init", "-q"], tmp_path, foreign)
    run(["add", "-q", "."], tmp_path, foreign)
    run(["commit", "-q", "-m", "one"], tmp_path, foreign)
    shutil.rmtree(tmp_path / "ü")
    run(["restore", "-q"], tmp_path, foreign)
    assert {f"é{number}" for number in range(2_100)} == set(os.listdir(tmp_path / "ü"))


def test_a_program_is_told_how_to_start(foreign: dict[str, str], tmp_path: Path) -> None:
    """Python's own mind cannot be changed: nothing is recorded rather than another name."""
    code = """
import sys, dsm
from dsm.errors import Refused
for call in (dsm.init, dsm.open):
    try:
        call(sys.argv[1])
    except Refused as error:
        print(error.code, error.hint)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], env=foreign, capture_output=True, text=True
    )
    line = "names-not-utf8 set PYTHONUTF8=1, or start it with `python -X utf8`\n"
    assert (line * 2, []) == (done.stdout, os.listdir(tmp_path)), done.stderr
