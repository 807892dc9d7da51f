"""Code of a repository: programs in `.dsm/hooks`, and Python files of the work tree that a contract
names for a schema; and which of them this user lets run.

A repository is copied, unpacked and shared, and its hooks with it. The invariant: a hook runs when
its file belongs to the user (or root), nobody else can write it, and the user has said so of
exactly its bytes. That is noted in the user's own folder, as trust in sources is. No remote carries
hooks.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

from blake3 import blake3

from dsm.errors import InvalidInput, NotFound, Refused
from dsm.model.names import close_matches, printable
from dsm.repo import documents
from dsm.repo.repository import Repository
from dsm.repo.trust_notes import TrustNotes
from dsm.store.whole_file import read_file

FOLDER = "hooks"
# Those that stop what they come before, and those that are told afterwards.
BEFORE = ("pre-commit", "pre-push")
AFTER = ("post-commit", "post-merge", "post-checkout")
NAMES = BEFORE + AFTER
CODE = ".py"  # how the name of a Python file ends
BYTES_MAX = 1 << 26
TRUSTED, UNTRUSTED, FOREIGN, PLAIN = "trusted", "not trusted", "not yours", "not executable"


class HookUntrusted(Refused):
    """A hook stands in the way that this user has not let run."""

    code = "hook-untrusted"


@dataclass(frozen=True, slots=True)
class Hook:
    """A hook, and what becomes of it: TRUSTED (it runs), UNTRUSTED, FOREIGN or PLAIN."""

    name: str
    path: str
    state: str
    digest: str


def hook_path(repository: Repository, name: str) -> str:
    """Returns where a hook lies, or would lie."""
    return os.path.join(repository.path, FOLDER, name)


def find_hook(repository: Repository, name: str) -> Hook | None:
    """Returns a hook, or a Python file; None when there is none of this name.

    Raises StorageFailed, DamagedData.
    """
    if name.endswith(CODE):
        code = read_code(repository, name)
        return None if code is None else code[0]
    path = hook_path(repository, name)
    try:
        folder, found = os.lstat(os.path.dirname(path)), os.lstat(path)
    except OSError:
        return None
    mine = (os.geteuid(), 0)
    others = stat.S_IWGRP | stat.S_IWOTH
    if (
        not stat.S_ISREG(found.st_mode) or not stat.S_ISDIR(folder.st_mode)
        or found.st_uid not in mine or found.st_mode & others
        or os.stat(repository.path).st_uid not in mine
    ):  # fmt: skip
        return Hook(name, path, FOREIGN, "")
    data = read_file(path, BYTES_MAX)
    if data is None:
        return None
    digest = blake3(data).hexdigest()
    if not os.access(path, os.X_OK):
        return Hook(name, path, PLAIN, digest)
    state = TRUSTED if _is_trusted(repository, name, digest) else UNTRUSTED
    return Hook(name, path, state, digest)


def read_code(repository: Repository, name: str) -> tuple[Hook, bytes] | None:
    """Returns a Python file of the work tree, by its path in the folder of `.dsm`, and its bytes.

    Whoever runs it runs these bytes, so it does not matter who can write the file. None when there
    is none, or the path leads out of the folder. Raises StorageFailed.
    """
    path = os.path.join(repository.root, name)
    inside = os.path.normpath(name) == name and not name.startswith(("/", "../"))
    if not inside or not name.endswith(CODE) or not os.path.isfile(path):
        return None
    data = read_file(path, BYTES_MAX)
    if data is None:
        return None
    digest = blake3(data).hexdigest()
    state = TRUSTED if _is_trusted(repository, name, digest) else UNTRUSTED
    return Hook(name, path, state, digest), data


def list_hooks(repository: Repository) -> list[Hook]:
    """Returns the hooks that there are, in the order of NAMES."""
    found = (find_hook(repository, name) for name in NAMES)
    return [hook for hook in found if hook is not None]


def trust_hook(repository: Repository, name: str) -> Hook:
    """Lets a hook run for this user, as its bytes are now.

    Raises NotFound, InvalidInput for one that cannot run, and Refused where this user has no folder
    to note it in.
    """
    hook = find_hook(repository, name)
    if hook is None:
        near = close_matches(name, NAMES, 1)
        meant = f"did you mean {near[0]}?" if near else f"hooks are called {', '.join(NAMES)}"
        if name.endswith(CODE):
            raise NotFound(f"there is no file {printable(name)} in {repository.root}")
        raise NotFound(
            f"there is no hook {printable(name)}",
            hint=f"it would lie in {hook_path(repository, name)}" if name in NAMES else meant,
        )
    if hook.state in (FOREIGN, PLAIN):
        raise InvalidInput(f"{hook.path} is {hook.state}", hint=mend(hook))
    _notes(repository).grant(
        _noted(name, hook.digest), repository.environment.clock(), named=f"hook {name}",
        hint="set HOME or XDG_CONFIG_HOME",
    )  # fmt: skip
    return Hook(name, hook.path, TRUSTED, hook.digest)


def distrust_hook(repository: Repository, name: str) -> bool:
    """Takes back what `trust_hook` allowed of a hook as it is now; False if there was nothing."""
    hook = find_hook(repository, name)
    if hook is None or hook.state != TRUSTED:
        return False
    return _notes(repository).revoke(_noted(name, hook.digest))


def mend(hook: Hook) -> str:
    """Returns what to do about a hook that does not run."""
    if hook.state == PLAIN:
        return f"chmod +x {hook.path}"
    if hook.state == FOREIGN:
        return "a hook is a file of yours that nobody else can write: read it, and copy it yourself"
    return f"read {hook.path}, then `dsm hooks trust {hook.name}`"


def _is_trusted(repository: Repository, name: str, digest: str) -> bool:
    return _notes(repository).have(_noted(name, digest))


def _noted(name: str, digest: str) -> dict[str, str]:
    return {"hook": name, "digest": digest}


def _notes(repository: Repository) -> TrustNotes:
    return TrustNotes.of(repository, documents.trusted_hooks)
