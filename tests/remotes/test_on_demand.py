"""Copies without objects: everything that reads them fetches, verifies and keeps what it reads."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tiers import thinned

import dsm
from dsm.catalog import Catalog
from dsm.errors import DsmError, NotFound
from dsm.maintenance.gc import plan_gc
from dsm.remotes import backend as contract
from dsm.remotes.address import open_backend
from dsm.remotes.backend import NotOnRemote, RemoteDamaged, RemoteFailed, RemoteRefused
from dsm.remotes.folder import FolderBackend
from dsm.remotes.on_demand import OnDemand
from dsm.store import disk
from dsm.store.object_errors import ObjectMissing
from dsm.store.objects import ObjectStore

from .conftest import Copy

CloneOf = Callable[..., Copy]


def content_of(number: int) -> bytes:
    """Small texts, which share compressed frames and a dictionary, and noise, which lies raw."""
    if number % 2:
        return f'{{"owl": {number}, "says": "{"hoo" * (number % 7)}"}}\n'.encode() * 4
    return random.Random(number).randbytes(3000 + number)


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    found = {f"{'abc'[n % 3]}/{n}.{'json' if n % 2 else 'bin'}": content_of(n) for n in range(240)}
    # A large one is cut into pieces; an empty one has no bytes anywhere.
    return {**found, "large.bin": random.Random(1).randbytes(9_000_000), "empty.txt": b""}


@pytest.fixture(scope="module")
def share(tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]) -> Path:
    """A folder with a pushed dataset and a view of it, which no test changes."""
    root = tmp_path_factory.mktemp("on-demand") / "birds"
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    with dsm.init(root) as repo:
        repo.dataset().add([str(root)])
        repo.dataset().commit("all")
        repo.dataset().prepare(paths=["a/*"], name="a")
        repo.remotes.add("origin", str(root.parent / "share"))
        repo.push()
    return root.parent / "share"


@pytest.fixture
def own_share(share: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may change."""
    subprocess.run(["cp", "-r", str(share), str(tmp_path / "share")], check=True)
    return tmp_path / "share"


def door(repo: Catalog) -> OnDemand:
    found = repo.store.elsewhere
    assert isinstance(found, OnDemand)
    return found


def requests(repo: Catalog) -> int:
    return door(repo).backend.requests


def kept(repo: Catalog) -> tuple[int, int]:
    return door(repo).cache.usage()


def limited(repo: Catalog, size: str) -> Catalog:
    """The same repository with another size of the cache."""
    repo.config.set("cache.max_size", size)
    repo.close()
    return dsm.open(repo.root)


def test_every_place_serves_what_is_read(place: str, origin: Copy, clone_of: CloneOf) -> None:
    """From every kind of place, what is read is what was pushed, and is asked for once."""
    origin.repo.remotes.add("origin", place)
    origin.repo.push(tags=True)
    copy = clone_of(place, objects=False)
    assert (copy.files(), copy.repo.store.missing(e.oid for e in copy.dataset.ls())) == (
        {}, {e.oid for e in origin.dataset.ls()},
    )  # fmt: skip
    assert [(c.number, c.message) for c in copy.dataset.log()] == [(2, "second"), (1, "first")]
    assert copy.contents() == origin.contents()
    assert copy.dataset.read("owl/2", "v1") == b"hoohoo" * 40
    copy = copy.again()
    assert copy.contents() == origin.contents()
    assert requests(copy.repo) == 0


class Watched:
    """A progress that notes each step, and what lay in the cache by then."""

    def __init__(self, repo: Catalog):
        self.repo = repo
        self.total: tuple[int | None, int | None] = (None, None)
        self.steps: list[tuple[int, int]] = []
        self.largest = 0

    def start(self, task: str, files: int | None = None, size: int | None = None) -> None:
        self.total = (files, size)

    def advance(self, files: int = 0, size: int = 0) -> None:
        self.steps.append((files, size))

    def finish(self) -> None: ...

    def before_a_file(self) -> int:
        """How many bytes were told before the first file was."""
        count = next(n for n, (files, _) in enumerate(self.steps) if files)
        return sum(size for _, size in self.steps[:count])


