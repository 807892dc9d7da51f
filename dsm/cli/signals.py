"""Signals while another program runs for this one: it gets them, and dsm outlives them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import subprocess

# A terminal sends these to the program as well, which decides what they mean; others do not.
FROM_TERMINAL = (signal.SIGINT, signal.SIGQUIT)
PASSED_ON = (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def _in_front_of_a_terminal() -> bool:
    """Whether keys of a terminal make signals for this process, and for those that it started."""
    try:
        fd = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(fd)


@contextmanager
def passed_on() -> Iterator[Callable[[subprocess.Popen[bytes]], None]]:
    """Keeps signals from ending this process; yields what says which program they go to.

    Those that come before it is said are sent then. A signal that was ignored stays so.
    """
    waiting: list[int] = []
    children: list[subprocess.Popen[bytes]] = []

    def pass_on(number: int, _: Any) -> None:
        waiting.append(number)
        for child in children:
            child.send_signal(waiting.pop())

    def pass_on_of_others(number: int, frame: Any) -> None:
        if not _in_front_of_a_terminal():
            pass_on(number, frame)

    def begin(child: subprocess.Popen[bytes]) -> None:
        children.append(child)
        while waiting:
            child.send_signal(waiting.pop(0))

    # A handler, unlike what ignores a signal, is not inherited by the program.
    handlers = {
        **dict.fromkeys(FROM_TERMINAL, pass_on_of_others), **dict.fromkeys(PASSED_ON, pass_on),
    }  # fmt: skip
    kept = {
        number: signal.signal(number, handler)
        for number, handler in handlers.items()
        if signal.getsignal(number) != signal.SIG_IGN
    }
    try:
        yield begin
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
