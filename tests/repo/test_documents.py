"""The one door for documents: what goes through it, and that nothing goes past it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from situations import Work

from dsm.errors import DamagedData
from dsm.repo import documents
from dsm.store import disk

PACKAGE = Path(__file__).resolve().parents[2] / "dsm"
# Who may turn fields into the bytes of a document: the door, and the codec of a header, whose bytes
# the door creates. What `get` writes lies in a folder of the user and is no shared document.
ENCODERS = {
    "repo/documents.py", "format/header.py", "views/writing/output_folder.py",
    "worktree/restored.py",
    # What a pull or a revert has begun here, replaced when it goes on.
    "worktree/following.py", "remotes/pulling.py",
    # What is known of a remote is of this copy alone; tags are made beside the dataset, then exchanged.
    "remotes/tracking.py", "remotes/exchange.py",
}  # fmt: skip


def test_documents_are_created_in_one_place() -> None:
    """No module but the door seals fields and gives them a name."""
    found = {
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "document.encode"
    }
    assert found <= ENCODERS


def test_folders_of_documents_are_known_to_the_door_alone() -> None:
    """No module but those of `repo` builds the path of a document; fsck looks for strays."""
    folders = {"sources", "tags", "views", "changesets"}
    found = set()
    for path in PACKAGE.rglob("*.py"):
        place = path.relative_to(PACKAGE).as_posix()
        if place.startswith("repo/") or place == "maintenance/fsck.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            named = isinstance(node, ast.Attribute) and node.attr in folders
            if named and ast.unparse(node.value).endswith("layout"):  # type: ignore[attr-defined]
                found.add(f"{place}:{node.lineno}")
    assert found == set()


def test_a_document_comes_and_goes(work: Work) -> None:
    """It is created once, read as it was written, listed by name, and removed for good."""
    tags = documents.tags(work.repo.layout, "data")
    assert tags.create("v1", {"name": "v1"})
    assert not tags.create("v1", {"name": "other"})
    assert tags.create("v0", {"name": "v0"})
    assert (tags.names(), tags.read("v1")) == (["v0", "v1"], {"name": "v1", "format": 1})
    tags.remove("v1")
    tags.remove("v1")
    assert (tags.names(), tags.read("v1")) == (["v0"], None)


def test_documents_in_order_are_each_durable_before_the_next(work: Work) -> None:
    """Each has its name, and its folder is synced, before the next appears; a taken name ends it."""
    tags = documents.tags(work.repo.layout, "data")
    tags.create_bytes("v3", b"three")
    items = [(f"v{number}", text) for number, text in enumerate((b"zero", b"one"))]
    seen: list[tuple[str, str]] = []
    with disk.observe(lambda operation, path: seen.append((operation, Path(path).name))):
        assert tags.create_in_order(items) is None
    named = [each for each in seen if each[0] == "link" or each == ("fsync folder", "tags")]
    assert named == [
        ("link", "v0.json"), ("fsync folder", "tags"), ("link", "v1.json"), ("fsync folder", "tags"),
    ]  # fmt: skip
    assert seen.index(named[0]) > max(n for n, each in enumerate(seen) if each[0] == "fsync")
    more = [("v1", b"one"), ("v2", b"two"), ("v3", b"another"), ("v4", b"four")]
    assert tags.create_in_order(more) == "v3"
    assert {name: tags.read_bytes(name) for name in tags.names()} == {
        "v0": b"zero", "v1": b"one", "v2": b"two", "v3": b"three",
    }  # fmt: skip
    assert list(Path(work.repo.layout.temporary).iterdir()) == []


def test_views_and_their_names_share_a_folder(work: Work) -> None:
    """Versions and names are told apart, also where a name looks like the beginning of one."""
    layout = work.repo.layout
    views, names = documents.views(layout, "data"), documents.view_names(layout, "data")
    version = "ab" * 32
    assert views.create(version, {"version": version}) and names.create("abab", {"name": "abab"})
    assert (views.names(), names.names()) == ([version], ["abab"])


def test_a_damaged_document_is_named(work: Work) -> None:
    """Bytes that are not what was written raise DamagedData with the path."""
    tags = documents.tags(work.repo.layout, "data")
    tags.create("v1", {"name": "v1"})
    Path(tags.path("v1")).write_bytes(b"{}")
    with pytest.raises(DamagedData, match=r"tags/v1\.json has format None"):
        tags.read("v1")
