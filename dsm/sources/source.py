"""The names of restricted datastores: sealed documents that say which driver, and where the address
is to be read from.

The invariant: no document holds an address or a secret, only the name of an environment variable,
the path of a file or a keyring's service. Specified in docs/format/source.md.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any

from blake3 import blake3

from dsm.errors import AlreadyExists, DamagedData, InvalidInput, NotFound
from dsm.format import document
from dsm.model.names import check_dataset_name, close_matches, printable
from dsm.repo import documents
from dsm.repo.repository import Repository
from dsm.store import disk

ENVIRONMENT, FILE, KEYRING = "environment", "file", "keyring"
KINDS = (ENVIRONMENT, FILE, KEYRING)
KNOWN_DRIVERS = ("postgresql", "sqlite", "duckdb")

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}")
_DRIVER = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_ADDRESS = re.compile(r"://|[=@]")


@dataclass(frozen=True, slots=True)
class Source:
    """A restricted datastore. `created` is in microseconds UTC; `secret` names, never holds."""

    id: str
    name: str
    driver: str
    kind: str
    secret: str
    created: int

    @property
    def digest(self) -> str:
        """The BLAKE3 of what the document says, in hex: another for every change of it."""
        return blake3(document.canonical(self.to_json())).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """Returns what the document holds."""
        return {
            "source": self.id, "name": self.name, "driver": self.driver,
            "secret": {"kind": self.kind, "name": self.secret}, "created": self.created,
        }  # fmt: skip


def check_source_name(name: str) -> str:
    """Returns `name`, fit to name a source. Raises InvalidInput."""
    _refuse_address("the name", name, "NAME is what queries call the source by, such as payments")
    try:
        return check_dataset_name(name)
    except InvalidInput as error:
        raise InvalidInput(
            error.message.replace("name a dataset", "name a source"), hint=error.hint
        ) from None


def check_secret(kind: str, name: str, root: str | None = None) -> str:
    """Returns where an address is read from, checked. Raises InvalidInput.

    A file below `root`, if the repository's folder is given, is refused: `dsm add` would store it.
    """
    if kind == FILE:
        if "://" in name:
            _refuse_address("the file", name, "--uri-file takes the path of a file")
        if not name.startswith(("/", "~/")) or "\0" in name or len(name) > 4096:
            raise InvalidInput(
                "the file of an address is named from the root, or from the home folder",
                hint="such as --uri-file ~/.config/payments.uri",
            )
        real = os.path.realpath(name)
        if (
            root
            and name.startswith("/")
            and real.startswith(os.path.realpath(root).rstrip("/") + "/")
        ):
            raise InvalidInput(
                f"{printable(name)} lies in the repository, where it could be added to a dataset",
                hint="keep it elsewhere, readable by you alone",
            )
        return name
    if kind == ENVIRONMENT:
        _refuse_address(
            "the variable", name, "--uri-env takes the variable's NAME: export it in the shell"
        )
        if not _VARIABLE.fullmatch(name):
            raise InvalidInput("an environment variable is named by letters, digits and _")
        return name
    _refuse_address("the keyring's service", name, "--keyring takes SERVICE or SERVICE:USER")
    if not name or len(name) > 200 or printable(name) != name:
        raise InvalidInput("a keyring's service is 1 to 200 printable characters")
    return name


def _refuse_address(what: str, text: str, hint: str) -> None:
    """Refuses what looks like an address, without repeating it: it may hold a password."""
    if _ADDRESS.search(text):
        raise InvalidInput(f"{what} looks like an address; dsm keeps no addresses", hint=hint)


def check_driver(driver: str) -> str:
    """Returns a driver's name. Raises InvalidInput for a path: see docs/adr/0015."""
    if _ADDRESS.search(driver) or not _DRIVER.fullmatch(driver):
        raise InvalidInput(
            "a driver is named by small letters, digits, - and _, not by a path or an address",
            hint=f"one of {', '.join(KNOWN_DRIVERS)}, or an installed ADBC driver",
        )
    return driver


def create(
    repository: Repository, name: str, driver: str, kind: str, secret: str, *, created: int
) -> Source:
    """Records a source. Raises AlreadyExists, or InvalidInput for what is malformed."""
    check_source_name(name)
    check_driver(driver)
    check_secret(kind, secret, repository.root)
    source = Source(os.urandom(16).hex(), name, driver, kind, secret, created)
    known = documents.sources(repository.layout)
    disk.make_dirs(known.folder)
    if not known.create(name, source.to_json()):
        raise _taken(name)
    return source


def _taken(name: str) -> AlreadyExists:
    return AlreadyExists(
        f"there is a source {name!r} already", hint=f"`dsm source remove {name}` forgets it"
    )


def names(repository: Repository) -> list[str]:
    """Returns the names of all sources, sorted."""
    return documents.sources(repository.layout).names()


def find(repository: Repository, name: str) -> Source:
    """Reads a source. Raises NotFound with near matches, or DamagedData."""
    check_source_name(name)
    sources = documents.sources(repository.layout)
    where, fields = sources.path(name), sources.read(name)
    if fields is None:
        known = sources.names()
        near = close_matches(name, known)
        hint = f"did you mean {near[0]}?" if near else "`dsm source list` lists what is there"
        raise NotFound(f"there is no source {name!r} here", hint=hint)
    return decode(fields, name, where)


def decode(fields: dict[str, Any], name: str, where: str) -> Source:
    """Turns a document's fields into a source; checks them as if they were typed.

    Raises DamagedData.
    """
    try:
        source = Source(
            fields["source"], fields["name"], fields["driver"], fields["secret"]["kind"],
            fields["secret"]["name"], fields["created"],
        )  # fmt: skip
    except (KeyError, TypeError) as error:
        raise DamagedData(f"{where} lacks {error}") from error
    texts = (source.id, source.name, source.driver, source.kind, source.secret)
    if not all(isinstance(text, str) for text in texts) or type(source.created) is not int:
        raise DamagedData(f"{where} has a field of a kind that does not belong there")
    if source.name != name or source.kind not in KINDS:
        raise DamagedData(f"{where} belongs to another source, or names no known kind of secret")
    try:
        check_driver(source.driver)
        check_secret(source.kind, source.secret)
    except InvalidInput as error:
        raise DamagedData(f"{where}: {error.message}") from None
    return source


def remove(repository: Repository, name: str) -> None:
    """Forgets a source; the datastore is not touched. Raises NotFound."""
    # A damaged document can be removed as well.
    if check_source_name(name) not in names(repository):
        find(repository, name)
    documents.sources(repository.layout).remove(name)
