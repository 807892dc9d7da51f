"""What an operating system or a file system may lack, taken away from this one."""

from __future__ import annotations

import pytest

from dsm.store import disk_at

# Without files that have no name, without /proc, without a way to exchange names, with nothing.
LACKS: dict[str, tuple[str, ...]] = {
    "all there": (),
    "no unnamed files": ("open_unnamed",),
    "no proc": ("give_name",),
    "no exchange": ("exchange", "rename_new"),
    "nothing": ("open_unnamed", "exchange", "rename_new"),
}
_ANSWERS = {"open_unnamed": None, "give_name": None, "exchange": False, "rename_new": None}


def take_away(monkeypatch: pytest.MonkeyPatch, system: str) -> None:
    """Lets the calls that a system lacks answer as they do there."""
    for name in LACKS[system]:
        monkeypatch.setattr(disk_at, name, lambda *_, answer=_ANSWERS[name]: answer)
