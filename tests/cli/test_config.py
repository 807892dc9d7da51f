"""config: settings of one copy."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Runner


def test_settings_are_set_read_listed_and_removed(dsm: Runner, empty_repo: Path) -> None:
    """set, get, list, unset, in text and as JSON."""
    dsm("config", "set", "user.name", "Ada Lovelace")
    assert dsm("config", "get", "user.name").out == "Ada Lovelace\n"
    assert dsm("config", "get", "user.name", "--json").json == {
        "key": "user.name", "origin": str(empty_repo / ".dsm" / "config.toml"),
        "value": "Ada Lovelace",
    }  # fmt: skip
    assert "user.name=Ada Lovelace" in dsm("config", "list").lines
    assert "user.name=Ada Lovelace" in dsm("config").lines
    assert dsm("config", "list", "--json").json["settings"]["user.name"] == "Ada Lovelace"
    dsm("config", "unset", "user.name")
    dsm("config", "get", "user.name", status=1)
    dsm("config", "unset", "user.name", status=1)


def test_no_setting_at_all(dsm: Runner, empty_repo: Path) -> None:
    """An empty list says on standard error how to set one."""
    said = dsm("config")
    assert (said.out, said.err) == ("", "no setting is set; `dsm config set KEY VALUE` sets one\n")


def test_a_bad_value_is_told_what_works(dsm: Runner, empty_repo: Path) -> None:
    """The command line that the hint gives does it."""
    hint = dsm("config", "set", "core.workers", "many", status=2).err.splitlines()[-1]
    assert hint == "hint: set it with `dsm config set core.workers 4`"
    dsm("config", "set", "core.workers", "4")


def test_unknown_settings_are_refused(dsm: Runner, empty_repo: Path) -> None:
    """A misspelt key exits 2 and the hint has the right one, in the forms of git as well."""
    assert "user.name" in dsm("config", "set", "user.nam", "Ada", status=2).err
    for words in (["user.nam", "Ada"], ["--global", "user.nam", "Ada"], ["--get", "user.nam"]):
        assert "user.name" in dsm("config", *words, status=2).err


def test_the_author_comes_from_the_settings(dsm: Runner, empty_repo: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """Without DSM_AUTHOR, user.name and user.email sign changesets."""
    monkeypatch.delenv("DSM_AUTHOR")
    dsm("config", "set", "user.name", "Ada")
    dsm("config", "set", "user.email", "ada@example.org")
    dsm("commit", "--allow-empty", "-m", "empty")
    assert dsm("show", "--json").json["author"] == "Ada <ada@example.org>"


def test_settings_of_the_user(
    dsm: Runner, empty_repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--global holds everywhere, also outside a repository, whose own settings take precedence."""
    home = tmp_path / "settings" / "deep"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    monkeypatch.delenv("DSM_AUTHOR")
    monkeypatch.chdir(tmp_path)
    dsm("config", "--global", "user.name", "Ada")
    file = str(home / "dsm" / "config.toml")
    assert dsm("config", "--global", "user.name", "--json").json == {
        "key": "user.name", "origin": file, "value": "Ada",
    }  # fmt: skip
    monkeypatch.chdir(empty_repo)
    dsm("commit", "--allow-empty", "-m", "one")
    assert dsm("show", "--json").json["author"] == "Ada"
    dsm("config", "user.name", "Bob")
    own = str(empty_repo / ".dsm" / "config.toml")
    assert dsm("config", "user.name").out == "Bob\n"
    dsm("config", "set", "--global", "user.email", "a@example.org")
    assert {f"{own}\tuser.name=Bob", f"{file}\tuser.email=a@example.org"} <= set(
        dsm("config", "--list", "--show-origin").lines
    )
    assert dsm("config", "list", "--global").lines == ["user.email=a@example.org", "user.name=Ada"]
    origins = dsm("config", "--json").json["origins"]
    assert (origins["user.name"], origins["user.email"]) == (own, file)
    dsm("config", "--unset", "user.name")
    assert dsm("config", "get", "user.name", "--show-origin").out == f"{file}\tAda\n"
    said = dsm("config", "--unset", "user.name", status=1)
    assert f"user.name was not set: {file} says it" in said.err
    dsm("config", "--global", "--unset", "user.name")
    dsm("config", "get", "user.name", status=1)


def test_the_users_file_keeps_what_else_it_says(
    dsm: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Comments, other sections, the mode and a link to where it is kept stay."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    kept = tmp_path / "kept.toml"
    kept.write_text('# mine\n[safe]\ndirectory = ["/data"]\n')
    kept.chmod(0o600)
    (tmp_path / "dsm").mkdir()
    file = tmp_path / "dsm" / "config.toml"
    file.symlink_to(kept)
    dsm("config", "--global", "core.workers", "3")
    assert file.is_symlink()
    assert kept.read_text() == '# mine\n[safe]\ndirectory = ["/data"]\n\n[core]\nworkers = 3\n'
    assert kept.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "dsm").iterdir()] == ["config.toml"]


def test_what_only_a_repository_can_set(
    dsm: Runner, two_changesets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No dataset is chosen for all repositories, neither by the command nor by an editor."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    said = dsm("config", "--global", "core.dataset", "photos", status=2)
    assert "core.dataset belongs to one repository" in said.err
    (tmp_path / "settings" / "dsm").mkdir(parents=True)
    (tmp_path / "settings" / "dsm" / "config.toml").write_text('[core]\ndataset = "elsewhere"\n')
    assert dsm("log", "--oneline").status == 0
    assert all("elsewhere" not in line for line in dsm("config").lines)


def test_a_repository_trusts_nothing_for_its_reader(
    dsm: Runner, empty_repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a repository says of trust, of programs and of the user's settings is never asked for."""
    text = '[safe]\ndirectory = ["*"]\n[core]\neditor = "touch hit"\npager = "touch hit"\n'
    (empty_repo / ".dsm" / "config.toml").write_text(text)
    from dsm import api

    assert api.trusts(str(empty_repo)) is False
    for key in ("core.pager", "core.editor", "safe.directory"):
        dsm("config", "get", key, status=2)
        dsm("config", "--global", "set", key, "x", status=2)
    dsm("log")
    assert not (empty_repo / "hit").exists()


def test_a_file_that_is_no_settings(
    dsm: Runner, empty_repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The user's file that cannot be read as TOML, or is far too long, is named in one line."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("DSM_AUTHOR")
    (tmp_path / "dsm").mkdir()
    for data in (b"[user\nname", b"\xff", b"#" * (2 << 20)):
        (tmp_path / "dsm" / "config.toml").write_bytes(data)
        said = dsm("commit", "--allow-empty", "-m", "x", status=2)
        assert str(tmp_path / "dsm" / "config.toml") in said.err.splitlines()[0]


def test_a_key_that_is_spelt_with_escapes(
    dsm: Runner, empty_repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However TOML lets a key be written, it is found."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "dsm").mkdir()
    for text in ('user.name="A"', 'user = {name = "A"}', '[user]\n"n\\u0061me" = "A"'):
        (tmp_path / "dsm" / "config.toml").write_text(text)
        assert dsm("config", "user.name").out == "A\n"
