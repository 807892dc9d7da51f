"""Places for remotes: folders, fsspec's memory, and S3 and SSH by servers on this machine."""

from __future__ import annotations

import base64
import contextlib
import email.utils
import hmac
import http.client
import itertools
import json
import os
import re
import shutil
import subprocess
import threading
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from benchmarks.s3_server import OneWriteAtATime

import dsm
from dsm.catalog import Catalog
from dsm.datasets import Dataset

from . import sftp_server

_numbers = itertools.count()


@pytest.fixture(scope="session")
def s3_bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a bucket on a server that speaks S3 on loopback."""
    pytest.importorskip("obstore", reason="dsm-datasets[s3] is not installed")
    pytest.importorskip("moto.server", reason="moto[server] is not installed")
    with _moto(lambda app: app) as address, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_ENDPOINT_URL", address)
        patch.setenv("AWS_CONFIG_FILE", str(tmp_path_factory.mktemp("aws") / "config"))
        urllib.request.urlopen(urllib.request.Request(f"{address}/bucket", method="PUT")).close()
        yield "s3://bucket"


@contextlib.contextmanager
def _moto(around: Callable[[Any], Any]) -> Iterator[str]:
    """Serves S3 on loopback, with another WSGI application around it; gives its address."""
    import logging

    from moto.moto_server.werkzeug_app import (
        DomainDispatcherApplication,
        MotoRequestHandler,
        create_backend_app,
    )
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app = around(OneWriteAtATime(DomainDispatcherApplication(create_backend_app)))
    server = make_server("127.0.0.1", 0, app, True, request_handler=MotoRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="session")
def google_bucket() -> Iterator[str]:
    """The address of a bucket on a server that speaks the XML protocol of Google Cloud Storage.

    That is the one of S3 but for the header of the condition, which is translated here. No emulator
    on PyPI takes conditional writes by this protocol (docs/adr says which were tried).
    """
    pytest.importorskip("obstore", reason="dsm-datasets[gcs] is not installed")
    pytest.importorskip("moto.server", reason="moto[server] is not installed")

    def google(s3: Any, environ: dict[str, str], start: object) -> object:
        environ["HTTP_AUTHORIZATION"] = "AWS4 Credential=test/20260101/us-east-1/s3/aws4_request"
        environ["RAW_URI"] = urllib.parse.unquote(environ["RAW_URI"])
        condition = environ.pop("HTTP_X_GOOG_IF_GENERATION_MATCH", None)
        assert condition in (None, "0")
        if condition:
            environ["HTTP_IF_NONE_MATCH"] = "*"
        return s3(environ, start)

    with _moto(lambda s3: partial(google, s3)) as address, pytest.MonkeyPatch.context() as patch:
        key = {"private_key": "", "private_key_id": "", "client_email": "", "disable_oauth": True}
        patch.setenv("GOOGLE_SERVICE_ACCOUNT_KEY", json.dumps({**key, "gcs_base_url": address}))
        made = urllib.request.Request(f"{address}/google-bucket", method="PUT")
        urllib.request.urlopen(made).close()
        yield "gs://google-bucket"


@pytest.fixture(scope="session")
def ssh_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an SFTP server on loopback, whose host key and user's key are known."""
    pytest.importorskip("asyncssh", reason="dsm-datasets[ssh] is not installed")
    with sftp_server.serving(
        tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("sftp")
    ) as address:
        yield address


