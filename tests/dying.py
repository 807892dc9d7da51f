"""A process that dies in the middle of its work, as by kill -9 or a power cut."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from dsm.store import disk


def killed_at(number: int, act: Callable[[], object], *, may_fail: bool = False) -> bool:
    """Runs something in a child that dies before its n-th primitive; False: it came through, or failed
    where it may."""
    child = os.fork()
    if not child:
        count = 0

        def die(_operation: str, _path: str) -> None:
            nonlocal count
            count += 1
            if count >= number:
                os.kill(os.getpid(), signal.SIGKILL)

        status = 1
        try:
            with disk.observe(die):
                act()
            status = 0
        finally:
            os._exit(status)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, -signal.SIGKILL, 1 if may_fail else 0), "it failed in its child"
    return code == -signal.SIGKILL
