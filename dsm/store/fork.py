"""Forked workers and the pipes to them.

Workers share nothing but what the fork copied; messages are pickled and length-prefixed. A worker
whose parent is gone reads the end of its pipe and leaves; a worker that dies is noticed by the end
of its answers. Errors of ours pass through; anything else is a bug and ends the work.
"""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import select
import signal
import struct
import sys
from collections.abc import Callable, Iterator, Sequence

from dsm.errors import Conflict, DamagedData, DsmError, StorageFailed

_LENGTH = struct.Struct("<I")
_BY_STATUS: dict[int, type[DsmError]] = {5: Conflict, 7: DamagedData, 8: StorageFailed}
Job = Callable[[], Iterator[object]]


def may_fork() -> bool:
    """Whether this process has one thread, and so can be forked without copying held locks."""
    try:
        return sys.platform.startswith("linux") and len(os.listdir("/proc/self/task")) == 1
    except OSError:
        return False


def send(fd: int, message: object) -> None:
    """Writes one message."""
    data = pickle.dumps(message, 5)
    view = memoryview(_LENGTH.pack(len(data)) + data)
    while view:
        view = view[os.write(fd, view) :]


def receive(fd: int) -> object:
    """Reads one message. Raises EOFError when the other end is gone."""
    return pickle.loads(_exactly(fd, _LENGTH.unpack(_exactly(fd, _LENGTH.size))[0]))


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
    """A forked process: `body(orders, answers)` runs in it, with the descriptors of its pipes."""

    def __init__(self, body: Callable[[int, int], None], others: Sequence[Worker] = ()):
        orders_in, self.orders = os.pipe()
        self.answers, answers_out = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        self.process = os.fork()
        if self.process:
            os.close(orders_in)
            os.close(answers_out)
            return
        status = 70
        try:
            gc.disable()  # short-lived, and rows of tuples would be walked again and again
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent tells us when to stop
            for other in others:
                os.close(other.orders)
                os.close(other.answers)
            os.close(self.orders)
            os.close(self.answers)
            try:
                body(orders_in, answers_out)
            except DsmError as error:
                send(answers_out, _Failed(error.exit_status, error.message, error.hint, error.items))
            status = 0
        except (EOFError, BrokenPipeError):
            status = 1  # the parent is gone
        finally:
            os._exit(status)

    def hear(self) -> object:
        """Waits for the next answer; raises what the worker raised."""
        try:
            message = receive(self.answers)
        except EOFError:
            raise StorageFailed(
                "a worker process ended before its work was done",
                hint="it may have been killed for lack of memory; nothing was recorded, run it again",
            ) from None
        if isinstance(message, _Failed):
            kind = _BY_STATUS.get(message.status, DsmError)
            raise kind(message.text, hint=message.hint, items=message.items)
        return message

    def end(self) -> None:
        """Closes the pipes, at which the worker stops, and waits for it."""
        for fd in (self.orders, self.answers):
            with contextlib.suppress(OSError):
                os.close(fd)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self.process, 0)


class _Failed:
    """An error on its way from a worker."""

    def __init__(self, status: int, text: str, hint: str | None, items: tuple[str, ...]):
        self.status, self.text, self.hint, self.items = status, text, hint, items


def ready(workers: Sequence[Worker]) -> list[int]:
    """Waits until at least one worker has something to say; returns their positions."""
    readable, _, _ = select.select([worker.answers for worker in workers], [], [])
    return [number for number, worker in enumerate(workers) if worker.answers in readable]


def run_in_workers(jobs: Sequence[Job]) -> Iterator[object]:
    """Runs each job in a process of its own and yields what they yield, as it comes.

    Runs them here, one after the other, when this process must not be forked.
    """
    if not may_fork():
        for job in jobs:
            yield from job()
        return
    workers: list[Worker] = []
    try:
        for job in jobs:
            workers.append(Worker(_body(job), workers))
        running = list(workers)
        while running:
            for number in reversed(ready(running)):
                message = running[number].hear()
                if message is None:
                    del running[number]
                else:
                    yield message
    finally:
        for worker in workers:
            worker.end()


def _body(job: Job) -> Callable[[int, int], None]:
    def run(_orders: int, answers: int) -> None:
        for message in job():
            send(answers, message)
        send(answers, None)

    return run
