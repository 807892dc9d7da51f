"""Consent: which sources may use what this user has access to, and what happens before that."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from situations import Work

from dsm.catalog import Catalog
from dsm.errors import DsmError, InvalidInput, Refused
from dsm.format import document
from dsm.repo import documents
from dsm.repo.environment import Environment
from dsm.sources import broker, recording
from dsm.sources import source as sources
from dsm.sources.access import Access, SourceUntrusted, add_source, remove_source
from dsm.sources.checking import check_queries
from dsm.sources.query import define
from dsm.sources.source import Source
from dsm.store import disk

Open = Callable[..., Catalog]


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    return tmp_path / "settings" / "dsm"


@pytest.fixture
def opened(work: Work, settings: Path) -> Open:
    """Opens the repository as a user does whose settings are in a folder."""

    def opened(root: Path = work.root, words: str = "", folder: Path | None = settings) -> Catalog:
        return Catalog(
            str(root),
            Environment(
                lambda: 7, lambda _: "Ada", secret_of=no_address,
                config_folder=lambda: None if folder is None else str(folder),
                trusted_sources=lambda: words,
            ),
        )  # fmt: skip

    return opened


def no_address(kind: str, name: str) -> str:
    raise AssertionError("an address was read")


def pay(repo: Catalog, **changes: object) -> Source:
    found = sources.find(repo, "pay")
    return replace(found, **changes)  # type: ignore[arg-type]


def added(repo: Catalog, driver: str = "sqlite") -> Source:
    return add_source(repo, "pay", driver, "environment", "PAY", created=1)


def came_along(repo: Catalog, driver: str = "sqlite") -> Source:
    """A source whose document came with the repository."""
    return sources.create(repo, "pay", driver, "environment", "PAY", created=1)


def test_what_is_added_here_is_trusted_as_it_is(opened: Open, settings: Path) -> None:
    """By one file of this user; whatever a source says otherwise, it is not trusted any more."""
    repo = opened()
    source = added(repo)
    assert Access(repo).trusted(source)
    assert len(list((settings / "trusted-sources").iterdir())) == 1
    assert (settings / "trusted-sources").stat().st_mode & 0o777 == 0o700
    for changes in (
        {"driver": "duckdb"}, {"kind": "file", "secret": "/etc/passwd"}, {"secret": "OTHER"},
        {"id": "1" * 32}, {"created": 2}, {"name": "other"},
    ):  # fmt: skip
        assert not Access(repo).trusted(pay(repo, **changes)), changes


def test_what_came_along_is_asked_for(opened: Open) -> None:
    """Exit status 6 and both commands as the hint, until it is trusted; that can be taken back."""
    repo = opened()
    source = came_along(repo)
    with pytest.raises(SourceUntrusted, match="source pay came with this repository") as caught:
        Access(repo).check(source)
    assert caught.value.exit_status == 6
    assert "`dsm source show pay`" in str(caught.value.hint)
    assert "`dsm source trust pay`" in str(caught.value.hint)
    assert repo.trust_source("pay") == source
    Access(repo).check(source)
    repo.trust_source("pay")
    assert [repo.distrust_source("pay"), repo.distrust_source("pay")] == [True, False]
    assert not Access(repo).trusted(source)


def test_trust_is_for_one_copy(opened: Open, work: Work, tmp_path: Path) -> None:
    """A copy at another place, and one that was moved, are asked for anew."""
    source = added(opened())
    work.repo.close()
    shutil.copytree(work.root, tmp_path / "copy")
    work.root.rename(tmp_path / "moved")
    for name in ("copy", "moved"):
        assert not Access(opened(tmp_path / name)).trusted(source)
    (tmp_path / "moved").rename(work.root)
    assert Access(opened()).trusted(source)
    # A link to it leads to the same place.
    (tmp_path / "link").symlink_to(work.root)
    assert Access(opened(tmp_path / "link")).trusted(source)


def test_a_removed_source_leaves_no_trust(opened: Open, settings: Path) -> None:
    """Its note goes with it, also when the document was damaged before."""
    repo = opened()
    added(repo)
    remove_source(repo, "pay")
    assert list((settings / "trusted-sources").iterdir()) == []
    added(repo)
    Path(documents.sources(repo.layout).path("pay")).write_bytes(b"{}")
    remove_source(repo, "pay")
    assert sources.names(repo) == []


@pytest.mark.parametrize(
    ("words", "trusted"),
    [
        ("", False), ("other", False), ("PAY", False), ("pay.*", False), ("pa", False), (",", False),
        ("pay@", False), ("pay@0123456789abcdef", False), ("other@{16}", False), ("@{16}", False),
        ("pay@{15}", False), ("pay", True), ("*", True), ("other, pay ", True), ("pay@{16}", True),
        ("pay@{64}", True), ("pay@{64}0", False), ("pay,pay@0123456789abcdef", True),
    ],
)  # fmt: skip
def test_sources_that_the_environment_names(opened: Open, words: str, trusted: bool) -> None:
    """By name, by name and digest of what it says now, or all; nothing is noted."""
    repo = opened(words="", folder=None)
    source = came_along(repo)
    digits = {f"{{{count}}}": source.digest[:count] for count in (15, 16, 64)}
    for mark, text in digits.items():
        words = words.replace(mark, text)
    assert Access(opened(words=words, folder=None)).trusted(source) is trusted


def test_a_folder_in_the_repository_is_not_believed(
    opened: Open, work: Work, tmp_path: Path
) -> None:
    """What examples are written to can hold no consent, under whatever name it is reached."""
    inside = work.root / ".config" / "dsm"
    (tmp_path / "link").symlink_to(work.root)
    source = came_along(opened())
    Access(opened()).grant(source)
    shutil.copytree(tmp_path / "settings" / "dsm", inside)
    for folder in (inside, tmp_path / "link" / ".config" / "dsm", work.root):
        repo = opened(folder=folder)
        assert not Access(repo).trusted(source)
        with pytest.raises(Refused, match="no folder of yours outside of the repository"):
            repo.trust_source("pay")
    repo = opened(folder=None)
    assert not Access(repo).trusted(source)
    with pytest.raises(Refused, match="no folder of yours"):
        repo.trust_source("pay")
    assert not repo.distrust_source("pay")


def test_a_note_that_is_not_whole_is_none(opened: Open, settings: Path) -> None:
    """Cut off, about another source, or a folder of its name: not trusted, and no crash."""
    repo = opened()
    source = added(repo)
    (note,) = (settings / "trusted-sources").iterdir()
    data = note.read_bytes()
    other = document.encode({**document.decode(data, "x"), "root": "/elsewhere"})
    for wrong in (b"", data[:-1], b"x", other):
        note.unlink()
        note.write_bytes(wrong)
        assert not Access(repo).trusted(source)
    note.unlink()
    note.mkdir()
    assert not Access(repo).trusted(source)
    note.rmdir()
    note.write_bytes(data)
    assert Access(repo).trusted(source)


def test_a_home_that_cannot_be_written(opened: Open, settings: Path) -> None:
    """The source is added all the same, and is not trusted."""
    settings.parent.write_text("no folder")
    repo = opened()
    source = added(repo)
    assert sources.find(repo, "pay") == source
    assert not Access(repo).trusted(source)
    with pytest.raises(DsmError, match="cannot create folder"):
        repo.trust_source("pay")


def test_every_write_of_a_note_may_fail(opened: Open, settings: Path) -> None:
    """Then the source is not trusted, or it is and the note is whole."""
    repo = opened()
    source = came_along(repo)
    for number in range(1, 30):
        shutil.rmtree(settings, ignore_errors=True)
        calls = 0

        def fail(operation: str, path: str, number: int = number) -> None:
            nonlocal calls
            calls += 1
            if calls == number:
                raise OSError(errno.EIO, "made to fail")

        try:
            with disk.observe(fail):
                Access(repo).grant(source)
        except DsmError:
            assert calls >= number
        else:
            assert Access(repo).trusted(source)
            if calls < number:
                break
    assert 3 < number < 29


# --- what does not happen before ---------------------------------------------------------------


def test_nothing_is_read_or_loaded_for_an_untrusted_source(
    opened: Open, work: Work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever asks a source: no address is read, and no module of its driver's name is imported."""
    import pyarrow as pa

    (tmp_path / "adbc_driver_trap.py").write_text("raise AssertionError('the driver was loaded')")
    monkeypatch.syspath_prepend(str(tmp_path))
    repo = opened()
    source = came_along(repo, "trap")
    access = Access(repo)
    query = define("q", "pay", "SELECT 1", pa.schema([("a", pa.int64())]))
    for ask in (
        lambda: broker.run(source, "SELECT 1", access=access),
        lambda: broker.schema_of(source, "SELECT 1", access=access),
        lambda: broker.reach(source, access=access),
        lambda: repo.dataset(work.ds.name).add_query("pay", "SELECT 1"),
        lambda: recording.query_of(repo, "pay", "SELECT 1"),
    ):
        with pytest.raises(
            SourceUntrusted, match="source pay came with this repository, and you have"
        ):
            ask()
    (check,) = check_queries(repo, {"q": query})
    assert check.code == "source-untrusted"
    assert "adbc_driver_trap" not in sys.modules
    # The trap works: with consent the driver is loaded, and then the address read.
    repo.trust_source("pay")
    with pytest.raises(AssertionError, match="the driver was loaded"):
        broker.run(source, "SELECT 1", access=access)


