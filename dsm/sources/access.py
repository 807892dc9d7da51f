"""Consent: whose queries may use this user's access to a datastore.

A repository from elsewhere brings sources and queries along. To run them is to let its author say
which variable, file or keyring entry of this user is read as an address, which driver is loaded,
and what is asked. The invariant: none of it happens for a source that this user neither added here
nor trusted, as it is written now. What is trusted stands in the user's own folder, one file for
each source of each copy of a repository; nothing that the repository holds counts.
Specified in docs/format/trusted-source.md.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any

from blake3 import blake3

from dsm.errors import DsmError, Refused
from dsm.format import document
from dsm.repo import documents
from dsm.repo.repository import Repository
from dsm.sources import source as sources
from dsm.store import disk

if TYPE_CHECKING:
    from dsm.sources.source import Source

FOLDER = "trusted-sources"
# So many digits of a digest and more can stand for it.
DIGITS_MIN = 16
EVERYTHING = "*"


class SourceUntrusted(Refused):
    """A source came with the repository, and this user has not said that its queries may run."""

    code = "source-untrusted"


class Access:
    """The sources of a repository as this user may use them."""

    def __init__(self, repository: Repository):
        self._repository = repository

    def trusted(self, source: Source) -> bool:
        """Whether queries of this source may run, as it is written now."""
        return self._named(source) or self._recorded(source)

    def check(self, source: Source) -> None:
        """Raises SourceUntrusted."""
        if not self.trusted(source):
            raise SourceUntrusted(
                f"source {source.name} came with this repository, and you have not trusted it",
                hint=f"`dsm source show {source.name}` shows what it would use of yours,"
                f" `dsm source trust {source.name}` lets its queries run",
            )

    def address_of(self, source: Source) -> str:
        """Returns the address of a trusted source. Raises SourceUntrusted, SecretMissing."""
        self.check(source)
        return self._repository.environment.secret_of(source.kind, source.secret)

    def grant(self, source: Source) -> None:
        """Lets the queries of a source run, as it is written now.

        Raises Refused where this user has no folder for that, and StorageFailed.
        """
        folder = self._folder()
        if folder is None:
            raise Refused(
                "there is no folder of yours outside of the repository to keep it in that you trust"
                f" source {source.name}",
                hint=f"set XDG_CONFIG_HOME, or export DSM_TRUST_SOURCES={source.name}",
            )
        disk.make_dirs(folder.folder, mode=0o700)
        fields = {**self._fields(source), "granted": self._repository.environment.clock()}
        folder.create(self._name(source), fields)

    def revoke(self, source: Source) -> bool:
        """Takes back what `grant` did; False where there was nothing to take back."""
        folder = self._folder()
        if folder is None or not self._recorded(source):
            return False
        folder.remove(self._name(source))
        return True

    def _named(self, source: Source) -> bool:
        for word in self._repository.environment.trusted_sources().split(","):
            name, _, digits = word.strip().partition("@")
            pinned = len(digits) >= DIGITS_MIN and source.digest.startswith(digits)
            if word.strip() == EVERYTHING or (name == source.name and (pinned or "@" not in word)):
                return True
        return False

    def _recorded(self, source: Source) -> bool:
        folder = self._folder()
        if folder is None:
            return False
        with contextlib.suppress(DsmError):
            found = folder.read(self._name(source))
            return found is not None and found.items() >= self._fields(source).items()
        return False

    def _folder(self) -> documents.Documents | None:
        base = self._repository.environment.config_folder()
        if base is None:
            return None
        # A folder that examples are written to is not this user's alone.
        real, root = os.path.realpath(base), os.path.realpath(self._repository.root)
        if f"{real}/".startswith(f"{root}/"):
            return None
        return documents.trusted_sources(os.path.join(real, FOLDER))

    def _name(self, source: Source) -> str:
        return blake3(document.canonical(self._fields(source))).hexdigest()

    def _fields(self, source: Source) -> dict[str, Any]:
        root = os.fsencode(os.path.realpath(self._repository.root))
        return {
            "repository": self._repository.id,
            "root": root.decode(errors="backslashreplace"),
            "source": source.to_json(),
        }


def add_source(
    repository: Repository, name: str, driver: str, kind: str, secret: str, *, created: int
) -> Source:
    """Records a source that this user names here, and trusts it if that can be noted.

    Raises AlreadyExists when the name is taken, InvalidInput when something is malformed.
    """
    source = sources.create(repository, name, driver, kind, secret, created=created)
    with contextlib.suppress(DsmError):  # such as a home folder that cannot be written
        Access(repository).grant(source)
    return source


def remove_source(repository: Repository, name: str) -> None:
    """Forgets a source, and that it was trusted; the datastore is not touched. Raises NotFound."""
    with contextlib.suppress(DsmError):  # a damaged document can be removed as well
        Access(repository).revoke(sources.find(repository, name))
    sources.remove(repository, name)
