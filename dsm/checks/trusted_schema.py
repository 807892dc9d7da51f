"""Validating a table by a schema in a Python file of the work tree that its user trusts."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import pyarrow as pa
from pyarrow import ipc

from dsm.checks.names_job import NamesJob
from dsm.checks.rule import SchemaFailure
from dsm.checks.schema_job import SchemaFailed, SchemaJob
from dsm.errors import NotFound, Refused
from dsm.model.names import printable
from dsm.repo.hooks import TRUSTED, mend, read_code
from dsm.store.workers import Worker, WorkerLost, gather, start

if TYPE_CHECKING:
    from dsm.repo.repository import Repository


class SchemaUntrusted(Refused):
    """A rule needs a Python file that this user has not let run."""

    code = "schema-untrusted"


def _trusted(repository: Repository, file: str, rule: str, such_as: str) -> bytes:
    """Returns the bytes of a file that this user trusts. Raises NotFound, SchemaUntrusted."""
    found = read_code(repository, file)
    if found is None:
        raise NotFound(
            f"there is no file {printable(file)} beside dsm.toml",
            hint=f'the rule {rule} names a module of the folder of .dsm: "{such_as}"',
        )
    code, source = found
    if code.state != TRUSTED:
        raise SchemaUntrusted(
            f"{printable(file)} is {code.state}, and the rule {rule} would run it", hint=mend(code)
        )
    return source


@contextlib.contextmanager
def _told_of(file: str) -> Iterator[None]:
    """Says of a lost worker that the file ended it: what is run once more ends the same way.

    Nobody but the system kills a process, for lack of memory.
    """
    try:
        yield
    except WorkerLost as lost:
        if lost.status == -signal.SIGKILL:
            raise
        raise SchemaFailed(f"{printable(file)} ended its own process ({lost.ended})") from None


def names_found(
    repository: Repository, file: str, name: str, texts: Iterable[list[str]]
) -> Iterator[list[list[str]]]:
    """Yields the names that a function of a file finds in lists of texts, masked, by a worker.

    Exactly the bytes that are trusted are run. Raises NotFound without the file, SchemaUntrusted,
    SchemaFailed and WorkerLost.
    """
    source = _trusted(repository, file, "personal-data", "people:names_in")
    crew: list[Worker] = start([NamesJob(file, source, name)])
    if not crew:
        raise WorkerLost("no process can be started to look for names")
    try:
        for part in texts:
            crew[0].order(part)
            with _told_of(file):
                answer = crew[0].hear()
            assert isinstance(answer, list)
            yield answer
    finally:
        for worker in crew:
            worker.end()


def validated(repository: Repository, file: str, name: str, table: pa.Table) -> list[SchemaFailure]:
    """Returns what fails in a table, by a worker process.

    Exactly the bytes that are trusted are run. Raises NotFound without the file, SchemaUntrusted,
    SchemaFailed, LibraryMissing and WorkerLost.
    """
    source = _trusted(repository, file, "pandera", "schemas:Photos")
    sink = pa.BufferOutputStream()
    with ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    failures: list[SchemaFailure] = []
    crew: list[Worker] = start([SchemaJob(file, source, name, sink.getvalue().to_pybytes())])
    if not crew:
        raise WorkerLost("no process can be started to validate a schema")
    try:
        with _told_of(file):
            for message in gather(crew):
                assert isinstance(message, list)
                failures += message
    finally:
        for worker in crew:
            worker.end()
    return failures
