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
from typing import TYPE_CHECKING, Any

from dsm.errors import DsmError, Refused
from dsm.repo import documents
from dsm.repo.repository import Repository
from dsm.repo.trust_notes import TrustNotes
from dsm.sources import source as sources

if TYPE_CHECKING:
    from dsm.sources.source import Source

# So many digits of a digest and more can stand for it.
DIGITS_MIN = 16
EVERYTHING = "*"


class SourceUntrusted(Refused):
    """A source came with the repository, and this user has not said that its queries may run."""

    code = "source-untrusted"


class Access:
    """The sources of a repository as this user may use them."""

    def __init__(self, repository: Repository):
        self._environment = repository.environment
        self._notes = TrustNotes.of(repository, documents.trusted_sources)

    def trusted(self, source: Source) -> bool:
        """Whether queries of this source may run, as it is written now."""
        return self._named(source) or self._notes.have(_noted(source))

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
        return self._environment.secret_of(source.kind, source.secret)

    def grant(self, source: Source) -> None:
        """Lets the queries of a source run, as it is written now.

        Raises Refused where this user has no folder for that, and StorageFailed.
        """
        self._notes.grant(
            _noted(source), self._environment.clock(), named=f"source {source.name}",
            hint=f"set XDG_CONFIG_HOME, or export DSM_TRUST_SOURCES={source.name}",
        )  # fmt: skip

    def revoke(self, source: Source) -> bool:
        """Takes back what `grant` did; False where there was nothing to take back."""
        return self._notes.revoke(_noted(source))

    def _named(self, source: Source) -> bool:
        for word in self._environment.trusted_sources().split(","):
            name, _, digits = word.strip().partition("@")
            pinned = len(digits) >= DIGITS_MIN and source.digest.startswith(digits)
            if word.strip() == EVERYTHING or (name == source.name and (pinned or "@" not in word)):
                return True
        return False


def _noted(source: Source) -> dict[str, Any]:
    return {"source": source.to_json()}


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
