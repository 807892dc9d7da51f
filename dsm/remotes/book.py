"""The remotes of a repository by name, as its settings list them. No secret is among them."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass

from dsm.errors import AlreadyExists, Conflict, DamagedData, InvalidInput, NotFound
from dsm.model.keywords import verbs_suggest
from dsm.model.names import check_dataset_name, close_matches, printable
from dsm.remotes.address import check_url, is_read_only, open_backend
from dsm.remotes.backend import RemoteRefused
from dsm.remotes.contents import require_repository
from dsm.remotes.probe import creates_exclusively
from dsm.remotes.tracking import Tracking
from dsm.repo.config import REMOTE_KEY
from dsm.repo.repository import Repository

ORIGIN = "origin"


@dataclass(frozen=True, slots=True)
class RemoteEntry:
    """A remote as the settings say it.

    `datasets` are those that a clone was limited to, none for all; `single_writer` says that the
    place cannot keep two who push from overwriting each other, and that its owner knows.
    """

    name: str
    url: str
    datasets: tuple[str, ...] = ()
    single_writer: bool = False
    default: bool = False

    @property
    def read_only(self) -> bool:
        """Whether nobody can push there by its address, as by HTTP."""
        return is_read_only(self.url)


@verbs_suggest
class Remotes:
    """The remotes of one repository; `repo.remotes`."""

    def __init__(self, repository: Repository):
        self._repository = repository
        self._config = repository.config

    def names(self) -> list[str]:
        """Returns the names of all remotes, sorted."""
        keys = (re.fullmatch(REMOTE_KEY, key) for key, _ in self._config.items())
        return sorted({key[1] for key in keys if key is not None and key[2] == "url"})

    def list(self) -> list[RemoteEntry]:
        """Returns all remotes, sorted by name."""
        return [self.find(name) for name in self.names()]

    @property
    def default(self) -> str | None:
        """The remote that is meant when none is named: as set, else origin, else the only one."""
        chosen = self._config.get("core.remote")
        names = self.names()
        if chosen is not None:
            return chosen if chosen in names else None
        return ORIGIN if ORIGIN in names else names[0] if len(names) == 1 else None

    def find(self, name: str | None = None) -> RemoteEntry:
        """Returns a remote, the default one without a name.

        Raises NotFound with near matches, InvalidInput for an address in the settings that is none.
        """
        names = self.names()
        default = self.default
        wanted = name or default
        if wanted is None:
            if not names:
                raise NotFound("there is no remote", hint="`dsm remote add origin URL` names one")
            raise NotFound(
                f"which remote? There are {len(names)}: {', '.join(names[:10])}",
                hint="`dsm remote default NAME` chooses one",
            )
        if wanted not in names:
            near = close_matches(wanted, names)
            hint = f"did you mean {near[0]}?" if near else "`dsm remote list` lists them"
            raise NotFound(f"there is no remote {printable(wanted)!r}", hint=hint)
        url = check_url(self._config.get(f"remote.{wanted}.url") or "", self._repository.root)
        datasets = tuple((self._config.get(f"remote.{wanted}.datasets") or "").split())
        for each in datasets:
            check_dataset_name(each)
        single = self._config.flag(f"remote.{wanted}.single-writer")
        return RemoteEntry(wanted, url, datasets, single, wanted == default)

    def add(
        self, name: str, url: str, *, single_writer: bool = False, probe: bool = True
    ) -> RemoteEntry:
        """Names a remote, and tries whether it can create names exclusively.

        `url` is a folder, counted from the current one, or an address. A place that cannot is
        refused unless `single_writer`; one that only lets itself be read is taken as it is, and
        without `probe` the first push tries it.

        Raises AlreadyExists, InvalidInput for the name or the address, OtherRepository for a place
        that holds one, NotExclusive, RemoteFailed.
        """
        self._check_name(name)
        if name in self.names():
            raise AlreadyExists(
                f"there is a remote {name!r} already", hint=f"`dsm remote set-url {name} URL`"
            )
        full = self._checked(url)
        if probe:
            self._probe(full, name, single_writer)
        self._config.set(f"remote.{name}.url", full)
        if single_writer:
            self._config.set(f"remote.{name}.single-writer", "true")
        return self.find(name)

    def set_url(
        self, name: str, url: str, *, single_writer: bool = False, probe: bool = True
    ) -> RemoteEntry:
        """Gives a remote another address; what was seen at the old one is forgotten.

        Raises NotFound with near matches, and what `add` raises.
        """
        self.find(name)
        full = self._checked(url)
        if probe:
            self._probe(full, name, single_writer)
        self._config.set(f"remote.{name}.url", full)
        self._config.unset(f"remote.{name}.single-writer")
        if single_writer:
            self._config.set(f"remote.{name}.single-writer", "true")
        Tracking(self._repository.layout, name).forget()
        return self.find(name)

    def rename(self, name: str, new: str) -> RemoteEntry:
        """Gives a remote another name; what was seen there goes along.

        Raises NotFound, AlreadyExists, InvalidInput, and Conflict while a pull is under way.
        """
        found = self.find(name)
        self._check_name(new)
        if new in self.names():
            raise AlreadyExists(f"there is a remote {new!r} already")
        layout = self._repository.layout
        if any(os.path.lexists(layout.pulling(each)) for each in self._repository.datasets()):
            raise Conflict(
                "a pull is under way, which is noted with the name of its remote",
                hint="`dsm pull` completes it, `dsm pull --abort` gives it up",
            )
        values = {
            setting: self._config.get(f"remote.{name}.{setting}")
            for setting in ("datasets", "single-writer", "url")
        }
        for setting, value in values.items():
            if value is not None:
                self._config.set(f"remote.{new}.{setting}", value)
        if self._config.get("core.remote") == name or (found.default and name == ORIGIN):
            self._config.set("core.remote", new)
        if self._config.get("core.objects") == name:
            self._config.set("core.objects", new)
        Tracking(layout, name).move_to(new)
        self._unset(name)
        return self.find(new)

    def remove(self, name: str) -> RemoteEntry:
        """Forgets a remote; nothing at its address is touched.

        Raises NotFound, and RemoteRefused for the one that objects are fetched from.
        """
        found = self.find(name)
        if self._config.get("core.objects") == name:
            raise RemoteRefused(
                f"objects that are not here are fetched from {name} when they are read",
                hint=f"give it another address by `dsm remote set-url {name} URL`",
            )
        if self._config.get("core.remote") == name:
            self._config.unset("core.remote")
        self._unset(name)
        Tracking(self._repository.layout, name).forget()
        return found

    def choose(self, name: str) -> RemoteEntry:
        """Makes a remote the default one. Raises NotFound with near matches."""
        self.find(name)
        self._config.set("core.remote", name)
        return self.find(name)

    def _unset(self, name: str) -> None:
        for setting in ("datasets", "single-writer", "url"):
            self._config.unset(f"remote.{name}.{setting}")

    def _checked(self, url: str) -> str:
        full = check_url(url, self._repository.environment.current_folder())
        inside = f"{full}/".startswith(f"{self._repository.path}/")
        if inside or full == self._repository.root:
            raise InvalidInput(
                f"{full} is this repository", hint="a remote is another place: name an empty folder"
            )
        return full

    def _probe(self, url: str, name: str, single_writer: bool) -> None:
        if is_read_only(url):
            return
        backend = open_backend(url)
        try:
            with suppress(DamagedData):  # that is what fsck is for
                require_repository(backend, self._repository.id)
            exclusive = creates_exclusively(backend)
        except RemoteRefused:
            return  # for reading only; a push will say so
        if not exclusive and not single_writer:
            raise not_exclusive(url)
        if exclusive:
            Tracking(self._repository.layout, name).saw_exclusive(url)

    @staticmethod
    def _check_name(name: str) -> None:
        if not re.fullmatch(REMOTE_KEY, f"remote.{name}.url"):
            raise InvalidInput(
                f"{printable(name)!r} cannot be the name of a remote",
                hint="letters, digits, - and _, such as origin",
            )


class NotExclusive(RemoteRefused):
    """A place where two who push at the same time would overwrite each other."""

    code = "remote-not-exclusive"


def not_exclusive(url: str) -> NotExclusive:
    """Returns the error for a place that the probe found wanting."""
    return NotExclusive(
        f"{url} cannot create a file only if its name is free, so two who push at the same time"
        " could overwrite each other's changesets",
        hint="choose another place; --single-writer takes it all the same, when nobody but you"
        " pushes there",
    )
