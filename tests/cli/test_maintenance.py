"""fsck, gc: looking after the repository."""

from __future__ import annotations

from pathlib import Path

from .conftest import Runner, write


def test_a_whole_repository(dsm: Runner, two_changesets: Path) -> None:
    """fsck finds nothing, quick and full, and says how deep it looked."""
    said = dsm("fsck")
    assert said.out == ""
    assert said.err.startswith("no problem in ")
    report = dsm("fsck", "--full", "--json").json
    assert (report["findings"], report["full"], report["changesets"]) == ([], True, 2)


def test_damage_exits_7_and_names_examples(dsm: Runner, two_changesets: Path) -> None:
    """A flipped byte in a pack is found, with the examples that it hits."""
    packs = sorted((two_changesets / ".dsm/packs").rglob("*.pack"), key=lambda p: p.stat().st_size)
    data = bytearray(packs[-1].read_bytes())
    data[len(data) // 3] ^= 0x55
    packs[-1].chmod(0o644)
    packs[-1].write_bytes(data)
    said = dsm("fsck", "--full", status=7)
    assert said.out.startswith("damaged ")
    report = dsm("fsck", "--full", "--json", status=7).json
    assert report["findings"]
    hit = {example["path"] for finding in report["findings"] for example in finding["examples"]}
    assert hit <= {"cat/1.txt", "cat/2.txt", "cat/3.txt", "dog/1.txt", "dog/2.txt", "dog/3.txt"}
    assert hit


def test_gc_only_tells_until_it_may_prune(dsm: Runner, two_changesets: Path) -> None:
    """An unstaged object is reported, kept by the dry run and removed by --prune."""
    write(two_changesets / "cat/1.txt", "abandoned " * 1000)
    dsm("add", ".")
    dsm("restore", "--staged")
    dsm("restore", "--force", "cat/1.txt")
    plan = dsm("gc", "--json").json
    assert plan["pruned"] is False
    assert plan["reclaimable"] > 0
    assert dsm("gc").out.splitlines()[-1].startswith("would free ")
    assert plan["reclaimable"] == dsm("gc", "--json").json["reclaimable"]
    assert dsm("gc", "--prune", "--json").json["pruned"] is True
    dsm("fsck", "--full")


def test_gc_explains_what_keeps_an_object(dsm: Runner, two_changesets: Path) -> None:
    """--explain names the changesets that refer to it."""
    (example,) = dsm("ls", "--json", "cat/2.txt").json["examples"]
    said = dsm("gc", "--explain", example["object"])
    assert "cat/2.txt" in said.out
    assert dsm("gc", "--explain", example["object"], "--json").json["kept_by"]
    dsm("gc", "--explain", example["object"], "--prune", status=2)