@pytest.mark.parametrize("format_", ["files", "webdataset", "tar", "parquet"])
def test_what_is_fetched_is_told_as_it_comes(
    share: Path, clone_of: CloneOf, tmp_path: Path, format_: str
) -> None:
    """Of a view that is not here, bytes are told while a part of it is fetched, and each once."""
    copy = clone_of(str(share), objects=False)
    view = copy.repo.view("a")
    for number in range(2):  # the second time all of it is here
        told = Watched(copy.repo)
        view.get(tmp_path / str(number), format=format_, progress=told)
        files, size = map(sum, zip(*told.steps, strict=True))
        assert (files, size) == told.total
        assert number == (told.before_a_file() == 0)
        assert all(step >= 0 for pair in told.steps for step in pair)
    assert max(size for _, size in told.steps) > 0


def test_workers_tell_what_is_fetched(
    share: Path, clone_of: CloneOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where parts are fetched while processes write those before them."""
    monkeypatch.setattr("dsm.views.writing.parts.is_much", lambda *_: True)
    copy = clone_of(str(share), objects=False)
    told = Watched(copy.repo)
    copy.repo.view("a").get(tmp_path / "out", shard_size=40_000, workers=2, progress=told)
    files, size = map(sum, zip(*told.steps, strict=True))
    assert (files, size) == told.total
    assert 0 < told.before_a_file() <= size


def test_a_restore_tells_what_is_fetched(share: Path, clone_of: CloneOf) -> None:
    """Large files too, whose pieces come one by one."""
    copy = clone_of(str(share), objects=False)
    told = Watched(copy.repo)
    copy.dataset.restore(progress=told)
    files, size = map(sum, zip(*told.steps, strict=True))
    assert (files, size) == told.total
    assert 9_000_000 < told.before_a_file() <= size
    assert max(size for _, size in told.steps) < 9_000_000


def test_bytes_are_told_while_a_range_is_on_its_way(
    share: Path, clone_of: CloneOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a slow line a range takes long: what has come of it is told before it is whole."""
    copy = clone_of(str(share), objects=False)
    heard, real = threading.Event(), FolderBackend.read

    def slow(self: FolderBackend, *words: object) -> Iterator[bytes]:
        for part in real(self, *words):  # type: ignore[arg-type]
            yield part
            if threading.current_thread() is not threading.main_thread():
                assert heard.wait(120)

    class Hearing(Watched):
        def advance(self, files: int = 0, size: int = 0) -> None:
            super().advance(files, size)
            if size:
                heard.set()

    monkeypatch.setattr(FolderBackend, "read", slow)
    told = Hearing(copy.repo)
    copy.repo.view("a").get(tmp_path / "out", progress=told)
    assert told.before_a_file() > 0


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RemoteFailed("the line was cut")])
def test_what_came_before_it_was_stopped_is_kept(
    share: Path, clone_of: CloneOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
) -> None:  # fmt: skip
    """By Ctrl-C or by the network: what has come is in the cache, and the rest alone is asked for."""
    copy = clone_of(str(share), objects=False)
    real = OnDemand._ranges

    def cut(self: OnDemand, oids: list[bytes], came: object = None) -> object:
        yield next(real(self, oids))
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(OnDemand, "_ranges", cut)
        with pytest.raises(type(error)):
            copy.dataset.restore()
    wanted = {example.oid for example in copy.dataset.ls()}
    here = wanted - set(copy.repo.store.absent(wanted))
    assert 0 < len(here) < len(wanted)
    asked: list[bytes] = []

    def noted(self: OnDemand, oids: list[bytes], came: object = None) -> object:
        asked.extend(oids)
        return real(self, oids)

    monkeypatch.setattr(OnDemand, "_ranges", noted)
    copy.dataset.restore()
    assert not here & set(asked)
    assert copy.contents() == copy.files()