def test_a_keyring_is_not_asked_for_an_untrusted_source(opened: Open, work: Work) -> None:
    """`dsm add` looks for databases among the files; a keyring may ask its user, so it waits."""
    repo = opened()
    sources.create(repo, "pay", "sqlite", "keyring", "db:reader", created=1)
    (work.root / "a.txt").write_text("a")
    repo.dataset(work.ds.name).add([str(work.root / "a.txt")])
    repo.trust_source("pay")
    with pytest.raises(AssertionError, match="an address was read"):
        repo.dataset(work.ds.name).add([str(work.root / "a.txt")])


def test_a_view_is_refused_before_anything_of_it_is_passed_on(opened: Open, work: Work) -> None:
    """Reading, streaming and counting: the stored examples do not come either."""
    import pyarrow as pa

    from dsm.views.writing.get import stream
    from dsm.views.writing.options import Options
    from dsm.worktree.staging import stage_query

    repo = opened()
    came_along(repo)
    work.commit(**{"a.txt": "stored"})
    dataset = repo.dataset(work.ds.name)
    query = define("q", "pay", "SELECT 1 AS a", pa.schema([("a", pa.int64())]))
    stage_query(dataset.tree, "q", query.to_json())
    dataset.commit("a query")
    view = dataset.prepare()
    passed: list[bytes] = []
    for read in (
        lambda: next(iter(view)), lambda: next(iter(view.batches())), lambda: next(iter(view.columns())),
        lambda: next(view.iterate(seed=1)), lambda: stream(view, passed.append, Options("tar")),
        lambda: stream(view, passed.append, Options("webdataset")),
    ):  # fmt: skip
        with pytest.raises(
            SourceUntrusted, match="source pay came with this repository, and you have"
        ):
            read()
    assert passed == []
    assert [example.path for example in view.without_sources()] == ["a.txt"]
    assert len(list(view.with_dummy_rows(3))) == 4


def test_a_source_of_a_malformed_name_is_no_way_out(opened: Open, settings: Path) -> None:
    """Names are checked before they become part of a path."""
    repo = opened()
    for name in ("../x", "a/b", "", "-x"):
        with pytest.raises(InvalidInput, match="cannot name a source"):
            repo.trust_source(name)
    assert not os.path.exists(settings)
