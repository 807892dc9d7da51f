"""What lies around objects that are asked for comes along when nearly all of it will be read."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import dsm
from dsm.catalog import Catalog
from dsm.remotes import around
from dsm.remotes import backend as contract
from dsm.remotes.around import Run, block_of, pieces_of, stretches
from dsm.remotes.backend import RemoteDamaged
from dsm.remotes.on_demand import OnDemand
from dsm.store.packs import Pack

from .conftest import Copy

CloneOf = Callable[..., Copy]
COUNT = 300


def content_of(number: int) -> bytes:
    """Small texts, which share compressed frames and a dictionary, and noise, which lies raw."""
    if number % 2:
        return f'{{"owl": {number}, "says": "{"hoo" * (number % 7)}"}}\n'.encode() * 4
    return random.Random(number).randbytes(2000 + number)


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    found = {f"{n % 3}/{n}.{'json' if n % 2 else 'bin'}": content_of(n) for n in range(COUNT)}
    return {**found, "large.bin": random.Random(1).randbytes(9_000_000), "empty.txt": b""}


@pytest.fixture(scope="module")
def share(tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]) -> Path:
    """A folder with a pushed dataset, a view of all of it and one of little."""
    root = tmp_path_factory.mktemp("around") / "birds"
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    with dsm.init(root) as repo:
        repo.dataset().add([str(root)])
        repo.dataset().commit("all")
        repo.dataset().prepare(name="all")
        repo.dataset().prepare(paths=["*/*0.bin"], name="few")
        repo.remotes.add("origin", str(root.parent / "share"))
        repo.push()
    return root.parent / "share"


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks as small beside these packs as real ones are beside real packs."""
    monkeypatch.setattr(around, "BLOCK_BYTES", 20_000)
    monkeypatch.setattr(around, "BYTES_ASKED", 5_000)
    monkeypatch.setattr(around, "EXTRACT_BYTES", 60_000)


def door(repo: Catalog) -> OnDemand:
    found = repo.store.elsewhere
    assert isinstance(found, OnDemand)
    return found


def epoch(repo: Catalog, view: str = "all", seed: int | None = 1) -> dict[str, bytes]:
    return {example.path: example.bytes for example in repo.view(view).iterate(seed=seed)}


def only_pack(share: Path) -> Path:
    (path,) = share.glob("packs/*/*.pack")
    return path


@pytest.mark.parametrize("seed", [1, None])
def test_an_epoch_comes_in_blocks(
    seed: int | None, share: Path, files: dict[str, bytes], clone_of: CloneOf
) -> None:
    """Shuffled or in order, an epoch asks for blocks, gets what was pushed, and keeps it."""
    copy = clone_of(str(share), objects=False)
    assert epoch(copy.repo, seed=seed) == files
    assert door(copy.repo).requests < COUNT / 5
    copy = copy.again()
    assert epoch(copy.repo, seed=2) == files
    assert door(copy.repo).requests == 0


def test_views_that_are_read_in_turn_each_come_in_blocks(
    share: Path, files: dict[str, bytes], clone_of: CloneOf
) -> None:
    """Of two views whose examples are read alternately, as for training and validation, both do."""
    copy = clone_of(str(share), objects=False)
    views = [copy.dataset.prepare(paths=[f"{folder}/*"]) for folder in (0, 2)]
    pairs = zip(*(view.iterate(seed=1) for view in views), strict=True)
    found = {example.path: example.bytes for pair in pairs for example in pair}
    assert found == {name: data for name, data in files.items() if name[:2] in ("0/", "2/")}
    assert door(copy.repo).requests < COUNT / 5


