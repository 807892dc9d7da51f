"""Worker processes and the pipes to them.

Workers are fresh interpreters, not forks: a fork copies the locks of threads that it does not copy,
and pyarrow, torch and notebooks all have threads. They share nothing but the job they are sent.
Messages are pickled and length-prefixed; what a parent reads is data (`dsm.store.crossing`). A
worker whose parent is gone reads the end of its pipe and leaves; a worker that dies is noticed by
the end of its answers. Errors pass through as they are.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import signal
import struct
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from dsm.errors import StorageFailed
from dsm.imports import current_folders, leave_out_numpy, safe_path
from dsm.store import disk
from dsm.store.crossing import Crossing, read_answer

PIPE_BYTES = 1 << 20  # a whole message: nobody waits for somebody who is busy
_LENGTH = struct.Struct("<Q")
# Started before there was a job for them.
_ahead: list[Worker] = []
# Isolated (`-I`): modules are not looked for in the current folder or where PYTHONPATH says, but
# where the parent says, who leaves out what is data. Names are UTF-8, whatever the locale.
_INTERPRETER = ("-I", "-X", "utf8", "-c")
_START = (
    "import signal, sys\n"
    "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"  # the parent tells us when to stop
    "sys.path[:] = sys.argv[4:]\n"
    "from dsm.store.workers import serve\n"
    "serve(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])\n"
)


class WorkerLost(StorageFailed):
    """A worker process ended before its work was done; `status` as `subprocess` tells it."""

    code = "worker-lost"
    status: int = 0

    @property
    def ended(self) -> str:
        """How the process ended: "SIGSEGV", "exit status 1"."""
        try:
            return signal.Signals(-self.status).name
        except ValueError:
            return f"exit status {self.status}"


class Job(Protocol):
    """What a worker does, sent to it by pickle: `next_order` raises EOFError when the parent is
    gone, what is yielded goes to the parent."""

    def run(self, next_order: Callable[[], object]) -> Iterator[object]: ...


@dataclass(frozen=True, slots=True)
class _Done:
    """The end of a job."""


def _framed(message: object) -> bytes:
    data = pickle.dumps(message, 5)
    return _LENGTH.pack(len(data)) + data


def send(fd: int, message: object) -> None:
    """Writes one message."""
    view = memoryview(_framed(message))
    while view:
        view = view[os.write(fd, view) :]


def receive(fd: int) -> bytes:
    """Reads one message, still pickled. Raises EOFError when the other end is gone."""
    return _exactly(fd, _LENGTH.unpack(_exactly(fd, _LENGTH.size))[0])


def _exactly(fd: int, size: int) -> bytes:
    parts = []
    while size:
        part = os.read(fd, min(size, 1 << 20))
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


class Worker:
    """A started worker: its first order is a job, and meanwhile it imports `module`.

    Raises OSError when no process can be started.
    """

    def __init__(self, module: str = ""):
        import subprocess

        path = safe_path(sys.path, current_folders())
        orders_in, self.orders = os.pipe()
        try:
            self.answers, answers_out = os.pipe()
        except OSError:
            os.close(orders_in)
            os.close(self.orders)
            raise
        pipes = (orders_in, answers_out)
        try:
            self._process = subprocess.Popen(
                [sys.executable, *_INTERPRETER, _START, *map(str, pipes), module, *path],
                pass_fds=pipes,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        except BaseException:
            os.close(self.orders)
            os.close(self.answers)
            raise
        finally:
            for fd in pipes:
                os.close(fd)
        for fd in (self.orders, self.answers):
            disk.widen_pipe(fd, PIPE_BYTES)
        os.set_blocking(self.orders, False)
        self.heard: deque[object] = deque()  # answers that came while an order was being sent

    def order(self, message: object) -> None:
        """Sends an order; a worker that is gone is noticed when it is heard."""
        view = memoryview(_framed(message))
        poll = select.poll()
        poll.register(self.answers, select.POLLIN)
        poll.register(self.orders, select.POLLOUT)
        with contextlib.suppress(BrokenPipeError, EOFError):
            while view:
                # Orders and answers may be larger than a pipe holds: a parent that only writes and
                # a worker that only writes would wait for each other for ever.
                if any(fd == self.answers for fd, _ in poll.poll()):
                    self.heard.append(read_answer(receive(self.answers)))
                else:
                    view = view[os.write(self.orders, view) :]

    def hear(self) -> object | None:
        """Waits for the next answer, None at the end of the job.

        Raises what the worker raised, and WorkerLost for one that has ended.
        """
        try:
            message = self.heard.popleft() if self.heard else read_answer(receive(self.answers))
        except EOFError:
            lost = WorkerLost(
                "a worker process ended before its work was done",
                hint="it may have been killed for lack of memory; nothing was recorded: try again",
            )
            lost.status = self._process.wait()
            raise lost from None
        if isinstance(message, Crossing):
            raise message.unpacked()
        return None if isinstance(message, _Done) else message

    def dismiss(self) -> None:
        """Stops a worker that was given nothing to do."""
        self._process.kill()
        self.end()

    def end(self) -> None:
        """Closes the pipes, at which the worker stops, and waits for it."""
        for fd in (self.orders, self.answers):
            with contextlib.suppress(OSError):
                os.close(fd)
        self._process.wait()


def serve(orders: int, answers: int, module: str) -> None:
    """A worker's life: receives its job, runs it, answers. Called in the new process."""
    import gc
    from importlib import import_module

    gc.disable()  # short-lived, and rows of tuples would be walked again and again
    leave_out_numpy()
    status = 0
    try:
        try:
            if module:
                import_module(module)
            job = pickle.loads(receive(orders))
            for message in job.run(lambda: pickle.loads(receive(orders))):
                send(answers, message)
            send(answers, _Done())
        except (EOFError, BrokenPipeError):
            raise
        except Exception as error:
            send(answers, Crossing.of(error))
    except (EOFError, BrokenPipeError):
        status = 1  # the parent is gone
    os._exit(status)


