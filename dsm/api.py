"""Opening repositories from Python: the edge that reads the clock, the environment and the user.

Everything below takes them as arguments.
"""

from __future__ import annotations

import builtins
import copyreg
import os
import stat
import sys
import time
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING

from dsm.catalog import Catalog
from dsm.datasets import Dataset
from dsm.errors import AlreadyExists, InvalidInput, NotFound, Refused
from dsm.files.typed_path import refuse_address, refuse_store
from dsm.model.keywords import suggests
from dsm.model.names import check_dataset_name, dataset_name_for
from dsm.model.unmatched import SKIP, check_unmatched
from dsm.progress import SILENT, Progress
from dsm.repo.config import Config, UserConfig
from dsm.repo.environment import Environment
from dsm.repo.repository import ORG_DEFAULT, discover, initialise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dsm.remotes.reports import CloneReport

# An address is a line of text; a file of another kind was named by mistake, or by somebody else.
ADDRESS_BYTES_MAX = 1 << 16


class NamesNotUtf8(Refused):
    """This interpreter reads names of files as something else than UTF-8."""

    code = "names-not-utf8"


def now_us() -> int:
    """Returns the time in microseconds since 1970, UTC."""
    return time.time_ns() // 1000


def author(config: Config) -> str:
    """Returns who commits: DSM_AUTHOR, else user.name and user.email as set, else the login.

    Raises InvalidInput for settings that make no sense.
    """
    given = os.environ.get("DSM_AUTHOR")
    if given:
        return given
    name, email = config.get("user.name"), config.get("user.email")
    if name or email:
        return f"{name or ''}{f' <{email}>' if email else ''}".strip()
    login = os.environ.get("LOGNAME") or os.environ.get("USER")
    if not login:
        try:
            import pwd

            login = pwd.getpwuid(os.getuid()).pw_name
        except (ImportError, KeyError):
            login = "unknown"
    return login


def address_of(place: str) -> str:
    """Returns the address that a setting says the place of, `env:NAME` or `file:PATH`.

    Raises InvalidInput, SecretMissing.
    """
    kind, _, name = place.partition(":")
    if kind not in ("env", "file") or not name:
        raise InvalidInput("a setting says neither env:NAME nor file:PATH")
    return secret_of({"env": "environment"}.get(kind, kind), name)


def secret_of(kind: str, name: str) -> str:
    """Returns the address of a source: a variable's value, a file's line, a keyring's password.

    Raises SecretMissing, which never repeats what was found.
    """
    from dsm.sources.failures import SecretMissing

    found: str | None = None
    hint = None
    if kind == "environment":
        found, hint = os.environ.get(name), f"export {name}=… in the shell that starts dsm"
        what = f"the environment variable {name}"
    elif kind == "file":
        what = f"the file {name}"
        try:
            found = _line_of(os.path.expanduser(name))
        except (OSError, ValueError) as error:
            hint = getattr(error, "strerror", None) or str(error)
    else:
        service, _, user = name.partition(":")
        what = f"the keyring's entry {name}"
        try:
            found = import_module("keyring").get_password(service, user)
        except ImportError:
            hint = "pip install keyring"
        except Exception as error:  # every backend has errors of its own
            hint = f"the keyring answered {type(error).__name__}"
    if found is None or not found.strip():
        raise SecretMissing(f"{what} gives no address", hint=hint)
    return found.strip()


