"""Runs the hooks of a repository: before a command goes on, and after it is done."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

from dsm import imports
from dsm.cli.output import message
from dsm.cli.session import Session
from dsm.errors import AnswerIsNo
from dsm.model.names import printable
from dsm.repo.hooks import FOREIGN, PLAIN, TRUSTED, Hook, HookUntrusted, find_hook, mend


class HookFailed(AnswerIsNo):
    """A hook that comes before a command has ended with another status than 0."""

    code = "hook-failed"


def before(s: Session, name: str, fields: dict[str, Any]) -> None:
    """Runs a hook that can stop the command. Raises HookFailed, and HookUntrusted for one that does
    not run: a gate that is passed by in silence is none."""
    hook = find_hook(s.repo, name)
    if hook is None or _inside(name):
        return
    if hook.state == PLAIN:
        message(f"warning: hook {name} is ignored: {mend(hook)}")
        return
    if hook.state != TRUSTED:
        raise HookUntrusted(f"hook {name} is {hook.state}, and was not run", hint=mend(hook))
    status = _run(s, hook, fields)
    if status:
        raise HookFailed(f"hook {name} ended with exit status {status}; nothing was done")


def after(s: Session, name: str, fields: dict[str, Any]) -> None:
    """Runs a hook that is told what was done; whatever it does, that stays done."""
    hook = find_hook(s.repo, name)
    if hook is None or _inside(name):
        return
    if hook.state != TRUSTED:
        word = "ignored" if hook.state in (PLAIN, FOREIGN) else "not trusted, and was not run"
        message(f"warning: hook {name} is {word}: {printable(mend(hook))}")
        return
    status = _run(s, hook, fields)
    if status:
        message(f"warning: hook {name} ended with exit status {status}; what was done stays done")


def _inside(name: str) -> bool:
    """Whether the hook itself has started this command: it is not run within itself."""
    return name in os.environ.get("DSM_HOOK", "").split(":")


def _run(s: Session, hook: Hook, fields: dict[str, Any]) -> int:
    """Runs a hook as git does, at the top of the work tree; its output goes to standard error."""
    above = os.environ.get("DSM_HOOK")
    environment = {k: v for k, v in os.environ.items() if k not in imports.added_variables}
    environment |= {
        "DSM_DIR": s.repo.path, "DSM_WORK_TREE": s.repo.root, "DSM_DATASET": s.dataset.name,
        "DSM_HOOK": f"{above}:{hook.name}" if above else hook.name,
    }  # fmt: skip
    told = {
        "hook": hook.name, "repository": s.repo.id, "root": s.repo.root,
        "dataset": s.dataset.name, **fields,
    }  # fmt: skip
    try:
        done = subprocess.run(
            [hook.path], input=json.dumps(told).encode() + b"\n", cwd=s.repo.root,
            env=environment, stdout=2, check=False,
        )  # fmt: skip
    except OSError as error:
        message(f"hook {hook.name} cannot be run: {error.strerror}")
        return 127
    return done.returncode if done.returncode >= 0 else 128 - done.returncode