def test_every_object_begins_in_one_block(share: Path, clone_of: CloneOf) -> None:
    """Blocks of a pack hold each of its objects once, and packs made of them hold the same."""
    copy = clone_of(str(share), objects=False)
    copy.dataset.read("0/0.bin")
    (remote,) = door(copy.repo)._packs.values()
    numbers = range(remote.size // around.BLOCK_BYTES + 1)
    blocks = [block for number in numbers if (block := block_of(remote, number)) is not None]
    parts = [part for block in blocks for part in block.parts]
    rows = [
        row for part in parts
        for row in (part.rows if isinstance(part, Run) else remote.rows_in(part.number))
    ]  # fmt: skip
    assert sorted(rows) == [n for n in range(len(remote)) if remote.contents.location(n)[1]]
    made: dict[bytes, bytes] = {}
    for count, group in enumerate(stretches((remote, number) for number in numbers)):
        path = copy.root / f"{count:064d}.pack"
        own = [block for each in group if (block := block_of(*each))]
        path.write_bytes(b"".join(pieces_of(own)))
        made |= contents(Pack(str(path), verify=True))
    assert made == contents(Pack(str(only_pack(share))))


def contents(pack: Pack) -> dict[bytes, bytes]:
    """Each object of a pack, by the beginning of its id; empty ones left out."""
    found = {}
    for row in range(len(pack)):
        frame, offset, size, _ = pack.place(row)
        if size:
            found[pack.contents.prefixes[row * 10 : row * 10 + 10]] = pack.read(frame, offset, size)
    return found


def test_little_of_a_pack_brings_nothing_else(
    share: Path, files: dict[str, bytes], clone_of: CloneOf
) -> None:
    """A view of a small part moves hardly more than its own bytes."""
    copy = clone_of(str(share), objects=False)
    copy.dataset.read("0/0.bin")
    before = door(copy.repo).backend.received
    found = epoch(copy.repo, "few")
    assert found == {name: data for name, data in files.items() if name.endswith("0.bin")}
    assert door(copy.repo).backend.received - before <= 1.5 * sum(map(len, found.values()))


def test_what_would_not_stay_does_not_come(
    share: Path, files: dict[str, bytes], clone_of: CloneOf
) -> None:
    """With a cache smaller than the view, no block comes, and everything is read all the same."""
    copy = clone_of(str(share), objects=False)
    copy.repo.config.set("cache.max_size", "100kB")
    copy = copy.again()
    assert epoch(copy.repo) == files
    assert door(copy.repo).cache.usage()[1] <= 100_000


def test_a_damaged_block_is_found_when_it_is_read(
    share: Path, files: dict[str, bytes], clone_of: CloneOf, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """A changed byte that came along reaches nobody, is named, and is fetched again."""
    monkeypatch.setattr(contract, "PAUSE_SECONDS", 0.0)
    own = tmp_path / "share"
    subprocess.run(["cp", "-r", str(share), str(own)], check=True)
    copy = clone_of(str(own), objects=False)
    copy.dataset.read("0/0.bin")  # its table is known by now
    pack = only_pack(own)
    data = bytearray(pack.read_bytes())
    data[data.index(content_of(200)) + 5] ^= 1
    pack.chmod(0o644)
    pack.write_bytes(data)
    found = {}
    with pytest.raises(RemoteDamaged, match=copy.dataset.example("2/200.bin").oid.hex()):
        for example in copy.repo.view("all").iterate(seed=1):
            found[example.path] = example.bytes
    assert found.items() <= files.items()
    pack.write_bytes(only_pack(share).read_bytes())
    assert epoch(copy.repo) == files


def test_packs_that_were_merged_meanwhile(origin: Copy, clone_of: CloneOf, tmp_path: Path) -> None:
    """When a pack is gone that blocks were to come from, objects are found where they are now."""
    share = tmp_path / "share"
    origin.repo.remotes.add("origin", str(share))
    origin.repo.push()
    copy = clone_of(str(share), objects=False)
    assert copy.dataset.read("wren/1") == b"tit"
    old = set(share.glob("packs/*/*.pack"))
    for number in range(3):
        origin.commit(f"more {number}", **{f"more__{number}": f"more {number}"})
        origin.repo.push()
    origin.repo.merge_packs()
    for pack in old:
        pack.unlink(missing_ok=True)
    copy.dataset.prepare(name="all")
    assert epoch(copy.repo) == {e.path: origin.contents()[e.path] for e in copy.dataset.ls()}


READ_ALL = """
import sys, dsm
from dsm.remotes import around
around.BLOCK_BYTES, around.BYTES_ASKED, around.EXTRACT_BYTES = 20_000, 5_000, 60_000
with dsm.open(sys.argv[1]) as repo:
    sys.stdin.readline()
    read = sum(len(example.bytes) for example in repo.view("all").iterate(seed=int(sys.argv[2])))
    print(read, repo.store.elsewhere.requests)
"""


def test_processes_bring_blocks_in_turn(
    share: Path, files: dict[str, bytes], clone_of: CloneOf
) -> None:
    """Of two processes that read the same view at once, in other orders, one brings a block."""
    copy = clone_of(str(share), objects=False)
    running = [
        subprocess.Popen(
            [sys.executable, "-c", READ_ALL, str(copy.root), str(seed)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )
        for seed in (1, 2)
    ]  # fmt: skip
    for each in running:
        assert each.stdin is not None
        each.stdin.write("\n")
        each.stdin.flush()
    answers = [each.communicate()[0].split() for each in running]
    assert [int(read) for read, _ in answers] == [sum(map(len, files.values()))] * 2
    assert sum(int(asked) for _, asked in answers) < COUNT / 5