def _line_of(path: str) -> str:
    """Returns the one line of a file, of 64 KiB at most. Raises OSError, ValueError."""
    # What is no file, such as a pipe that nobody writes to, must not be waited for.
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with builtins.open(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise ValueError("it is not a regular file")
        data = file.read(ADDRESS_BYTES_MAX + 1).strip()
    if len(data) > ADDRESS_BYTES_MAX or b"\n" in data:
        raise ValueError("it holds more than one line")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8 text") from None


def cache_folder() -> str | None:
    """Returns the folder for what can be had again: in XDG_CACHE_HOME, else in ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(base, "dsm") if os.path.isabs(base) else None


def memory_folder() -> str:
    """Returns a folder whose files lie in memory, if there is one, else /tmp."""
    shared = "/dev/shm"
    return shared if os.access(shared, os.W_OK | os.X_OK) else "/tmp"


def config_folder() -> str | None:
    """Returns the folder for what a user sets: in XDG_CONFIG_HOME, else in ~/.config."""
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return os.path.join(base, "dsm") if os.path.isabs(base) else None


def user_config() -> UserConfig:
    """Returns the settings of this user for all repositories. Raises InvalidInput."""
    folder = config_folder()
    if folder is None:
        raise InvalidInput(
            "there is no folder for your settings", hint="set HOME or XDG_CONFIG_HOME to one"
        )
    return UserConfig(folder)


def trusts(root: str) -> bool:
    """Whether this user trusts a repository that belongs to another one, as git's safe.directory.

    Its folder is listed in DSM_SAFE_DIRECTORY (parted by ":"), or as `directory` under `[safe]` in
    ~/.config/dsm/config.toml; `DIR/*` stands for DIR and all below it, `*` for all folders.
    Raises InvalidInput when that file makes no sense.
    """
    place = os.path.realpath(root)
    given = os.environ.get("DSM_SAFE_DIRECTORY", "").split(":")
    return _lists(given, place) or _lists(_safe_directories(), place)


def _lists(entries: list[str], place: str) -> bool:
    for entry in entries:
        folder = os.path.realpath(entry.removesuffix("/*"))
        below = entry.endswith("/*") and place.startswith(folder.rstrip("/") + "/")
        if entry == "*" or (os.path.isabs(entry) and (place == folder or below)):
            return True
    return False


def _safe_directories() -> list[str]:
    """Reads what the user's own settings say; never those of a repository."""
    import tomllib

    folder = config_folder()
    if folder is None:
        return []
    path = os.path.join(folder, "config.toml")
    try:
        with builtins.open(path, "rb") as file:
            found = tomllib.load(file).get("safe", {}).get("directory", [])
    except (FileNotFoundError, PermissionError):
        return []
    except (OSError, ValueError, AttributeError) as error:
        raise InvalidInput(
            f"{path} cannot be used: {error}", hint="mend it with an editor"
        ) from None
    entries = [found] if isinstance(found, str) else found
    if not isinstance(entries, list) or not all(isinstance(each, str) for each in entries):
        raise InvalidInput(f"{path}: safe.directory is a list of folders")
    return entries


def _replaced() -> dict[str, str]:
    """Reads what a run that is made again is given in place of what it read: OLD=NEW,OLD=NEW."""
    pairs = (pair.partition("=") for pair in os.environ.get("DSM_RUN_DATA", "").split(","))
    return {old: new for old, _, new in pairs if new}


def environment() -> Environment:
    """Returns the world as this process sees it."""
    return Environment(
        clock=now_us, author=author, secret_of=secret_of, cache_folder=cache_folder,
        config_folder=config_folder, memory_folder=memory_folder,
        trusted_sources=lambda: os.environ.get("DSM_TRUST_SOURCES", ""),
        trusted_references=lambda: os.environ.get("DSM_TRUST_REFERENCES", ""),
        trusts=trusts, run=lambda: os.environ.get("DSM_RUN") or None,
        replaced=_replaced,
    )  # fmt: skip


def _check_names_are_utf8() -> None:
    """Raises NamesNotUtf8 where Python would take a name for another, and record that."""
    encoding = sys.getfilesystemencoding()
    if encoding != "utf-8":
        raise NamesNotUtf8(
            f"this Python reads names of files as {encoding}; names in a dataset are UTF-8",
            hint="set PYTHONUTF8=1, or start it with `python -X utf8`",
        )


@suggests
def open(path: str | os.PathLike[str] = ".", *, cache: bool = True) -> Catalog:
    """Opens the repository at or above `path`, or that of a remote, such as s3://bucket/birds.

    A remote is only read. Its changesets are kept in the user's cache folder, where what is new is
    fetched to; objects are fetched when they are read, and kept there as well. Without `cache`
    nothing is kept: the changesets lie in memory (in /dev/shm, else in /tmp) until it is closed,
    and objects are fetched again each time.

    Raises NotFound when there is no such folder or remote, NotARepository, NamesNotUtf8,
    InvalidInput for an address that cannot be, and for a remote HistoryRewritten, OtherRepository,
    RemoteRefused, RemoteDamaged, RemoteFailed.
    """
    _check_names_are_utf8()
    if "://" in os.fspath(path):
        return open_remote(os.fspath(path), cache=cache)
    return Catalog(discover(os.fspath(path)), environment())


def open_remote(url: str, progress: Progress = SILENT, *, cache: bool = True) -> Catalog:
    """Opens the repository of a remote, which may be a folder as well, to be read; see `open`.

    Raises NotFound when no remote is there, InvalidInput for an address that cannot be, and
    HistoryRewritten, OtherRepository, RemoteRefused, RemoteDamaged, RemoteFailed.
    """
    from dsm.remotes import opening

    world = environment()
    if cache:
        return opening.open_remote(url, world, lambda folder: Catalog(folder, world), progress)
    world = replace(world, cache_folder=lambda: None)
    return opening.open_unkept(url, world, lambda folder: Catalog(folder, world), progress)


@suggests
def init(
    path: str | os.PathLike[str] = ".",
    *,
    dataset: str | None = None,
    org: str | None = None,
    pattern: str | None = None,
    unmatched: str | None = None,
) -> Catalog:
    """Creates a repository in a folder, with a first dataset named after it; idempotent.

    `pattern` and `unmatched` are those of `Catalog.create_dataset`. Run again, it completes what is
    missing and changes nothing that is there. Raises InvalidInput when the folder belongs to
    another org, the dataset that is there keeps another pattern or does something else with files
    that it does not match, or one of these cannot be; NamesNotUtf8.
    """
    from dsm.store.chunks import Chunking

    _check_names_are_utf8()
    refuse_address(os.fspath(path))
    refuse_store(os.fspath(path))
    root = os.path.abspath(os.fspath(path))
    if os.path.exists(root) and not os.path.isdir(root):
        raise InvalidInput(f"{root} is not a folder")
    if pattern is not None:
        from dsm.model.pattern import PathPattern

        PathPattern.parse(pattern)
    if unmatched is not None:
        check_unmatched(unmatched)
    name = dataset or dataset_name_for(os.path.basename(root))
    check_dataset_name(name)
    created = initialise(
        root,
        org or ORG_DEFAULT,
        lambda: {
            "repository": os.urandom(16).hex(),
            "org": org or ORG_DEFAULT,
            "created": now_us(),
            "chunking": Chunking().to_json(),
        },
    )
    repo = Catalog(root, environment())
    repo.created = created
    if org is not None and repo.org != org:
        raise InvalidInput(
            f"{root} belongs to org {repo.org!r}", hint="an org is chosen once, by the first init"
        )
    names = repo.datasets()
    if not names or (dataset is not None and dataset not in names):
        try:
            repo.create_dataset(name, pattern=pattern, unmatched=unmatched or SKIP)
            repo.added = None if created else name
            return repo
        except AlreadyExists:
            names = repo.datasets()
            if name not in names:  # but one that differs in letter case
                raise
    if pattern is not None or unmatched is not None:
        _refuse_others(repo.dataset(name if name in names else None), pattern, unmatched)
    return repo


def _refuse_others(there: Dataset, pattern: str | None, unmatched: str | None) -> None:
    """Raises InvalidInput when a dataset that is there keeps something else than was given."""
    if pattern is not None and there.pattern != pattern:
        raise InvalidInput(
            "the dataset exists and keeps another pattern",
            hint="change it with `dsm dataset set --pattern`, or create another dataset",
        )
    if unmatched is not None and there.unmatched != unmatched:
        raise InvalidInput(
            f"the dataset exists and has the setting {there.unmatched} for files that its pattern"
            " does not match",
            hint="change it with `dsm dataset set --unmatched`, or create another dataset",
        )


@suggests
def clone(
    url: str,
    path: str | os.PathLike[str] | None = None,
    *,
    datasets: Sequence[str] | None = None,
    files: bool = True,
    objects: bool = True,
    progress: Progress = SILENT,
) -> CloneReport:
    """Copies a remote, a folder or an address such as s3://bucket/data, into a new folder.

    `datasets` names some of them; without `files` the work tree stays empty, also when it is pulled
    later. Without `objects` it stays empty as well, and what examples hold is fetched when it is
    read. Interrupted, it goes on when it is called again.

    Raises InvalidInput for the address or names that cannot be, NotFound when no remote or no such
    dataset is there, AlreadyExists when the folder holds something else, NamesNotUtf8, and what
    `Catalog.pull` raises.
    """
    from dsm.remotes import clone as cloning

    _check_names_are_utf8()
    target = None if path is None else os.fspath(path)
    if target is not None:
        refuse_address(target)
        refuse_store(target)
    world = environment()
    return cloning.clone(
        url, target, world, lambda folder: Catalog(folder, world),
        datasets=None if datasets is None else tuple(datasets), files=files, objects=objects,
        progress=progress,
    )  # fmt: skip


# --- copies -----------------------------------------------------------------------------------


def opened_again(root: str, repository_id: str) -> Catalog:
    """Opens the repository of a copy, made by pickle or `copy`, in whatever process this is.

    Raises NotARepository, or NotFound when another repository lies there by now.
    """
    repo = open(root)
    if (repo.root, repo.id) != (root, repository_id):
        raise NotFound(
            f"{root} is not the repository that this copy was made of",
            hint="open it again by its path",
        )
    return repo


def _parts_of_repository(repo: Catalog) -> tuple[object, ...]:
    return opened_again, (repo.root, repo.id)


def _parts_of_dataset(dataset: Dataset) -> tuple[object, ...]:
    return Dataset, (dataset.repo, dataset.identity)


# A copy shares nothing with its original: it opens files of its own, and takes the clock, the user
# and the secrets of the process that it is in.
copyreg.pickle(Catalog, _parts_of_repository)  # type: ignore[arg-type]
copyreg.pickle(Dataset, _parts_of_dataset)  # type: ignore[arg-type]