def _possible() -> bool:
    """Whether this program can be started as an interpreter: not where one was made of it."""
    return bool(sys.executable) and not getattr(sys, "frozen", False)


def start(jobs: Sequence[Job]) -> list[Worker]:
    """Starts a worker for each job; none when processes cannot be started here."""
    workers: list[Worker] = []
    if not _possible():
        return workers
    try:
        for job in jobs:
            workers.append(_ahead.pop() if _ahead else Worker())
            workers[-1].order(job)
    except OSError:
        for worker in workers:
            worker.end()
        return []
    return workers


@contextlib.contextmanager
def started_ahead(count: int, module: str) -> Iterator[None]:
    """Starts workers that import a module while the caller does so: `start` has them at once.

    Those that are left in the end are stopped. There are none where no process can be started.
    """
    started: list[Worker] = []
    try:
        with contextlib.suppress(OSError):
            for _ in range(count if _possible() else 0):
                started.append(Worker(module))
        _ahead.extend(started)
        yield
    finally:
        for worker in started:
            with contextlib.suppress(ValueError):
                _ahead.remove(worker)
                worker.dismiss()


def ready(workers: Sequence[Worker], *, wait: bool = True) -> list[int]:
    """Returns the positions of the workers that have something to say; waits until there is one."""
    waiting = [number for number, worker in enumerate(workers) if worker.heard]
    if waiting:
        return waiting
    poll = select.poll()  # and not `select`, which ends at descriptor 1023
    for worker in workers:
        poll.register(worker.answers, select.POLLIN)
    readable = {fd for fd, _ in poll.poll(None if wait else 0)}
    return [number for number, worker in enumerate(workers) if worker.answers in readable]


def gather(workers: list[Worker]) -> Iterator[object]:
    """Yields what the workers answer, as it comes, until all are done."""
    running = list(workers)
    while running:
        for number in reversed(ready(running)):
            message = running[number].hear()
            if message is None:
                del running[number]
            else:
                yield message
