"""config: settings of one copy."""

from __future__ import annotations

from pathlib import Path

from .conftest import Runner


def test_settings_are_set_read_listed_and_removed(dsm: Runner, empty_repo: Path) -> None:
    """set, get, list, unset, in text and as JSON."""
    dsm("config", "set", "user.name", "Ada Lovelace")
    assert dsm("config", "get", "user.name").out == "Ada Lovelace\n"
    assert dsm("config", "get", "user.name", "--json").json == {
        "key": "user.name",
        "value": "Ada Lovelace",
    }
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
    """A misspelt key exits 2 and the hint has the right one."""
    assert "user.name" in dsm("config", "set", "user.nam", "Ada", status=2).err


def test_the_author_comes_from_the_settings(dsm: Runner, empty_repo: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    """Without DSM_AUTHOR, user.name and user.email sign changesets."""
    monkeypatch.delenv("DSM_AUTHOR")
    dsm("config", "set", "user.name", "Ada")
    dsm("config", "set", "user.email", "ada@example.org")
    dsm("commit", "--allow-empty", "-m", "empty")
    assert dsm("show", "--json").json["author"] == "Ada <ada@example.org>"
