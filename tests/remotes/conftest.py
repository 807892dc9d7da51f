"""Places for remotes: folders, fsspec's memory, and S3 by a server on this machine."""

from __future__ import annotations

import itertools
import os
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import dsm
from dsm.catalog import Catalog
from dsm.datasets import Dataset

_numbers = itertools.count()


@pytest.fixture(scope="session")
def s3_bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a bucket on a server that speaks S3 on loopback."""
    pytest.importorskip("obstore", reason="dsm-datasets[s3] is not installed")
    server = pytest.importorskip("moto.server", reason="moto[server] is not installed")
    import logging

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    address = f"http://{host}:{port}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_ENDPOINT_URL", address)
        patch.setenv("AWS_CONFIG_FILE", str(tmp_path_factory.mktemp("aws") / "config"))
        urllib.request.urlopen(urllib.request.Request(f"{address}/bucket", method="PUT")).close()
        yield "s3://bucket"
    running.stop()


@pytest.fixture(params=["folder", "memory", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh address of each kind."""
    number = next(_numbers)
    if request.param == "folder":
        return str(tmp_path / "remote")
    if request.param == "memory":
        return f"memory://remote-{os.getpid()}-{number}"
    return f"{request.getfixturevalue('s3_bucket')}/remote-{number}"


class Copy:
    """A repository of a test with one dataset, and short words for what is done with it."""

    def __init__(self, repo: Catalog):
        self.repo = repo
        self.root = Path(repo.root)

    @property
    def dataset(self) -> Dataset:
        return self.repo.dataset()

    def commit(self, message: str, **files: str | bytes | None) -> None:
        """Writes files by name (`a__b` for a/b; None removes one), and commits exactly those."""
        paths = []
        for name, content in files.items():
            path = self.root / name.replace("__", "/")
            paths.append(str(path))
            if content is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        self.dataset.add(paths, deletions=True)
        self.dataset.commit(message)

    def contents(self) -> dict[str, bytes]:
        """What the newest changeset holds, by path, read from the store."""
        dataset = self.repo.dataset()
        return {example.path: dataset.read(example.path) for example in dataset.ls()}

    def files(self) -> dict[str, bytes]:
        """What lies in the work tree, by path."""
        found = sorted(p for p in self.root.rglob("*") if p.is_file())
        names = ((path.relative_to(self.root).as_posix(), path) for path in found)
        return {name: path.read_bytes() for name, path in names if not name.startswith(".dsm/")}

    def sound(self) -> bool:
        """Whether fsck, which reads everything, finds nothing."""
        from dsm.maintenance.fsck import fsck

        return fsck(self.repo, full=True).findings == ()

    def again(self) -> Copy:
        """The same repository, opened anew."""
        self.repo.close()
        return Copy(dsm.open(self.root))


Make = Callable[..., Copy]


@pytest.fixture
def origin(tmp_path: Path) -> Iterator[Copy]:
    """A repository with two changesets, a tag and a view."""
    root = tmp_path / "origin" / "birds"
    root.mkdir(parents=True)
    copy = Copy(dsm.init(root))
    copy.commit("first", owl__1="hoo" * 40, owl__2="hoohoo" * 40, top="text")
    copy.commit("second", owl__2="changed", wren__1="tit", top=None)
    copy.dataset.tag("v1", 1)
    copy.dataset.prepare(paths=["owl/*"], name="owls")
    yield copy
    copy.repo.close()


@pytest.fixture
def clone_of(tmp_path: Path) -> Iterator[Callable[[str], Copy]]:
    """Makes clones of an address, each in a folder of its own."""
    made: list[Copy] = []

    def make(url: str, **options: object) -> Copy:
        folder = tmp_path / f"clone-{len(made)}"
        dsm.clone(url, folder, **options)  # type: ignore[arg-type]
        made.append(Copy(dsm.open(folder)))
        return made[-1]

    yield make
    for copy in made:
        copy.repo.close()