@pytest.fixture(scope="session")
def webdav_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a WebDAV server on loopback that asks nobody who they are."""
    with webdav_server(tmp_path_factory.mktemp("webdav"), {"*": True}) as address:
        yield address


@contextlib.contextmanager
def webdav_server(folder: Path, users: dict[str, object]) -> Iterator[str]:
    """Serves a folder by WebDAV to users, as wsgidav spells them."""
    pytest.importorskip("webdav4", reason="dsm-datasets[webdav] is not installed")
    app = pytest.importorskip("wsgidav.wsgidav_app", reason="wsgidav is not installed")
    cheroot = pytest.importorskip("cheroot.wsgi", reason="cheroot is not installed")
    import threading

    config = {
        "provider_mapping": {"/": str(folder)}, "verbose": 0,
        "simple_dc": {"user_mapping": users}, "logging": {"enable": False},
    }  # fmt: skip
    server = cheroot.Server(("127.0.0.1", 0), app.WsgiDAVApp(config))
    server.prepare()
    threading.Thread(target=server.serve, daemon=True).start()
    try:
        yield f"webdav://127.0.0.1:{server.bind_addr[1]}"
    finally:
        server.stop()


ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@pytest.fixture(scope="session")
def azure_container(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a container on Azurite, with the account that everybody knows."""
    program = shutil.which("azurite-blob")
    if program is None:
        pytest.skip("azurite is not installed: npm install -g azurite")
    pytest.importorskip("obstore", reason="dsm-datasets[azure] is not installed")
    server = subprocess.Popen(
        [program, "--blobHost", "127.0.0.1", "--blobPort", "0", "--silent",
         "--skipApiVersionCheck", "--location", str(tmp_path_factory.mktemp("azurite"))],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        said = next(line for line in server.stdout if b"successfully listen" in line)
        port = int(re.findall(rb"127\.0\.0\.1:([0-9]+)", said)[-1])
        _make_container(f"http://127.0.0.1:{port}", "container")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT)
            patch.setenv("AZURE_STORAGE_ACCOUNT_KEY", KEY)
            patch.setenv("AZURE_STORAGE_USE_EMULATOR", "true")
            patch.setenv("AZURITE_BLOB_STORAGE_URL", f"http://127.0.0.1:{port}")
            yield "az://container"
    finally:
        server.terminate()
        server.wait()


def _make_container(server: str, name: str) -> None:
    """Creates a container, by a request that is signed with the account's key."""
    date = email.utils.formatdate(usegmt=True)
    headers = {"x-ms-date": date, "x-ms-version": "2021-08-06"}
    told = "".join(f"{key}:{headers[key]}\n" for key in sorted(headers))
    resource = f"/{ACCOUNT}/{ACCOUNT}/{name}\nrestype:container"
    text = "PUT" + "\n" * 12 + told + resource
    signed = hmac.digest(base64.b64decode(KEY), text.encode(), "sha256")
    headers["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(signed).decode()}"
    asked = http.client.HTTPConnection(server.removeprefix("http://"))
    asked.request("PUT", f"/{ACCOUNT}/{name}?restype=container", headers=headers)
    assert asked.getresponse().status == 201
    asked.close()


@pytest.fixture(params=["folder", "memory", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh address of a few kinds."""
    return _address(request, tmp_path)


@pytest.fixture(params=["folder", "s3", "ssh"])
def shared_place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh address of the kinds that several processes write to."""
    return _address(request, tmp_path)


@pytest.fixture(params=["folder", "memory", "s3", "google", "ssh", "azure", "webdav"])
def every_place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh address of each kind that a server on this machine stands for."""
    return _address(request, tmp_path)


def _address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    number = next(_numbers)
    if request.param == "folder":
        return str(tmp_path / "remote")
    if request.param == "memory":
        return f"memory://remote-{os.getpid()}-{number}"
    server = {
        "s3": "s3_bucket", "google": "google_bucket", "ssh": "ssh_host", "azure": "azure_container",
        "webdav": "webdav_host",
    }[request.param]  # fmt: skip
    return f"{request.getfixturevalue(server)}/remote-{number}"


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


@pytest.fixture
def remote(origin: Copy, tmp_path: Path) -> str:
    """Where `origin` was pushed to: a folder."""
    place = str(tmp_path / "remote")
    origin.repo.remotes.add("origin", place)
    origin.repo.push(tags=True)
    return place
