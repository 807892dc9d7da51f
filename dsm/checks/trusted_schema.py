"""Validating a table by a schema in a Python file of the work tree that its user trusts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
from pyarrow import ipc

from dsm.checks.rule import SchemaFailure
from dsm.checks.schema_job import SchemaJob
from dsm.errors import NotFound, Refused
from dsm.model.names import printable
from dsm.repo.hooks import TRUSTED, mend, read_code
from dsm.store.workers import Worker, WorkerLost, gather, start

if TYPE_CHECKING:
    from dsm.repo.repository import Repository


class SchemaUntrusted(Refused):
    """A rule needs a Python file that this user has not let run."""

    code = "schema-untrusted"


def validated(repository: Repository, file: str, name: str, table: pa.Table) -> list[SchemaFailure]:
    """Returns what fails in a table, by a worker process.

    Exactly the bytes that are trusted are run. Raises NotFound without the file, SchemaUntrusted,
    SchemaFailed, LibraryMissing and WorkerLost.
    """
    found = read_code(repository, file)
    if found is None:
        raise NotFound(
            f"there is no file {printable(file)} beside dsm.toml",
            hint='the rule pandera names a module of the folder of .dsm: "schemas:Photos"',
        )
    code, source = found
    if code.state != TRUSTED:
        raise SchemaUntrusted(
            f"{printable(file)} is {code.state}, and the rule pandera would run it", hint=mend(code)
        )
    sink = pa.BufferOutputStream()
    with ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    failures: list[SchemaFailure] = []
    crew: list[Worker] = start([SchemaJob(file, source, name, sink.getvalue().to_pybytes())])
    if not crew:
        raise WorkerLost("no process can be started to validate a schema")
    try:
        for message in gather(crew):
            assert isinstance(message, list)
            failures += message
    finally:
        for worker in crew:
            worker.end()
    return failures