def test_all_that_reads_reads_the_same(
    share: Path, files: dict[str, bytes], clone_of: CloneOf, tmp_path: Path
) -> None:
    """Examples of a view, its files, restored files, and a file that seeks are what was pushed."""
    copy = clone_of(str(share), objects=False)
    view = copy.repo.view("a")
    assert {example.path: example.bytes for example in view} == {
        name: data for name, data in files.items() if name.startswith("a/")
    }
    view.get(tmp_path / "out", format="files")
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").rglob("*.bin")} == {
        name[2:]: data for name, data in files.items() if name.startswith("a/") and "bin" in name
    }
    with copy.dataset.open("large.bin") as file:
        file.seek(8_000_000)
        assert file.read(1000) == files["large.bin"][8_000_000:8_001_000]
        file.seek(10)
        assert file.read() == files["large.bin"][10:]
    copy.dataset.restore()
    assert copy.files() == files


def test_little_else_is_asked_for(share: Path, clone_of: CloneOf) -> None:
    """What nobody wants is not transferred, but for tables, once, and a tenth between."""
    copy = clone_of(str(share), objects=False)
    copy.dataset.read("a/0.bin")
    before = door(copy.repo).backend.received
    wanted = [e.oid for e in copy.dataset.ls() if e.path[:2] == "b/" and e.path.endswith("bin")]
    size = sum(len(data or b"") for _, data in copy.repo.store.read_many(wanted))
    assert size <= door(copy.repo).backend.received - before <= 1.1 * size


def test_fsck_and_gc_know_what_is_elsewhere(share: Path, clone_of: CloneOf) -> None:
    """Objects that are not here are no damage, and what was fetched is no garbage."""
    from dsm.maintenance.fsck import fsck

    copy = clone_of(str(share), objects=False)
    copy.dataset.read("a/0.bin")
    for full in (False, True):
        report = fsck(copy.repo, full=full)
        assert (report.findings, report.strays) == ((), ())
        assert [note for note in report.notes if "are not here" in note] != []
    plan = plan_gc(copy.repo)
    assert (plan.packs, plan.repack, plan.files) == ((), (), ())
    assert requests(copy.repo) > 0


def test_a_copy_without_objects_commits_and_pushes(
    place: str, origin: Copy, clone_of: CloneOf
) -> None:
    """New files and changed ones go up without anything that is not here coming first."""
    origin.repo.remotes.add("origin", place)
    origin.repo.push()
    copy = clone_of(place, objects=False)
    copy.commit("third", wren__2="chirp", owl__1="hoo, again")
    copy.repo.push()
    origin.repo.pull()
    assert (origin.dataset.head, origin.sound()) == (3, True)
    assert origin.contents()["wren/2"] == b"chirp"
    assert copy.again().contents() == origin.contents()


