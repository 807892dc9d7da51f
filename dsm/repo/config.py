"""Settings: `config.toml` of a repository, and that of a user below it, edited keeping comments.

What a repository brings along can change settings in KEYS and no more: none of them names a program
to run, or says whom to trust. Those stand in the environment and in the user's own file.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from typing import Any

from dsm.errors import InvalidInput, StorageFailed
from dsm.model.byte_sizes import bytes_of
from dsm.model.names import check_dataset_name, close_matches
from dsm.store import disk

# Every key, with what it is for. Unknown keys are refused: a misspelt setting is worse than none.
KEYS = {
    "core.dataset": "the dataset that commands use when none is named",
    "user.name": "your name, for the author field of changesets",
    "user.email": "your e-mail address, for the author field of changesets",
    "core.workers": "how many processes store and restore files (default: one a core)",
    "add.default-ignores": "whether `add` ignores what systems leave behind (default: true)",
    "add.missing-values": "which cells of a label table say nothing, besides empty ones (default:"
    " n/a,N/A,NA,NaN,nan,null,NULL)",
    "commit.allow-mass-delete": "whether `commit -a` may remove most of a dataset (default: false)",
    "core.remote": "the remote that commands use when none is named (default: origin)",
    "core.objects": "the remote from which objects are fetched that are not here, when they are"
    " read; set by `dsm clone --no-objects`",
    "cache.max_size": "how many bytes of fetched objects are kept at most, such as 10GB (default:"
    " 50GB)",
    "alerts.webhook": "where the address of a webhook stands, `env:NAME` or `file:PATH`: it is told"
    " of failed checks and of drift (only in your own settings)",
    "alerts.email": "who gets an e-mail of failed checks and of drift (only in your own settings)",
    "alerts.smtp": "where the address of the e-mail server stands, `env:NAME` or `file:PATH`:"
    " `smtps://USER:PASSWORD@HOST` (only in your own settings)",
    "alerts.apprise": "where an address of Apprise stands, `env:NAME` or `file:PATH` (only in your"
    " own settings)",
    "openlineage.to": "where the place for events of runs stands, `env:NAME` or `file:PATH`: a"
    " file, or the address of a server of OpenLineage (only in your own settings)",
    "pull.files": "whether `pull` writes and removes files of the work tree (default: true)",
}
# Those that only a repository can have.
OF_A_REPOSITORY = frozenset(("core.dataset", "core.remote", "core.objects", "pull.files"))
# Those that only a user can have: whom to tell of what is found is not for a repository to say.
OF_A_USER = frozenset((
    "alerts.webhook", "alerts.email", "alerts.smtp", "alerts.apprise", "openlineage.to",
))  # fmt: skip
# Those that are true or false.
FLAGS = frozenset(("add.default-ignores", "commit.allow-mass-delete", "pull.files"))
# What is said of a remote, `remote.NAME.url`; `dsm remote` sets it.
REMOTE_KEY = r"remote\.([A-Za-z0-9][A-Za-z0-9_-]{0,99})\.(url|datasets|single-writer)"
FILE_BYTES_MAX = 1 << 20
CACHE_SIZE, CACHE_SIZE_DEFAULT = "cache.max_size", 50 * 10**9
_TRUTHS = {
    "true": True, "yes": True, "on": True, "1": True,
    "false": False, "no": False, "off": False, "0": False,
}  # fmt: skip


class Config:
    """The settings of a file; a missing file means no settings.

    `user` has those of the user, for what this file leaves open.
    """

    def __init__(self, path: str, temporary: str, user: Config | None = None):
        self.path = path
        self.user = user
        self._temporary = temporary
        self._values: dict[str, str] | None = None

    def _load(self) -> dict[str, str]:
        found = self._values
        if found is None:
            found = {}
            if os.path.exists(self.path):
                for section, table in _parse(self._text(), self.path).items():
                    for name, value in _flat(table if isinstance(table, dict) else {}):
                        text = str(value).lower() if isinstance(value, bool) else str(value)
                        found[f"{section}.{name}"] = text
            self._values = found  # when it is whole: other threads may ask
        return found

    def _text(self) -> str:
        return _read(self.path)

    def _may_say(self, key: str) -> bool:
        """Whether the file is worth parsing for this key."""
        return True

    def _heeds(self, key: str) -> bool:
        """Whether what this file says of a key counts."""
        return key not in OF_A_USER

    def get(self, key: str) -> str | None:
        """Returns a setting, or None when it is not set. Raises InvalidInput for unknown keys."""
        return self.find(key)[0]

    def find(self, key: str) -> tuple[str | None, str | None]:
        """Returns a setting and the file that says it. Raises InvalidInput for unknown keys."""
        _check_key(key)
        value = self._load().get(key) if self._may_say(key) and self._heeds(key) else None
        if value is not None:
            return value, self.path
        if self.user is None or key in OF_A_REPOSITORY or key.startswith("remote."):
            return None, None
        return self.user.find(key)

    def flag(self, key: str, default: bool = False) -> bool:
        """Returns a setting that is true or false. Raises InvalidInput for another value."""
        value = self.get(key)
        return default if value is None else check_flag(key, value)

    def items(self) -> list[tuple[str, str]]:
        """Returns all settings, sorted by key."""
        return [(key, value) for key, value, _ in self.items_with_files()]

    def items_with_files(self) -> list[tuple[str, str, str]]:
        """Returns all settings, sorted by key, and the file that says each."""
        above = [] if self.user is None else self.user.items_with_files()
        found = {key: (key, value, path) for key, value, path in above if key in KEYS}
        for key in OF_A_REPOSITORY:
            found.pop(key, None)
        found |= {
            key: (key, value, self.path) for key, value in self._load().items() if self._heeds(key)
        }
        return sorted(found.values())

    def set(self, key: str, value: str) -> None:
        """Sets and saves a setting. Raises InvalidInput when key or value make no sense."""
        _check_key(key)
        if not self._heeds(key):
            raise InvalidInput(
                f"{key} is for your own settings", hint=f"`dsm config set --global {key} …`"
            )
        if key in OF_A_USER - {"alerts.email"} and not re.fullmatch("(env|file):.+", value):
            raise InvalidInput(
                f"{key} says where the address stands, not the address: env:NAME or file:PATH",
                hint="an address is a secret, and would be in the list of processes",
            )
        if key == "core.dataset":
            check_dataset_name(value)
        elif key == "core.workers":
            check_workers(value)
        elif key in FLAGS:
            check_flag(key, value)
        elif key == CACHE_SIZE:
            check_size(key, value)
        elif not value.isprintable():
            raise InvalidInput(f"{key} is one line of text, not {value[:100]!r}")
        self._edit(key, value)

    def unset(self, key: str) -> bool:
        """Removes a setting; True when it was set."""
        _check_key(key)
        if key not in self._load():
            return False
        self._edit(key, None)
        return True

    def _edit(self, key: str, value: str | None) -> None:
        import tomlkit

        *sections, name = key.split(".")
        text = self._text() if os.path.exists(self.path) else ""
        _parse(text, self.path)
        document: Any = tomlkit.parse(text)
        above = [document]
        for section in sections:
            above.append(above[-1].setdefault(section, tomlkit.table()))
            if not isinstance(above[-1], dict):
                raise InvalidInput(
                    f"{self.path}: {section} is no table of settings", hint="mend it with an editor"
                )
        table = above.pop()
        if value is None:
            table.pop(name, None)
            for section in reversed(sections):
                if not table:
                    above[-1].pop(section)
                table = above.pop()
        else:
            table[name] = (
                int(value) if key == "core.workers"
                else check_flag(key, value) if key in FLAGS
                else value
            )  # fmt: skip
        self._write(tomlkit.dumps(document).encode())
        self._values = None

    def _write(self, data: bytes) -> None:
        temporary = os.path.join(self._temporary, f"config-{os.urandom(8).hex()}")
        disk.rewrite(self.path, data, temporary, durable=True)


def own_settings(config: Config, root: str) -> Config | None:
    """Returns the settings of the user; None where the repository at `root` brought them along."""
    user = config.user
    inside = os.path.join(os.path.realpath(root), "")
    return None if user is None or os.path.realpath(user.path).startswith(inside) else user


class UserConfig(Config):
    """The settings of a user, for all repositories: in `config.toml` of the folder for settings."""

    def __init__(self, folder: str):
        super().__init__(os.path.join(folder, "config.toml"), folder)

    def _text(self) -> str:
        # As for git: who works as another user, but with this home, goes without.
        return _read(self.path) if os.access(self.path, os.R_OK) else ""

    def _heeds(self, key: str) -> bool:
        return True

    def _may_say(self, key: str) -> bool:
        # Most have set their name and no more: what only looks at files needs no parser for that.
        text = self._text() if self._values is None else ""
        return self._values is not None or key.split(".", 1)[1] in text or "\\" in text

    def set(self, key: str, value: str) -> None:
        """Sets and saves a setting. Raises InvalidInput when key or value make no sense."""
        _check_key(key)
        if key in OF_A_REPOSITORY:
            raise InvalidInput(
                f"{key} belongs to one repository", hint=f"write `dsm config set {key} {value}`"
            )
        super().set(key, value)

    def _write(self, data: bytes) -> None:
        # It may be a link to where somebody keeps all settings.
        real = os.path.realpath(self.path)
        folder, name = os.path.split(real)
        disk.make_dirs(folder, mode=0o700, durable=False)
        temporary = os.path.join(folder, f".{name}-{os.urandom(8).hex()}")
        try:
            mode = stat.S_IMODE(os.stat(real).st_mode)
        except FileNotFoundError:
            mode = 0o644
        disk.rewrite(real, data, temporary, mode=mode, durable=True)


def check_flag(key: str, value: str) -> bool:
    """Returns the truth that a setting says. Raises InvalidInput."""
    found = _TRUTHS.get(value.lower())
    if found is None:
        raise InvalidInput(
            f"{key} is true or false, not {value[:20]!r}",
            hint=f"set it with `dsm config set {key} true`",
        )
    return found


def check_size(key: str, value: str) -> int:
    """Returns the bytes that a setting says. Raises InvalidInput."""
    try:
        return bytes_of(value)
    except InvalidInput:
        raise InvalidInput(
            f"{key} is a number of bytes, not {value[:20]!r}",
            hint=f"set it with `dsm config set {key} 10GB`",
        ) from None


def check_workers(value: str) -> int:
    """Returns the number of workers that a setting says. Raises InvalidInput."""
    if not re.fullmatch("[0-9]{1,3}", value) or not 1 <= int(value) <= 256:
        raise InvalidInput(
            f"core.workers is a number from 1 to 256, not {value[:20]!r}",
            hint="set it with `dsm config set core.workers 4`",
        )
    return int(value)


def _flat(table: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yields the settings of a section, those of a table in it as `name.setting`."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from ((f"{name}.{inner}", each) for inner, each in value.items())
        else:
            yield name, value


def _check_key(key: str) -> None:
    if key not in KEYS and not re.fullmatch(REMOTE_KEY, key):
        near = close_matches(key, KEYS)
        hint = f"did you mean {near[0]}?" if near else "known keys: " + ", ".join(KEYS)
        raise InvalidInput(f"there is no setting {key!r}", hint=hint)


def _read(path: str) -> str:
    try:
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise InvalidInput(f"{path} is not a file", hint="remove it: it holds settings")
            data = file.read(FILE_BYTES_MAX + 1)
            if len(data) > FILE_BYTES_MAX:
                raise InvalidInput(
                    f"{path} is too long for settings", hint="mend it with an editor"
                )
            return data.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is not UTF-8", hint="mend it with an editor") from error
    except OSError as error:
        raise StorageFailed(f"cannot read {path}: {error.strerror}") from error


def _parse(text: str, path: str) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"{path}: {error}", hint="mend it with an editor") from error
