"""`dsm` for shells of tests, without its start: a server that has it loaded forks for each command.

A page of the documentation runs dozens of commands, and most of the time of each is spent on
starting Python and importing. What the start itself does is tested elsewhere, in processes of its
own.
"""

from __future__ import annotations

import array
import contextlib
import gc
import json
import os
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_DESCRIPTORS = 3  # standard input, output and error
_LINE_MAX = 1 << 20

# Run by a bare interpreter: hands over its descriptors and waits for the exit status.
_CLIENT = """\
import array, json, os, socket, sys
line = json.dumps([os.getcwd(), sys.argv[2:], dict(os.environ)]).encode()
with socket.socket(socket.AF_UNIX) as server:
    server.connect(sys.argv[1])
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0, 1, 2]))
    server.sendmsg([len(line).to_bytes(4, "big")], [rights])
    server.sendall(line)
    status = server.recv(1)
os._exit(status[0] if status else 70)
"""


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[list[str]]:
    """Serves until the end of the block; yields the command line to put before the arguments."""
    place, client = folder / "socket", folder / "client.py"
    client.write_text(_CLIENT)
    server = subprocess.Popen(
        [sys.executable, __file__, str(place)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert server.stdout is not None and server.stdout.readline() == b"ready\n"
        yield [sys.executable, "-I", "-S", str(client), str(place)]
    finally:
        server.communicate()  # its standard input ends, and it with that


def _serve(place: str) -> None:
    _preload()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(place)
        server.listen()
        print("ready", flush=True)
        # A command that ended shows by its end of a pipe, which nobody else holds, being closed.
        while True:
            ready, _, _ = select.select([server, sys.stdin, *_ended], [], [])
            if server in ready:
                connection, _ = server.accept()
                alive, held = os.pipe()
                child = os.fork()
                if child == 0:
                    os.close(alive)
                    _answer(connection, server)
                os.close(held)
                _ended[alive] = (child, connection)
            for alive in [each for each in ready if each in _ended]:
                child, connection = _ended.pop(alive)
                os.close(alive)
                status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
                with connection, contextlib.suppress(OSError):
                    connection.sendall(bytes([status if status >= 0 else 128 - status]))
            if sys.stdin in ready:
                return


_ended: dict[int, tuple[int, socket.socket]] = {}


def _preload() -> None:
    """Imports what commands need, but for what extras bring."""
    import pkgutil
    from importlib import import_module

    import pyarrow.parquet  # noqa: F401
    import typer  # noqa: F401

    import dsm

    for module in pkgutil.walk_packages(dsm.__path__, "dsm."):
        if not module.name.endswith(("__main__", ".torch")):
            with contextlib.suppress(ImportError):
                import_module(module.name)
    gc.collect()
    gc.freeze()


def _answer(connection: socket.socket, server: socket.socket) -> None:
    """Runs one command as the process that asked would."""
    server.close()
    size = array.array("i").itemsize * _DESCRIPTORS
    head, ancillary, _, _ = connection.recvmsg(4, socket.CMSG_SPACE(size))
    descriptors = array.array("i", ancillary[0][2][:size])
    line = b""
    while len(line) < int.from_bytes(head, "big"):
        line += connection.recv(_LINE_MAX)
    folder, words, variables = json.loads(line)
    connection.close()
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    _begin(words)


def _begin(words: list[str]) -> None:
    import time

    from dsm.__main__ import main

    time.tzset()
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    sys.argv = ["dsm", *words]
    os._exit(main())


if __name__ == "__main__":
    _serve(sys.argv[1])