@pytest.mark.parametrize("how", ["flipped", "truncated"])
def test_a_damaged_range_is_refused_and_named(
    how: str, own_share: Path, clone_of: CloneOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bytes that are not what their name says reach nobody and are not kept."""
    monkeypatch.setattr(contract, "PAUSE_SECONDS", 0.0)
    copy = clone_of(str(own_share), objects=False)
    copy.dataset.read("b/1.json")  # its table is known by now
    (pack,) = own_share.glob("packs/*/*.pack")
    data = bytearray(pack.read_bytes())
    wanted = copy.dataset.example("a/0.bin").oid
    at = data.index(content_of(0))
    if how == "flipped":
        data[at + 5] ^= 1
    pack.chmod(0o644)
    pack.write_bytes(data if how == "flipped" else data[: at + 100])
    before = kept(copy.repo)
    with pytest.raises((RemoteDamaged, RemoteFailed)) as raised:
        copy.dataset.read("a/0.bin")
    assert pack.name in raised.value.message
    assert (wanted.hex() in raised.value.message) == (how == "flipped")
    with pytest.raises(
        (RemoteDamaged, RemoteFailed),
        match=r"^object [0-9a-f]{64} is damaged in packs/|was cut short: [0-9,]+ of [0-9,]+ bytes came",
    ):
        [example.bytes for example in copy.repo.view("a")]
    data[at : at + 3000] = content_of(0)
    pack.write_bytes(data)
    assert kept(copy.repo)[0] <= before[0] + 1  # what came whole before the damage, at most
    assert copy.dataset.read("a/0.bin") == content_of(0)


def test_a_remote_that_is_gone_is_one_clear_line(own_share: Path, clone_of: CloneOf) -> None:
    """Without the remote, what was read before is there, and the rest says from where it comes."""
    copy = clone_of(str(own_share), objects=False)
    assert copy.dataset.read("a/0.bin") == content_of(0)
    own_share.rename(own_share.with_name("elsewhere"))
    copy = copy.again()
    assert copy.dataset.read("a/0.bin") == content_of(0)
    with pytest.raises(RemoteFailed, match="no dsm remote at .* from where objects are fetched"):
        copy.dataset.read("a/6.bin")


def test_an_object_that_is_nowhere_is_named(own_share: Path, clone_of: CloneOf) -> None:
    """A remote that lost a pack is told by the object, and by the place that lacks it."""
    copy = clone_of(str(own_share), objects=False)
    (pack,) = own_share.glob("packs/*/*.pack")
    pack.unlink()
    with pytest.raises(ObjectMissing, match=f"neither here nor on {own_share}"):
        copy.dataset.read("a/0.bin")


def test_packs_that_were_merged_meanwhile(origin: Copy, clone_of: CloneOf, tmp_path: Path) -> None:
    """A copy that knows packs which are on the remote no more finds their objects in others."""
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
        if any(p not in old for p in share.glob("packs/*/*.pack")):
            pack.unlink(missing_ok=True)
    missing = {e.path for e in copy.dataset.ls()} - {"wren/1"}
    try:
        found = {path: copy.dataset.read(path) for path in missing}
    except ObjectMissing:
        pytest.fail("an object that was merged into another pack was not found")
    assert found == {path: origin.contents()[path] for path in missing}


def test_the_cache_keeps_to_its_size(
    share: Path, files: dict[str, bytes], clone_of: CloneOf
) -> None:
    """Everything can be read by a cache that holds a small part of it, or nothing at all."""
    copy = clone_of(str(share), objects=False)
    for size in ("40kB", "0"):
        with limited(copy.repo, size) as repo:
            dataset = repo.dataset()
            for path in list(files)[::7]:
                assert dataset.read(path) == files[path]
                assert kept(repo)[1] <= (40_000 if size != "0" else 0)


def test_the_cache_may_vanish_while_it_is_read(
    share: Path, files: dict[str, bytes], clone_of: CloneOf
) -> None:
    """Files of the cache that another process removes are no loss for a reader."""
    copy = clone_of(str(share), objects=False)
    [example.bytes for example in copy.repo.view("a")]
    seen = {}
    for number, example in enumerate(copy.repo.view("a").iterate(seed=1)):
        seen[example.path] = example.bytes
        if number % 20 == 0:
            for path in door(copy.repo).cache.paths():
                os.unlink(path)
            copy.repo.store.close()  # as after many packs: files are closed and opened again
    assert seen == {name: data for name, data in files.items() if name.startswith("a/")}


def test_a_damaged_cache_is_fetched_again(share: Path, clone_of: CloneOf) -> None:
    """What was cut short or changed in the cache is never handed out, and is fetched again."""
    copy = clone_of(str(share), objects=False)
    copy.dataset.read("a/0.bin")
    (path,) = door(copy.repo).cache.paths()
    os.chmod(path, 0o644)
    data = bytearray(Path(path).read_bytes())
    data[30] ^= 1
    for damaged in (data, data[:-40], b""):
        Path(path).write_bytes(damaged)
        os.utime(path)
        copy = copy.again()
        assert copy.dataset.read("a/0.bin") == content_of(0)


READ_ALL = """
import sys, dsm
with dsm.open(sys.argv[1]) as repo:
    dataset = repo.dataset()
    read = [dataset.read(e.path) for e in dataset.ls() if e.path[:2] != "b/" and e.size < 100_000]
    print(sum(map(len, read)), repo.store.elsewhere.backend.requests > 0)
"""


def test_processes_share_the_cache(share: Path, files: dict[str, bytes], clone_of: CloneOf) -> None:
    """Two processes that read everything at once, in a small cache, read it right; a large one
    serves the next process without a request."""
    copy = clone_of(str(share), objects=False)
    total = sum(len(d) for name, d in files.items() if name[:2] != "b/" and len(d) < 100_000)
    for size, at_once, asked in (("200kB", 2, True), ("1GB", 2, None), ("1GB", 1, False)):
        copy.repo.config.set("cache.max_size", size)
        command = [sys.executable, "-c", READ_ALL, str(copy.root)]
        running = [
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(at_once)
        ]
        for process in running:
            said = process.communicate()[0].split()
            assert (process.returncode, said[0]) == (0, str(total))
            assert asked is None or said[1] == str(asked)


def _read_until_killed(root: str, writes: int) -> None:
    """Reads everything, and dies at the n-th change of the disk."""
    left = [writes]

    def watch(operation: str, path: str) -> None:
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    with disk.observe(watch), dsm.open(root) as repo:
        dataset = repo.dataset()
        for example in dataset.ls():
            dataset.read(example.path)


@pytest.mark.parametrize("writes", thinned(range(14), 4))
def test_killed_while_it_caches(writes: int, share: Path, clone_of: CloneOf) -> None:
    """Whenever a reader is killed, the next one reads right, and gc removes what was left."""
    from dsm.maintenance.gc import apply_gc

    copy = clone_of(str(share), objects=False)
    process = multiprocessing.get_context("fork").Process(
        target=_read_until_killed, args=(str(copy.root), writes)
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert copy.dataset.read("a/0.bin") == content_of(0)
    apply_gc(copy.repo, plan_gc(copy.repo))
    assert os.listdir(copy.repo.layout.temporary) == []
    assert copy.sound()


@pytest.mark.parametrize("where", ["folder", "s3"])
def test_loaders_of_torch_share_it(
    where: str,
    share: Path,
    files: dict[str, bytes],
    clone_of: CloneOf,
    request: pytest.FixtureRequest,
) -> None:
    """A DataLoader with two workers reads every example of a view once, also where the parent has
    asked the remote before it forked."""
    pytest.importorskip("torch", reason="torch is not installed")
    from torch.utils.data import DataLoader

    from dsm.torch import ViewDataset

    address = str(share)
    if where == "s3":
        address = f"{request.getfixturevalue('s3_bucket')}/loaders"
        copied = open_backend(address)
        for path in share.rglob("*"):
            if path.is_file():
                copied.put(path.relative_to(share).as_posix(), path.read_bytes())
    copy = clone_of(address, objects=False)
    view = copy.repo.view("a")
    copy.dataset.read("a/0.bin")
    loader = DataLoader(ViewDataset(view), batch_size=None, num_workers=2, timeout=600)
    found = {example.path: example.bytes for example in loader}
    assert found == {name: data for name, data in files.items() if name.startswith("a/")}


def test_a_forked_process_reads_s3(s3_bucket: str) -> None:
    """What reads S3 after a fork does what the other one does, and writes nothing."""
    from dsm.remotes.forked_s3 import ForkedS3Backend

    address = f"{s3_bucket}/forked"
    open_backend(address).put("packs/one", b"0123456789")
    place = ForkedS3Backend(address)
    assert b"".join(place.read("packs/one")) == b"0123456789"
    assert b"".join(place.read("packs/one", 2, 3)) == b"234"
    assert b"".join(place.read("packs/one", 8)) == b"89"
    assert [(e.name, e.size) for e in place.entries("packs/")] == [("packs/one", 10)]
    assert (place.requests, place.received) == (4, 15)
    with pytest.raises(NotOnRemote, match="has no file packs/two"):
        list(place.read("packs/two"))
    for write in (lambda: place.put("x", b""), lambda: place.delete("packs/one")):
        with pytest.raises(RemoteRefused, match="forked"):
            write()


def test_a_forked_process_reads_by_ssh(ssh_host: str) -> None:
    """By a connection of its own, also through what its parent has opened, which goes on."""
    address = f"{ssh_host}/forked"
    place = open_backend(address)
    place.put("packs/one", b"0123456789")
    child = os.fork()
    if not child:
        status = 1
        try:
            signal.alarm(120)  # one that waits for the thread of its parent waits for ever
            found = [b"".join(each.read("packs/one")) for each in (open_backend(address), place)]
            status = 0 if found == [b"0123456789"] * 2 else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert b"".join(place.read("packs/one")) == b"0123456789"


def test_workers_of_a_store_ask_as_well(share: Path, clone_of: CloneOf) -> None:
    """The door goes to other processes by pickle, and asks there by itself."""
    import pickle

    copy = clone_of(str(share), objects=False)
    copy.dataset.read("a/0.bin")
    store = copy.repo.store
    sent = pickle.loads(pickle.dumps(store.elsewhere))
    other = ObjectStore(store.folder, store.temporary, store.chunking, elsewhere=sent)
    assert other.read(copy.dataset.example("c/2.bin").oid) == content_of(2)


def test_what_is_fetched_is_counted_on_by_nobody(share: Path, clone_of: CloneOf) -> None:
    """A file whose bytes lie in the cache alone is stored when it is added: the cache may go."""
    copy = clone_of(str(share), objects=False)
    data = copy.dataset.read("a/0.bin")
    copy.commit("again", again=data)
    for path in door(copy.repo).cache.paths():
        os.unlink(path)
    assert copy.repo.store.missing([copy.dataset.example("again").oid]) == set()


def test_names_of_remotes_stay_right(share: Path, clone_of: CloneOf) -> None:
    """The remote of a copy without objects may be renamed, and not be removed."""
    copy = clone_of(str(share), objects=False)
    copy.repo.remotes.rename("origin", "team")
    with pytest.raises(RemoteRefused, match="objects that are not here are fetched from team"):
        copy.repo.remotes.remove("team")
    assert copy.again().dataset.read("a/0.bin") == content_of(0)


def test_settings_that_make_no_sense(share: Path, clone_of: CloneOf) -> None:
    """A size of the cache that is none is refused when it is set, and when it is found."""
    copy = clone_of(str(share), objects=False)
    with pytest.raises(DsmError, match="cache.max_size is a number of bytes"):
        copy.repo.config.set("cache.max_size", "much")


def test_objects_are_brought_on_purpose(
    own_share: Path, files: dict[str, bytes], clone_of: CloneOf
) -> None:
    """What is brought of a view, of paths or of a changeset stays, whole, and needs no remote."""
    copy = clone_of(str(own_share), objects=False)
    objects = copy.repo.objects
    view = objects.fetch(view="a")
    assert (view.objects, view.fetched) == (80, 80)
    assert objects.fetch(view="a").fetched == 0
    root = str(copy.root)
    assert objects.fetch([f"{root}/b", f"{root}/large.bin"]).objects == 81
    here = objects.here()
    assert here is not None
    assert (here.remote, here.cached, here.stored > 9_000_000) == ("origin", 0, True)
    assert copy.sound()
    rest = objects.fetch(at=1)
    assert (rest.objects, rest.fetched) == (len(set(files.values())), 81)
    own_share.rename(own_share.with_name("gone"))
    copy = copy.again()
    assert copy.contents() == files
    assert copy.sound()


def test_a_whole_copy_brings_nothing(origin: Copy) -> None:
    """In a copy that has all objects there is nothing to bring, and nothing is told of it."""
    assert origin.repo.objects.here() is None
    with pytest.raises(NotFound, match="all objects are here"):
        origin.repo.objects.fetch()
