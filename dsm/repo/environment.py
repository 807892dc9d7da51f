"""What the library asks of the world, given to it by whoever opens a repository."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from dsm.errors import Refused
from dsm.repo.config import Config


def _no_secrets(kind: str, name: str) -> str:
    raise Refused("this repository was opened without access to sources")


@dataclass(frozen=True, slots=True)
class Environment:
    """The world as the library sees it: a clock, a user, a current folder, and secrets.

    `clock` returns microseconds since 1970, UTC; `author` the name for new changesets, given the
    settings; `current_folder` is what relative paths start from; `secret_of` returns the address
    of a source from the kind and the name of where it lies, and raises Refused; `cache_folder`
    returns where this user keeps what can be had again, `config_folder` where settings that hold
    for every repository, None for nowhere; `memory_folder` where files lie in memory, or else until
    the machine starts anew; `trusted_sources` the names of sources whose queries may
    run in this process, with commas between them; `trusts` says of the folder of a repository that
    belongs to another user whether it may be written and run for; `trusted_references` returns the
    addresses at which references may be read in this process, with commas between them;
    `run` returns the id of the run that this process is part of, if it is; `replaced` what other
    data that run is to read: a view's version to that of another one, the id of a dataset to the
    number of the changeset that is its newest one.
    """

    clock: Callable[[], int]
    author: Callable[[Config], str]
    current_folder: Callable[[], str] = os.getcwd
    secret_of: Callable[[str, str], str] = _no_secrets
    cache_folder: Callable[[], str | None] = lambda: None
    config_folder: Callable[[], str | None] = lambda: None
    memory_folder: Callable[[], str] = lambda: "/tmp"
    trusted_sources: Callable[[], str] = lambda: ""
    trusts: Callable[[str], bool] = lambda root: False
    trusted_references: Callable[[], str] = lambda: ""
    run: Callable[[], str | None] = lambda: None
    replaced: Callable[[], Mapping[str, str]] = dict
